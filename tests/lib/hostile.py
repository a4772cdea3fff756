"""
All kinds of hostile clients at once, in a process of their own: python -m lib.hostile PORT PATH, in the folder of tests. It stops when its standard input ends, and prints
how often which code was its end.

And the pulse of the healthy ones: how long a ping takes to be answered. On a machine that is busy with something else that is also the
time for which the hub's thread and this one were ready to run and had no processor; the kernel counts it, and it is taken off.
"""

import collections
import json
import os
import subprocess
import sys
import threading
import time

from lib import wait
from lib.frames import BINARY, PING, Client, Closed, frame, head

ASK, ANSWER = frame('{"type":"ping"}'), '{"type":"pong"}'
KINDS = {
    "protocol": frame(opcode=3),
    "binary": frame(b"x" * 1000, BINARY),
    "not_utf8": frame(b"\xff" * 1000),
    "too_large": head(1 << 40) + b"x" * 5000,
    "rate_limit": frame(b"x" * 125, PING) * 200,
}


def thread_of(pid, name):
    """The folder in /proc of the thread of this name."""
    for number in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{number}/comm", encoding="ascii") as f:
            if f.read() == f"{name}\n":
                return f"/proc/{pid}/task/{number}"
    raise AssertionError(f"no thread {name}")


class Pulse:
    NOISE = {0.5: 0.0005, 0.95: 0.005}  # seconds by which such shares differ on a machine of two processors that does something else as well
    PACE = 0.003  # seconds between two pings: 20 sessions in turn stay below their rate

    def __init__(self, server, sockets):
        self.sockets = sockets
        hub = thread_of(server.pid, "hub")
        self.counts = [open(f"{folder}/schedstat", encoding="ascii") for folder in ("/proc/thread-self", hub)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for opened in self.counts:
            opened.close()
        for socket in self.sockets:
            socket.finish()

    def _waited(self):
        """For how long the two threads have waited for a processor, in seconds."""
        waited = 0
        for count in self.counts:
            count.seek(0)
            waited += int(count.read().split()[1])
        return waited / 1e9

    def measure(self, seconds):
        """How long each answer took, in seconds."""
        took = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for socket in self.sockets:
                waited = self._waited()
                began = time.monotonic()
                socket.send(ASK)
                while (opcode_and_text := socket.receive())[1] != ANSWER.encode():
                    assert opcode_and_text[0] == PING
                lasted = time.monotonic() - began
                took.append(max(0, lasted - self._waited() + waited))
                wait.until(lambda b=began: time.monotonic() - b > self.PACE, pause=self.PACE / 4)
        return took

    @staticmethod
    def slowest(took, share):
        """What this share of the answers took at most."""
        return sorted(took)[int(len(took) * share)]

    def describe(self, took):
        return f"{len(took)} answers: median {1e6 * self.slowest(took, 0.5):.0f} us, p95 {1e6 * self.slowest(took, 0.95):.0f} us"


class Attack:
    """with Attack(server, path) as attack: …; then attack.ends."""

    def __init__(self, server, path):
        self.server, self.path = server, path
        self.ends = None

    def __enter__(self):
        command = [sys.executable, "-m", "lib.hostile", str(self.server.port), self.path]
        folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "running\n"
        return self

    def __exit__(self, *_):
        seen, _ = self.process.communicate("", timeout=60)
        self.ends = json.loads(seen)

    def wait_all(self, world):
        """Until each kind has been at work."""
        codes = {"protocol": 1002, "binary": 1003, "not_utf8": 1007, "too_large": 1009, "rate_limit": 1008}
        before = {reason: world.closed(code, reason) for reason, code in codes.items()}
        wait.until(lambda: all(world.closed(code, reason) > before[reason] for reason, code in codes.items()), 20, "all kinds of ends")


def attack_for_ever(port, path, data, ends, stop):
    while not stop.is_set():
        try:
            with Client(port, path, timeout=5) as client:
                client.send(data)
                code, reason = client.closed()
                ends[f"{code} {reason}"] += 1
        except (OSError, Closed, AssertionError) as problem:
            ends[type(problem).__name__] += 1
        stop.wait(0.01)


def drip_for_ever(port, path, ends, stop):
    """A message of 60000 bytes, one at a time."""
    with Client(port, path, timeout=5) as client:
        client.send(head(60000))
        while not stop.wait(0.002):
            client.send(b"x")
        ends["dripped"] += 1


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    ends, stop = collections.Counter(), threading.Event()
    silent = [Client(port, path, small=True) for _ in range(50)]  # they neither read nor answer
    threads = [threading.Thread(target=attack_for_ever, args=(port, path, data, ends, stop)) for data in KINDS.values()]
    threads += [threading.Thread(target=drip_for_ever, args=(port, path, ends, stop)) for _ in range(2)]
    for thread in threads:
        thread.start()
    print("running", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for client in silent:
        client.finish()
    print(json.dumps(ends))


if __name__ == "__main__":
    main()
