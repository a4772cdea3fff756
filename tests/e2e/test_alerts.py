"""Critical alerts of running servers: mail to the admins, a webhook of either form, one of a burst, and nothing told that is secret."""

import datetime
import json

import pytest

from lib import outbox, wait
from lib.net import free_port
from lib.service import Service
from lib.smtp import SmtpServer, make_certificate

ENOUGH = 30
ALERT = "egoejo.critical_alert"
TIME = "2026-11-26T08:00:00+00:00"
ADMINS = '[["Ana", "ana@example.org"], ["Élie", "elie@example.org"]]'
PAYLOAD = {"violation_type": "saka_wallet_bypass", "user_id": 7, "username": "Zoé <!channel>", "delta": -5, "detail": "```&"}
HOOK, PASSWORD = "canary-hook-8201", "canary-mail-password-8202"
LONG_AGO = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def servers():
    opened = []
    yield lambda server: opened.append(server) or server
    for server in opened:
        server.close()


@pytest.fixture
def office(servers):
    return servers(SmtpServer())


@pytest.fixture
def hook(servers):
    return servers(Service())


@pytest.fixture
def alerting(database, start_server):
    """alerting(office, hook, **settings): a server that sends alerts by what it is given, and never tells its secrets."""
    def start(office=None, hook=None, **settings):
        own = dict(ADMINS=ADMINS, TASKS_LOCAL_WORKERS="2")
        if office:
            own |= office.settings()
        if hook:
            own |= dict(ALERT_WEBHOOK_ENABLED="True", ALERT_WEBHOOK_URL=f"{hook.url}/{HOOK}")
        server = start_server(database.url, settings.pop("redis", None), **own | settings)
        server.secrets += [HOOK, PASSWORD]
        return server
    return start


def put(database, title="INTEGRITY BREACH DETECTED", payload=None, key="k", time=TIME):
    return outbox.put(database, ALERT, title, PAYLOAD if payload is None else payload, key, time, queue="local", durable=True)


def result(server, task_id):
    return server.wait_event("task.succeeded", timeout=ENOUGH, id=task_id)


def events(database):
    rows = database.execute("SELECT event_type, severity, channel, fingerprint, payload_excerpt FROM core_criticalalertevent ORDER BY id")
    return [(*row[:4], json.loads(row[4]) if isinstance(row[4], str) else row[4]) for row in rows]


def drained(database):
    wait.until(lambda: database.count("egoejo_outbox") == 0, ENOUGH, "nothing waits")


# --- channels ---

def test_mail_and_webhook(database, alerting, office, hook):
    server = alerting(office, hook)
    task_id = put(database)
    result(server, task_id)
    drained(database)
    assert sorted(mail.recipients[0] for mail in office.mails) == ["ana@example.org", "elie@example.org"]
    message = office.mails[0].message
    assert message["Subject"] == "[URGENT] EGOEJO INTEGRITY BREACH DETECTED" and message.get_content_type() == "text/plain"
    text = message.get_content().replace("\r\n", "\n")
    assert text.startswith("INTEGRITY BREACH DETECTED\n\n" + json.dumps(PAYLOAD, indent=2, ensure_ascii=False) + "\n\n")
    assert all(f"{key}: {value}\n" in text for key, value in PAYLOAD.items()) and TIME in text and text.rstrip().endswith("k")
    asked, = hook.asked
    assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", f"/{HOOK}", "application/json")
    assert asked.json == {"title": "INTEGRITY BREACH DETECTED", "payload": PAYLOAD, "timestamp": TIME, "dedupe_key": "k", "source": "egoejo_critical_alert"}
    excerpt = {key: PAYLOAD[key] for key in ("violation_type", "user_id", "username", "delta")}
    assert events(database) == [("INTEGRITY BREACH DETECTED", "critical", "both", "k", excerpt)]
    assert server.metrics()['egoejo_critical_alerts_total{outcome="both"}'] == 1


def test_slack(database, alerting, hook):
    server = alerting(None, hook, ALERT_EMAIL_ENABLED="False", ALERT_WEBHOOK_TYPE="slack", ALERT_EMAIL_SUBJECT_PREFIX="[TEST]")
    result(server, put(database, payload=PAYLOAD | {"long": "é" * 5000}, key=None))
    drained(database)
    message = hook.asked[0].json
    kinds = [block["type"] for block in message["blocks"]]
    header, _, fields, label, fence, context = message["blocks"]
    assert kinds == ["header", "divider", "section", "section", "section", "context"] and message["text"] == "[TEST] INTEGRITY BREACH DETECTED"
    assert header["text"] == {"type": "plain_text", "text": "[TEST] INTEGRITY BREACH DETECTED"} and label["text"]["type"] == "mrkdwn"
    assert {field["text"] for field in fields["fields"]} == {"*user_id:* 7", "*username:* Zoé &lt;!channel&gt;", "*delta:* -5", "*violation_type:* saka_wallet_bypass"}
    code = fence["text"]["text"]
    assert code.startswith("```{") and code.endswith("```") and code.count("```") == 2 and 2990 < len(code) <= 3000
    assert TIME in context["elements"][0]["text"] and "N/A" in context["elements"][0]["text"] and "<!" not in hook.asked[0].body.decode()
    assert events(database)[0][2:4] == ("webhook", f"INTEGRITY BREACH DETECTED:{TIME}")


def test_an_unknown_form_is_the_generic_one_and_told_at_the_start(database, alerting, hook):
    server = alerting(None, hook, ALERT_EMAIL_ENABLED="False", ALERT_WEBHOOK_TYPE="teams", ADMINS="Ana,ana@example.org;nobody")
    warnings = [event["message"] for event in server.events("settings.warning", level="WARNING")]
    assert any("ALERT_WEBHOOK_TYPE" in warning for warning in warnings) and any("ADMINS: 1 of 2" in warning for warning in warnings)
    result(server, put(database))
    assert hook.asked[0].json["source"] == "egoejo_critical_alert"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_fails_leaves_the_mail_alone(database, alerting, office, hook, status):
    hook.answer = lambda asked: (status, {"Location": "http://127.0.0.1:1/"}, {})
    server = alerting(office, hook)
    result(server, put(database))
    drained(database)
    server.wait_event("alert.channel_failed", level="WARNING", channel="webhook", error=f"the answer is {status}")
    assert len(office.mails) == 2 and [event[2] for event in events(database)] == ["email"] and len(hook.asked) == 1


def test_a_webhook_that_is_silent_costs_its_limit(database, alerting, office, hook):
    hook.answer = lambda asked: (None, {}, {})
    server = alerting(office, hook, ALERT_WEBHOOK_TIMEOUT_SECONDS="1")
    done = result(server, put(database))
    server.wait_event("alert.channel_failed", channel="webhook", error="Timeout was reached")
    assert 900 < done["duration_ms"]
    assert [event[2] for event in events(database)] == ["email"]


def test_mails_that_fail_leave_the_webhook_alone(database, alerting, hook):
    server = alerting(None, hook, EMAIL_HOST="127.0.0.1", EMAIL_PORT=free_port(), EMAIL_USE_TLS="0")
    result(server, put(database))
    drained(database)
    assert len(server.events("alert.channel_failed", channel="email")) == 2 and [event[2] for event in events(database)] == ["webhook"]


def test_one_admin_whose_mailbox_is_gone_is_no_reason_to_try_again(database, alerting, office):
    office.refusals["ana@example.org"] = "550 gone"
    server = alerting(office)
    result(server, put(database))
    drained(database)
    assert [mail.recipients for mail in office.mails] == [["elie@example.org"]] and [event[2] for event in events(database)] == ["email"]


def test_without_admins_there_is_a_warning_and_no_mail(database, alerting, office):
    server = alerting(office, ADMINS="")
    result(server, put(database))
    server.wait_event("alert.channel_failed", level="WARNING", error="ADMINS is empty")
    server.wait_event("alert.not_sent", level="ERROR")
    assert not office.mails and not events(database)


# --- one of a burst ---

def test_of_a_burst_one_is_sent(database, alerting, office):
    server = alerting(office)
    for _ in range(20):
        put(database)
    put(database, key="another")
    drained(database)
    assert len(office.mails) == 4 and sorted(event[3] for event in events(database)) == ["another", "k"]
    assert server.metrics()['egoejo_critical_alerts_total{outcome="deduplicated"}'] == 19


def test_without_a_key_each_is_sent(database, alerting, office):
    alerting(office)
    for _ in range(3):
        put(database, key=None)
    drained(database)
    assert len(office.mails) == 6 and len(events(database)) == 3


def test_of_a_burst_of_several_processes_one_is_sent(database, alerting, office, hook, redis_server):
    for _ in range(3):
        alerting(office, hook, redis=redis_server)
    for n in range(30):
        put(database, key=f"k{n % 3}")
    drained(database)
    assert sorted(event[3] for event in events(database)) == ["k0", "k1", "k2"] and len(hook.asked) == 3 and len(office.mails) == 6
    client = redis_server.client(1)
    assert {client.ttl(f"egoejo:t1:critical_alert:k{n}") > 200 for n in range(3)} == {True}


def test_while_redis_is_away_the_memory_knows(database, alerting, office, redis_server):
    server = alerting(office, redis=redis_server)
    redis_server.kill()
    server.wait_event("redis.unavailable", usage="cache", timeout=ENOUGH)
    for _ in range(5):
        put(database, key="mine")
    wait.until(lambda: len(server.events("task.succeeded", task=ALERT)) >= 5, ENOUGH, "all are done")
    assert [event[3] for event in events(database)].count("mine") == 1


def test_what_nobody_took_is_tried_again_and_keeps_no_other_back(database, alerting, hook):
    hook.answer = lambda asked: (503, {}, {}) if len(hook.asked) == 1 else (200, {}, {})
    server = alerting(None, hook, ALERT_EMAIL_ENABLED="False")
    first = put(database)
    server.wait_event("task.retried", timeout=ENOUGH, id=first)
    assert not events(database)
    result(server, put(database))
    assert [event[2] for event in events(database)] == ["webhook"]
    wait.until(lambda: database.execute("SELECT count(*) FROM egoejo_outbox WHERE state = 'new' AND lease_owner IS NULL") == [(1,)], ENOUGH, "it waits")
    database.execute("UPDATE egoejo_outbox SET due_at = %s", LONG_AGO)
    result(server, first)  # now one like it has been sent
    drained(database)
    assert len(hook.asked) == 2 and len(events(database)) == 1


def test_a_killed_sender_does_not_repeat_itself_nor_forget(database, alerting, office, hook):
    """He dies after the mails, while the webhook is asked: that one alone is asked again, by his successor."""
    hook.answer = lambda asked: (None, {}, {})
    server = alerting(office, hook)
    put(database)
    wait.until(lambda: hook.asked, ENOUGH, "the webhook is asked")
    server.kill()
    hook.answer = None
    database.execute("UPDATE egoejo_outbox SET lease_until = %s", LONG_AGO)
    alerting(office, hook)
    drained(database)
    assert len(office.mails) == 2 and len(hook.asked) == 2 and [event[2] for event in events(database)] == ["both"]
    assert len({asked.headers["idempotency-key"] for asked in hook.asked}) == 1 and hook.asked[0].body == hook.asked[1].body


# --- what is not told ---

def test_no_secret_is_told_when_all_goes_wrong(database, alerting, servers, folder):
    certificate = make_certificate(folder)
    office = servers(SmtpServer(certificate, user="site", password="another"))
    settings = office.settings(EMAIL_USE_TLS="1", EMAIL_HOST_USER="site", EMAIL_HOST_PASSWORD=PASSWORD, SSL_CERT_FILE=certificate[0])
    for url in (f"http://127.0.0.1:{free_port()}/{HOOK}", f"ftp://x:{HOOK}@127.0.0.1/", f"https://127.0.0.1:{office.port}/{HOOK}", f"http://[::1/{HOOK}"):
        server = alerting(**settings, ALERT_WEBHOOK_ENABLED="True", ALERT_WEBHOOK_URL=url, LOG_LEVEL="DEBUG")
        put(database, key=None)
        server.wait_event("alert.channel_failed", timeout=ENOUGH, channel="email")
        server.wait_event("alert.channel_failed", timeout=ENOUGH, channel="webhook")
        server.stop()  # looks for the secrets
        database.execute("DELETE FROM egoejo_outbox")
    assert not office.mails
