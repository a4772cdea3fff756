"""Load on a server of this machine, made by wrk: one thread, connections kept alive or one for each request."""

import json
import os
import subprocess

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrk.lua")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Processor time that a process has used, all its threads."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def memory(pid):
    """Resident memory of a process in MB: (RSS, PSS)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}
    return sizes["Rss"] / 1024, sizes["Pss"] / 1024


class Load:
    """A run of wrk; start it, then ask for its result."""

    def __init__(self, subject, path, headers, seconds, connections=64, new_connections=False, body=None):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", SCRIPT]
        for name, value in {**headers, **({"Connection": "close"} if new_connections else {})}.items():
            command += ["-H", f"{name}: {value}"]
        environment = {**os.environ, **({"BENCH_METHOD": "POST", "BENCH_BODY": body} if body else {})}
        self.subject = subject
        self.cpu_before = cpu_seconds(subject.pid)
        self.process = subprocess.Popen([*command, f"http://127.0.0.1:{subject.port}{path}"], stdin=subprocess.DEVNULL, env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self):
        """A dictionary: rate (answers per second), p50_us, p99_us, max_us, failures, bytes (of one answer), cpu_us (of the server, per answer)."""
        text, _ = self.process.communicate()
        lines = [line for line in text.splitlines() if line.startswith("{")]
        if self.process.returncode != 0 or not lines:
            raise RuntimeError(f"wrk: {text}")
        measured = json.loads(lines[-1])
        answers = max(measured["requests"], 1)
        return {
            "rate": measured["requests"] / measured["seconds"],
            "p50_us": measured["p50_us"],
            "p99_us": measured["p99_us"],
            "max_us": measured["max_us"],
            "failures": measured["failures"],
            "bytes": measured["bytes"] / answers,
            "cpu_us": (cpu_seconds(self.subject.pid) - self.cpu_before) * 1e6 / answers,
        }


def run(subject, path, headers, seconds, **how):
    return Load(subject, path, headers, seconds, **how).result()
