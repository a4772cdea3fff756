"""
A load of many clients, each asking for the next path as soon as it has its answer, on a connection that it keeps.

It runs in a process of its own with one loop over all sockets, so that what it measures is the server and not the threads
of the test. On a machine that is busy with something else, an answer also takes the time for which the server and this loop
were ready to run and had no processor; the kernel counts it (/proc/…/schedstat), and it is taken off.

Run as a program: load.py PID PORT CLIENTS PATH…; it stops when its standard input ends, and prints what it saw.
"""

import bisect
import json
import os
import selectors
import socket
import subprocess
import sys
import time

DEADLINE = 10  # seconds that an answer may take before it counts as failed
SAMPLE = 0.02  # seconds between two looks at the kernel's count
WORTH_A_LOOK = 0.1  # seconds; quicker answers are not corrected


class Result:
    def __init__(self, seen):
        self.count = seen["count"]
        self.failures = seen["failures"]
        self.slowest = seen["slowest"]  # seconds
        self.slow = seen["slow"]  # the ten slowest: [seconds, seconds taken off, path, seconds since the start]

    def __repr__(self):
        return f"{self.count} requests, slowest {self.slowest * 1000:.0f} ms, {len(self.failures)} failures {self.failures[:5]}, slow {self.slow}"


class Load:
    """with Load(server, paths) as load: …; then load.result — the load runs inside the block."""

    def __init__(self, server, paths, clients=32):
        self.command = [sys.executable, os.path.abspath(__file__), str(server.pid), str(server.port), str(clients), *paths]
        self.result = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "running\n"
        return self

    def __exit__(self, kind, *_):
        seen, _ = self.process.communicate("", timeout=60)
        if kind is None:
            self.result = Result(json.loads(seen))


class Waits:
    """For how long the threads of the server, and this one, have waited for a processor, over time."""

    def __init__(self, pid):
        self.folder = f"/proc/{pid}/task"
        self.times, self.samples = [], []
        self.look()

    @staticmethod
    def _read(path):
        try:
            with open(path, encoding="ascii") as f:
                return int(f.read().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0  # the thread has ended, or the kernel does not count

    def look(self):
        self.times.append(time.monotonic())
        threads = {t: self._read(f"{self.folder}/{t}/schedstat") for t in os.listdir(self.folder)}
        self.samples.append((self._read("/proc/self/schedstat"), threads))

    def look_if_due(self):
        if time.monotonic() - self.times[-1] > SAMPLE:
            self.look()

    def between(self, began, ended):
        """What the hindmost thread of the server and this one waited between two times, no more than that."""
        self.look()
        own, threads = self.samples[max(0, bisect.bisect_right(self.times, began) - 1)]
        own_now, threads_now = self.samples[-1]
        hindmost = max((waited - threads.get(t, waited) for t, waited in threads_now.items()), default=0)
        return min(ended - began, own_now - own + hindmost)


class _Client:
    def __init__(self, load, number):
        self.load = load
        self.next = number
        self.open()

    def open(self):
        self.socket = socket.create_connection(("127.0.0.1", self.load.port), timeout=5)
        self.socket.setblocking(False)
        self.load.selector.register(self.socket, selectors.EVENT_READ, self)
        self.received = bytearray()
        self.expected = None
        self.path = None

    def ask(self):
        paths = self.load.paths
        self.path, self.next = paths[self.next % len(paths)], self.next + 1
        self.received.clear()
        self.expected = None
        self.began = time.monotonic()
        self.socket.send(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def read(self):
        try:
            data = self.socket.recv(1 << 18)
        except OSError as problem:
            return self.fail(f"{problem}")
        if not data:
            return self.fail(f"closed after {len(self.received)} bytes")
        self.received += data
        if self.expected is None:
            self.read_head()
        if self.expected is not None and len(self.received) >= self.expected:
            self.load.note(self)
            self.ask()
        return None

    def read_head(self):
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.received[:end]).lower()
        self.status = int(head[9:12])
        at = head.find(b"content-length:")
        self.expected = end + 4 + int(head[at + 15:].split(b"\r\n", 1)[0])

    def fail(self, why):
        self.load.failures.append([self.path, why])
        self.load.selector.unregister(self.socket)
        self.socket.close()
        self.open()
        self.ask()


class _Loop:
    def __init__(self, pid, port, clients, paths):
        self.port, self.paths = port, paths
        self.waits = Waits(pid)
        self.selector = selectors.DefaultSelector()
        self.count, self.failures, self.slow = 0, [], []
        self.started = time.monotonic()
        self.clients = [_Client(self, i) for i in range(clients)]

    def note(self, client):
        now = time.monotonic()
        took = now - client.began
        self.count += 1
        if client.status != 200:
            self.failures.append([client.path, client.status])
        if len(self.slow) < 10 or took > self.slow[-1][0]:
            off = self.waits.between(client.began, now) if took > WORTH_A_LOOK else 0
            self.slow = sorted(self.slow + [[took - off, off, client.path, now - self.started]], reverse=True)[:10]

    def look_for_the_overdue(self):
        limit = time.monotonic() - DEADLINE
        for client in self.clients:
            if client.began < limit:
                client.fail(f"no answer within {DEADLINE} s")

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        for client in self.clients:
            client.ask()
        print("running", flush=True)
        while True:
            for key, _ in self.selector.select(1):
                if key.data is None:
                    return
                key.data.read()
            self.waits.look_if_due()
            self.look_for_the_overdue()


def main():
    pid, port, clients, *paths = sys.argv[1:]
    loop = _Loop(int(pid), int(port), int(clients), paths)
    loop.run()
    slowest = loop.slow[0][0] if loop.slow else 0
    print(json.dumps({"count": loop.count, "failures": loop.failures, "slowest": slowest, "slow": loop.slow}))


if __name__ == "__main__":
    main()
