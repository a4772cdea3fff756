"""Support from end to end, on both engines: the concierge and the contact form, by the doubled prefix of the client as well."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from lib.people import add_cast

PREFIXES = ["/api/support/", "/api/api/support/"]  # the second is what the support bubble calls (realtime.md 9)
THREAD_KEYS = ["id", "title", "project", "is_private", "created_by", "participants", "created_at", "updated_at", "last_message_at"]


class World:
    def __init__(self, start_server, database, **settings):
        self.database = database
        self.people = add_cast(database)
        self.server = start_server(database.url, DISABLE_THROTTLE_FOR_TESTS=1, **settings)

    def ask(self, method, path, who=None, body=None, kind="application/json"):
        headers = dict(self.people[who].headers) if who else {}
        if body is not None:
            headers["Content-Type"] = kind
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.server.request(method, path, headers, body)

    def give(self, who, amount):
        found = self.database.execute("SELECT id FROM finance_userwallet WHERE user_id = %s", self.people[who].id)
        wallet = found[0][0] if found else self.database.insert("finance_userwallet", user_id=self.people[who].id)
        self.database.insert("finance_wallettransaction", wallet_id=wallet, amount=Decimal(amount))

    def mails(self):
        rows = self.database.execute("SELECT name, envelope FROM egoejo_outbox ORDER BY id")
        return [(name, *json.loads(base64.b64decode(json.loads(envelope)["body"]))[0]) for name, envelope in rows]


@pytest.fixture
def world(start_server, database):
    return World(start_server, database)


@pytest.fixture
def mailing(start_server, database):
    return World(start_server, database, EMAIL_HOST="smtp.example.org", ADMINS='[["Ana", "ana@egoejo.example"], ["Élie", "elie@egoejo.example"]]')


# --- the concierge ---


@pytest.mark.parametrize("prefix", PREFIXES)
def test_without_a_gift_there_is_none(world, prefix):
    assert world.ask("GET", f"{prefix}concierge/eligibility/", "ordinary").json == {"eligible": False}
    refused = world.ask("GET", f"{prefix}concierge/", "ordinary")
    assert refused.status == 403 and list(refused.json) == ["eligible", "message"] and refused.json["eligible"] is False and refused.json["message"]
    assert world.database.count("core_chatthread") == 0
    for path in ("concierge/", "concierge/eligibility/"):
        assert list(world.ask("GET", f"{prefix}{path}").json) == ["detail"]
        assert world.ask("GET", f"{prefix}{path}").status == 403
        assert world.ask("POST", f"{prefix}{path}", "ordinary", {}).status == 405
        assert world.ask("POST", f"{prefix}{path}", "ordinary", {}).headers["Allow"] == "GET, HEAD, OPTIONS"
        assert world.ask("POST", f"{prefix}{path}", None, {}).status == 403


@pytest.mark.parametrize("prefix", PREFIXES)
def test_five_hundred_euros_open_it_once(world, prefix):
    world.give("ordinary", "499.99")
    assert world.ask("GET", f"{prefix}concierge/eligibility/", "ordinary").json == {"eligible": False}
    world.give("ordinary", "0.01")
    assert world.ask("GET", f"{prefix}concierge/eligibility/", "ordinary").json == {"eligible": True}
    assert world.database.count("core_chatthread") == 0
    first = world.ask("GET", f"{prefix}concierge/", "ordinary")
    assert first.status == 200 and list(first.json) == ["eligible", "thread", "created"]
    thread, person = first.json["thread"], world.people["ordinary"]
    user = {"id": person.id, "username": person.name, "email": person.email, "first_name": "", "last_name": ""}
    assert list(thread) == THREAD_KEYS
    assert thread["title"] == "Support Concierge - ordinary" and thread["is_private"] is True and thread["project"] is None
    assert thread["created_by"] == user and thread["participants"] == [user] and thread["last_message_at"] is None
    assert first.json["eligible"] is True and first.json["created"] is True
    again = world.ask("GET", f"{prefix}concierge/", "ordinary").json
    assert again == {"eligible": True, "thread": thread, "created": False}
    assert world.database.execute("SELECT role FROM core_chatmembership") == [("owner",)]
    assert world.database.count("core_auditlog") == 0
    assert world.ask("GET", f"{prefix}concierge/eligibility/", "other").json == {"eligible": False}


def test_it_is_a_thread_like_others_for_its_owner_alone(world):
    world.give("ordinary", "520")
    thread = world.ask("GET", "/api/support/concierge/", "ordinary").json["thread"]
    message = world.ask("POST", "/api/chat/messages/", "ordinary", {"thread": thread["id"], "content": "Bonjour"})
    assert message.status == 201
    listed = world.ask("GET", "/api/chat/threads/", "ordinary").json["results"]
    assert [t["id"] for t in listed] == [thread["id"]] and listed[0]["last_message_at"]
    for who in ("other", "staff"):
        assert world.ask("GET", f"/api/chat/threads/{thread['id']}/", who).status == 404
    world.database.execute("DELETE FROM core_chatmembership")
    assert world.ask("GET", f"/api/chat/threads/{thread['id']}/", "ordinary").status == 404
    assert world.ask("GET", "/api/support/concierge/", "ordinary").json["created"] is False  # and comes back into it
    assert world.ask("GET", f"/api/chat/threads/{thread['id']}/", "ordinary").status == 200
    world.ask("DELETE", f"/api/chat/threads/{thread['id']}/", "ordinary", {})
    anew = world.ask("GET", "/api/support/concierge/", "ordinary").json
    assert anew["created"] is True and anew["thread"]["id"] != thread["id"]


def test_contributions_and_shares(start_server, database):
    world = World(start_server, database, ENABLE_INVESTMENT_FEATURES="true")
    pot = database.insert("core_cagnotte")
    database.insert("core_contribution", cagnotte_id=pot, user_id=world.people["ordinary"].id, montant=500.0)
    for n, amount in enumerate(("999.99", "0.01")):
        assert world.ask("GET", "/api/support/concierge/eligibility/", "other").json == {"eligible": False}
        project = database.insert("core_projet", titre=f"P{n}")
        database.insert("investment_shareholderregister", investor_id=world.people["other"].id, project_id=project, amount_invested=Decimal(amount))
    for who in ("ordinary", "other"):
        assert world.ask("GET", "/api/support/concierge/eligibility/", who).json == {"eligible": True}
    off = start_server(database.url)
    assert off.request("GET", "/api/support/concierge/eligibility/", world.people["other"].headers).json == {"eligible": False}


def test_sixty_four_calls_at_once_open_one_thread(world):
    world.give("ordinary", "500")
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: world.ask("GET", "/api/support/concierge/", "ordinary"), range(64)))
    assert [a.status for a in answers] == [200] * 64
    assert len({a.json["thread"]["id"] for a in answers}) == 1
    assert sum(a.json["created"] for a in answers) == 1
    assert world.database.count("core_chatthread") == world.database.count("core_chatmembership") == 1


# --- the contact form ---


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_message_is_mailed_to_each_admin(mailing, prefix):
    text = "J'ai une question 🌻\n<script>alert(1)</script>"
    answer = mailing.ask("POST", f"{prefix}contact/", "ordinary", {"name": "Ana\r\nBcc: x@y.z", "email": "a@b.c", "message": f"  {text} "})
    assert answer.status == 200 and list(answer.json) == ["success", "message"] and answer.json["success"] is True and answer.json["message"]
    mails = mailing.mails()
    assert [(m[0], m[1]) for m in mails] == [("core.tasks.send_email_task", a) for a in ("ana@egoejo.example", "elie@egoejo.example")]
    for _, _, subject, html, plain in mails:
        assert "\n" not in subject and "\r" not in subject
        assert text in plain and "a@b.c" in plain and "ordinary" in plain
        assert "<script>" not in html and "&lt;script&gt;alert(1)" in html and "🌻" in html
    log = mailing.server.output
    assert "question" not in log and "a@b.c" not in log and "script" not in log


def test_forms_and_numbers_are_texts(mailing):
    assert mailing.ask("POST", "/api/support/contact/", "ordinary", b"message=par+formulaire", "application/x-www-form-urlencoded").status == 200
    assert mailing.ask("POST", "/api/support/contact/", "ordinary", {"message": 12345, "name": None, "email": 1.5}).status == 200
    assert ["par formulaire" in m[4] or "12345" in m[4] for m in mailing.mails()] == [True] * 4


@pytest.mark.parametrize("body", [
    {}, {"message": ""}, {"message": " \n\t\u00a0"}, {"message": None}, {"message": []}, {"message": True}, {"message": "a\0b"}, {"message": "x" * 10001},
    {"message": "x", "name": "n" * 201}, {"message": "x", "email": "e" * 255}, {"message": "x", "name": {}}, {"message": "x", "email": False}, [], 3, None,
])
def test_what_is_refused(mailing, body):
    answer = mailing.ask("POST", "/api/support/contact/", "ordinary", json.dumps(body).encode())
    assert answer.status == 400 and list(answer.json) == ["error"], answer.text
    assert mailing.mails() == []


def test_limits_are_in_characters(mailing):
    body = {"message": "é" * 10000, "name": "é" * 200, "email": "é" * 254}
    assert mailing.ask("POST", "/api/support/contact/", "ordinary", body).status == 200
    assert "é" * 10000 in mailing.mails()[0][4]


def test_broken_bodies_and_other_methods(mailing):
    assert mailing.ask("POST", "/api/support/contact/", "ordinary", b"{").status == 400
    assert mailing.ask("POST", "/api/support/contact/", "ordinary", b"<a/>", "text/xml").status == 415
    assert mailing.ask("POST", "/api/support/contact/", None, {"message": "x"}).status == 403
    assert mailing.ask("GET", "/api/support/contact/").status == 403
    assert mailing.ask("GET", "/api/support/contact/", "ordinary").status == 405
    assert mailing.ask("GET", "/api/support/contact/", "ordinary").headers["Allow"] == "POST, OPTIONS"


def test_without_mail_the_sender_is_thanked_and_the_operator_told(world):
    answer = world.ask("POST", "/api/support/contact/", "ordinary", {"message": "Une question secrète", "email": "a@b.c"})
    assert answer.status == 200 and answer.json["success"] is True
    assert world.mails() == []
    assert world.server.wait_event("support.not_sent")["level"] == "WARNING"
    assert "secrète" not in world.server.output and "a@b.c" not in world.server.output
