"""Processes that share a database, and perhaps a Redis; the people, threads and polls there, and the sockets on them."""

import json
import time

from lib import people
from lib.database import NOW, Database

JSON = {"Content-Type": "application/json"}
LIMIT = 0.25  # seconds that Redis may cost a request


class World:
    """Some processes, people, threads and polls."""

    def __init__(self, url, start, sockets, members=3):
        self.url, self.start, self.sockets = url, start, sockets
        self.database = Database(url)
        self.people = [people.add_person(self.database, "ordinary", f"person-{n}") for n in range(members)]
        self.servers = []

    def add_server(self):
        self.servers.append(self.start())
        return self.servers[-1]

    def add_thread(self, creator=0):
        thread = self.database.insert("core_chatthread", created_by_id=self.people[creator].id)
        self.database.execute("INSERT INTO core_chatmembership (role, joined_at, thread_id, user_id) SELECT 'member', %s, CAST(%s AS bigint), id FROM auth_user",
                              NOW, thread)
        return thread

    def call(self, server, method, path, body=None, person=0, status=200, client=None):
        data = None if body is None else json.dumps(body).encode()
        answer = (client or server).request(method, "/api/" + path, {**self.people[person].headers, **(JSON if data else {})}, data)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json if answer.body else None

    def post(self, server, thread, content="Bonjour", person=0, client=None):
        """Posts a message; its id."""
        return self.call(server, "POST", "chat/messages/", {"thread": thread, "content": content}, person, 201, client)["id"]

    def post_promptly(self, server, thread):
        began = time.monotonic()
        number = self.post(server, thread)
        took = time.monotonic() - began
        assert took < 2 * LIMIT, f"a post took {took * 1000:.0f} ms"
        return number

    def open(self, server, thread, person=1, last_message_id=None):
        return self.sockets.open(server, f"chat/{thread}/", self.people[person].id, last_message_id)

    def make_poll(self, server):
        body = {"title": "Le lieu", "question": "Où ?", "status": "open", "options": [{"label": "ici"}, {"label": "ailleurs"}]}
        return self.call(server, "POST", "polls/", body, status=201)

    def ids(self, thread):
        return [row[0] for row in self.database.execute("SELECT id FROM core_chatmessage WHERE thread_id = %s ORDER BY id", thread)]
