"""Canaries: secrets that a whole journey passes through the program, and then look for in all that it says."""

import base64
import hashlib
import json
from urllib.parse import quote

import pytest

from lib import outbox, tokens, wait
from lib.people import add_person
from lib.postgres import Postgres
from lib.server import KEY, run

PASSWORD, WRONG, SHORT = "Canary-Passw0rd-7391", "Canary-Wrong-Passw0rd-7392", "Canary73"
ADMIN, METRICS, REDIS = "canary-admin-token-7394", "canary-metrics-token-7395", "canary-redis-password-7396"
STRIPE, RESEND, MAIL, OPENAI = "sk_test_canary_7397", "re_canary_7398", "canary-mail-password-7399", "sk-canary-openai-7400"
HOOK = "canary-hook-7401"
ELEVENLABS = "canary-elevenlabs-7401"
JSON = {"Content-Type": "application/json"}
# One iteration: a hash that is quick to check and that a login replaces.
OLD_HASH = "pbkdf2_sha1$1$saltsaltsalt$" + base64.b64encode(hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), b"saltsaltsalt", 1)).decode()


def forms_of(secret):
    """A secret as it stands, and as it would look in a URL, in base64 and in JSON."""
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode().rstrip("="),
            base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")}


class Journey:
    """Somebody's day, good and bad; keeps every answer and every secret that was on the way."""

    def __init__(self, server):
        self.server = server
        self.secrets = {PASSWORD, WRONG, SHORT, ADMIN, METRICS, REDIS, Postgres.PASSWORD, KEY, STRIPE, RESEND, MAIL, OPENAI, ELEVENLABS,
                        OLD_HASH}
        self.answers = []  # (what was asked, answer)

    def ask(self, method, path, headers=None, body=None, kept=True):
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        answer = self.server.request(method, path, {**(JSON if body is not None else {}), **(headers or {})}, data, timeout=60)
        if kept:
            self.answers.append((f"{method} {path.partition('?')[0]}", answer))
        return answer

    def sign_in(self, name, password):
        """Tokens are meant to be in this one answer, and nowhere else."""
        answer = self.ask("POST", "/api/auth/login/", body={"username": name, "password": password}, kept=False)
        assert answer.status == 200, answer.raw
        return self.keep(answer.json)

    def keep(self, pair):
        self.secrets |= {part for token in pair.values() for part in (token, token.rpartition(".")[2])}
        return pair

    def good_day(self, name):
        assert self.ask("POST", "/api/auth/register/", body={"username": name, "password": PASSWORD, "email": f"{name}@example.org"}).status == 201
        pair = self.sign_in(name, PASSWORD)
        answer = self.ask("POST", "/api/auth/refresh/", body={"refresh": pair["refresh"]}, kept=False)
        assert answer.status == 200, answer.raw
        new = self.keep(answer.json)
        for path in ("/api/auth/me/", "/api/user/data-export/", "/api/projets/", "/api/contents/?page=1"):
            assert self.ask("GET", path, tokens.bearer(new["access"])).status == 200, path
        assert self.ask("GET", "/api/auth/me/", tokens.basic(name, PASSWORD)).status == 200
        self.secrets.add(tokens.basic(name, PASSWORD)["Authorization"].removeprefix("Basic "))
        return pair, new

    def bad_day(self, name, pair, new):
        login, register = "/api/auth/login/", "/api/auth/register/"
        for body in ({"username": name, "password": WRONG}, {"username": WRONG, "password": PASSWORD}, {"username": name, "password": [PASSWORD]},
                     {"password": PASSWORD}, [PASSWORD], {"username": name, "password": PASSWORD * 300}, {"username": name, "password": PASSWORD + "\0"}):
            assert self.ask("POST", login, body=body).status in (400, 401)
        for body in ({"username": name, "password": PASSWORD}, {"username": "x y", "password": PASSWORD}, {"username": "z", "password": SHORT},
                     {"username": "z", "password": PASSWORD, "email": PASSWORD}, {"username": PASSWORD * 20, "password": PASSWORD}):
            assert self.ask("POST", register, body=body).status == 400
        for path in (login, register, "/api/auth/refresh/"):
            self.ask("POST", path, body=f'{{"username": "{name}", "password": "{PASSWORD}"'.encode())
            self.ask("POST", path, {"Content-Type": "text/plain"}, f"password={PASSWORD}".encode())
            self.ask("PUT", path, body={"password": PASSWORD})
            self.ask("POST", f"{path}?password={quote(PASSWORD)}&token={ADMIN}&refresh={pair['refresh']}", body={})
        for token in (pair["refresh"], new["access"], pair["refresh"][:-2] + "xx", 7, [new["refresh"]]):
            assert self.ask("POST", "/api/auth/refresh/", body={"refresh": token}).status == 401
        for header in (f"Bearer {pair['refresh']}", f"Bearer {new['access']}x", f"Bearer {new['access']} {PASSWORD}", f"Token {new['access']}",
                       tokens.basic(name, WRONG)["Authorization"], tokens.basic(PASSWORD, "")["Authorization"], f"Basic {PASSWORD}"):
            self.ask("GET", "/api/auth/me/", {"Authorization": header})
        for path in (f"/api/{PASSWORD}/", f"/api/projets/?token={ADMIN}", f"/api/intents/admin/?token={ADMIN}", f"/metrics?token={METRICS}"):
            self.ask("GET", path, {"X-Admin-Token": ADMIN, "Cookie": f"sessionid={PASSWORD}", "Authorization": f"Bearer {METRICS}"})
        self.ask("GET", "/metrics", {"Authorization": f"Bearer {METRICS}", "X-Forwarded-For": "1.2.3.4"})

    def probes(self):
        for path in ("/api/health/", "/health", "/readyz?verbose", "/livez?verbose", "/metrics", "/api/"):
            self.ask("GET", path)


def assert_silent(journey, server):
    """None of them, in any form, in any answer that was kept or in any line of the log."""
    everything = [(what, str(answer.headers) + answer.body.decode(errors="replace")) for what, answer in journey.answers]
    everything += [("the log", line) for line in server.lines]
    for secret in journey.secrets:
        for form in forms_of(secret):
            for what, text in everything:
                assert form not in text, f"{what} tells {form!r}: {text[:500]}"


@pytest.fixture
def canary_server(database, start_redis, start_server):
    redis = start_redis(password=REDIS)
    add_person(database, "staff", "boss", password=OLD_HASH)
    server = start_server(database.url, redis, DISABLE_THROTTLE_FOR_TESTS=1, LOG_LEVEL="DEBUG", DB_LOG_LEVEL="DEBUG", DJANGO_LOG_LEVEL="DEBUG", ADMIN_TOKEN=ADMIN,
                          METRICS_TOKEN=METRICS, STRIPE_SECRET_KEY=STRIPE, RESEND_API_KEY=RESEND, EMAIL_HOST_PASSWORD=MAIL, OPENAI_API_KEY=OPENAI,
                          ELEVENLABS_API_KEY=ELEVENLABS)
    return server, redis


def test_a_day_with_all_its_failures(canary_server, database):
    server, redis = canary_server
    journey = Journey(server)
    pair, new = journey.good_day("ana")
    journey.bad_day("ana", pair, new)
    boss = journey.sign_in("boss", PASSWORD)  # whose old hash is replaced on the way
    hashes = [row[0] for row in database.execute("SELECT password FROM auth_user")]
    assert all(text.startswith("argon2") for text in hashes)
    journey.secrets |= set(hashes) | {text.rpartition("$")[2] for text in hashes}
    for path in ("/api/security/audit/", "/api/security/metrics/", "/api/audit/logs/"):
        journey.ask("GET", path, tokens.bearer(boss["access"]))
    journey.probes()
    assert any(answer.status == 400 for _, answer in journey.answers) and len(server.lines) > 3
    assert_silent(journey, server)


def test_a_day_without_redis(canary_server):
    """Outages are written about at length: address and error, but never the password in the URL."""
    server, redis = canary_server
    journey = Journey(server)
    redis.command("CONFIG", "SET", "requirepass", "another-password")
    redis.password = "another-password"
    redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    pair, new = journey.good_day("ana")
    wait.until(lambda: server.get("/api/health/").json["degraded"], 20, "the outage is seen")
    journey.probes()
    redis.kill()
    journey.bad_day("ana", pair, new)
    journey.probes()
    assert_silent(journey, server)


def test_a_day_when_the_database_breaks(canary_server, database):
    """5xx for everybody who needs the table: a number to ask for, and not a word more."""
    server, _ = canary_server
    journey = Journey(server)
    pair, new = journey.good_day("ana")
    for table in ("token_blacklist_outstandingtoken", "core_profile", "core_projet", "auth_user"):
        database.execute(f"ALTER TABLE {table} RENAME TO hidden_{table}")
    broken = [
        journey.ask("POST", "/api/auth/login/", body={"username": "ana", "password": PASSWORD}),
        journey.ask("POST", "/api/auth/register/", body={"username": "eve", "password": PASSWORD}),
        journey.ask("POST", "/api/auth/refresh/", body={"refresh": new["refresh"]}),
        journey.ask("GET", "/api/auth/me/", tokens.bearer(new["access"])),
        journey.ask("GET", "/api/auth/me/", tokens.basic("ana", PASSWORD)),
        journey.ask("GET", "/api/projets/1/"),
    ]
    for answer in broken:
        assert answer.status in (500, 503), answer.raw
        assert set(answer.json) <= {"detail", "request_id"}, answer.raw
        assert not any(word in answer.text for word in ("auth_user", "core_", "SELECT", "INSERT", "no such", "relation", "hidden_")), answer.raw
    journey.probes()
    assert_silent(journey, server)


@pytest.mark.parametrize("way", ["resend", "smtp"])
def test_a_day_when_no_mail_and_no_alert_leaves(database, start_server, way):
    """Nobody listens where they go; the tasks fail, and say why without the keys, the login or the webhook's address."""
    mails = dict(RESEND_API_KEY=RESEND, RESEND_API_URL="http://127.0.0.1:1") if way == "resend" else dict(EMAIL_HOST="127.0.0.1", EMAIL_PORT="1")
    server = start_server(database.url, TASKS_LOCAL_WORKERS="2", LOG_LEVEL="DEBUG", METRICS_TOKEN=METRICS, ADMINS="Ana,ana@example.org", EMAIL_HOST_USER="site",
                          EMAIL_HOST_PASSWORD=MAIL, ALERT_WEBHOOK_ENABLED="True", ALERT_WEBHOOK_URL=f"http://u:{HOOK}@127.0.0.1:1/{HOOK}", **mails)
    journey = Journey(server)
    ids = [outbox.put(database, "core.tasks.send_email_task", "ana@example.org", "s", "h", durable=True),
           outbox.put(database, "egoejo.critical_alert", "T", {}, None, queue="local", durable=True)]
    outbox.put(database, "core.tasks.send_batch_email_task", [{"to_email": "ana@example.org", "subject": "s", "html_content": "h"}], durable=True)
    for task_id in ids:
        server.wait_event("task.retried", timeout=30, id=task_id)
    server.wait_event("mail.batch_retried", timeout=30)
    journey.probes()
    assert_silent(journey, server)


def assert_fails_silently(command, folder, **settings):
    done = run(command, folder=folder, timeout=30, **settings)
    assert done.returncode != 0, settings
    for secret in (PASSWORD, SHORT):
        assert secret not in done.stdout + done.stderr, settings


def test_a_start_that_fails_names_no_secret(folder):
    """A URL that does not parse, a setting that is refused: the variable is named, its value is not shown."""
    assert_fails_silently("migrate", folder, DATABASE_URL=f"postgres://u:{PASSWORD}@127.0.0.1:1/x")
    for settings in (dict(DATABASE_URL=f"mysql://u:{PASSWORD}@h/x"),
                     dict(DATABASE_URL="sqlite:///x.sqlite3", REDIS_URL=f"http://:{PASSWORD}@h/x"), dict(DATABASE_URL=f"postgres://u:{PASSWORD}@[::1/x"),
                     dict(DATABASE_URL="sqlite:///x.sqlite3", REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1:99999/0"),
                     dict(DATABASE_URL="sqlite:///x.sqlite3", DJANGO_SECRET_KEY=SHORT, DEBUG="0")):
        assert_fails_silently("serve", folder, **settings)


@pytest.mark.parametrize("command", ["settings", "routes", "version"])
def test_commands_show_no_secret(folder, command):
    done = run(command, folder=folder, ADMIN_TOKEN=ADMIN, METRICS_TOKEN=METRICS, STRIPE_SECRET_KEY=STRIPE, REDIS_URL=f"redis://:{REDIS}@127.0.0.1:1/0",
               DATABASE_URL=f"postgres://u:{Postgres.PASSWORD}@127.0.0.1:1/x", EMAIL_HOST_PASSWORD=MAIL,
               RESEND_API_KEY=RESEND, ALERT_WEBHOOK_URL=f"https://hooks.example.org/{HOOK}", RESEND_API_URL=f"https://u:{OPENAI}@api.example.org")
    for secret in (ADMIN, METRICS, STRIPE, REDIS, Postgres.PASSWORD, MAIL, RESEND, HOOK, OPENAI, KEY):
        assert secret not in done.stdout + done.stderr, command
