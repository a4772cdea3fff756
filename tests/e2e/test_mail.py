"""Mails on their way out of a running server: a real SMTP server, a real HTTP server in Resend's place, and what both may do wrong."""

import datetime
import json

import pytest

from lib import outbox, wait
from lib.net import free_port
from lib.people import add_person
from lib.service import Service
from lib.smtp import SmtpServer, make_certificate

ENOUGH = 30
SEND, BATCH = "core.tasks.send_email_task", "core.tasks.send_batch_email_task"
KEY, PASSWORD = "re_canary_8101", "canary-mail-password-8102"
LONG_AGO = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def servers():
    """What a test opens it leaves to be closed."""
    opened = []
    yield lambda server: opened.append(server) or server
    for server in opened:
        server.close()


@pytest.fixture
def resend(servers):
    return servers(Service())


@pytest.fixture
def sender(database, start_server):
    """sender(**settings): a server that sends what the outbox asks for, and never tells its secrets."""
    def start(**settings):
        server = start_server(database.url, TASKS_LOCAL_WORKERS="2", **settings)
        server.secrets += [KEY, PASSWORD]
        return server
    return start


def by_resend(service, **settings):
    return dict(RESEND_API_KEY=KEY, RESEND_API_URL=service.url, DEFAULT_FROM_EMAIL="Égoejo <site@example.org>") | settings


def row(database, task_id):
    """(state, retries, seconds until it is due, last error) of a task that waits, or None."""
    shown = task_id.replace("-", "") if database.sqlite else task_id
    found = database.execute("SELECT state, envelope, due_at, last_error FROM egoejo_outbox WHERE task_id = %s", shown)
    if not found:
        return None
    state, envelope, due, error = found[0]
    due = due if isinstance(due, datetime.datetime) else datetime.datetime.fromisoformat(str(due))
    due = due if due.tzinfo else due.replace(tzinfo=datetime.timezone.utc)
    return state, json.loads(envelope)["headers"]["retries"], (due - datetime.datetime.now(datetime.timezone.utc)).total_seconds(), error


def hasten(database):
    """What waits for its retry is due now."""
    database.execute("UPDATE egoejo_outbox SET due_at = %s WHERE state = 'new'", LONG_AGO)


def wait_retried(server, database, task_id):
    server.wait_event("task.retried", timeout=ENOUGH, id=task_id)
    return wait.until(lambda: (found := row(database, task_id)) and found[1] and found, ENOUGH, "the retry is written down")


def wait_done(server, task_id):
    return server.wait_event("task.succeeded", timeout=ENOUGH, id=task_id)


def parts(message):
    return {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in message.walk() if not part.is_multipart()}


# --- Resend ---

def test_resend_takes_it(database, sender, resend):
    server = sender(**by_resend(resend))
    task_id = outbox.put(database, SEND, "ana@example.org", "Été \"1\"", "<p>é</p>", "é\n", durable=True)
    wait_done(server, task_id)
    asked, = resend.asked
    assert (asked.method, asked.path) == ("POST", "/emails")
    assert asked.json == {"from": "Égoejo <site@example.org>", "to": ["ana@example.org"], "subject": "Été \"1\"", "html": "<p>é</p>", "text": "é\n"}
    assert asked.headers["authorization"] == f"Bearer {KEY}" and asked.headers["idempotency-key"] == f"{task_id}:0"
    assert asked.headers["accept"] == asked.headers["content-type"] == "application/json" and asked.headers["user-agent"].startswith("egoejo/")
    assert server.metrics()['egoejo_mails_total{way="resend",outcome="sent"}'] == 1


@pytest.mark.parametrize("status, headers, least", [(500, {}, 50), (503, {"Retry-After": "5"}, 50), (429, {"Retry-After": "120"}, 110)])
def test_what_may_pass_is_tried_again_under_the_same_key(database, sender, resend, status, headers, least):
    server = sender(**by_resend(resend))
    resend.answer = lambda asked: (status, headers, {"statusCode": status, "name": "trouble", "message": "try\nlater"}) if len(resend.asked) == 1 else (200, {}, {"id": "x"})
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    state, retries, due, error = wait_retried(server, database, task_id)
    assert (state, retries) == ("new", 1) and least < due <= 130 and error == f"ConnectionError: Resend answers {status}: trouble try later"
    hasten(database)
    wait_done(server, task_id)
    assert [asked.headers["idempotency-key"] for asked in resend.asked] == [f"{task_id}:0"] * 2
    assert resend.asked[0].body == resend.asked[1].body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_refused_is_not_tried_again(database, sender, resend, status):
    server = sender(**by_resend(resend))
    resend.answer = lambda asked: (status, {}, {"statusCode": status, "name": "validation_error", "message": "no"})
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    assert server.wait_event("task.failed", timeout=ENOUGH, id=task_id)["error"] == f"ValueError: Resend answers {status}: validation_error no"
    wait.until(lambda: row(database, task_id)[0] == "dead", ENOUGH, "it is kept for people")
    assert len(resend.asked) == 1


def test_nobody_listens(database, sender):
    server = sender(RESEND_API_KEY=KEY, RESEND_API_URL=f"http://127.0.0.1:{free_port()}")
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    assert "Connection refused" in wait_retried(server, database, task_id)[3]


@pytest.mark.parametrize("body", [b"x" * 1_000_000, b"<html>welcome to the hotel's wifi</html>", b"", b"[1]", b'{"id": 3}'], ids=["huge", "html", "empty", "list", "number"])
def test_an_answer_that_is_none_is_no_success(database, sender, resend, body):
    server = sender(**by_resend(resend))
    resend.answer = lambda asked: (200, {}, body)
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    assert wait_retried(server, database, task_id)[1] == 1


def test_redirects_are_not_followed(database, sender, resend, servers):
    elsewhere = servers(Service())
    server = sender(**by_resend(resend))
    resend.answer = lambda asked: (307, {"Location": elsewhere.url + "/emails"}, {})
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    server.wait_event("task.failed", timeout=ENOUGH, id=task_id)
    assert not elsewhere.asked


def test_a_service_that_is_silent_does_not_hold_the_end_up(database, sender, resend):
    """The mail is not lost: the row is free again for the next process."""
    server = sender(**by_resend(resend))
    resend.answer = lambda asked: (None, {}, {})
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    wait.until(lambda: resend.asked, ENOUGH, "it is asked")
    server.stop()
    assert row(database, task_id)[:2] == ("new", 0)
    resend.answer = None
    second = sender(**by_resend(resend))
    hasten(database)
    wait_done(second, task_id)
    assert {asked.headers["idempotency-key"] for asked in resend.asked} == {f"{task_id}:0"}


def test_a_mail_that_was_sent_is_not_sent_again_by_a_second_delivery(database, sender, resend):
    """Whoever sent it died before he could say so: the row is there again."""
    server = sender(**by_resend(resend))
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    wait_done(server, task_id)
    wait.until(lambda: database.count("egoejo_outbox") == 0, ENOUGH, "it is gone")
    shown = task_id.replace("-", "") if database.sqlite else task_id
    now = datetime.datetime.now(datetime.timezone.utc)
    mark = server.mark()
    database.execute("INSERT INTO egoejo_outbox (task_id, name, queue, priority, envelope, durable, state, due_at, attempts, created_at) "
                     "VALUES (%s, %s, 'celery', 0, %s, %s, 'new', %s, 0, %s)", shown, SEND,
                     outbox.envelope(SEND, ["ana@example.org", "s", "h"], task_id), True, now, now)
    server.wait_event("task.succeeded", timeout=ENOUGH, since=mark, id=task_id)
    assert len(resend.asked) == 1


# --- a batch ---

def mail(n, **more):
    return dict(to_email=f"u{n}@example.org", subject=f"s{n}", html_content=f"<p>{n}</p>", **more)


def test_of_a_batch_only_what_failed_is_tried_again(database, sender, resend):
    server = sender(**by_resend(resend))
    down = True

    def answer(asked):
        to = asked.json["to"][0]
        if to == "u2@example.org":
            return 422, {}, {"name": "validation_error", "message": "no such domain"}
        return (503, {}, {}) if down and to in ("u1@example.org", "u3@example.org") else (200, {}, {"id": to})

    resend.answer = answer
    task_id = outbox.put(database, BATCH, [mail(n) for n in range(5)], durable=True)
    wait_done(server, task_id)
    server.wait_event("mail.batch_retried", level="WARNING", mails=2)
    server.wait_event("mail.refused", level="WARNING", key=f"{task_id}:2")
    (name, envelope), = database.execute("SELECT name, envelope FROM egoejo_outbox")
    assert name == BATCH and json.loads(envelope)["headers"]["retries"] == 1
    down = False
    hasten(database)
    wait.until(lambda: database.count("egoejo_outbox") == 0, ENOUGH, "all is sent")
    keys = [(asked.json["to"][0], asked.headers["idempotency-key"]) for asked in resend.asked]
    assert [f"{task_id}:{n}" for n in range(5)] == [key for _, key in keys[:5]]
    assert sorted(keys[5:]) == [("u1@example.org", f"{task_id}:1"), ("u3@example.org", f"{task_id}:3")]


def test_a_batch_is_given_up_after_its_last_attempt(database, sender, resend):
    server = sender(**by_resend(resend))
    resend.answer = lambda asked: (503, {}, {})
    outbox.put(database, BATCH, [mail(1)], durable=True)
    for n in range(4):
        wait.until(lambda: len(resend.asked) == n + 1, ENOUGH, "it is tried")
        wait.until(lambda: len(server.events("task.succeeded", task=BATCH)) == n + 1, ENOUGH, "and told")
        hasten(database)
    server.wait_event("mail.lost", level="ERROR", mails=1)
    assert database.count("egoejo_outbox") == 0 and len(resend.asked) == 4


def test_a_killed_sender_does_not_repeat_its_batch(database, sender, resend):
    """He dies while the fourth is on its way: that one alone is asked for twice, under its key."""
    server = sender(**by_resend(resend))
    resend.answer = lambda asked: (None if asked.json["to"][0] == "u3@example.org" else 200, {}, {"id": "x"})
    task_id = outbox.put(database, BATCH, [mail(n) for n in range(6)], durable=True)
    wait.until(lambda: len(resend.asked) == 4, ENOUGH, "the fourth is on its way")
    server.kill()
    resend.answer = None
    database.execute("UPDATE egoejo_outbox SET lease_until = %s", LONG_AGO)
    wait_done(sender(**by_resend(resend)), task_id)
    assert sorted(asked.headers["idempotency-key"] for asked in resend.asked) == sorted([f"{task_id}:{n}" for n in range(6)] + [f"{task_id}:3"])


# --- SMTP ---

def test_smtp_with_starttls_and_a_login(database, sender, servers, folder):
    certificate = make_certificate(folder)
    office = servers(SmtpServer(certificate, user="site", password=PASSWORD))
    server = sender(**office.settings(EMAIL_USE_TLS="1", EMAIL_HOST_USER="site", EMAIL_HOST_PASSWORD=PASSWORD, SSL_CERT_FILE=certificate[0]))
    task_id = outbox.put(database, SEND, "ana@example.org", "Un été à la ferme : 100 % réussi, et même davantage pour tout le monde ! 🌱" * 3,
                         "<p>é</p>\n.\n", "é\n.\n" + "long " * 500, durable=True)
    wait_done(server, task_id)
    taken, = office.mails
    assert taken.encrypted and taken.user == "site" and (taken.sender, taken.recipients) == ("site@example.org", ["ana@example.org"])
    message = taken.message
    assert message["Subject"] == "Un été à la ferme : 100 % réussi, et même davantage pour tout le monde ! 🌱" * 3
    assert message["From"] == "Égoejo <site@example.org>" and message["To"] == "ana@example.org"
    assert message.get_content_type() == "multipart/alternative" and message["Message-ID"].endswith("@example.org>")
    assert parts(message) == {"text/plain": "é\n.\n" + "long " * 500, "text/html": "<p>é</p>\n.\n"}
    sent = message["Date"].datetime
    assert abs((datetime.datetime.now(datetime.timezone.utc) - sent).total_seconds()) < 300
    assert max(len(line) for line in taken.raw.split(b"\r\n")) <= 78 and taken.raw.isascii() and not message.defects


def test_smtp_with_one_form_is_one_part(database, sender, servers):
    office = servers(SmtpServer())
    server = sender(**office.settings())
    wait_done(server, outbox.put(database, SEND, "Ana Née <ana@example.org>", "s", "<p>é</p>", durable=True))
    message = office.mails[0].message
    assert message.get_content_type() == "text/html" and message.get_content() == "<p>é</p>"
    assert message["To"] == "Ana Née <ana@example.org>" and office.mails[0].recipients == ["ana@example.org"] and not office.mails[0].encrypted


def test_without_starttls_nothing_is_said(database, sender, servers):
    """A server that does not offer it, or whose offer somebody takes away on the line, gets neither login nor mail."""
    office = servers(SmtpServer(user="site", password=PASSWORD))
    server = sender(**office.settings(EMAIL_USE_TLS="1", EMAIL_HOST_USER="site", EMAIL_HOST_PASSWORD=PASSWORD))
    assert "SSL" in wait_retried(server, database, outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True))[3]
    assert not office.mails and not office.attempts


@pytest.mark.parametrize("name, trusted", [("127.0.0.1", False), ("mail.example.org", True)], ids=["authority", "name"])
def test_a_certificate_that_proves_nothing_is_refused(database, sender, servers, folder, name, trusted):
    certificate = make_certificate(folder, name)
    office = servers(SmtpServer(certificate, user="site", password=PASSWORD))
    settings = office.settings(EMAIL_USE_TLS="1", EMAIL_HOST_USER="site", EMAIL_HOST_PASSWORD=PASSWORD)
    server = sender(**settings | (dict(SSL_CERT_FILE=certificate[0]) if trusted else {}))
    wait_retried(server, database, outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True))
    assert not office.mails and not office.attempts


def test_a_wrong_password_is_for_good(database, sender, servers, folder):
    certificate = make_certificate(folder)
    office = servers(SmtpServer(certificate, user="site", password="another"))
    server = sender(**office.settings(EMAIL_USE_TLS="1", EMAIL_HOST_USER="site", EMAIL_HOST_PASSWORD=PASSWORD, SSL_CERT_FILE=certificate[0]))
    error = server.wait_event("task.failed", timeout=ENOUGH, id=outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True))["error"]
    assert "535" in error and not office.mails


@pytest.mark.parametrize("answer, event", [("451 4.7.1 greylisted", "task.retried"), ("550 5.1.1 no such mailbox", "task.failed")])
def test_what_smtp_refuses_for_now_or_for_good(database, sender, servers, answer, event):
    office = servers(SmtpServer())
    office.refusals["ana@example.org"] = answer
    server = sender(**office.settings())
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    assert answer in server.wait_event(event, timeout=ENOUGH, id=task_id)["error"]
    if event == "task.retried":
        office.refusals.clear()
        wait.until(lambda: row(database, task_id)[1] == 1, ENOUGH, "the retry is written down")
        hasten(database)
        wait_done(server, task_id)
        assert len(office.to("ana@example.org")) == 1


def test_a_mail_taken_without_a_word_keeps_its_message_id(database, sender, servers):
    """The connection breaks before the server can say that it has it: it comes twice, and is one message for whoever looks."""
    office = servers(SmtpServer())
    office.breaks_off = 1
    server = sender(**office.settings())
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    wait_retried(server, database, task_id)
    hasten(database)
    wait_done(server, task_id)
    first, second = office.mails
    assert first.message["Message-ID"] == second.message["Message-ID"]
    wait_done(server, other := outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True))
    assert office.mails[2].message["Message-ID"] != first.message["Message-ID"] and other != task_id


def test_a_mail_server_that_is_silent_is_left_after_its_limit(database, sender, servers):
    office = servers(SmtpServer())
    office.silent = True
    server = sender(**office.settings())
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    assert "Timeout" in wait_retried(server, database, task_id)[3]
    assert server.events("task.retried", id=task_id)[0]["duration_ms"] >= 9000


def test_resend_is_preferred_to_smtp(database, sender, servers, resend):
    office = servers(SmtpServer())
    server = sender(**office.settings() | by_resend(resend))
    wait_done(server, outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True))
    assert len(resend.asked) == 1 and not office.mails


# --- neither, and what nobody may ask for ---

def test_without_a_way_nothing_is_sent_and_that_is_said(database, sender):
    server = sender()
    task_id = outbox.put(database, SEND, "ana@example.org", "s", "h", durable=True)
    wait_done(server, task_id)
    server.wait_event("mail.not_configured", level="WARNING")
    assert database.count("egoejo_outbox") == 0


@pytest.mark.parametrize("to, subject", [
    ("ana@example.org\r\nBcc: eve@example.org", "s"), ("ana@example.org\n", "s"), ("ana@example.org,eve@example.org", "s"),
    ("<ana@example.org>\r\nRCPT TO:<eve@example.org>", "s"), ("ana@example.org> ORCPT=rfc822;eve@example.org <x@y", "s"), ("ana\0@example.org", "s"),
    ("ana@example.org", "s\r\nBcc: eve@example.org"), ("ana@example.org", "s\n\nbody"), ("ana@example.org", "s\0"), ("ana@example.org", None), (None, "s"), (["ana@example.org"], "s"),
])
def test_nothing_can_be_put_into_a_mail_but_its_text(database, sender, servers, to, subject):
    office = servers(SmtpServer())
    server = sender(**office.settings())
    task_id = outbox.put(database, SEND, to, subject, "h", durable=True)
    server.wait_event("task.failed", timeout=ENOUGH, id=task_id)
    wait_done(server, outbox.put(database, SEND, "ana@example.org", "s", "\r\n.\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\n", durable=True))
    taken, = office.mails
    assert taken.recipients == ["ana@example.org"] and list(taken.message.keys()).count("Bcc") == 0


def test_welcome_goes_all_the_way(database, sender, resend):
    user_id, address = add_person(database, "ordinary", "ana<b>").id, "ana@example.org"
    database.execute("UPDATE auth_user SET email = %s", address)
    server = sender(**by_resend(resend))
    outbox.put(database, "core.tasks.send_welcome_email", user_id, durable=True)
    wait.until(lambda: resend.asked, ENOUGH, "it is sent")
    assert resend.asked[0].json["to"] == [address] and "ana&lt;b&gt;" in resend.asked[0].json["html"]
    wait.until(lambda: database.count("egoejo_outbox") == 0, ENOUGH, "nothing is left")
    server.stop()
