"""
Slow and hostile clients of sockets: each is closed with the code that is his, and the others notice nothing. What a slow one's queue drops is
in tests/e2e/test_socket_metrics.py.
"""

import json
import resource
import time

import pytest

from lib import frames, people, tokens, wait
from lib.database import Database
from lib.frames import BINARY, CLOSE, PING, PONG, TEXT, Client, Closed, close, fragments, frame, head
from lib.hostile import Attack, Pulse
from lib.server import is_sanitized

PING_TEXT, PONG_TEXT = '{"type":"ping"}', '{"type":"pong"}'
LIMIT = 65536  # REALTIME_MAX_MESSAGE_BYTES
BURST, RATE = 60, 20
SESSION_BYTES = 8192  # issue: an idle session


class World:
    """A thread of some people, a poll, and a server."""

    def __init__(self, url, start_server, members=3, **settings):
        self.database = Database(url)
        self.people = [people.add_person(self.database, "ordinary", f"person-{n}") for n in range(members)]
        self.poll = f"/ws/polls/{self.database.insert('core_poll')}/"
        self.thread = self.add_thread(self.people)
        self.server = start_server(url, **settings)
        self.port = self.server.port

    def add_thread(self, members):
        thread = self.database.insert("core_chatthread", created_by_id=members[0].id)
        for person in members:
            self.database.insert("core_chatmembership", thread_id=thread, user_id=person.id)
        return thread

    def open(self, person=1, thread=None, **options):
        return Client(self.port, f"/ws/chat/{thread or self.thread}/", self.people[person].id, **options)

    def open_poll(self, **options):
        return Client(self.port, self.poll, **options)

    def post(self, text="Bonjour"):
        body = json.dumps({"thread": self.thread, "content": text}).encode()
        answer = self.server.request("POST", "/api/chat/messages/", {**self.people[0].headers, "Content-Type": "application/json"}, body)
        assert answer.status == 201, answer.text
        return answer.json["id"]

    def closed(self, code, reason):
        return self.server.metrics().get(f'egoejo_websocket_closed_total{{code="{code}",reason="{reason}"}}', 0)


@pytest.fixture
def start_world(new_database, start_server):
    return lambda **settings: World(new_database("empty"), start_server, **settings)


def rss(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def assert_lives(socket):
    socket.send(frame(PING_TEXT))
    while socket.text() != PONG_TEXT:
        pass


# --- frames that no client may send ---

MALFORMED = {
    "a reserved bit": frame(PING_TEXT, reserved=4),
    "a reserved opcode": frame(opcode=3),
    "a reserved control opcode": frame(opcode=11),
    "no mask": frame(PING_TEXT, mask=None),
    "a ping in pieces": frame(opcode=PING, fin=False),
    "a ping that is too long": head(126, PING),
    "the middle of nothing": frame(PING_TEXT, opcode=0),
    "a message within a message": frame("a", fin=False) + frame("b"),
    "a length that is not the shortest": b"\x81\xfe\x00\x05" + frames.MASK,
    "a negative length": b"\x81\xff" + b"\xff" * 8 + frames.MASK,
    "a close with half a code": frame(b"\x03", CLOSE),
    "a close with a code that is for nobody to send": close(1005),
}
REFUSED = {
    **{name: (data, 1002, "protocol") for name, data in MALFORMED.items()},
    "binary, of which only the head has come": (head(5, BINARY), 1003, "binary"),
    "what is no text, before its end has come": (head(1000) + frames.masked(b"ab\xff"), 1007, "not_utf8"),
    "text that breaks off": (frame(b"caf\xc3"), 1007, "not_utf8"),
    "text that breaks off before an empty end": (fragments([b"caf\xc3", b""]), 1007, "not_utf8"),
    "half a surrogate": (frame(b"\xed\xa0\x80"), 1007, "not_utf8"),
    "a close whose reason is no text": (close(1000, b"\xc3\x28"), 1007, "not_utf8"),
    "too much, of which only the head has come": (head(LIMIT + 1), 1009, "too_large"),
    "far too much": (head((1 << 63) - 1), 1009, "too_large"),
    "too much in pieces": (frame("a" * LIMIT, fin=False) + head(1, 0), 1009, "too_large"),
}


def test_what_no_client_may_send(start_world):
    world = start_world(REALTIME_RATE=1000, REALTIME_BURST=1000)
    with world.open_poll() as healthy:
        for name, (data, code, reason) in REFUSED.items():
            with world.open_poll() as hostile:
                hostile.send(data)
                assert hostile.closed() == (code, reason), name
                assert hostile.ends(), name
            assert_lives(healthy)
        before = rss(world.server.pid)
        hostiles = [world.open_poll() for _ in range(40)]
        for hostile in hostiles:
            hostile.send(head(1 << 40) + b"x" * 100_000)
        for hostile in hostiles:
            assert hostile.closed() == (1009, "too_large")
            hostile.finish()
        grown = rss(world.server.pid) - before
        assert grown < 1_000_000 or is_sanitized(), f"{grown} bytes were kept"


def test_ten_frames_without_sense(start_world):
    world = start_world()
    with world.open_poll() as healthy, world.open_poll() as hostile:
        hostile.send(frame("x") * 10)
        for _ in range(9):
            assert json.loads(hostile.text())["payload"]["code"] == "invalid_json"
        assert hostile.closed() == (1008, "invalid_frames")
        assert_lives(healthy)


def test_who_breaks_a_rule_is_still_answered_what_he_asked_before(start_world):
    with start_world().open_poll() as socket:
        socket.send(frame(PING_TEXT) + frame(b"abc", PING) + frame(opcode=5) + frame(PING_TEXT))
        assert socket.text() == PONG_TEXT
        assert socket.receive() == (PONG, b"abc")
        assert socket.closed() == (1002, "protocol")


# --- too much ---

FLOODS = {"pings": frame(b"x" * 125, PING), "empty pings": frame(opcode=PING), "pongs": frame(opcode=PONG), "messages": frame('{"type":"other"}'),
          "fragments": frame(b"", TEXT, fin=False) + frame(b"", 0, fin=False) * 30_000}


@pytest.mark.parametrize("kind", FLOODS)
def test_floods(start_world, kind):
    """Of all kinds of frames no more than so many are taken, and answered."""
    world = start_world()
    with world.open_poll() as healthy, world.open_poll() as hostile:
        began = time.monotonic()
        hostile.send((FLOODS[kind] * 1000)[:150_000])
        answers = 0
        with pytest.raises(Closed) as end:
            while hostile.receive():
                answers += 1
        assert (end.value.code, end.value.reason) == (1008, b"rate_limit")
        assert answers <= BURST + RATE * (time.monotonic() - began) + 1
        assert answers >= BURST if "pings" in kind else answers == 0
        assert_lives(healthy)


def test_as_many_frames_as_are_allowed(start_world):
    with start_world().open_poll() as socket:
        socket.send(frame(b"1", PING) * (BURST // 2) + frame(b"2", PONG) * (BURST // 2))
        assert [socket.receive() for _ in range(BURST // 2)] == [(PONG, b"1")] * (BURST // 2)
        taken = time.monotonic()
        wait.until(lambda: time.monotonic() > taken + 2 / RATE)
        socket.send(frame(b"3", PING) + frame(b"4", PING) * BURST)
        assert socket.receive() == (PONG, b"3")
        assert socket.closed() == (1008, "rate_limit")


def test_who_floods_on_after_his_end_is_dropped(start_world):
    world = start_world()
    with world.open_poll() as hostile, world.open_poll() as healthy:
        flood = frame(opcode=PING) * 100_000
        wait.until(lambda: not hostile.send(flood), 10, "the end of the connection", 0)
        assert world.closed(1008, "rate_limit") == 1
        assert_lives(healthy)


# --- too slow ---


def test_who_never_reads(start_world):
    """He is closed with 1013 when his queue is full; the others have been told everything meanwhile."""
    world = start_world(REALTIME_QUEUE_BYTES=200_000, CHAT_MAX_CONTENT=1_000_000)
    with world.open(1, small=True) as slow, world.open(2) as healthy:
        for n in range(100):
            number = world.post("x" * 100_000)
            assert json.loads(healthy.text())["payload"]["id"] == number
            if world.closed(1013, "slow_consumer"):
                break
        assert world.closed(1013, "slow_consumer") == 1, "he was never closed"
        told = []
        with pytest.raises(Closed) as end:
            while True:
                told.append(json.loads(slow.text())["payload"]["id"])
        assert (end.value.code, end.value.reason) == (1013, b"slow_consumer")
        assert told == list(range(told[0], told[0] + len(told))) and len(told) < n + 1  # in order, without a gap
        assert_lives(healthy)


def test_who_asks_and_never_reads(start_world):
    """Answers wait in the same queue, and reading goes on: pings that nobody reads the pongs of cost neither memory nor time."""
    world = start_world(REALTIME_RATE=1_000_000, REALTIME_BURST=1_000_000)
    with world.open_poll(small=True) as hostile, world.open_poll() as healthy:
        hostile.socket.settimeout(0.2)
        flood = frame(b"x" * 125, PING) * 1000
        wait.until(lambda: not hostile.send(flood) or world.closed(1013, "slow_consumer"), 20, "the end", 0)
        wait.until(lambda: world.closed(1013, "slow_consumer") == 1, 5, "the right end")
        assert_lives(healthy)


def test_byte_by_byte(start_world):
    world = start_world()
    with world.open_poll() as slow, world.open_poll() as healthy:
        slow.send_bytewise(frame(PING_TEXT))
        assert slow.text() == PONG_TEXT
        slow.send_bytewise(frame(b"abc", PING))
        assert slow.receive() == (PONG, b"abc")
        large = frame('{"type":"ping","x":"' + "é" * 32000 + '"}')
        for n in range(0, len(large), 997):
            slow.send(large[n:n + 997])
        assert slow.text() == PONG_TEXT
        slow.send_bytewise(close(1000))
        assert slow.closed() == (1000, "client")
        assert_lives(healthy)


def test_half_open(start_world):
    """Who is not there any more: pinged, closed, and five seconds later dropped. Who answers pings, if only with empty pongs, stays."""
    world = start_world(REALTIME_PING_SECONDS=1, REALTIME_PONG_SECONDS=3)
    with world.open_poll() as silent, world.open_poll() as alive:
        silent.socket.settimeout(0.05)
        pings = 0
        told = dropped = None
        while not dropped:
            assert alive.receive() == (PING, b"")
            alive.send(frame(opcode=PONG))
            pings += 1
            try:
                while True:
                    silent.receive()
            except TimeoutError:
                pass
            except Closed as end:
                told, dropped = told or (time.monotonic(), end.code), told and time.monotonic()
        assert told[1] == 1011 and 3.5 < dropped - told[0] < 15
        assert pings > 5
        assert_lives(alive)


# --- all of them at once ---


def test_the_others_notice_nothing(start_world):
    """The pulse of healthy sessions, with and without all kinds of hostile ones, in turn."""
    world = start_world(CHAT_MAX_CONTENT=1_000_000, REALTIME_MAX_PER_USER=10_000)
    with Pulse(world.server, [world.open_poll() for _ in range(20)]) as pulse:
        quiet, loud = [], []
        for _ in range(3):
            quiet += pulse.measure(2)
            with Attack(world.server, world.poll) as attack:
                attack.wait_all(world)
                loud += pulse.measure(2)
        print(f"quiet {pulse.describe(quiet)}, loud {pulse.describe(loud)}, {attack.ends}")
    for code, reason in ((1002, "protocol"), (1003, "binary"), (1007, "not_utf8"), (1008, "rate_limit"), (1009, "too_large")):
        assert world.closed(code, reason) > 0, reason
    for share, noise in pulse.NOISE.items():
        assert pulse.slowest(loud, share) < 2 * pulse.slowest(quiet, share) + noise, share


def test_ten_thousand_who_say_nothing(start_world):
    """A hundred threads of a hundred members each; what a session costs, and that the server still answers."""
    wanted = 10_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = min(hard, 1 << 20) - 2000
    n = min(wanted, allowed)
    if n < wanted:
        print(f"only {n} sessions instead of {wanted}: the hard limit of open files is {hard}")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 20), hard))
    world = start_world(members=100, REALTIME_MAX_CONNECTIONS=20_000, REALTIME_MAX_PER_USER=20_000)
    threads = [world.add_thread(world.people) for _ in range(100)]
    for client in Crowd(world, threads, 200).clients:
        client.close()
    wait.until(lambda: world.server.metrics()["egoejo_websocket_connections"] == 0, 10, "the end of the first")
    before = rss(world.server.pid)
    crowd = Crowd(world, threads, n)
    try:
        wait.until(lambda: world.server.metrics()["egoejo_websocket_connections"] == n, 20, f"{n} open sockets")
        each = (rss(world.server.pid) - before) / n
        print(f"{n} idle sessions: {each:.0f} bytes of memory each")
        assert each <= SESSION_BYTES or is_sanitized()
        number = world.post()
        assert number
        with world.open() as one:
            assert_lives(one)
    finally:
        for client in crowd.clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Crowd:
    """Sockets that were opened many at a time, and say nothing."""

    def __init__(self, world, threads, n, together=100):
        self.clients = []
        access = [tokens.access(p.id) for p in world.people]
        for first in range(0, n, together):
            some = []
            for k in range(first, min(first + together, n)):
                some.append(frames.connect(world.port))
                some[-1].sendall(frames.upgrade(f"/ws/chat/{threads[k // 100 % 100]}/", token=access[k % 100]))
            for client in some:
                answer = client.recv(4096)
                assert answer.startswith(b"HTTP/1.1 101 ") and answer.endswith(b"\r\n\r\n"), answer
            self.clients += some
