"""The report: one table for what has a budget, the rest in short tables below. The budgets are those of the design."""

import datetime
import os
import platform
import statistics
import subprocess

from lib import server

REDIS_WINDOWS = ("before", "during", "after")


class Budget:
    """A limit of the design: the measured value must be at least, or at most, this."""

    def __init__(self, value, at_most=False, unit=""):
        self.value, self.at_most, self.unit = value, at_most, unit

    def __str__(self):
        return f"{'≤' if self.at_most else '≥'} {self.value:g}{self.unit}"

    def verdict(self, measured):
        met = measured <= self.value if self.at_most else measured >= self.value
        return "met" if met else "**missed**"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.2f}–{max(values):.2f})"


def table(heads, rows):
    return "\n".join(["| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *rows]])


def median_of(results, key):
    return statistics.median(r[key] for r in results)


# --- lines of the throughput table ---

RATE_HEADS = ["work", "egoejo, answers/s", "beside it", "ratio: median (lowest–highest)", "budget", "", "CPU per answer, µs", "p99, ms", "failures"]


def rate_row(name, pairs, budget=None, beside="bare", cpu=True):
    ours, other = [p[0] for p in pairs], [p[1] for p in pairs]
    ratios = [a["rate"] / b["rate"] for a, b in pairs]
    microseconds = f"{median_of(ours, 'cpu_us'):.1f} / {median_of(other, 'cpu_us'):.1f}" if cpu else f"{median_of(ours, 'cpu_us'):.1f} / –"
    return [name, number(median_of(ours, "rate")), f"{beside} {number(median_of(other, 'rate'))}", spread(ratios), str(budget) if budget else "–",
            budget.verdict(statistics.median(ratios)) if budget else "", microseconds,
            f"{median_of(ours, 'p99_us') / 1000:.1f} / {median_of(other, 'p99_us') / 1000:.1f}",
            f"{sum(r['failures'] for r in ours)} / {sum(r['failures'] for r in other)}"]


# --- tasks ---

TASK_HEADS = ["tasks", "egoejo, /s", "beside it, /s", "ratio: median (lowest–highest)", "budget", "", "CPU of a task, µs"]


def task_row(name, pairs, budget=None, beside="Celery"):
    ours, other = [p[0] for p in pairs], [p[1] for p in pairs]
    ratios = [a["rate"] / b["rate"] for a, b in pairs]
    return [name, number(median_of(ours, "rate")), f"{beside} {number(median_of(other, 'rate'))}", spread(ratios), str(budget) if budget else "–",
            budget.verdict(statistics.median(ratios)) if budget else "", f"{median_of(ours, 'cpu_us'):.0f} / {median_of(other, 'cpu_us'):.0f}"]


def megabytes(memory):
    return f"{memory[0]:.1f} MB, {memory[1]:.1f} MB"


# --- fan-out ---

FANOUT_HEADS = ["sockets", "burst, deliveries/s", "bare", "ratio: median (lowest–highest)", "budget", "", "CPU in the burst, µs", "paced: CPU, µs",
                "ratio", "budget", "", "paced: p50 / p99 / max, ms", "bare", "lost"]


def _milliseconds(results):
    return " / ".join(f"{median_of(results, key) / 1000:.1f}" for key in ("p50_us", "p99_us", "max_us"))


def _lost(results):
    return sum(r["lost"] + r["disordered"] + r["closed"] for r in results)


def fanout_row(sessions, pairs, burst, pace):
    ours, bare = [p[0] for p in pairs], [p[1] for p in pairs]
    rates, costs = [a["burst_rate"] / b["burst_rate"] for a, b in pairs], [a["paced_cpu_us"] / b["paced_cpu_us"] for a, b in pairs]
    burst_verdict = "" if not burst else burst.verdict(statistics.median(rates)) if not _lost(ours) else "**missed**"
    return [f"{sessions:,}", number(median_of(ours, "burst_rate")), number(median_of(bare, "burst_rate")), spread(rates), str(burst or "–"), burst_verdict,
            f"{median_of(ours, 'burst_cpu_us'):.2f} / {median_of(bare, 'burst_cpu_us'):.2f}",
            f"{median_of(ours, 'paced_cpu_us'):.1f} / {median_of(bare, 'paced_cpu_us'):.1f}", spread(costs), str(pace or "–"),
            pace.verdict(statistics.median(costs)) if pace else "", _milliseconds(ours), _milliseconds(bare), f"{_lost(ours)} / {_lost(bare)}"]


# --- outages ---

OUTAGE_HEADS = ["Redis", "of", "rate before, /s", "during / before", "after / before", "p99 before, ms", "during / before", "after / before", "failures",
                "budget", ""]
OUTAGE_BUDGET = "p99 ≤ 1.2, rate ≥ 1/1.2, no failure"


def _of(windows, who, window, key):
    return [w[window][who][key] for w in windows]


def _ratio(windows, who, window, key):
    return [w[window][who][key] / w["before"][who][key] for w in windows]


def outage_rows(name, windows):
    rows = []
    for who, subject in enumerate(("egoejo", "bare")):
        failures = sum(sum(_of(windows, who, window, "failures")) for window in REDIS_WINDOWS)
        met = (failures == 0 and statistics.median(_ratio(windows, who, "during", "p99_us")) <= 1.2 and
               statistics.median(_ratio(windows, who, "during", "rate")) >= 1 / 1.2)
        rows.append([name if who == 0 else "", subject, number(statistics.median(_of(windows, who, "before", "rate"))),
                     *(spread(_ratio(windows, who, window, "rate")) for window in ("during", "after")),
                     f"{statistics.median(_of(windows, who, 'before', 'p99_us')) / 1000:.1f}",
                     *(spread(_ratio(windows, who, window, "p99_us")) for window in ("during", "after")), str(failures),
                     OUTAGE_BUDGET if who == 0 else "–", ("met" if met else "**missed**") if who == 0 else ""])
    return rows


# --- the machine ---


def _first_line(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def _from_file(path, key, separator):
    with open(path, encoding="utf-8") as f:
        for line in f:
            name, _, value = line.partition(separator)
            if name.strip() == key:
                return value.strip().strip('"')
    return "unknown"


def machine(root):
    cores = _first_line("nproc")
    memory = int(_from_file("/proc/meminfo", "MemTotal", ":").split()[0]) / 1024 / 1024
    commit = _first_line("git", "-C", root, "log", "-1", "--format=%h")
    changed = subprocess.run(["git", "-C", root, "status", "--porcelain", "-uno"], stdout=subprocess.PIPE, text=True).stdout.strip()
    version = server.run("version").stdout.replace("\n", "; ").strip("; ")
    return [
        f"- {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}{' with changes' if changed else ''}",
        f"- {_from_file('/proc/cpuinfo', 'model name', ':')}, {cores} cores, {memory:.0f} GiB, {_from_file('/etc/os-release', 'PRETTY_NAME', '=')}, "
        f"Linux {platform.release()}; load generator and servers on the same machine; load average at the start: {os.getloadavg()[0]:.1f} (0 is an idle machine)",
        f"- {version}",
    ]
