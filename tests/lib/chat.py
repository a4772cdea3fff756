"""A thread of two, the server that serves it, and what tests of its sockets do with them."""

import json

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lib import people, tokens

JSON = {"Content-Type": "application/json"}
PATIENCE = 10  # seconds for what must come


class Chat:
    """Ana has made a thread, in which Bob takes part and Cleo does not."""

    def __init__(self, database, start_server, **settings):
        self.database = database
        self.ana, self.bob, self.cleo = (people.add_person(database, "ordinary", name) for name in ("ana", "bob", "cleo"))
        self.thread = self.add_thread(self.ana, self.bob)
        self.server = start_server(database.url, **settings)

    def add_thread(self, *members):
        thread = self.database.insert("core_chatthread", created_by_id=members[0].id)
        for person in members:
            self.database.insert("core_chatmembership", thread_id=thread, user_id=person.id)
        return thread

    @property
    def path(self):
        return f"/ws/chat/{self.thread}/"

    def open(self, who=None, query="", path=None, server=None, **options):
        """A socket of this person, or of nobody; options are those of websockets' connect."""
        token = f"token={tokens.access(who.id)}&" if who else ""
        return connect(f"ws://127.0.0.1:{(server or self.server).port}{path or self.path}?{token}{query}",
                       **{"ping_interval": None, "compression": None, "max_size": None, **options})

    def call(self, method, path, body=None, who=None, status=200, server=None):
        data = None if body is None else json.dumps(body).encode()
        answer = (server or self.server).request(method, "/api/" + path, {**(who or self.ana).headers, **(JSON if data else {})}, data)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json if answer.body else None

    def post(self, text="Bonjour", who=None, thread=None, server=None):
        """Posts a message; its id."""
        return self.call("POST", "chat/messages/", {"thread": thread or self.thread, "content": text}, who, 201, server)["id"]

    def add_poll(self, server=None, **fields):
        body = {"title": "Le lieu", "question": "Où ?", "status": "open", "options": [{"label": "ici"}, {"label": "ailleurs"}], **fields}
        return self.call("POST", "polls/", body, status=201, server=server)


def hear(socket):
    """The next frame."""
    return json.loads(socket.recv(timeout=PATIENCE))


def say(socket, **message):
    socket.send(json.dumps(message))


def hear_pong(socket):
    """All that came before the answer to a ping: the server has heard whatever was sent until now."""
    say(socket, type="ping")
    heard = []
    while (frame := hear(socket)) != {"type": "pong"}:
        heard.append(frame)
    return heard


def assert_closed(socket, code, reason=None):
    """The server closes it, whatever it says before."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(timeout=PATIENCE)
    assert closed.value.rcvd.code == code
    assert reason is None or closed.value.rcvd.reason == reason
