"""A replay that stops at REALTIME_REPLAY_MAX: resuming from what it said goes on where it stopped, edits included."""

import json

import pytest
from websockets.sync.client import connect

from lib import people, tokens

SENT, EDITED, LATER = (f"2026-03-0{day}T10:00:00+00:00" for day in (1, 2, 3))
MAX = 3


@pytest.fixture
def world(database, start_server):
    database.ana = people.add_person(database, "ordinary", "ana")
    database.thread = database.insert("core_chatthread", created_by_id=database.ana.id)
    database.insert("core_chatmembership", thread_id=database.thread, user_id=database.ana.id)
    database.server = start_server(database.url, REALTIME_REPLAY_MAX=str(MAX), REALTIME_QUEUE_FRAMES="2")
    return database


def add_messages(world, n, **columns):
    """Their ids."""
    columns = {"created_at": SENT, **columns}
    return [world.insert("core_chatmessage", thread_id=world.thread, author_id=world.ana.id, content="Bonjour", **columns) for _ in range(n)]


def resume(socket, number):
    """The ids that were replayed, and the word at their end."""
    socket.send(json.dumps({"type": "resume", "last_message_id": number}))
    ids = []
    while (frame := json.loads(socket.recv(timeout=10)))["type"] == "chat_message":
        ids.append(frame["payload"]["id"])
    assert frame["type"] == "resume_complete" and frame["payload"]["count"] == len(ids) <= MAX
    return ids, frame["payload"]


def open_socket(world):
    return connect(f"ws://127.0.0.1:{world.server.port}/ws/chat/{world.thread}/?token={tokens.access(world.ana.id)}")


def test_edits_beyond_the_limit_all_come(world):
    edited = add_messages(world, 8, edited_at=EDITED)
    last = add_messages(world, 1)[0]
    new = add_messages(world, 2, created_at=LATER)
    with open_socket(world) as socket:
        told, number, rounds = [], last, 0
        while True:
            ids, end = resume(socket, number)
            told += ids
            number = end["last_message_id"]
            rounds += 1
            if not end["truncated"]:
                break
            assert rounds < 8, "it gets nowhere"
        assert told == edited + new and number == new[-1]
        assert resume(socket, last) == (edited[:MAX], {"last_message_id": last, "count": MAX, "truncated": True})


def test_as_many_edits_as_the_limit(world):
    edited = add_messages(world, MAX, edited_at=EDITED)
    last = add_messages(world, 1)[0]
    with open_socket(world) as socket:
        assert resume(socket, last)[0] == edited
        assert resume(socket, last) == ([], {"last_message_id": last, "count": 0, "truncated": False})


def test_a_slow_queue_rule_does_not_close_a_replay(world):
    """A page may be longer than the queue is allowed to be: it was asked for."""
    ids = add_messages(world, 7)
    with open_socket(world) as socket:
        assert resume(socket, ids[0])[0] == ids[1:4]
        assert resume(socket, ids[3])[0] == ids[4:]


def test_who_knows_more_than_the_group_hears_nothing_twice(world):
    """He heard it from another process; here it comes to light later, with the message behind it."""
    with open_socket(world) as behind, open_socket(world) as ahead:
        assert resume(behind, 0)[0] == []
        known = add_messages(world, 1)[0]
        assert resume(ahead, known)[0] == []
        body = json.dumps({"thread": world.thread, "content": "Et puis"}).encode()
        posted = world.server.request("POST", "/api/chat/messages/", {**world.ana.headers, "Content-Type": "application/json"}, body).json["id"]
        assert [json.loads(ahead.recv(timeout=10))["payload"]["id"]] == [posted]
        assert [json.loads(behind.recv(timeout=10))["payload"]["id"] for _ in range(2)] == [known, posted]
