"""Chats as people use them, on both engines: who sees what, rights, order of checks, pages, attachments, the journal, reports, races."""

import datetime
import json
import os
import threading
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from lib import people

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOUNDARY = "----a-boundary-of-the-tests"
THREAD_KEYS = ["id", "title", "project", "is_private", "created_by", "participants", "created_at", "updated_at", "last_message_at"]
MESSAGE_KEYS = ["id", "thread", "author", "content", "attachment", "metadata", "is_deleted", "deleted_at", "created_at", "edited_at"]
REPORT_KEYS = ["id", "message", "reporter", "reason", "status", "reviewed_by", "reviewed_at", "created_at", "updated_at"]
# In the thread of the fixture: its creator, two who take part and have no more rights, one who moderates, staff; and who is outside.
PARTICIPANTS = ("creator", "ordinary", "other", "moderator", "staff")
OUTSIDERS = ("editor", "founder", "superuser", "outside_staff")


class World:
    """A server, a cast, and a thread of `creator`."""

    def __init__(self, start_server, database, folder, **settings):
        self.database, self.media = database, os.path.join(folder, "media")
        self.people = people.add_cast(database)
        for name, role in (("creator", "ordinary"), ("moderator", "ordinary"), ("outside_staff", "staff")):
            self.people[name] = people.add_person(database, role, name)
        self.server = start_server(database.url, DISABLE_THROTTLE_FOR_TESTS="1", MEDIA_ROOT=self.media, **settings)
        self.thread = self.make("creator", participant_ids=[self.id(p) for p in PARTICIPANTS])["id"]
        database.execute("UPDATE core_chatmembership SET role = 'moderator' WHERE user_id = %s", self.id("moderator"))

    def id(self, who):
        return self.people[who].id

    def ask(self, method, path, who="ordinary", body=None, headers=None):
        """A request with a JSON body, or with bytes as they are."""
        headers = {**(self.people[who].headers if who else {}), **({} if body is None else JSON), **(headers or {})}
        return self.server.request(method, "/api/chat/" + path, headers, body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode(), 30)

    def get(self, path, who="ordinary", status=200):
        answer = self.ask("GET", path, who)
        assert answer.status == status, answer.text
        return answer.json

    def make(self, who="ordinary", **body):
        answer = self.ask("POST", "threads/", who, body)
        assert answer.status == 201, answer.text
        return answer.json

    def post(self, who="ordinary", content="Bonjour", thread=None, **body):
        answer = self.ask("POST", "messages/", who, {"thread": thread or self.thread, "content": content, **body})
        assert answer.status == 201, answer.text
        return answer.json

    def upload(self, *files, method="POST", path="messages/", who="ordinary", **fields):
        parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
        parts += [b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: text/html\r\n\r\n%s\r\n'
                  % (BOUNDARY.encode(), name.encode(), filename.encode(), content) for name, filename, content in files]
        body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
        return self.ask(method, path, who, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})

    def files(self):
        return sorted(os.path.relpath(os.path.join(folder, name), self.media) for folder, _, names in os.walk(self.media) for name in names)

    def entries(self, action):
        rows = self.database.execute("SELECT actor_id, target_type, target_id, metadata FROM core_auditlog WHERE action = %s ORDER BY id", action)
        return [(a, t, i, json.loads(m) if isinstance(m, str) else m) for a, t, i, m in rows]

    def column(self, sql, *values):
        return [row[0] for row in self.database.execute(sql, *values)]


@pytest.fixture
def world(start_server, database, folder):
    return World(start_server, database, folder)


@pytest.fixture
def make_world(start_server, database, folder):
    return lambda **settings: World(start_server, database, folder, **settings)


def at_once(calls):
    """What the calls return, all begun at the same moment."""
    answers, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(i):
        barrier.wait()
        answers[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def instant(text):
    return datetime.datetime.fromisoformat(text)


def ids(envelope):
    return [row["id"] for row in envelope["results"]]


def names(thread):
    return [p["username"] for p in thread["participants"]]


def refused(answer, *fields):
    assert answer.status == 400 and list(answer.json) == list(fields), answer.text
    assert all(isinstance(texts, list) and texts and all(texts) for texts in answer.json.values())


# --- threads: who sees them ---


def test_a_thread(world):
    before = datetime.datetime.now(datetime.timezone.utc)
    made = world.make("ordinary", title="  Été 🌱 ", is_private=False, participant_ids=[world.id("other"), str(world.id("other")), world.id("inactive")],
                      project=world.database.insert("core_projet"), created_by=1, thread_type="SUPPORT_CONCIERGE", last_message_at="2020-01-01")
    assert list(made) == THREAD_KEYS
    assert made["title"] == "Été 🌱" and made["is_private"] is False and made["created_by"]["username"] == "ordinary"
    assert names(made) == ["ordinary", "other", "inactive"] and [p["id"] for p in made["participants"]] == sorted(p["id"] for p in made["participants"])
    assert list(made["participants"][0]) == ["id", "username", "email", "first_name", "last_name"]
    assert before <= instant(made["created_at"]) == instant(made["updated_at"]) <= instant(made["last_message_at"])
    assert world.column("SELECT thread_type FROM core_chatthread WHERE id = %s", made["id"]) == ["GENERAL"]
    assert set(world.column("SELECT role FROM core_chatmembership WHERE thread_id = %s", made["id"])) == {"member"}
    assert world.entries("chat_thread_create")[-1] == (world.id("ordinary"), "chat_thread", str(made["id"]), {"title": "Été 🌱"})
    assert world.get(f"threads/{made['id']}/", "other") == made


def test_only_who_takes_part_sees_a_thread(world):
    message = world.post()["id"]
    for who in PARTICIPANTS:
        assert world.get(f"threads/{world.thread}/", who)["id"] == world.thread
        assert ids(world.get("threads/", who)) == [world.thread]
        assert ids(world.get("messages/", who)) == [message] and world.get(f"messages/{message}/", who)["id"] == message
    for who in OUTSIDERS:
        assert world.get("threads/", who)["results"] == [] and world.get("messages/", who)["count"] == 0
        assert world.get(f"messages/?thread={world.thread}", who)["results"] == []
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            for path in (f"threads/{world.thread}/", f"messages/{message}/"):
                answer = world.ask(method, path, who, {"title": "x", "thread": world.thread, "content": "x"} if method[0] == "P" else None)
                assert answer.status == 404 and list(answer.json) == ["detail"], (who, method, path)
    for method, path in (("GET", "threads/"), ("POST", "threads/"), ("GET", f"threads/{world.thread}/"), ("DELETE", f"threads/{world.thread}/"),
                         ("GET", "messages/"), ("POST", "messages/"), ("PATCH", f"messages/{message}/"), ("PUT", "threads/"), ("DELETE", "messages/")):
        assert world.ask(method, path, None, {} if method[0] == "P" else None).status == 403
    assert world.column("SELECT content FROM core_chatmessage") == ["Bonjour"]


def test_ids_that_are_none(world):
    for family in ("threads", "messages", "reports"):
        for text in ("abc", "-1", "0", "99999999999999999999", "9223372036854775807", "1e3", "%27"):
            assert world.ask("GET", f"{family}/{text}/", "staff").status == 404, text


def test_methods(world):
    assert world.ask("PUT", "threads/", "ordinary", {}).status == 405 and world.ask("POST", f"threads/{world.thread}/", "ordinary", {}).status == 405
    assert world.ask("DELETE", "messages/").status == 405 and world.ask("PATCH", "reports/", "staff", {}).status == 405
    assert world.ask("GET", f"threads/{world.thread}/").header_set("Allow") == {"get", "put", "patch", "delete", "head", "options"}
    assert world.ask("GET", "reports/1/review/", "staff").status == 405


def test_the_latest_thread_comes_first(world):
    made = [world.make(title=str(i))["id"] for i in range(3)]
    assert ids(world.get("threads/")) == [*reversed(made), world.thread]
    world.post(thread=made[0])
    world.post(thread=world.thread)
    assert ids(world.get("threads/")) == [world.thread, made[0], made[2], made[1]]
    world.database.execute("UPDATE core_chatthread SET last_message_at = NULL WHERE id IN (%s, %s)", made[0], made[1])
    assert ids(world.get("threads/")) == [world.thread, made[2], made[1], made[0]]


def test_pages_of_threads_ask_for_participants_once(world):
    for i in range(24):
        world.make(title=str(i), participant_ids=[world.id(p) for p in PARTICIPANTS[: i % 5]])
    first, second = world.get("threads/"), world.get("threads/?page=2")
    assert first["count"] == 25 and len(first["results"]) == 20 and len(second["results"]) == 5 and first["next"].endswith("/api/chat/threads/?page=2")
    for thread in first["results"] + second["results"]:
        expected = set(PARTICIPANTS if thread["id"] == world.thread else PARTICIPANTS[: int(thread["title"]) % 5]) | {"ordinary"}
        assert set(names(thread)) == expected and len(names(thread)) == len(expected)


# --- threads: changing them ---


def test_who_may_change_a_thread(world):
    for who, status in dict(creator=200, moderator=200, staff=200, ordinary=403, other=403).items():
        for method in ("PATCH", "PUT"):
            answer = world.ask(method, f"threads/{world.thread}/", who, {"title": f"{who} {method}"})
            assert answer.status == status, (who, method)
            assert (answer.json["title"] == f"{who} {method}") if status == 200 else list(answer.json) == ["detail"]
    world.database.execute("UPDATE core_chatmembership SET role = 'owner' WHERE user_id = %s", world.id("other"))
    assert world.ask("PATCH", f"threads/{world.thread}/", "other", {"title": "x"}).status == 200
    assert world.entries("chat_thread_update") == []


def test_what_a_change_leaves(world):
    before = world.get(f"threads/{world.thread}/")
    after = world.ask("PUT", f"threads/{world.thread}/", "creator", {}).json
    assert instant(after["updated_at"]) > instant(before["updated_at"])
    assert {**after, "updated_at": 0} == {**before, "updated_at": 0}
    assert world.ask("PATCH", f"threads/{world.thread}/", "creator", {"is_private": False, "title": ""}).json["title"] == ""
    form = world.ask("PUT", f"threads/{world.thread}/", "creator", b"title=Formulaire", FORM).json
    assert form["is_private"] is False and form["title"] == "Formulaire" and names(form) == names(before)
    form = world.ask("PATCH", f"threads/{world.thread}/", "creator", f"participant_ids={world.id('other')}&participant_ids={world.id('staff')}".encode(), FORM)
    assert set(names(form.json)) == {"creator", "other", "staff"}


def test_participants_are_replaced(world):
    members = "SELECT role, joined_at FROM core_chatmembership WHERE thread_id = %s AND user_id = %s"
    before = world.database.execute(members, world.thread, world.id("moderator"))
    answer = world.ask("PATCH", f"threads/{world.thread}/", "creator", {"participant_ids": [world.id("moderator"), world.id("editor"), world.id("editor")]})
    assert set(names(answer.json)) == {"creator", "moderator", "editor"}
    assert world.database.execute(members, world.thread, world.id("moderator")) == before
    world.get(f"threads/{world.thread}/", "ordinary", 404)
    world.get(f"threads/{world.thread}/", "editor")
    answer = world.ask("PUT", f"threads/{world.thread}/", "moderator", {"participant_ids": []})
    assert names(answer.json) == ["moderator"]  # whoever asks stays, the creator need not
    world.get(f"threads/{world.thread}/", "creator", 404)


@pytest.mark.parametrize("value", [None, "abc", 3, {}, ["abc"], [None], [True], [1.5], [[1]], [999999], [-1], [99999999999999999999], [""], [{}]])
def test_participants_that_are_none(world, value):
    refused(world.ask("POST", "threads/", "ordinary", {"participant_ids": value}), "participant_ids")
    refused(world.ask("PATCH", f"threads/{world.thread}/", "creator", {"participant_ids": value}), "participant_ids")
    assert len(names(world.get(f"threads/{world.thread}/"))) == len(PARTICIPANTS)


def test_all_errors_of_a_thread(world):
    bad = {"title": "x" * 256, "project": 999, "is_private": "peut-être", "participant_ids": [999999]}
    refused(world.ask("POST", "threads/", "ordinary", bad), "title", "project", "is_private", "participant_ids")
    refused(world.ask("POST", "threads/", "ordinary", {"title": None}), "title")
    refused(world.ask("POST", "threads/", "ordinary", {"title": "a\0b"}), "title")
    refused(world.ask("POST", "threads/", "ordinary", {"participant_ids": [1] * 1001}), "participant_ids")
    refused(world.ask("POST", "threads/", "ordinary", [1]), "non_field_errors")
    assert world.ask("POST", "threads/", "ordinary", {"title": "é" * 255, "participant_ids": [world.id("other")] * 1000}).status == 201


def test_the_row_and_the_rights_come_before_the_body(world):
    message = world.post("creator")["id"]
    for path, outsider, participant in ((f"threads/{world.thread}/", "editor", "ordinary"), (f"messages/{message}/", "editor", "ordinary")):
        for method in ("PUT", "PATCH"):
            for body, headers in ((b"{", JSON), (b"x", {"Content-Type": "text/csv"}), (b'{"title": 5, "content": []}', JSON)):
                assert world.ask(method, path, outsider, body, headers).status == 404
                assert world.ask(method, path, participant, body, headers).status == 403
            assert world.ask(method, path, "creator", b"{", JSON).status == 400
            assert world.ask(method, path, "creator", b"x", {"Content-Type": "text/csv"}).status == 415


def test_who_may_delete_a_thread(world):
    message = world.post()["id"]
    assert world.ask("POST", "reports/", "other", {"message": message}).status == 201
    for who in ("ordinary", "moderator"):
        assert world.ask("DELETE", f"threads/{world.thread}/", who).status == 403
    answer = world.ask("DELETE", f"threads/{world.thread}/", "creator")
    assert answer.status == 204 and answer.raw == b""
    for table in ("core_chatthread", "core_chatmembership", "core_chatmessage", "core_chatmessagereport"):
        assert world.database.count(table) == 0
    assert world.entries("chat_thread_delete") == [(world.id("creator"), "chat_thread", str(world.thread), {})]
    assert world.ask("DELETE", f"threads/{world.thread}/", "creator").status == 404
    again = world.make("ordinary", participant_ids=[world.id("staff")])["id"]
    assert world.ask("DELETE", f"threads/{again}/", "staff").status == 204


# --- messages ---


def test_a_message(world):
    before = world.get(f"threads/{world.thread}/")
    made = world.post("other", "  <b>Bonjour</b> & \n 🌱  ", metadata={"a": 1}, is_deleted=True, author=1, created_at="2020-01-01")
    assert list(made) == MESSAGE_KEYS
    assert made["content"] == "<b>Bonjour</b> & \n 🌱" and made["author"]["username"] == "other" and made["thread"] == world.thread
    assert made["metadata"] == {} and made["is_deleted"] is False
    assert made["attachment"] is made["deleted_at"] is made["edited_at"] is None
    after = world.get(f"threads/{world.thread}/")
    assert after["last_message_at"] == made["created_at"] and after["updated_at"] == before["updated_at"]
    assert world.get(f"messages/{made['id']}/", "staff") == made
    assert world.entries("chat_message_create") == [(world.id("other"), "chat_message", str(made["id"]), {"thread": world.thread})]
    assert world.post(content=12345)["content"] == "12345"


def test_messages_that_are_none(world):
    refused(world.ask("POST", "messages/", "ordinary", {}), "thread", "content")
    for thread in (None, "", True, "abc", {}, 999999, 99999999999999999999):
        refused(world.ask("POST", "messages/", "ordinary", {"thread": thread, "content": "x"}), "thread")
    for content in (None, "", " \n ", True, [], {}, "a\0b"):
        refused(world.ask("POST", "messages/", "ordinary", {"thread": world.thread, "content": content}), "content")
    refused(world.ask("POST", "messages/", "ordinary", {"thread": world.thread, "content": "x", "attachment": "note.txt"}), "attachment")
    foreign = world.make("editor")["id"]
    answer = world.ask("POST", "messages/", "ordinary", {"thread": foreign, "content": "x"})
    assert answer.status == 403 and list(answer.json) == ["detail"]
    refused(world.ask("POST", "messages/", "ordinary", {"thread": foreign, "content": ""}), "content")  # validation comes first
    assert world.database.count("core_chatmessage") == 0


def test_how_long_a_message_may_be(make_world):
    world = make_world(CHAT_MAX_CONTENT="5")
    assert world.post(content=" éàü🌱. ")["content"] == "éàü🌱."
    refused(world.ask("POST", "messages/", "ordinary", {"thread": world.thread, "content": "123456"}), "content")


def test_who_may_edit_a_message(world):
    message = world.post("ordinary")
    path = f"messages/{message['id']}/"
    for who in ("creator", "moderator", "other"):
        assert world.ask("PATCH", path, who, {"content": "x"}).status == 403 and world.ask("DELETE", path, who).status == 403
    edited = world.ask("PATCH", path, "ordinary", {"content": "Bonsoir", "author": 1, "metadata": {"a": 1}})
    assert edited.status == 200 and {**edited.json, "edited_at": None, "content": "Bonjour"} == message and edited.json["content"] == "Bonsoir"
    again = world.ask("PATCH", path, "ordinary", {}).json  # nothing changes but the time
    assert instant(again["edited_at"]) > instant(edited.json["edited_at"]) and again["content"] == "Bonsoir"
    assert world.ask("PUT", path, "staff", {"thread": world.thread, "content": "Par l'équipe"}).json["author"]["username"] == "ordinary"
    assert world.get(f"threads/{world.thread}/")["last_message_at"] == message["created_at"]
    assert [e[0] for e in world.entries("chat_message_update")] == [world.id("ordinary")] * 2 + [world.id("staff")]
    assert world.entries("chat_message_update")[0][1:] == ("chat_message", str(message["id"]), {})


def test_edits_that_are_none(world):
    message, elsewhere = world.post("ordinary"), world.make("ordinary")["id"]
    path = f"messages/{message['id']}/"
    refused(world.ask("PUT", path, "ordinary", {"content": "x"}), "thread")
    refused(world.ask("PUT", path, "ordinary", {"thread": world.thread}), "content")
    for content in (None, "", "  "):
        refused(world.ask("PATCH", path, "ordinary", {"content": content}), "content")
    for method in ("PUT", "PATCH"):  # a message does not move
        refused(world.ask(method, path, "ordinary", {"thread": elsewhere, "content": "x"}), "thread")
        refused(world.ask(method, path, "ordinary", {"thread": 999999, "content": "x"}), "thread")
    assert world.get(path) == message


def test_a_deleted_message_says_nothing_any_more(world):
    message = world.upload(("attachment", "note.txt", b"secret"), thread=world.thread, content="secret").json
    path = f"messages/{message['id']}/"
    answer = world.ask("DELETE", path)
    assert answer.status == 204 and answer.raw == b""
    for seen in (world.get(path, "other"), world.get("messages/", "other")["results"][0], world.get("messages/?limit=5", "staff")["results"][0]):
        assert seen["is_deleted"] is True and seen["content"] == "" and seen["attachment"] is None and instant(seen["deleted_at"])
    assert world.ask("DELETE", path).status == 204
    again = world.get(path)
    assert {**again, "deleted_at": seen["deleted_at"]} == seen and instant(again["deleted_at"]) > instant(seen["deleted_at"])
    assert len(world.entries("chat_message_delete")) == 2
    for method in ("PUT", "PATCH"):
        answer = world.ask(method, path, "ordinary", {"thread": world.thread, "content": "x"})
        assert answer.status == 400 and list(answer.json) == ["detail"]
    assert world.column("SELECT content FROM core_chatmessage") == ["secret"]  # kept for moderation
    assert world.get(f"threads/{world.thread}/")["last_message_at"] == message["created_at"]


def test_an_author_who_is_out_changes_nothing(world):
    message = world.post("ordinary")["id"]
    world.ask("PATCH", f"threads/{world.thread}/", "creator", {"participant_ids": [world.id("other")]})
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert world.ask(method, f"messages/{message}/", "ordinary", {"content": "x"} if method[0] == "P" else None).status == 404
    assert world.ask("POST", "messages/", "ordinary", {"thread": world.thread, "content": "x"}).status == 403


def test_accounts_that_are_gone(world):
    leaver = people.add_person(world.database, "ordinary", "leaver")
    world.people["leaver"] = leaver
    thread = world.make("leaver", participant_ids=[world.id("ordinary")])["id"]
    message = world.post("leaver", thread=thread)["id"]
    assert world.server.request("DELETE", "/api/user/data-delete/", leaver.headers, b"").status == 200
    assert world.get(f"messages/{message}/")["author"] is None
    seen = world.get(f"threads/{thread}/")
    assert seen["created_by"] is None and names(seen) == ["ordinary"]


# --- lists of messages ---


@pytest.fixture
def many(world):
    """The ids of 25 messages of the thread; two of another one lie between them."""
    made, other = [], world.make("ordinary")["id"]
    for i in range(25):
        made.append(world.post(PARTICIPANTS[i % 5], str(i))["id"])
        if i in (3, 7):
            world.post(thread=other)
    return made


def follow(world, envelope, which):
    parts = urlsplit(envelope[which])
    assert parts.path == "/api/chat/messages/" and f"{parts.scheme}://{parts.netloc}" == world.server.base
    return world.get("messages/?" + parts.query), dict(parse_qsl(parts.query))


def test_pages_of_messages(world, many):
    first = world.get(f"messages/?thread={world.thread}")
    assert first["count"] == 25 and ids(first) == many[:20] and first["previous"] is None
    second, query = follow(world, first, "next")
    assert query == {"thread": str(world.thread), "page": "2"} and ids(second) == many[20:] and second["next"] is None
    assert world.get("messages/")["count"] == 27 and world.get("messages/?thread=")["count"] == 27
    assert ids(world.get(f"messages/?thread={world.thread}&page=last")) == many[20:]
    for page in ("0", "3", "x"):
        world.get(f"messages/?thread={world.thread}&page={page}", status=404)


def test_the_last_messages(world, many):
    last = world.get(f"messages/?thread={world.thread}&limit=10")
    assert ids(last) == many[15:] and last["count"] == 25 and last["next"] is None
    before, query = follow(world, last, "previous")
    assert query == {"thread": str(world.thread), "limit": "10", "before": str(many[15])} and ids(before) == many[5:15]
    first, _ = follow(world, before, "previous")
    assert ids(first) == many[:5] and first["previous"] is None
    everything = world.get(f"messages/?thread={world.thread}&limit=100")
    assert ids(everything) == many and everything["previous"] is None


def test_before_and_after(world, many):
    thread = f"messages/?thread={world.thread}"
    assert ids(world.get(f"{thread}&limit=3&before={many[10]}")) == many[7:10]
    assert ids(world.get(f"{thread}&limit=3&after={many[10]}")) == many[22:]
    between = world.get(f"{thread}&limit=100&after={many[10]}&before={many[13]}")
    assert ids(between) == many[11:13] and between["count"] == 2
    assert ids(world.get(f"{thread}&after={many[22]}")) == many[23:]
    assert world.get(f"{thread}&limit=5&before=0")["results"] == [] and world.get(f"{thread}&limit=5&after={2**63 - 1}")["results"] == []


@pytest.mark.parametrize("name, values", [("thread", ["abc", "1.5", "9" * 30, "1 2", "'"]), ("limit", ["0", "101", "-1", "x", "1.5"]),
                                          ("before", ["x", "9" * 30]), ("after", ["x", "1,2"])])
def test_numbers_that_are_none(world, name, values):
    for value in values:
        refused(world.ask("GET", f"messages/?{name}={value.replace(' ', '%20')}"), name)
    assert world.ask("GET", "messages/?limit=x&before=y").json.keys() == {"limit", "before"}
    assert world.ask("GET", f"messages/?{name}=").status == 200


# --- attachments ---


def test_an_attachment(world):
    answer = world.upload(("attachment", "ma note été.html", b"<script>"), thread=world.thread, content="Voici")
    assert answer.status == 201, answer.text
    path = unquote(urlsplit(answer.json["attachment"]).path)
    stored = world.column("SELECT attachment FROM core_chatmessage")[0]
    assert answer.json["attachment"].startswith(world.server.base + "/media/") and path == "/media/" + stored and world.files() == [stored]
    name = stored.removeprefix("chat_attachments/ma_note_été_").removesuffix(".html")
    assert len(name) == 20 and name.isalnum()  # nobody guesses it
    served = world.server.get(urlsplit(answer.json["attachment"]).path)
    assert served.raw == b"<script>" and served.headers["Content-Disposition"] == "attachment" and served.headers["X-Content-Type-Options"] == "nosniff"
    assert served.headers["Content-Type"] == "application/octet-stream" and served.headers["Cache-Control"] == "private, no-cache"
    known = world.server.request("GET", urlsplit(answer.json["attachment"]).path, {"If-None-Match": served.headers["ETag"]})
    assert known.status == 304 and known.headers["Cache-Control"] == "private, no-cache"
    assert world.get(f"messages/{answer.json['id']}/", "other") == answer.json
    again = world.upload(("attachment", "ma note été.html", b"2"), thread=world.thread, content="Voici")
    assert again.json["attachment"] != answer.json["attachment"]


def test_an_image_is_an_attachment_too(world):
    answer = world.upload(("attachment", "a.png", b"<svg onload=alert(1)>"), thread=world.thread, content="x")
    served = world.server.get(urlsplit(answer.json["attachment"]).path)
    assert served.headers["Content-Type"] == "image/png" and served.headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize("name", ["sans-extension", ".htaccess", "a." + "x" * 97, "é" * 96 + ".txt", "../../etc/passwd", "a.tar.gz"])
def test_names_of_attachments(world, name):
    answer = world.upload(("attachment", name, b"x"), thread=world.thread, content="x")
    assert answer.status == 201, answer.text
    stored = world.column("SELECT attachment FROM core_chatmessage")[0]
    assert stored.startswith("chat_attachments/") and len(stored) <= 100 and ".." not in stored and world.files() == [stored]
    assert world.server.get(urlsplit(answer.json["attachment"]).path).raw == b"x"


def test_attachments_that_are_none(world):
    refused(world.upload(("attachment", "vide.txt", b""), thread=world.thread, content="x"), "attachment")
    refused(world.upload(("attachment", "💥", b"x"), thread=world.thread, content="x"), "attachment")
    refused(world.upload(("attachment", "a.txt", b"x"), thread=world.thread), "content")
    refused(world.upload(thread=world.thread, content="x", attachment="a.txt"), "attachment")
    assert world.upload(("attachment", "a.txt", b"x"), who="editor", thread=world.thread, content="x").status == 403
    assert world.upload(("attachment", "a.txt", b"x"), who=None, thread=world.thread, content="x").status == 403
    assert world.files() == [] and world.database.count("core_chatmessage") == 0


def test_how_large_an_attachment_may_be(make_world):
    world = make_world(MAX_UPLOAD_BYTES="1000", MAX_BODY_BYTES="2000")
    assert world.upload(("attachment", "a.bin", b"x" * 1000), thread=world.thread, content="x").status == 201
    refused(world.upload(("attachment", "a.bin", b"x" * 1001), thread=world.thread, content="x"), "attachment")
    message = world.get("messages/")["results"][0]
    refused(world.upload(("attachment", "a.bin", b"x" * 100_000), method="PATCH", path=f"messages/{message['id']}/"), "attachment")
    assert len(world.files()) == 1


def test_another_attachment_and_none(world):
    message = world.post()
    path = f"messages/{message['id']}/"
    answer = world.upload(("attachment", "a.txt", b"x"), method="PATCH", path=path)
    assert answer.status == 200 and answer.json["attachment"] and answer.json["content"] == "Bonjour" and answer.json["edited_at"]
    kept = world.ask("PUT", path, "ordinary", {"thread": world.thread, "content": "y"}).json
    assert kept["attachment"] == answer.json["attachment"]
    assert world.ask("PATCH", path, "ordinary", {"attachment": None}).json["attachment"] is None
    assert world.upload(("attachment", "b.txt", b"x"), method="PATCH", path=path, who="other").status == 403
    assert world.upload(("attachment", "b.txt", b"x"), method="PATCH", path=path, content="").status == 400
    assert world.files() == []


def test_a_file_that_no_message_names_is_gone(world):
    first, second, kept = (world.upload(("attachment", f"{name}.txt", b"x"), thread=world.thread, content="x").json for name in "abc")
    path = f"messages/{first['id']}/"
    before = urlsplit(first["attachment"]).path
    after = urlsplit(world.upload(("attachment", "d.txt", b"y"), method="PATCH", path=path).json["attachment"]).path
    assert world.server.get(before).status == 404 and world.server.get(after).raw == b"y"
    assert world.ask("DELETE", f"messages/{second['id']}/").status == 204 and len(world.files()) == 3  # kept for moderation, as its text
    assert world.ask("PATCH", f"messages/{kept['id']}/", "ordinary", {"content": "y"}).json["attachment"] == kept["attachment"]
    assert world.ask("DELETE", f"threads/{world.thread}/", "staff").status == 204
    assert world.files() == []


# --- reports ---


def test_a_report(world):
    message = world.post("other")["id"]
    answer = world.ask("POST", "reports/", "ordinary", {"message": message, "reason": "  Insultes 🌋 ", "status": "dismissed", "reporter": 1})
    assert answer.status == 201 and list(answer.json) == REPORT_KEYS, answer.text
    report = answer.json
    assert report["reporter"]["username"] == "ordinary" and report["reason"] == "Insultes 🌋" and report["status"] == "pending"
    assert report["message"] == message and report["reviewed_by"] is report["reviewed_at"] is None
    assert world.entries("chat_report_create") == [(world.id("ordinary"), "chat_report", str(report["id"]), {"message": message})]
    refused(world.ask("POST", "reports/", "ordinary", {"message": message}), "non_field_errors")
    assert world.ask("POST", "reports/", "creator", {"message": message}).json["reason"] == ""
    for who in OUTSIDERS:
        assert world.ask("POST", "reports/", who, {"message": message}).status == 403
    assert world.ask("POST", "reports/", None, {"message": message}).status == 403
    for bad in (None, "", "abc", True, 999999, 99999999999999999999):
        refused(world.ask("POST", "reports/", "ordinary", {"message": bad}), "message")
    refused(world.ask("POST", "reports/", "ordinary", {}), "message")
    assert world.database.count("core_chatmessagereport") == 2


def test_who_sees_a_report(world):
    message = world.post("other")["id"]
    made = [world.ask("POST", "reports/", who, {"message": message}).json["id"] for who in ("ordinary", "creator")]
    assert ids(world.get("reports/", "staff")) == ids(world.get("reports/", "outside_staff")) == made[::-1]
    assert ids(world.get("reports/", "ordinary")) == made[:1] and ids(world.get("reports/", "superuser")) == []
    world.get(f"reports/{made[0]}/", "creator", 404)
    world.get(f"reports/{made[0]}/", "other", 404)
    assert world.get(f"reports/{made[0]}/", "ordinary") == world.get(f"reports/{made[0]}/", "staff")
    assert world.ask("GET", "reports/", None).status == 403


@pytest.mark.parametrize("word, status", [("review", "reviewed"), ("dismiss", "dismissed")])
def test_a_report_is_settled_by_staff(world, word, status):
    report = world.ask("POST", "reports/", "ordinary", {"message": world.post("other")["id"]}).json["id"]
    for who in (None, "ordinary", "creator", "moderator", "editor", "superuser"):
        assert world.ask("POST", f"reports/{report}/{word}/", who, b"").status == 403
        assert world.ask("POST", f"reports/999999/{word}/", who, b"").status == 403
    answer = world.ask("POST", f"reports/{report}/{word}/", "outside_staff", b"")
    assert answer.status == 200 and answer.json == {"status": status}
    seen = world.get(f"reports/{report}/")
    assert seen["status"] == status and seen["reviewed_by"]["username"] == "outside_staff" and seen["reviewed_at"] == seen["updated_at"]
    assert world.entries(f"chat_report_{word}") == [(world.id("outside_staff"), "chat_report", str(report), {})]
    assert world.ask("POST", f"reports/999999/{word}/", "staff", b"").status == 404
    assert world.ask("POST", f"reports/{report}/{word}/", "staff", b"not json", JSON).status == 200  # the body is not read


def test_staff_change_and_delete_reports(world):
    report = world.ask("POST", "reports/", "ordinary", {"message": world.post("other")["id"], "reason": "a"}).json
    path = f"reports/{report['id']}/"
    for who in (None, "ordinary", "superuser"):
        for method in ("PUT", "PATCH", "DELETE"):
            assert world.ask(method, path, who, {"status": "reviewed"} if method[0] == "P" else None).status == 403
    changed = world.ask("PATCH", path, "staff", {"reason": "b", "message": 999999, "reporter": 1}).json
    assert {**changed, "updated_at": 0} == {**report, "reason": "b", "updated_at": 0}
    changed = world.ask("PUT", path, "staff", {"status": "dismissed"}).json
    assert changed["status"] == "dismissed" and changed["reviewed_by"]["username"] == "staff" and changed["reason"] == "b"
    assert world.ask("PATCH", path, "outside_staff", {"status": "reviewed"}).json["reviewed_by"]["username"] == "staff"
    refused(world.ask("PATCH", path, "staff", {"status": "accepted"}), "status")
    refused(world.ask("PATCH", path, "staff", {"status": None, "reason": None}), "status", "reason")
    assert world.ask("DELETE", path, "staff").status == 204 and world.ask("DELETE", path, "staff").status == 404
    assert world.ask("PATCH", path, "staff", b"{", JSON).status == 404  # the row comes before the body


# --- many at once ---


def test_sixty_four_messages_at_once(world):
    answers = at_once([lambda i=i: world.ask("POST", "messages/", PARTICIPANTS[i % 5], {"thread": world.thread, "content": str(i)}) for i in range(64)])
    assert {a.status for a in answers} == {201}
    made = sorted((a.json for a in answers), key=lambda m: m["id"])
    assert len({m["id"] for m in made}) == 64
    times = [instant(m["created_at"]) for m in made]
    assert times == sorted(times)  # the order of time is that of the ids
    assert world.get(f"threads/{world.thread}/")["last_message_at"] == made[-1]["created_at"]
    assert ids(world.get(f"messages/?thread={world.thread}&limit=100")) == [m["id"] for m in made]
    assert len(world.entries("chat_message_create")) == 64


def test_messages_while_the_thread_is_deleted(world):
    calls = [lambda: world.ask("POST", "messages/", "ordinary", {"thread": world.thread, "content": "x"}) for _ in range(20)]
    calls.insert(10, lambda: world.ask("DELETE", f"threads/{world.thread}/", "creator"))
    answers = at_once(calls)
    assert answers.pop(10).status == 204
    assert {a.status for a in answers} <= {201, 400}
    assert world.database.count("core_chatmessage") == world.database.count("core_chatmembership") == 0
    assert len(world.entries("chat_message_create")) == sum(a.status == 201 for a in answers)


def test_messages_while_the_author_is_removed(world):
    calls = [lambda: world.ask("POST", "messages/", "ordinary", {"thread": world.thread, "content": "x"}) for _ in range(20)]
    calls.insert(10, lambda: world.ask("PATCH", f"threads/{world.thread}/", "creator", {"participant_ids": []}))
    answers = at_once(calls)
    assert answers.pop(10).status == 200
    assert {a.status for a in answers} <= {201, 403}
    assert world.database.count("core_chatmessage") == sum(a.status == 201 for a in answers)
    assert world.ask("POST", "messages/", "ordinary", {"thread": world.thread, "content": "x"}).status == 403


def test_participants_changed_by_many_at_once(world):
    choices = [[world.id("ordinary")], [world.id("other"), world.id("staff")], [world.id("editor")], []]
    answers = at_once([lambda i=i: world.ask("PATCH", f"threads/{world.thread}/", "creator", {"participant_ids": choices[i % 4]}) for i in range(16)])
    assert {a.status for a in answers} == {200}
    now = {p["id"] for p in world.get(f"threads/{world.thread}/", "creator")["participants"]}
    assert now in [{world.id("creator"), *choice} for choice in choices]  # what one of them asked for, no mixture


def test_one_report_of_many_at_once(world):
    message = world.post("other")["id"]
    answers = at_once([lambda: world.ask("POST", "reports/", "ordinary", {"message": message}) for _ in range(16)])
    assert sorted(a.status for a in answers) == [201] + [400] * 15
    assert world.database.count("core_chatmessagereport") == len(world.entries("chat_report_create")) == 1


def test_edits_and_a_deletion_at_once(world):
    message = world.post("ordinary")["id"]
    calls = [lambda: world.ask("PATCH", f"messages/{message}/", "ordinary", {"content": "x"}) for _ in range(15)]
    calls.insert(7, lambda: world.ask("DELETE", f"messages/{message}/", "ordinary"))
    answers = at_once(calls)
    assert answers.pop(7).status == 204 and {a.status for a in answers} <= {200, 400}
    seen = world.get(f"messages/{message}/")
    assert seen["is_deleted"] and seen["content"] == ""
    assert len(world.entries("chat_message_update")) == sum(a.status == 200 for a in answers)
