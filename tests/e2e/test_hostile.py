"""Clients that mean harm: they may lose their connection, the others must not notice."""

import json
import os
import resource
import selectors
import socket
import time

import pytest

from lib import wait
from lib.load import Load
from lib.raw import HOST, Peer, get

POST = b"POST /api/help-requests/ HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class DripFeeders:
    """n clients that send a byte of a request head, which never ends, every now and then."""

    def __init__(self, port, n, head):
        self.head = head
        self.sent = 0
        self.answers = []  # what each got before its connection ended
        self.open = {}
        self.selector = selectors.DefaultSelector()
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", port), timeout=10)
            s.setblocking(False)
            self.open[s] = b""
            self.selector.register(s, selectors.EVENT_READ)

    def step(self):
        byte = self.head[self.sent % len(self.head):][:1]
        self.sent += 1
        for s in self.open:
            try:
                s.send(byte)
            except OSError:
                pass  # closed: its answer is read below
        until = time.monotonic() + 0.05
        while (left := until - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                self._read(key.fileobj)

    def _read(self, s):
        try:
            data = s.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.open[s] += data
        if not data:
            self.answers.append(self.open.pop(s))
            self.selector.unregister(s)
            s.close()

    def close(self):
        for s in self.open:
            s.close()
        self.selector.close()


def test_a_thousand_drip_feeders_delay_nobody(start_server):
    server = start_server("demo")
    feeders = DripFeeders(server.port, 1000, b"GET /api/projets/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 1000)
    try:
        with Load(server, ["/api/projets/", "/livez", "/api/"], clients=8) as load:
            started = time.monotonic()
            while feeders.open and time.monotonic() - started < 30:
                feeders.step()
        assert not feeders.open  # each was told, and closed, ten seconds after its first byte
        assert time.monotonic() - started < 20
        told = [answer for answer in feeders.answers if answer.startswith(b"HTTP/1.1 408 ")]
        assert len(told) > 900  # a byte that crosses the close on the wire costs the answer, rarely
        assert load.result.failures == [] and load.result.count > 100
    finally:
        feeders.close()


def test_feeders_on_used_connections_are_closed_too(server):
    peers = [Peer(server.port) for _ in range(50)]
    for peer in peers:
        assert peer.ask(get()).status == 200
        peer.send(b"GET / HTTP/1.1\r\nHost: loc")
    started = time.monotonic()
    for peer in peers:
        answer = peer.answer()
        assert answer.status == 408 and json.loads(answer.body).keys() == {"detail"}
        assert peer.ends()
        peer.close()
    assert 8 < time.monotonic() - started < 20


def test_a_slow_body_is_408(server):
    with Peer(server.port) as slow, Peer(server.port) as steady:
        for peer in (slow, steady):
            peer.send(POST + b"Content-Length: 20000\r\n\r\n")
        started = time.monotonic()
        slow.send(b" ")
        for _ in range(10):  # 1.6 KiB each second
            steady.send(b" " * 1600)
            time.sleep(1)  # the rate is what this is about
        assert steady.ask(b" " * 3998 + b"{}").status != 408
        answer = slow.answer()
        assert answer.status == 408 and time.monotonic() - started < 20
        assert slow.ends()


def test_the_silent_are_closed(server):
    peers = [Peer(server.port) for _ in range(20)]
    started = time.monotonic()
    assert all(peer.ends() for peer in peers)
    assert time.monotonic() - started < 15
    assert server.get("/livez").status == 200


def test_more_connections_than_allowed(start_server):
    server = start_server(MAX_CONNECTIONS=20)
    peers = [Peer(server.port) for _ in range(20)]
    for peer in peers:
        assert peer.ask(get()).status == 200
    for _ in range(50):
        with Peer(server.port) as extra:
            answer = extra.ask(get())
            assert answer is None or answer.status == 503
    for peer in peers:
        assert peer.ask(get()).status == 200
    for peer in peers:
        peer.close()
    wait.until(lambda: server.get("/livez").status == 200, 10, "room again")


def test_more_connections_of_one_address_than_allowed(start_server):
    server = start_server(MAX_CONNECTIONS_PER_ADDRESS=5, TRUSTED_PROXIES="10.0.0.0/8")
    peers = [Peer(server.port) for _ in range(5)]
    for peer in peers:
        assert peer.ask(get()).status == 200
    with Peer(server.port) as extra:
        assert extra.ask(get()).status == 503
    peers.pop().close()

    def has_room():
        with Peer(server.port) as again:
            return again.ask(get()).status == 200

    wait.until(has_room, 10, "room again")
    for peer in peers:
        peer.close()


def test_no_descriptor_left(start_server):
    """As many files as the process may open, and clients for all of them: it answers again when they have gone."""
    server = start_server()
    used = len(os.listdir(f"/proc/{server.pid}/fd"))
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used + 30, used + 30))
    peers = []
    for _ in range(60):
        peer = Peer(server.port)
        peer.send(b"GET / HTTP/1.1\r\n")
        peers.append(peer)
    wait.until(lambda: server.events("http.descriptors_exhausted"), 10, "the log says so")
    for peer in peers:
        peer.close()

    def answers():
        with Peer(server.port) as peer:
            answer = peer.ask(get())
            return answer is not None and answer.status == 200

    wait.until(answers, 10, "it answers again")
    assert server.get("/api/").status == 200


def test_bodies_that_are_never_read_out_do_not_fill_the_memory(server):
    """Large answers are asked for and not read: each costs its socket buffer, no more."""
    peers = []
    for _ in range(30):
        peer = Peer(server.port)
        peer.send(get(b"/api/") * 200)
        peers.append(peer)
    assert server.get("/livez").status == 200
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        resident = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    assert resident < 200 * 1024
    for peer in peers:
        peer.close()


def test_a_reset_in_the_middle_is_no_trouble(server):
    linger = b"\1\0\0\0\0\0\0\0"
    for data in (b"", b"GET / HT", get(), POST + b"Content-Length: 100\r\n\r\n{", get() * 50):
        for _ in range(20):
            peer = Peer(server.port)
            peer.send(data)
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            peer.close()
    assert server.get("/api/").status == 200
