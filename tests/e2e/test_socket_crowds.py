"""Many at once, and those who take their time: others notice nothing of it, nor does the end of the server."""

import signal
import time
from contextlib import ExitStack

import pytest

from lib import raw, tokens, wait
from lib.chat import Chat, hear_pong
from lib.database import Database
from lib.knock import handshake
from lib.live import Sockets

MINE = 5  # REALTIME_MAX_PER_USER
SOON = 3.0  # seconds; a client who does not answer the close of his socket keeps it for five


@pytest.fixture
def quick(new_database, start_server):
    """quick(**settings): a chat on one engine."""
    opened = []

    def start(**settings):
        opened.append(Database(new_database("empty")))
        return Chat(opened[-1], start_server, **settings)

    yield start
    for database in opened:
        database.close()


def connections(chat):
    return chat.server.get("/health").json["realtime"]["connections"]


def test_who_is_refused_and_does_not_close_keeps_no_more_places_than_he_may_have(quick):
    chat = quick(REALTIME_MAX_PER_USER=MINE, REALTIME_MAX_CONNECTIONS=40)
    with ExitStack() as stack:
        for i in range(30):
            peer = stack.enter_context(raw.Peer(chat.server.port))
            assert peer.ask(handshake(f"/ws/chat/{1000 + i}/")).status == 101
        began = time.monotonic()
        wait.until(lambda: connections(chat) <= MINE, SOON, "places")
        assert time.monotonic() - began < SOON
        with chat.open(chat.ana) as ana:
            assert hear_pong(ana) == []


def test_all_are_closed_at_once_when_no_time_is_given_for_it(quick):
    """Also those who read nothing, and those who are just coming in."""
    chat = quick(REALTIME_DRAIN_SECONDS=0, SHUTDOWN_GRACE_S=10)
    sockets = Sockets()
    people = sockets.open_all([(chat.server, f"chat/{chat.thread}/", chat.bob.id, None)] * 20)
    with raw.Peer(chat.server.port) as silent, raw.Peer(chat.server.port) as late:
        silent.ask(handshake(f"{chat.path}?token={tokens.access(chat.ana.id)}"))
        number = chat.post()
        late.send(handshake(f"{chat.path}?token={tokens.access(chat.ana.id)}"))
        began = time.monotonic()
        chat.server.signal(signal.SIGTERM)
        sockets.wait(lambda: all(s.code for s in people), what="the close of all")
        assert time.monotonic() - began < 1.5
        assert {s.code for s in people} == {1001} and all(s.messages() == [number] for s in people)
        chat.server.stop()
        assert time.monotonic() - began < 5
    sockets.close()
