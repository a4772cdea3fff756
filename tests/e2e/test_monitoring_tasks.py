"""What watches the rest: an outage of Redis is told once over all processes, again while it lasts, and its end; beat and compost by mail."""

import datetime
import json
import signal
import socket
import sqlite3
import subprocess

import pytest

from lib import outbox, wait
from lib.http import Client
from lib.queues import Queues
from lib.server import BINARY, Server, environment, run
from lib.smtp import SmtpServer

ENOUGH = 30
TEAM, ADMIN = "team@example.org", "admin@example.org"
UTC = datetime.timezone.utc


class Office(SmtpServer):
    def to(self, address, word=""):
        """The subjects and texts of what a person got, whose subject has the word."""
        found = [mail.message for mail in super().to(address) if word in mail.message["Subject"]]
        return [(message["Subject"], message.get_body(("plain",)).get_content()) for message in found]


@pytest.fixture
def office():
    opened = Office()
    yield opened
    opened.close()


def watching(office, **settings):
    return dict(office.settings(), NOTIFY_EMAIL=TEAM, ADMINS=f"Ad,{ADMIN}", REDIS_ALERT_AFTER_S=1, REDIS_CHECK_S=3600, REDIS_RETRY_MS=100, **settings)


def all_usages_down(server):
    for usage in ("channels", "cache", "tasks"):
        server.wait_event("redis.unavailable", usage=usage)


def told(servers, key):
    return [event for server in servers for event in server.events("redis.told", key=key)]


def alerts(database):
    return database.execute("SELECT count(*) FROM egoejo_outbox WHERE name = 'egoejo.critical_alert'")[0][0]


def open_rows(database):
    return {row[0] for row in database.execute("SELECT key FROM egoejo_alert WHERE closed_at IS NULL")}


KEYS = {"redis_down", "redis_down:channels", "redis_down:cache", "redis_down:tasks"}


def test_one_outage_of_two_processes_is_one_mail_and_its_end_another(database, start_server, redis_server, office):
    servers = [start_server(database.url, redis_server, **watching(office)) for _ in range(2)]
    redis_server.kill()
    for server in servers:
        all_usages_down(server)
    wait.until(lambda: open_rows(database) == KEYS and office.to(TEAM), ENOUGH, "people are told")
    assert [server.get("/health").json["status"] for server in servers] == ["degraded"] * 2
    redis_server.start()
    wait.until(lambda: not open_rows(database) and office.to(TEAM, "répond de nouveau") and office.to(ADMIN, "répond de nouveau"), ENOUGH, "the end is told")
    for server in servers:
        server.stop()
    (subject, text), = office.to(TEAM, "injoignable")
    assert subject.startswith("[EGOEJO]") and "Backend : " in text and "Erreur : " in text and "mode dégradé" in text
    assert len(office.to(TEAM)) == 2 and len(office.to(ADMIN, "répond de nouveau")) == 1
    assert [len(told(servers, key)) for key in sorted(KEYS)] == [1] * 4
    assert alerts(database) == 3 and database.execute("SELECT max(sent) FROM egoejo_alert") == [(1,)]


def test_while_it_lasts_it_is_told_again_and_logged_as_critical(database, start_server, redis_server, office):
    server = start_server(database.url, redis_server, **watching(office) | {"REDIS_CHECK_S": 2})
    redis_server.kill()
    all_usages_down(server)
    wait.until(lambda: len(office.to(TEAM, "injoignable")) >= 2, ENOUGH, "it is told again")
    line = server.wait_event("redis.down_hourly", level="CRITICAL")
    assert line["error"] and line["backend"] == "RedisChannelLayer"
    wait.until(lambda: database.execute("SELECT min(sent) FROM egoejo_alert")[0][0] >= 2, ENOUGH, "so are the alerts")
    redis_server.start()
    server.wait_event("redis.checked", timeout=ENOUGH, level="INFO")


def test_a_short_outage_is_told_to_nobody(database, start_server, redis_server, office):
    server = start_server(database.url, redis_server, **watching(office) | {"REDIS_ALERT_AFTER_S": 600})
    redis_server.kill()
    all_usages_down(server)
    mark = server.mark()
    redis_server.start()
    for usage in ("channels", "cache", "tasks"):
        server.wait_event("redis.available", timeout=ENOUGH, since=mark, usage=usage)
    server.stop()
    assert not office.mails and not open_rows(database) and not alerts(database)


def test_an_outage_found_at_the_start_is_told_too(database, start_server, redis_server, office):
    redis_server.kill()
    server = start_server(database.url, redis_server, **watching(office))
    wait.until(lambda: office.to(TEAM, "injoignable"), ENOUGH, "it is told")
    server.stop()
    redis_server.start()
    start_server(database.url, redis_server, **watching(office))  # another process: the row that was left open is closed
    wait.until(lambda: office.to(TEAM, "répond de nouveau"), ENOUGH, "its end is told")


def test_without_the_database_it_is_told_all_the_same(folder, new_database, start_server, redis_server, office):
    """A file that is held by somebody else: no write gets through, so this process' memory says who has been told."""
    url = new_database("empty")
    server = start_server(url, redis_server, **watching(office))
    with sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=20) as other:
        other.execute("BEGIN IMMEDIATE")
        redis_server.kill()
        all_usages_down(server)
        wait.until(lambda: len(office.to(ADMIN, "REDIS UNAVAILABLE")) == 3 and office.to(TEAM, "injoignable"), 90, "all are told")
        assert {event["by"] for event in server.events("redis.told")} == {"memory"}
        other.execute("ROLLBACK")
    redis_server.start()
    wait.until(lambda: office.to(TEAM, "répond de nouveau"), ENOUGH, "the end is told")
    assert len(office.to(TEAM, "injoignable")) == 1 and "tasks" in "".join(text for _, text in office.to(ADMIN, "REDIS UNAVAILABLE"))


def test_a_mail_server_that_hangs_holds_up_neither_requests_nor_the_end(new_database, start_server, redis_server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = dict(EMAIL_HOST="127.0.0.1", EMAIL_PORT=silent.getsockname()[1], EMAIL_USE_TLS="0", NOTIFY_EMAIL=TEAM)
        server = start_server(new_database("empty"), redis_server, REDIS_ALERT_AFTER_S=1, **mail)
        redis_server.kill()
        all_usages_down(server)
        server.wait_event("redis.told", timeout=ENOUGH, key="redis_down")
        assert server.get("/readyz").status == 200 and server.get("/livez").status == 200
        server.stop()


# --- the tasks ---


def result_of(server, database, name):
    """Runs the task in the server; what it logged as done."""
    task_id = outbox.put(database, name)
    server.wait_event("task.succeeded", timeout=ENOUGH, id=task_id)


def test_nothing_composted_is_a_mail_about_beat_and_one_about_compost(database, start_server, office):
    server = start_server(database.url, TASKS_LOCAL_WORKERS=2, **watching(office))
    result_of(server, database, "core.tasks.check_celery_beat_health")
    result_of(server, database, "core.tasks.check_compost_failures")
    assert [subject for subject, _ in office.to(TEAM)] == ["[EGOEJO] Beat est peut-être inactif"]
    server.wait_event("monitoring.beat", level="ERROR")
    user = database.insert("auth_user")
    database.insert("core_sakawallet", user_id=user, balance=200, total_harvested=200)
    result_of(server, database, "core.tasks.check_compost_failures")
    server.wait_event("monitoring.compost", level="WARNING", wallets=1)
    (_, text), = office.to(TEAM, "compost SAKA")
    assert "1 portefeuille" in text
    database.execute("INSERT INTO core_sakacompostlog (started_at, finished_at, dry_run, wallets_affected, total_composted, inactivity_days, rate, "
                     "min_balance, min_amount, source) VALUES (%s, %s, %s, 0, 0, 90, 0.1, 50, 10, 'celery')",
                     datetime.datetime.now(UTC), datetime.datetime.now(UTC), False)
    before = len(office.mails)
    result_of(server, database, "core.tasks.check_celery_beat_health")
    result_of(server, database, "core.tasks.check_compost_failures")
    assert len(office.mails) == before
    database.execute("INSERT INTO core_sakacompostlog (started_at, finished_at, dry_run, wallets_affected, total_composted, inactivity_days, rate, "
                     "min_balance, min_amount, source) VALUES (%s, NULL, %s, 0, 0, 90, 0.1, 50, 10, 'celery')",
                     datetime.datetime.now(UTC) - datetime.timedelta(hours=2), False)
    result_of(server, database, "core.tasks.check_compost_failures")
    server.wait_event("monitoring.compost_unfinished", level="WARNING", runs=1)
    (_, text), = office.to(TEAM, "n'est pas terminé")
    assert "1 compost(s)" in text


def test_the_task_and_the_watch_send_one_mail_together(database, start_server, redis_server, office):
    server = start_server(database.url, redis_server, TASKS_LOCAL_WORKERS=2, **watching(office))
    redis_server.kill()
    all_usages_down(server)
    wait.until(lambda: office.to(TEAM, "injoignable"), ENOUGH, "the watch tells")
    result_of(server, database, "core.tasks.check_redis_health")
    server.wait_event("redis.down_hourly", level="CRITICAL")
    assert len(office.to(TEAM, "injoignable")) == 1


def test_a_worker_that_is_asked_by_a_python_beat_answers(database, start_worker, redis_server):
    worker = start_worker(redis_server, database=database.url)
    request = json.dumps({"task": "core.tasks.check_redis_health"})
    done = subprocess.run([BINARY, "send-task"], input=request, env=environment(REDIS_URL=redis_server.url), capture_output=True, text=True, timeout=30)
    task_id = done.stdout.strip()
    worker.wait_event("task.succeeded", timeout=ENOUGH, id=task_id)
    stored = json.loads(redis_server.client(2).get(f"celery-task-meta-{task_id}"))
    assert stored["result"] == {"status": "ok", "message": "Redis est disponible.", "backend": "RedisCache"}


# --- the probes of a process that serves nothing else ---


def ask(process, path, headers=None):
    port = process.wait_event("probes.listening", ENOUGH)["port"]
    return Client(port).request("GET", path, headers)


def test_a_worker_answers_probes_and_tells_of_its_runs(database, start_worker, redis_server):
    worker = start_worker(redis_server, database=database.url, PROBE_PORT=0, METRICS_TOKEN="a-token-for-metrics")
    outbox.put(database, "interop.add", 1, 2)
    worker.wait_event("task.succeeded", timeout=ENOUGH)
    shown = ask(worker, "/metrics")
    assert shown.status == 200 and shown.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'egoejo_task_runs_total{task="interop.add",state="succeeded"} 1' in shown.text
    assert ask(worker, "/livez").text == "ok\n" and ask(worker, "/readyz").text == "ok\n"
    assert {"[+]worker ok", "[+]relay ok", "[+]redis-watch ok"} <= set(ask(worker, "/livez?verbose").text.splitlines())
    assert ask(worker, "/api/projets/").status == 404 and ask(worker, "/").status == 404
    for headers, status in (({"X-Forwarded-For": "8.8.8.8"}, 404), ({"X-Forwarded-For": "8.8.8.8", "Authorization": "Bearer wrong"}, 404),
                            ({"X-Forwarded-For": "8.8.8.8", "Authorization": "Bearer a-token-for-metrics"}, 200)):
        assert ask(worker, "/metrics", headers).status == status
    port = worker.events("probes.listening")[0]["port"]
    refused = Client(port).request("POST", "/livez", {}, b"x" * 1000)
    assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD"
    assert run("healthcheck", PORT=port).returncode == 0
    worker.stop()
    assert run("healthcheck", PORT=port).returncode == 1


def test_a_worker_whose_runs_hang_is_not_alive_and_makes_no_threads_without_end(database, start_worker, redis_server):
    worker = start_worker(redis_server, "-c", "4", database=database.url, PROBE_PORT=0)
    queues = Queues(redis_server)
    sent = [queues.send("interop.sleep", 120, timelimit=[1, None]) for _ in range(24)]
    port = worker.wait_event("probes.listening", ENOUGH)["port"]
    wait.until(lambda: Client(port).request("GET", "/livez").status == 503, ENOUGH, "it is not alive")
    assert "[-]worker-runs failed" in Client(port).request("GET", "/livez?verbose").text
    wait.until(lambda: len(queues.held()) == 4, ENOUGH, "all were given up but those that no thread is left for")
    assert sum(queues.result(task) is not None for task in sent) == 20
    worker.stop()
    assert not queues.held() and len(queues.waiting()) == 4


def test_beat_answers_probes_too(database, folder):
    beat = Server(folder, dict(DATABASE_URL=database.url, PROBE_PORT=0), command=("beat",))
    assert "[+]beat ok" in ask(beat, "/livez?verbose").text
    beat.stop()


def test_a_port_that_somebody_has_stops_the_start(database, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("beat", DATABASE_URL=database.url, PROBE_PORT=taken.getsockname()[1])
        assert done.returncode != 0 and str(taken.getsockname()[1]) in done.stderr


# --- /health ---


def tasks_of(server):
    return server.get("/health").json["tasks"]


def test_health_tells_of_beat_and_compost(database, start_server):
    database.execute("INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ('check-redis-health', %s, 1)",
                     datetime.datetime(2026, 1, 1, 5, tzinfo=UTC))
    server = start_server(database.url, TASKS_LOCAL_WORKERS=3, ENABLE_SAKA="True", SAKA_COMPOST_ENABLED="True")
    wait.until(lambda: tasks_of(server)["beat"]["status"] == "late", ENOUGH, "nobody keeps the schedule")
    assert tasks_of(server) == {"workers": None, "local_workers": 3,
                                "beat": {"status": "late", "last_due_at": "2026-01-01T05:00:00+00:00", "compost": "error"}}
    assert server.metrics()["egoejo_beat_overdue_seconds"] > 3600
    assert server.get("/health").json["status"] == "ok"


def test_health_counts_the_workers_that_answer(database, start_server, start_worker, redis_server):
    worker = start_worker(redis_server, "-n", "one@here", database=database.url)
    server = start_server(database.url, redis_server)
    wait.until(lambda: tasks_of(server)["workers"] == 1, 2 * ENOUGH, "it is seen")
    assert server.metrics()["egoejo_tasks_workers"] == 1
    worker.signal(signal.SIGSTOP)
    wait.until(lambda: tasks_of(server)["workers"] == 0, 2 * ENOUGH, "one that hangs is none")
    worker.signal(signal.SIGCONT)
    wait.until(lambda: tasks_of(server)["workers"] == 1, 2 * ENOUGH, "it is back")
    worker.stop()
    wait.until(lambda: tasks_of(server)["workers"] == 0, 2 * ENOUGH, "it is gone")
    redis_server.kill()
    wait.until(lambda: tasks_of(server)["workers"] is None, 2 * ENOUGH, "nobody can be asked")


def test_what_redis_holds_is_measured(database, start_server, start_worker, redis_server):
    server = start_server(database.url, redis_server)
    outbox.put(database, "interop.sleep", 3600, durable=True)
    wait.until(lambda: server.metrics().get("egoejo_tasks_sent_oldest_seconds", 0) > 0, ENOUGH, "it was sent a while ago")
    assert server.metrics()['egoejo_tasks_queue{queue="celery"}'] <= 1
    worker = start_worker(redis_server, "-c", "1", database=database.url)
    wait.until(lambda: server.metrics()["egoejo_tasks_unacked"] == 1, ENOUGH, "a worker holds it")
    worker.kill()
