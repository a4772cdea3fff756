#!/usr/bin/env python3
"""Copies the steps of the contract scenarios that belong to the milestones reached so far: scenarios.py CONTRACT TARGET

CONTRACT/BY_MILESTONE.md lists them, a table row for each file: | area/name.json | 1 4-7 |
"""

import json
import os
import re
import sys


def numbers(text):
    """The step numbers of "1 4-7"."""
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def main():
    contract, target = sys.argv[1:]
    with open(os.path.join(contract, "BY_MILESTONE.md"), encoding="utf-8") as f:
        rows = re.findall(r"^\| (\w+/[\w-]+\.json) \| ([\d -]+) \|$", f.read(), re.M)
    for name, steps in rows:
        keep = set(numbers(steps))
        with open(os.path.join(contract, name), encoding="utf-8") as f:
            scenario = json.load(f)
        scenario["steps"] = [step for n, step in enumerate(scenario["steps"], 1) if n in keep]
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(scenario, f)
    print(f"{len(rows)} scenarios")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
