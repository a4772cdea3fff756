"""What operators see of the sockets in /metrics and /health: each figure moves when what it counts happens."""

import os
import threading
from base64 import b64encode

import pytest

from lib import raw, tokens, wait
from lib.chat import Chat, assert_closed, hear, hear_pong, say
from lib.database import Database

SOON = 5.0  # seconds; gauges are set every half second
LARGE = "x" * 900_000


@pytest.fixture
def database(new_database):
    """The engine has no part in what is counted."""
    opened = Database(new_database("empty"))
    yield opened
    opened.close()


class Figures:
    """The series of WebSockets, without their common prefix; those that count: since the last look."""

    def __init__(self, server):
        self.server = server
        self.before = self.read()

    def read(self):
        return {name.removeprefix("egoejo_websocket_"): value for name, value in self.server.metrics().items() if "_websocket_" in name}

    def __getitem__(self, series):
        value = self.read()[series]
        return value - self.before[series] if "_total" in series else value

    def wait(self, series, expected):
        wait.until(lambda: self[series] == expected, SOON, f"{series} {expected}, not {self[series]}")

    def wait_moved(self, series):
        wait.until(lambda: self[series] > 0, SOON, f"{series} moved")

    def wait_closed(self, code, reason):
        """One more such end; nothing else has ended meanwhile."""
        ends = f'closed_total{{code="{code}",reason="{reason}"}}'
        self.wait(ends, 1)
        now = self.read()
        assert {s for s in now if s.startswith("closed_total") and now[s] != self.before[s]} == {ends}
        self.before = now

    @property
    def health(self):
        return self.server.get("/health").json["realtime"]


@pytest.fixture
def chat(database, start_server):
    return Chat(database, start_server, CHAT_MAX_CONTENT=1_000_000, REALTIME_QUEUE_FRAMES=4, REALTIME_QUEUE_BYTES=1 << 24)


def test_connections_groups_and_frames(chat):
    figures = Figures(chat.server)
    assert (figures["connections"], figures['groups{target="chat"}'], figures['groups{target="polls"}']) == (0, 0, 0)
    poll = chat.add_poll()["id"]
    with chat.open(chat.ana) as ana, chat.open(chat.bob), chat.open(path=f"/ws/polls/{poll}/"):
        figures.wait("connections", 3)
        figures.wait('groups{target="chat"}', 1)
        figures.wait('groups{target="polls"}', 1)
        assert (figures.health["connections"], figures.health["groups"]) == (3, 2)
        hear_pong(ana)
        assert figures["received_total"] == 1 and figures["sent_total"] == 1
        assert figures["sent_bytes_total"] == 2 + len('{"type":"pong"}')
        chat.post()
        assert hear(ana)["type"] == "chat_message"
        figures.wait("sent_total", 3)
        assert figures.health["sent"] - figures.before["sent_total"] == 3
    figures.wait("connections", 0)
    figures.wait('groups{target="chat"}', 0)
    assert (figures.health["connections"], figures.health["groups"]) == (0, 0)


def test_every_end_has_its_code(chat):
    figures = Figures(chat.server)
    with chat.open(chat.ana):
        pass
    figures.wait_closed(1000, "client")
    with chat.open() as socket:
        assert_closed(socket, 4401)
    figures.wait_closed(4401, "unauthenticated")
    with chat.open(chat.cleo) as socket:
        assert_closed(socket, 4403)
    figures.wait_closed(4403, "forbidden")
    with chat.open(chat.ana) as socket:
        socket.send(b"\x00")
        assert_closed(socket, 1003)
    figures.wait_closed(1003, "binary")
    for frame, code, reason in ((b"\x81\x81\0\0\0\0\xff", 1007, "not_utf8"), (b"\x83\x80\0\0\0\0", 1002, "protocol")):
        with chat.open(chat.ana) as socket:
            socket.socket.sendall(frame)
            assert_closed(socket, code)
        figures.wait_closed(code, reason)
    with chat.open(chat.ana) as socket:
        hear_pong(socket)
        socket.socket.shutdown(2)
        figures.wait_closed(1006, "lost")


class Slow:
    """A client that is sent what he does not read, until he does."""

    def __init__(self, chat, path, token=""):
        self.peer = raw.Peer(chat.server.port)
        key = b64encode(os.urandom(16))
        fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n"
        assert self.peer.ask(raw.get(f"{path}?{token}".encode(), fields)).status == 101

    def begin_to_read(self):
        threading.Thread(target=self.peer.read_to_end, daemon=True).start()

    def count(self, kind):
        """How many such frames he has read."""
        return self.peer.rest.count(b'"type":"%s"' % kind)


def fill(figures, tell):
    """
    Tells until two frames wait because nothing more fits into the socket: one, which the kernel may still find room for, and
    another. How many were told, how many wait.
    """
    for told in range(1, 40):
        waiting = figures["queue_frames"]
        tell()
        wait.until(lambda: figures["sent_total"] + figures["queue_frames"] == told or figures["queue_frames"] > waiting, SOON, f"frame {told}")
        if figures["queue_frames"] >= 2:
            return told, figures["queue_frames"]
    raise AssertionError("the socket takes everything")


def test_a_slow_reader_is_seen_and_typing_is_not_for_him(chat):
    figures = Figures(chat.server)
    slow = Slow(chat, chat.path, f"token={tokens.access(chat.bob.id)}")
    _, waiting = fill(figures, lambda: chat.post(LARGE))
    queue = figures.health["queue"]
    assert queue["frames"] == queue["frames_max"] == figures["queue_frames_max"] == waiting
    assert queue["bytes"] == queue["bytes_max"] == figures["queue_bytes"] == figures["queue_bytes_max"] > waiting * len(LARGE)
    with chat.open(chat.ana) as ana:
        for _ in range(8):
            say(ana, type="typing", is_typing=True)
            assert hear(ana)["type"] == "chat_typing"
    slow.begin_to_read()
    dropped = 'dropped_total{reason="typing"}'
    wait.until(lambda: figures[dropped] + slow.count(b"chat_typing") == 9, SOON, "her typing, and that she is gone")
    assert figures[dropped] == figures.health["dropped"]["typing"] >= 8 - 4


def test_of_a_slow_readers_poll_only_the_newest_is_kept(chat):
    poll = chat.add_poll(description=LARGE)["id"]
    figures = Figures(chat.server)
    slow = Slow(chat, f"/ws/polls/{poll}/")
    told, _ = fill(figures, lambda: chat.call("POST", f"polls/{poll}/open/"))
    for _ in range(6):
        chat.call("POST", f"polls/{poll}/open/")
    slow.begin_to_read()
    dropped = 'dropped_total{reason="superseded"}'
    wait.until(lambda: figures[dropped] + slow.count(b"poll_update") == told + 6, SOON, "all that was told")
    assert figures[dropped] == figures.health["dropped"]["superseded"] >= 6 - 1


def test_a_reader_who_is_too_slow_is_closed(chat):
    figures = Figures(chat.server)
    slow = Slow(chat, chat.path, f"token={tokens.access(chat.bob.id)}")
    _, waiting = fill(figures, lambda: chat.post(LARGE))
    for _ in range(5):
        chat.post()
    figures.wait_closed(1013, "slow_consumer")
    dropped = figures.read()['dropped_total{reason="slow_consumer"}']
    assert dropped == figures.health["dropped"]["slow_consumer"] == 5 >= waiting
    slow.peer.close()


# --- several processes ---


def test_the_bus_and_what_it_did_not_tell(chat, database, start_server, redis_server):
    assert (Figures(chat.server)['bus_state{state="off"}'], Figures(chat.server).health["bus"]) == (1, "off")
    one, other = (start_server(database.url, redis=redis_server) for _ in range(2))
    figures = Figures(other)
    figures.wait('bus_state{state="live"}', 1)
    wait.until(lambda: 0 < figures.read().get("bus_canary_age_seconds", 9) < 2, SOON, "a canary")
    with chat.open(chat.bob, server=other) as bob:
        number = chat.post(server=one)
        assert hear(bob)["payload"]["id"] == number
        redis_server.kill()
        figures.wait('bus_state{state="degraded"}', 1)
        assert (figures['bus_state{state="live"}'], figures.health["bus"]) == (0, "degraded")
        before = figures["repaired_total"]
        number = chat.post(server=one)
        assert hear(bob)["payload"]["id"] == number
        assert figures["repaired_total"] == before + 1
        wait.until(lambda: figures["bus_canary_age_seconds"] > 2, SOON, "no canary")
        redis_server.start()
        figures.wait('bus_state{state="live"}', 1)
        assert figures.health["bus"] == "live"
