"""What happens to an open WebSocket: resuming, polls, losing one's right to it, the end of the server (realtime.md 7)."""

import select
import signal
import time

import pytest

from lib import raw, tokens, wait
from lib.chat import Chat, assert_closed, hear, hear_pong, say
from lib.database import Database
from lib.knock import handshake, text_frame
from lib.live import Sockets

WAITS = 0.1  # seconds that the hub waits for an answer to be written
EARLY, SENT, LATER = (f"2026-03-0{day} 10:00:00" for day in (1, 2, 3))


@pytest.fixture
def chat(database, start_server):
    """On both engines: times are compared in SQL."""
    return Chat(database, start_server)


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


# --- resuming ---


def add_message(chat, **columns):
    columns = {"created_at": SENT, "content": "Bonjour", **columns}
    return chat.database.insert("core_chatmessage", thread_id=chat.thread, author_id=chat.ana.id, **columns)


def hear_replay(socket):
    """The ids that are replayed, and what is said at the end."""
    told = []
    while (frame := hear(socket))["type"] == "chat_message":
        told.append(frame["payload"])
    assert frame["type"] == "resume_complete" and frame["payload"]["count"] == len(told)
    return told, frame["payload"]["last_message_id"]


def test_what_a_resume_tells(chat):
    add_message(chat)
    add_message(chat, edited_at=EARLY)
    edited = add_message(chat, edited_at=LATER, content="autre")
    deleted = add_message(chat, is_deleted=True, deleted_at=LATER)
    add_message(chat, edited_at=SENT)  # not later than the last that he has
    last = add_message(chat)
    gone = add_message(chat)
    new = [add_message(chat, created_at=LATER), add_message(chat, created_at=LATER, is_deleted=True, deleted_at=LATER), add_message(chat, created_at=LATER, edited_at=LATER)]
    chat.database.execute("DELETE FROM core_chatmessage WHERE id = %s", gone)
    elsewhere = chat.add_thread(chat.ana)
    chat.database.insert("core_chatmessage", thread_id=elsewhere, author_id=chat.ana.id, content="ailleurs", created_at=LATER)
    everything = [row[0] for row in chat.database.execute("SELECT id FROM core_chatmessage WHERE thread_id = %s ORDER BY id", chat.thread)]
    listed = {m["id"]: m for m in chat.call("GET", "chat/messages/?limit=100", who=chat.bob)["results"]}
    with chat.open(chat.bob) as socket:
        for number, expected in ((last, [edited, deleted, *new]), (0, everything), (gone, new), (new[-1], []), (new[-1] + 1000, [])):
            say(socket, type="resume", last_message_id=number)
            told, known = hear_replay(socket)
            assert [m["id"] for m in told] == expected, number
            assert known == max([number, *expected])
            assert all(m == listed[m["id"]] for m in told)
        assert [m["content"] for m in told if m["is_deleted"]] == [] and listed[deleted]["content"] == ""
    with chat.open(chat.bob, f"last_message_id={last}") as socket:
        assert [m["id"] for m in hear_replay(socket)[0]] == [edited, deleted, *new]
        assert hear_pong(socket) == []


def test_what_is_no_number_is_no_resume(chat):
    add_message(chat)
    for number in ("1", -1, 0.5, 1.0, True, None, [], {}):
        with chat.open(chat.bob) as socket:
            say(socket, type="resume", last_message_id=number)
            assert hear_pong(socket) == [], number
    with chat.open(chat.bob) as socket:
        say(socket, type="resume")
        assert hear_pong(socket) == []
    for query in ("last_message_id=", "last_message_id=-1", "last_message_id=1.0", "last_message_id=x", "last_message_id=%201", "last_message_id=0x1"):
        with chat.open(chat.bob, query) as socket:
            assert hear_pong(socket) == [], query


# --- polls ---


def test_a_poll_tells_its_changes_to_all_and_answers_pings_only(chat):
    poll = chat.add_poll()
    number, one = poll["id"], poll["options"][0]["id"]
    with chat.open(path=f"/ws/polls/{number}/") as nobody, chat.open(chat.bob, path=f"/ws/polls/{number}") as bob:
        for socket in (nobody, bob):
            say(socket, type="typing", is_typing=True)
            say(socket, type="resume", last_message_id=0)
            say(socket, type="unheard of")
            assert hear_pong(socket) == []
        for method, path, body in (("POST", "vote/", {"options": [one]}), ("POST", "close/", None), ("POST", "open/", None), ("PATCH", "", {"title": "autre"})):
            answer = chat.call(method, f"polls/{number}/{path}", body)
            for socket in (nobody, bob):
                assert hear(socket) == {"type": "poll_update", "payload": answer}, path
        assert answer["title"] == "autre" and answer["total_votes"] == 1
        chat.call("DELETE", f"polls/{number}/", status=204)
        for socket in (nobody, bob):
            assert_closed(socket, 4404, "not_found")


# --- losing one's right ---


def test_a_thread_that_is_deleted_closes_its_sockets(chat):
    with chat.open(chat.ana) as ana, chat.open(chat.bob) as bob:
        chat.call("DELETE", f"chat/threads/{chat.thread}/", status=204)
        for socket in (ana, bob):
            assert_closed(socket, 4404, "not_found")


def test_who_is_removed_hears_nothing_that_is_said_thereafter(chat):
    with chat.open(chat.ana) as ana, chat.open(chat.bob) as bob:
        before = chat.post("avant")
        chat.call("PATCH", f"chat/threads/{chat.thread}/", {"participant_ids": [chat.cleo.id]})
        after = chat.post("après")
        assert hear(bob)["payload"]["id"] == before
        assert_closed(bob, 4403, "forbidden")
        assert [hear(ana)["payload"]["id"] for _ in range(2)] == [before, after]
        with chat.open(chat.cleo) as cleo:
            assert hear_pong(cleo) == []


def test_a_token_is_good_until_it_expires(chat):
    token = tokens.access(chat.bob.id, exp=int(time.time()) + 2)
    poll = f"/ws/polls/{chat.add_poll()['id']}/"
    with chat.open(query=f"token={token}") as bob, chat.open(query=f"token={token}", path=poll) as voter, chat.open(chat.ana) as ana:
        assert hear_pong(bob) == []
        for socket in (bob, voter):
            assert_closed(socket, 4401, "unauthenticated")
        assert time.time() >= tokens.decode(token)["exp"]
        hear_pong(ana)


def test_what_is_changed_behind_the_servers_back_is_noticed(quick):
    chat = quick(REALTIME_PING_SECONDS=1, REALTIME_RECHECK_SECONDS=1)
    with chat.open(chat.ana) as ana, chat.open(chat.bob) as bob:
        hear_pong(bob)
        chat.database.execute("DELETE FROM core_chatmembership WHERE user_id = %s", chat.bob.id)
        assert_closed(bob, 4403, "forbidden")
        hear_pong(ana)
        chat.database.execute("UPDATE auth_user SET is_active = %s WHERE id = %s", False, chat.ana.id)
        assert_closed(ana, 4401, "unauthenticated")


def test_who_does_not_answer_pings_is_given_up(quick):
    chat = quick(REALTIME_PING_SECONDS=1, REALTIME_PONG_SECONDS=1)
    with raw.Peer(chat.server.port) as peer, chat.open(chat.ana) as ana:
        peer.ask(handshake(f"{chat.path}?token={tokens.access(chat.bob.id)}"))
        assert b"\x89\x00" in peer.read_to_end()  # it was asked
        assert peer.rest.endswith(b"ping_timeout") and peer.rest[-14:-12] == (1011).to_bytes(2, "big")
        assert hear_pong(ana) == []


# --- order ---


def test_the_caller_hears_of_his_message_after_his_answer(quick):
    """The moment that his socket has something to read, his answer is there to be read."""
    chat = quick()
    body = b'{"thread":%d,"content":"Bonjour"}' % chat.thread
    token = tokens.access(chat.ana.id)
    fields = f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    with raw.Peer(chat.server.port) as http, raw.Peer(chat.server.port) as own, chat.open(chat.bob) as bob:
        own.ask(handshake(f"{chat.path}?token={token}"))
        own.send(text_frame(b'{"type":"ping"}'))
        while b"pong" not in own.rest:
            own._more()
        for _ in range(40):
            own.rest, began = b"", time.monotonic()
            http.send(b"POST /api/chat/messages/ HTTP/1.1\r\n" + raw.HOST + fields + b"\r\n" + body)
            while own.socket not in (ready := select.select([own.socket, http.socket], [], [], 10)[0]) and ready:
                select.select([own.socket], [], [], 10)  # the answer is there; now the frame
            assert http.socket in ready or time.monotonic() - began > WAITS, "the frame was first"
            answer = http.answer()
            while b'"edited_at"' not in own.rest:
                own._more()
            assert answer.status == 201 and hear(bob)["type"] == "chat_message"


# --- the end of the server ---


def test_sockets_are_closed_in_waves_and_with_all_that_was_said(quick):
    chat = quick(REALTIME_DRAIN_SECONDS=2, SHUTDOWN_GRACE_S=10, REALTIME_MAX_PER_USER=100)
    sockets = Sockets()
    people = sockets.open_all([(chat.server, f"chat/{chat.thread}/", chat.bob.id, None)] * 60)
    number = chat.post()
    chat.server.signal(signal.SIGTERM)
    began = time.monotonic()
    sockets.wait(lambda: any(s.code for s in people), what="the first wave")
    assert sum(s.code is None for s in people) >= 30, "all at once"
    sockets.wait(lambda: all(s.code for s in people), what="the last wave")
    assert time.monotonic() - began >= 1
    assert {s.code for s in people} == {1001} and all(s.messages() == [number] for s in people)
    chat.server.stop()
    sockets.close()


def test_nobody_is_let_in_while_the_server_stops(quick):
    chat = quick(REALTIME_DRAIN_SECONDS=3, SHUTDOWN_GRACE_S=10)
    sockets = Sockets()
    people = sockets.open_all([(chat.server, f"chat/{chat.thread}/", chat.bob.id, None)] * 4)
    chat.server.signal(signal.SIGTERM)
    sockets.wait(lambda: any(s.code for s in people), what="the first wave")

    def is_refused():
        try:
            with raw.Peer(chat.server.port) as peer:
                answer = peer.ask(handshake(f"{chat.path}?token={tokens.access(chat.ana.id)}"))
            return answer is None or answer.status == 503
        except ConnectionError:
            return True

    wait.until(is_refused, 1, "a refusal")
    assert any(s.code is None for s in people)
    chat.server.stop()
    sockets.close()
