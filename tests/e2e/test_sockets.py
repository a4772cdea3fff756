"""Sockets of chats, on both engines: verdicts, frames, limits, resuming and coming back."""

import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from lib import people, tokens


class World:
    def __init__(self, database, start_server):
        self.database = database
        self.ana, self.bob = (people.add_person(database, "ordinary", name) for name in ("ana", "bob"))
        self.thread = database.insert("core_chatthread", created_by_id=self.ana.id)
        for person in (self.ana, self.bob):
            database.insert("core_chatmembership", thread_id=self.thread, user_id=person.id)
        self.server = start_server(database.url)

    def open(self, who=None, query="", path=None, **options):
        token = f"token={tokens.access(who.id)}&" if who else ""
        return connect(f"ws://127.0.0.1:{self.server.port}{path or f'/ws/chat/{self.thread}/'}?{token}{query}", **options)

    def post(self, text):
        body = json.dumps({"thread": self.thread, "content": text}).encode()
        answer = self.server.request("POST", "/api/chat/messages/", {**self.ana.headers, "Content-Type": "application/json"}, body)
        assert answer.status == 201, answer.text
        return answer.json["id"]


@pytest.fixture
def world(database, start_server):
    return World(database, start_server)


def hear(socket):
    return json.loads(socket.recv(timeout=10))


def assert_closed(socket, code, reason=None):
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(timeout=10)
    assert closed.value.rcvd.code == code
    assert reason is None or closed.value.rcvd.reason == reason


def test_verdicts(world):
    for who, path, code, reason in ((None, None, 4401, "unauthenticated"), (world.ana, "/ws/chat/999/", 4403, "forbidden"),
                                    (world.ana, "/ws/chat/0/", 4403, "forbidden"), (None, "/ws/polls/999", 4404, "not_found")):
        with world.open(who, path=path) as socket:
            assert_closed(socket, code, reason)
    with pytest.raises(InvalidStatus) as refused:
        world.open(path="/ws/nothing/1/")
    assert refused.value.response.status_code == 404


def test_typing_and_ping(world):
    with world.open(world.ana) as ana, world.open(world.bob) as bob:
        bob.send('{"type":"ping"}')
        assert hear(bob) == {"type": "pong"}
        ana.send('{"type":"ping","n":99999999999999999999}')
        assert hear(ana) == {"type": "pong"}
        ana.send('{"type":"typing","is_typing":[0]}')
        for socket in (ana, bob):
            assert hear(socket) == {"type": "chat_typing", "payload": {"user_id": world.ana.id, "is_typing": True}}


@pytest.mark.parametrize("frame, code", [(b"\x00", 1003), ("x" * 65537, 1009)])
def test_frames_that_end_it(world, frame, code):
    with world.open(world.ana) as socket:
        socket.send(frame)
        assert_closed(socket, code)


def test_ten_invalid_frames(world):
    with world.open(world.ana) as socket:
        for text in ["", "x", "1", "[]", "null", "{", '"a"', "true", "1.5"]:
            socket.send(text)
            assert hear(socket)["type"] == "error"
        socket.send("x")
        assert_closed(socket, 1008, "invalid_frames")


def test_resuming_from_beyond_the_last_message_hides_nothing(world):
    world.post("un")
    with world.open(world.bob, "last_message_id=1000000") as socket:
        assert hear(socket) == {"type": "resume_complete", "payload": {"last_message_id": 1000000, "count": 0, "truncated": False}}
        number = world.post("deux")
        assert hear(socket)["payload"]["id"] == number


def test_who_comes_back_gets_what_he_missed(world):
    first = world.post("un")
    with world.open(world.bob) as socket:
        socket.send('{"type":"ping"}')
        assert hear(socket) == {"type": "pong"}
    missed = [world.post("deux"), world.post("trois")]
    assert first < missed[0]
    with world.open(world.bob) as socket:
        assert [hear(socket)["payload"]["id"] for _ in missed] == missed
