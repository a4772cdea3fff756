"""Who gets a WebSocket and who does not: requests, origins, credentials, refusals, numbers (realtime.md 7, Handshake)."""

from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lib import raw, tokens, wait
from lib.chat import Chat, assert_closed, hear, hear_pong
from lib.database import Database
from lib.knock import handshake, knock, text_frame


@pytest.fixture
def database(new_database):
    """No engine has a part in it."""
    opened = Database(new_database("empty"))
    yield opened
    opened.close()


@pytest.fixture
def chat(database, start_server):
    return Chat(database, start_server)


@pytest.fixture
def poll(chat):
    return f"/ws/polls/{chat.add_poll()['id']}/"


def assert_refused(status, open_socket):
    with pytest.raises(InvalidStatus) as refused:
        open_socket()
    assert refused.value.response.status_code == status


# --- requests ---


def test_only_a_handshake_on_a_new_connection_opens_a_socket(chat, poll):
    assert knock(chat.server, poll).status == 101
    with raw.Peer(chat.server.port) as peer:
        assert peer.ask(raw.get("/livez".encode())).status == 200
        answer = peer.ask(handshake(poll))
        assert (answer.status, answer.fields["upgrade"]) == (426, ["websocket"])
    with raw.Peer(chat.server.port) as peer:
        peer.send(raw.get() + handshake(poll))
        assert [peer.answer().status, peer.answer().status] == [200, 426]
    for path in (poll, poll.rstrip("/"), chat.path):
        answer = chat.server.get(path)
        assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
    assert knock(chat.server, poll.rstrip("/")).status == 101


@pytest.mark.parametrize("path", ["/ws/", "/ws/chat/", "/ws/chat/x/", "/ws/chat/1/2/", "/ws/chat/-1/", "/ws/poll/1/", "/ws/chat/1//", "/ws/chats/1/"])
def test_there_are_no_other_sockets(chat, path):
    assert knock(chat.server, path).status == 404


def test_what_is_no_handshake_is_refused(chat, poll):
    good = handshake(poll)
    for line, other, status in ((b"Version: 13", b"Version: 8", 426), (b"Connection: Upgrade", b"Connection: close", 400), (b"-Key: ", b"-Key: x", 400)):
        with raw.Peer(chat.server.port) as peer:
            assert line in good and peer.ask(good.replace(line, other)).status == status, other
    assert knock(chat.server, poll, host="elsewhere.example").status == 400


def test_frames_that_come_with_the_handshake_are_read(chat, poll):
    with raw.Peer(chat.server.port) as peer:
        assert peer.ask(handshake(poll) + text_frame(b'{"type":"ping"}')).status == 101
        while b'{"type":"pong"}' not in peer.rest:
            assert peer._more()


# --- origins ---


@pytest.mark.parametrize("origin, status", [
    (None, 101), ("http://localhost", 101), ("HTTP://LocalHost", 101), ("https://localhost", 403), ("http://localhost:81", 403),
    ("https://app.example", 101), ("https://app.example:444", 403), ("https://sub.app.example", 403), ("https://app.example.evil.example", 403),
    ("null", 403), ("", 403), ("http://localhost/", 403), ("http://elsewhere.example", 403),
])
def test_origins(database, start_server, origin, status):
    chat = Chat(database, start_server, CORS_ALLOWED_ORIGINS="https://app.example", ALLOWED_HOSTS="localhost,127.0.0.1")
    path = f"/ws/polls/{chat.add_poll()['id']}/"
    assert knock(chat.server, path, *([] if origin is None else [f"Origin: {origin}"])).status == status


def test_origins_in_development_and_behind_https(chat, poll):
    for port, status in ((3000, 101), (5173, 101), (5174, 101), (4000, 403)):
        assert knock(chat.server, poll, f"Origin: http://localhost:{port}").status == status
        assert knock(chat.server, poll, f"Origin: http://127.0.0.1:{port}").status == status
    for origin, status in (("https://localhost", 101), ("http://localhost", 403)):
        assert knock(chat.server, poll, "X-Forwarded-Proto: https", f"Origin: {origin}").status == status


# --- credentials ---


@pytest.mark.parametrize("offered, echoed", [
    (None, None), ("egoejo.v1", ["egoejo.v1"]), ("egoejo.v1, bearer.TOKEN", ["egoejo.v1"]), ("bearer.TOKEN, egoejo.v1", ["egoejo.v1"]), ("bearer.TOKEN", None),
    ("chat", None), ("EGOEJO.V1", None), ("egoejo.v10", None), ("chat ,egoejo.v1", ["egoejo.v1"]),
])
def test_the_subprotocol_is_echoed_and_a_token_never(chat, offered, echoed):
    token = tokens.access(chat.ana.id)
    answer = knock(chat.server, chat.path, *([f"Sec-WebSocket-Protocol: {offered.replace('TOKEN', token)}"] if offered else []))
    assert answer.status == 101
    assert answer.fields.get("sec-websocket-protocol") == echoed
    assert token not in str(answer.fields)


def ways(header=None, protocol=None, query=None):
    """Arguments of Chat.open for tokens that come in these ways."""
    return {"additional_headers": {"Authorization": header} if header else {},
            "subprotocols": ["egoejo.v1", f"bearer.{protocol}"] if protocol else None, "query": f"token={query}" if query else ""}


def test_the_first_token_counts(chat):
    good, bad = tokens.access(chat.ana.id), tokens.access(chat.ana.id, exp=1)
    percent = "".join(f"%{ord(c):02x}" for c in good)
    welcome = [ways(query=good), ways(query=percent), ways(protocol=good), ways(header=f"Bearer {good}"), ways(header=f"bearer  {good}"),
               ways(f"Bearer {good}", bad, bad), ways(None, good, bad), ways("Basic YTpi", None, good)]
    refused = [ways(), ways(f"Bearer {bad}", good, good), ways(None, bad, good), ways(query="x"), ways(query=f"{good}x"), ways(query="%"),
               ways(query=tokens.refresh(chat.ana.id)), ways(query=bad), ways(query=tokens.access(999)),
               ways(query=tokens.sign(tokens.claims("access", chat.ana.id), key="another")), ways(header="Bearer ")]
    for arguments in welcome:
        with chat.open(**arguments) as socket:
            assert hear_pong(socket) == [], arguments
    for n, arguments in enumerate(refused):
        headers = arguments.pop("additional_headers")
        with chat.open(**arguments, additional_headers={**headers, "X-Forwarded-For": f"192.0.2.{n}"}) as socket:
            assert_closed(socket, 4401, "unauthenticated")
    chat.database.execute("UPDATE auth_user SET is_active = %s WHERE id = %s", False, chat.ana.id)
    with chat.open(chat.ana) as socket:
        assert_closed(socket, 4401, "unauthenticated")


def test_a_poll_is_open_to_whoever_has_a_bad_token(chat, poll):
    for token in ("x", tokens.access(chat.ana.id, exp=1), tokens.refresh(chat.ana.id), tokens.access(999)):
        with chat.open(path=poll, query=f"token={token}") as socket:
            assert hear_pong(socket) == []


def test_no_token_is_in_the_log(database, start_server):
    chat = Chat(database, start_server, LOG_LEVEL="DEBUG")
    good, bad = tokens.access(chat.ana.id), tokens.access(chat.ana.id, exp=1)
    for token in (good, bad):
        for arguments in (ways(query=token), ways(protocol=token), ways(header=f"Bearer {token}")):
            with chat.open(**arguments) as socket:
                if token == good:
                    hear_pong(socket)
                else:
                    assert_closed(socket, 4401)
        for path in ("/ws/nothing/", chat.path + "x", f"/ws/chat/{'9' * 30}/"):
            knock(chat.server, f"{path}?token={token}", f"Authorization: Bearer {token}")
        knock(chat.server, f"{chat.path}?token={token}", "Origin: http://elsewhere.example")
        chat.server.get(f"{chat.path}?token={token}")
    chat.server.secrets += [good, bad]
    chat.server.stop()  # looks for the secrets


# --- refusals ---


def test_who_was_refused_too_often_is_not_let_in_to_hear_it(database, start_server):
    chat = Chat(database, start_server, REALTIME_REFUSALS_MAX=3)
    for who, code in ((None, 4401), (chat.cleo, 4403), (None, 4401)):
        with chat.open(who) as socket:
            assert_closed(socket, code)
    for who in (None, chat.cleo, chat.ana):
        assert_refused(429, lambda w=who: chat.open(w))
    answer = knock(chat.server, chat.path)
    assert (answer.status, answer.fields["retry-after"]) == (429, ["60"])
    with chat.open(chat.ana, additional_headers={"X-Forwarded-For": "192.0.2.7"}) as socket:
        hear_pong(socket)
    other = chat.add_thread(chat.ana)
    with chat.open(chat.ana, path=f"/ws/chat/{other}/") as socket:
        hear_pong(socket)


def test_unknown_polls_are_refusals_and_openings_are_none(database, start_server):
    chat = Chat(database, start_server, REALTIME_REFUSALS_MAX=2)
    for _ in range(2):
        with chat.open(path="/ws/polls/77/") as socket:
            assert_closed(socket, 4404, "not_found")
    assert_refused(429, lambda: chat.open(path="/ws/polls/77/"))
    for _ in range(6):
        with chat.open(chat.ana) as socket:
            hear_pong(socket)


# --- numbers ---


def wait_admitted(open_socket):
    """Until there is room again: who has left is gone a moment later."""
    def is_admitted():
        with open_socket() as socket, suppress(ConnectionClosed):
            return hear_pong(socket) == []

    wait.until(is_admitted, 5, "room")


def test_one_user_has_so_many_sockets(database, start_server):
    chat = Chat(database, start_server, REALTIME_MAX_PER_USER=2)
    poll = f"/ws/polls/{chat.add_poll()['id']}/"
    with chat.open(chat.ana) as first, chat.open(chat.ana, path=poll) as second:
        for socket in (first, second):
            hear_pong(socket)
        with chat.open(chat.ana, path=poll) as third:
            assert_closed(third, 1008, "too_many")
        with chat.open(chat.bob) as bob, chat.open(path=poll) as nobody, chat.open(path=poll) as again:
            for socket in (bob, nobody, again):
                hear_pong(socket)
            with chat.open(path=poll) as third:
                assert_closed(third, 1008, "too_many")
            with chat.open(path=poll, additional_headers={"X-Forwarded-For": "192.0.2.7"}) as elsewhere:
                hear_pong(elsewhere)
        first.close()
        wait_admitted(lambda: chat.open(chat.ana))
        hear_pong(second)


def test_the_server_has_so_many_sockets(database, start_server):
    chat = Chat(database, start_server, REALTIME_MAX_CONNECTIONS=2)
    with chat.open(chat.ana) as ana, chat.open(chat.bob) as bob:
        for socket in (ana, bob):
            hear_pong(socket)
        with chat.open(chat.ana) as third:
            assert_closed(third, 1013, "overloaded")
        bob.close()
        wait_admitted(lambda: chat.open(chat.bob))
        hear_pong(ana)


@pytest.mark.parametrize("say", [lambda socket: socket.send("{}"), lambda socket: socket.ping(), lambda socket: socket.pong()])
def test_who_says_too_much_at_once_is_closed(database, start_server, say):
    chat = Chat(database, start_server, REALTIME_RATE=1, REALTIME_BURST=6)
    with chat.open(chat.ana) as ana, chat.open(chat.bob) as bob:
        for _ in range(4):
            say(ana)
        assert hear_pong(ana) == []
        with suppress(ConnectionClosed):  # it may be closed before the last
            for _ in range(4):
                say(ana)
        assert_closed(ana, 1008, "rate_limit")
        chat.post()
        assert hear(bob)["type"] == "chat_message"


# --- the doubled prefix of the original client ---


def test_the_doubled_prefix(chat):
    for path in ("support/concierge/eligibility/", f"chat/threads/{chat.thread}/", "polls/"):
        once, twice = (chat.server.get(prefix + path, chat.ana.headers) for prefix in ("/api/", "/api/api/"))
        assert once.status == twice.status == 200 and once.json == twice.json
