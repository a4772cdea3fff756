"""
A load of many clients, each asking for the next path as soon as it has its answer, on a connection that it keeps.

It runs in a process of its own with one loop over all sockets, so that what it measures is the server and not the threads
of the test. Run as a program: load.py PORT CLIENTS PATH…; it stops when its standard input ends, and prints what it saw.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import time

DEADLINE = 10  # seconds that an answer may take before it counts as failed


class Result:
    def __init__(self, seen):
        self.count = seen["count"]
        self.failures = seen["failures"]
        self.slowest = seen["slowest"]  # seconds
        self.slow = seen["slow"]  # the ten slowest: [seconds, path, seconds since the start]

    def __repr__(self):
        return f"{self.count} requests, slowest {self.slowest * 1000:.0f} ms, {len(self.failures)} failures {self.failures[:5]}, slow {self.slow}"


class Load:
    """with Load(port) as load: …; load.result.count — the load runs inside the block."""

    def __init__(self, port, paths, clients=32):
        self.command = [sys.executable, os.path.abspath(__file__), str(port), str(clients), *paths]
        self.result = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "running\n"
        return self

    def __exit__(self, kind, *_):
        seen, _ = self.process.communicate("", timeout=60)
        if kind is None:
            self.result = Result(json.loads(seen))


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
    def __init__(self, port, clients, paths):
        self.port, self.paths = port, paths
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
            self.slow = sorted(self.slow + [[took, client.path, now - self.started]], reverse=True)[:10]

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
            self.look_for_the_overdue()


def main():
    port, clients, *paths = sys.argv[1:]
    loop = _Loop(int(port), int(clients), paths)
    loop.run()
    slowest = loop.slow[0][0] if loop.slow else 0
    print(json.dumps({"count": loop.count, "failures": loop.failures, "slowest": slowest, "slow": loop.slow}))


if __name__ == "__main__":
    main()
