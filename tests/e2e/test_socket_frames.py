"""The handshake and the frames of sockets, byte for byte: RFC 6455 and RFC 9110. Polls are open to everybody, so these come to one."""

import pytest

from lib import frames, raw, tokens
from lib.database import Database
from lib.frames import Client

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # and its answer: RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PONG = '{"type":"pong"}'


class World:
    def __init__(self, url, server):
        database = Database(url)
        self.port = server.port
        self.user = database.insert("auth_user")
        self.poll = f"/ws/polls/{database.insert('core_poll')}/"
        self.thread = database.insert("core_chatthread", created_by_id=self.user)
        database.insert("core_chatmembership", thread_id=self.thread, user_id=self.user)
        database.close()

    def open(self, **options):
        return Client(self.port, self.poll, **options)


@pytest.fixture
def world(start_server, new_database):
    url = new_database("empty")
    return World(url, start_server(url))


def ask(world, path, *lines, key=KEY):
    fields = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *lines)
    peer = raw.Peer(world.port)
    return peer, peer.ask(raw.get(path.encode(), b"".join(f"{line}\r\n".encode() for line in fields)))


# --- the handshake ---


def test_lists_may_come_in_several_lines(world):
    """They are one list: RFC 9110 section 5.3."""
    token = tokens.access(world.user)
    for lines in (["Connection: keep-alive", "Connection: x , Upgrade", "Connection: y", "Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: egoejo.v1",
                   f"Sec-WebSocket-Protocol: bearer.{token}", "Sec-WebSocket-Protocol: b"],
                  ["Connection: Upgrade", f"Sec-WebSocket-Protocol: egoejo.v1, bearer.{token}"]):
        peer, answer = ask(world, f"/ws/chat/{world.thread}/", *lines)
        assert answer.status == 101
        assert answer.fields["sec-websocket-protocol"] == ["egoejo.v1"]
        assert answer.fields["sec-websocket-accept"] == [ACCEPT]
        peer.send(frames.frame('{"type":"ping"}'))
        assert peer.read(17) == b"\x81\x0f" + PONG.encode()  # he is in: the token was found
        peer.close()


@pytest.mark.parametrize("lines", [["Connection: keep-alive", "Connection: x"], ["Connection: Upgrade", "Sec-WebSocket-Version: 13"],
                                   ["Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}"]])
def test_no_upgrade_in_the_list_or_what_is_no_list_twice(world, lines):
    peer, answer = ask(world, world.poll, *lines)
    assert answer.status == 400
    peer.close()


def test_frames_may_follow_the_request_at_once(world):
    with raw.Peer(world.port) as peer:
        answer = peer.ask(frames.upgrade(world.poll) + frames.frame('{"type":"ping"}') + frames.frame(b"a", frames.PING))
        assert answer.status == 101
        assert peer.read(17 + 3) == b"\x81\x0f" + PONG.encode() + b"\x8a\x01a"
