"""Sockets of chats, on both engines: verdicts, frames, limits, resuming and coming back."""

import pytest
from websockets.exceptions import InvalidStatus

from lib.chat import Chat, assert_closed, hear


@pytest.fixture
def world(database, start_server):
    return Chat(database, start_server)


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


def test_what_is_long_is_read_whole(world):
    """A page of the longest messages, a thread of many, a poll with much to say: what the hub reads from the database."""
    numbers = [world.post("é" * 20000) for _ in range(101)]
    with world.open(world.bob, "last_message_id=0") as socket:
        heard = [hear(socket)["payload"] for _ in numbers]
        assert [m["id"] for m in heard] == numbers and all(len(m["content"]) == 20000 for m in heard)
        assert hear(socket)["payload"] == {"last_message_id": numbers[-1], "count": 101, "truncated": False}
    many = [world.database.insert("auth_user", username=f"n{i}", email=f"n{i}@example.org") for i in range(400)]
    with world.open(world.bob) as bob, world.open(world.ana) as ana:
        world.call("PATCH", f"chat/threads/{world.thread}/", {"participant_ids": many})
        assert_closed(bob, 4403)
        number = world.post("encore là")
        assert hear(ana)["payload"]["id"] == number
    poll = world.add_poll(description="é" * 100_000)["id"]
    with world.open(path=f"/ws/polls/{poll}/") as socket:
        world.call("POST", f"polls/{poll}/close/")
        assert len(hear(socket)["payload"]["description"]) == 100_000
