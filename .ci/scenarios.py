#!/usr/bin/env python3
"""Copies the contract scenarios of the milestones that have ended, as far as they must pass: scenarios.py CONTRACT TARGET

CONTRACT/BY_MILESTONE.md says which, a section for each milestone:
  a table row "| area/name.json | 1 4-7 |"     only these steps
  "Whole, `area/`: name, name (a note)."        every step
  a table row "| area/name | 8, 10-12 (why) |"  every step but these; "13 and later" takes the rest away
  "Whole: `area/` (name, name), area/name, …"      every step, of these and of what is named in full
  "Whole now: area/name, name; area/name."      every step, of files that an earlier milestone named in part
  "In part: area/name (5, why)."                the steps before that one
The last that is said of a file counts.
"""

import json
import os
import re
import sys
from datetime import datetime, timezone

ENDED = ("Milestone 1", "Milestone 2", "Milestone 3", "Milestone 4")


def numbers(text):
    """The step numbers of "1 4-7" or "8, 10-12 (polls), 13 and later"."""
    for first, last, later in re.findall(r"(\d+)(?:-(\d+))?( and later)?", re.sub(r"\([^)]*\)", "", text)):
        yield from range(int(first), 1000 if later else int(last or first) + 1)


def section(text, title):
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


def wanted(contract, text):
    """path of a scenario → whether its step number n must pass."""
    rules = {}
    for title in ENDED:
        part = section(text, title)
        for name, steps in re.findall(r"^\| (\w+/[\w-]+\.json) \| ([\d -]+) \|$", part, re.M):
            keep = set(numbers(steps))
            rules[name] = keep.__contains__
        for area, names in re.findall(r"[Ww]hole,? `(\w+)/`: ([^.:]+(?:\([^)]*\)[^.:]*)*)\.", part):
            for word in re.findall(r"[a-z][\w-]+", re.sub(r"\([^)]*\)", "", names)):
                if os.path.isfile(os.path.join(contract, area, f"{word}.json")):
                    rules[f"{area}/{word}.json"] = lambda n: True
        for area, names, others in re.findall(r"^Whole: `(\w+)/` \(([^)]+)\)([^;:]*)", part, re.M):
            named = [f"{area}/{name}" for name in names.split(", ")] + re.findall(r"\w+/[\w-]+", others)
            rules.update({f"{name}.json": lambda n: True for name in named})
        for areas in re.findall(r"^Whole now: ([^.]+)\.", part, re.M):
            for area, names in re.findall(r"(\w+)/([^;]+)", areas):
                rules.update({f"{area}/{name}.json": lambda n: True for name in names.split(", ")})
        for name, first in re.findall(r"^In part: (\w+/[\w-]+) \((\d+)", part, re.M):
            rules[f"{name}.json"] = lambda n, first=int(first): n < first
        for name, steps in re.findall(r"^\| (\w+/[\w-]+) \| (.+) \|$", part, re.M):
            may_fail = set(numbers(steps))
            if may_fail and os.path.isfile(os.path.join(contract, f"{name}.json")):
                rules[f"{name}.json"] = lambda n, may_fail=may_fail: n not in may_fail
    return rules


def dated_today(text):
    """The name of an exported file has the day of the export: the scenarios have that of their recording."""
    return re.sub(r"_20\d{6}\.(csv|json)", rf"_{datetime.now(timezone.utc):%Y%m%d}.\1", text)


def main():
    contract, target = sys.argv[1:]
    with open(os.path.join(contract, "BY_MILESTONE.md"), encoding="utf-8") as f:
        rules = wanted(contract, f.read())
    for name, must_pass in sorted(rules.items()):
        with open(os.path.join(contract, name), encoding="utf-8") as f:
            scenario = json.load(f)
        steps = len(scenario["steps"])
        scenario["steps"] = [step for n, step in enumerate(scenario["steps"], 1) if must_pass(n)]
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(dated_today(json.dumps(scenario)))
        print(f"{name}: {len(scenario['steps'])} of {steps} steps")
    print(f"{len(rules)} scenarios")
    return 0 if rules else 1


if __name__ == "__main__":
    sys.exit(main())
