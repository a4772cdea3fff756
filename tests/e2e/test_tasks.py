"""Background tasks of a running server: run here without Redis, handed to Redis with it, finished or handed back at the end."""

import datetime
import glob
import json
import os
import re
import signal
import time

from lib import outbox, wait
from lib.database import Database
from lib.server import ROOT, Server, run

LOCAL = dict(TASKS_LOCAL_WORKERS="2")
AWAY = 20  # seconds that may pass until something has happened


def ran(server, **fields):
    return server.events("task.succeeded", **fields)


def test_without_redis_tasks_are_run_here(database, start_server):
    server = start_server(database.url, **LOCAL)
    ids = [outbox.put(database, "interop.add", n, 1) for n in range(20)]
    wait.until(lambda: database.count("egoejo_outbox") == 0, AWAY, "all are done")
    wait.until(lambda: {event["id"] for event in ran(server, where="local")} == set(ids), AWAY, "all are told")
    assert server.metrics()['egoejo_task_runs_total{task="interop.add",state="succeeded"}'] == 20


def test_what_fails_is_kept_and_told(database, start_server):
    server = start_server(database.url, **LOCAL)
    outbox.put(database, "interop.add", 1)
    outbox.put(database, "core.tasks.nobody_has_this")
    wait.until(lambda: outbox.states(database) == {"dead": 2}, AWAY, "both are dead")
    errors = {event["task"]: event["error"] for event in server.events("task.failed", level="ERROR")}
    assert errors == {"interop.add": "TypeError: add() missing 1 required positional argument: 'y'",
                      "core.tasks.nobody_has_this": "NotRegistered: no such task"}


def test_a_retry_is_a_row_with_a_later_time(database, start_server):
    server = start_server(database.url, **LOCAL)
    outbox.put(database, "interop.flaky_retry", "k", 2, 3, 1)  # two failures, a second apart
    server.wait_event("task.succeeded", timeout=AWAY, retries=2)
    assert [event["retries"] for event in server.events("task.retried", level="WARNING")] == [0, 1]
    wait.until(lambda: database.count("egoejo_outbox") == 0, AWAY, "it is gone")


def test_liveness_names_the_threads(database, start_server):
    server = start_server(database.url, **LOCAL, BEAT="on")
    lines = server.get("/livez?verbose").text
    for thread in ("relay", "local-workers", "beat"):
        assert f"[+]{thread} ok" in lines


def test_the_end_finishes_what_runs_and_hands_back_the_rest(database, start_server):
    server = start_server(database.url, **LOCAL)
    for _ in range(12):
        outbox.put(database, "interop.sleep", 0.5)
    wait.until(lambda: len(ran(server)) >= 2, AWAY, "some are done")
    server.stop()
    left = database.count("egoejo_outbox")
    assert left == 12 - len(ran(server)) > 0
    free = database.execute("SELECT count(*) FROM egoejo_outbox WHERE state = 'new' AND lease_owner IS NULL AND attempts = 0")[0][0]
    assert free == left
    second = start_server(database.url, **LOCAL)
    wait.until(lambda: database.count("egoejo_outbox") == 0, AWAY, "the rest is done")
    second.stop()
    assert len(ran(second)) == left


def test_a_long_job_does_not_hold_the_end_up(database, start_server):
    server = start_server(database.url, **LOCAL, SHUTDOWN_GRACE_S=2)
    outbox.put(database, "interop.sleep", 60)
    wait.until(lambda: server.metrics()["egoejo_tasks_local_running"] == 1, AWAY, "it runs")
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 4
    assert database.execute("SELECT state, lease_owner, attempts FROM egoejo_outbox") == [("new", None, 0)]


def test_a_killed_servers_tasks_are_run_by_another(database, start_server):
    server = start_server(database.url, **LOCAL)
    outbox.put(database, "interop.sleep", 5)
    wait.until(lambda: server.metrics()["egoejo_tasks_local_running"] == 1, AWAY, "it runs")
    server.kill()
    database.execute("UPDATE egoejo_outbox SET lease_until = %s", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
    second = start_server(database.url, **LOCAL)
    second.wait_event("task.succeeded", timeout=AWAY)


def test_two_servers_share_the_rows(database, start_server):
    servers = [start_server(database.url, **LOCAL) for _ in range(2)]
    ids = [outbox.put(database, "interop.sleep", 0.02) for _ in range(100)]
    wait.until(lambda: database.count("egoejo_outbox") == 0, 2 * AWAY, "all are done")
    for server in servers:
        server.stop()
    done = [event["id"] for server in servers for event in ran(server)]
    assert sorted(done) == sorted(ids)


def test_with_redis_they_are_celerys_messages(database, start_server, redis_server):
    server = start_server(database.url, REDIS_URL=redis_server.url, **LOCAL)
    ids = [outbox.put(database, "interop.add", n, 1) for n in range(30)]
    client = redis_server.client(2)
    wait.until(lambda: client.llen("celery") == 30 and database.count("egoejo_outbox") == 0, AWAY, "Redis has them")
    assert [json.loads(item)["headers"]["id"] for item in reversed(client.lrange("celery", 0, -1))] == ids
    assert len({json.loads(item)["properties"]["delivery_tag"] for item in client.lrange("celery", 0, -1)}) == 30
    assert client.smembers("_kombu.binding.celery") == {b"celery\x06\x16\x06\x16celery"}
    assert not ran(server)
    wait.until(lambda: server.metrics()['egoejo_tasks_queue{queue="celery"}'] == 30, AWAY, "the queue is measured")


def test_while_redis_is_down_they_are_run_here(database, start_server, redis_server):
    server = start_server(database.url, REDIS_URL=redis_server.url, **LOCAL)
    redis_server.kill()
    server.wait_event("redis.unavailable", usage="tasks")
    outbox.put(database, "interop.add", 1, 1)
    outbox.put(database, "python.only")
    server.wait_event("task.succeeded", timeout=AWAY, where="local")
    server.wait_event("tasks.sync_fallback", level="WARNING", task="interop.add")
    redis_server.start()
    server.wait_event("redis.available", usage="tasks")
    database.execute("UPDATE egoejo_outbox SET due_at = created_at")  # others' tasks wait a minute
    wait.until(lambda: redis_server.client(2).llen("celery") == 1, AWAY, "what only others know goes to Redis")


def test_tasks_of_the_local_queue_do_not_leave(database, start_server, redis_server):
    server = start_server(database.url, REDIS_URL=redis_server.url, **LOCAL)
    outbox.put(database, "interop.add", 1, 1, queue="local")
    server.wait_event("task.succeeded", timeout=AWAY, where="local")
    assert redis_server.client(2).llen("celery") == 0


def test_durable_tasks_wait_for_their_result(database, start_server, redis_server):
    start_server(database.url, REDIS_URL=redis_server.url, TASKS_RESEND_S=2, **LOCAL)
    first, second = (outbox.put(database, "interop.add", n, 1, durable=True) for n in range(2))
    client = redis_server.client(2)
    wait.until(lambda: outbox.states(database) == {"sent": 2}, AWAY, "Redis has them")
    client.set(f"celery-task-meta-{first}", json.dumps({"status": "SUCCESS", "result": 1}))
    wait.until(lambda: outbox.states(database) == {"sent": 1}, AWAY, "one has its result")
    client.delete("celery")
    wait.until(lambda: client.llen("celery") == 1, AWAY, "the other is sent again")
    assert json.loads(client.lindex("celery", 0))["headers"]["id"] == second


def test_beat_enqueues_what_is_due_and_what_was_missed(new_database, start_server):
    database = Database(new_database("empty"))
    server = start_server(database.url, BEAT="on")
    wait.until(lambda: database.count("egoejo_beat") == 8, AWAY, "it knows its entries")
    assert database.count("egoejo_outbox") == 0
    server.stop(signal.SIGTERM)
    now = datetime.datetime.now(datetime.timezone.utc)
    database.execute("UPDATE egoejo_beat SET last_due_at = %s", now - datetime.timedelta(hours=30))
    servers = [start_server(database.url, BEAT="on") for _ in range(2)]
    wait.until(lambda: database.execute("SELECT count(*) FROM egoejo_outbox WHERE name = 'core.tasks.check_redis_health'")[0][0] == 1,
               AWAY, "the hourly one was missed")
    wait.until(lambda: sum(len(s.events("beat.fired", entry="check-celery-beat-health")) for s in servers) == 1, AWAY, "the daily one")
    time.sleep(1)
    names = [name for (name,) in database.execute("SELECT name FROM egoejo_outbox")]
    assert len(names) == len(set(names))
    assert all(json.loads(e)["headers"]["celery_beat_task"] for (e,) in database.execute("SELECT envelope FROM egoejo_outbox"))


def test_beat_is_where_the_setting_says(new_database, start_server, redis_server):
    url = new_database("empty")
    assert "beat" in start_server(url, BEAT="auto").get("/livez?verbose").text
    assert "beat" not in start_server(url, BEAT="auto", REDIS_URL=redis_server.url).get("/livez?verbose").text
    assert "beat" not in start_server(url, BEAT="off").get("/livez?verbose").text
    assert "beat" in start_server(url, BEAT="on", REDIS_URL=redis_server.url).get("/livez?verbose").text


# ---- commands ----


def tasks(database, *arguments, expect=0, **settings):
    done = run("tasks", *arguments, DATABASE_URL=database.url, **settings)
    assert done.returncode == expect, done.stderr
    return done


def test_the_command_lists_shows_and_retries(database, start_server):
    server = start_server(database.url, **LOCAL)
    failed = outbox.put(database, "interop.add", "a")
    wait.until(lambda: outbox.states(database) == {"dead": 1}, AWAY, "it has failed")
    server.stop()
    waiting = outbox.put(database, "interop.add", 1, 2)
    lines = {line.split()[0]: line.split()[1:] for line in tasks(database, "list").stdout.splitlines()}
    assert lines[failed][:3] == ["dead", "celery", "interop.add"] and lines[waiting][:3] == ["new", "celery", "interop.add"]
    shown = json.loads(tasks(database, "show", failed).stdout)
    assert shown["state"] == "dead" and shown["args"] == ["a"] and shown["error"].startswith("TypeError: add() missing 1")
    tasks(database, "retry", failed)
    assert outbox.states(database) == {"new": 2}
    server = start_server(database.url, **LOCAL)
    wait.until(lambda: outbox.states(database) == {"dead": 1}, AWAY, "it has failed again")
    server.stop()
    assert tasks(database, "purge").stdout == "1 dead tasks and 0 dead letters removed\n"
    assert tasks(database, "list").stdout == ""
    assert "no such task" in tasks(database, "show", failed, expect=1).stderr
    assert "no such task" in tasks(database, "retry", failed, expect=1).stderr
    assert "no such task" in tasks(database, "retry", "nonsense", expect=1).stderr


def test_the_command_knows_dead_letters(new_database, redis_server):
    database, client = Database(new_database("empty")), redis_server.client(2)
    message = outbox.envelope("interop.add", [1, 2], "11111111-2222-4333-8444-555555555555", **{"x-redeliveries": 5, "redelivered": True})
    for item, reason in (("nonsense", "item is not JSON"), (message, "put back too often")):
        client.lpush("celery:dead", json.dumps({"reason": reason, "queue": "celery", "at": "2026-11-26T07:00:00+00:00", "item": item}))
    listed = tasks(database, "list", REDIS_URL=redis_server.url).stdout.splitlines()
    assert [line.split()[1] for line in listed] == ["letter", "letter"] and "item is not JSON" in listed[1]
    shown = json.loads(tasks(database, "show", "11111111-2222-4333-8444-555555555555", REDIS_URL=redis_server.url).stdout)
    assert shown["reason"] == "put back too often" and shown["task"] == "interop.add"
    tasks(database, "retry", "11111111-2222-4333-8444-555555555555", REDIS_URL=redis_server.url)
    assert client.llen("celery:dead") == 1
    headers = json.loads(client.lindex("celery", 0))["headers"]
    assert headers["task"] == "interop.add" and "x-redeliveries" not in headers and "redelivered" not in headers
    assert tasks(database, "purge", REDIS_URL=redis_server.url).stdout == "0 dead tasks and 1 dead letters removed\n"
    redis_server.kill()
    assert "Redis does not answer" in tasks(database, "list", REDIS_URL=redis_server.url).stderr


def test_the_command_refuses_what_makes_no_sense(new_database):
    database = Database(new_database("empty"))
    for arguments in (["lift"], ["show"], ["list", "x"], ["retry"], ["purge", "x"]):
        tasks(database, *arguments, expect=64)


def test_beat_of_its_own(new_database, folder, redis_server):
    database = Database(new_database("empty"))
    run("migrate", DATABASE_URL=database.url)
    now = datetime.datetime.now(datetime.timezone.utc)
    database.execute("INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ('check-redis-health', %s, 0)",
                     now - datetime.timedelta(hours=2))
    beat = Server(folder, dict(DATABASE_URL=database.url, REDIS_URL=redis_server.url), command=("beat",))
    try:
        beat.wait_event("beat.ready")
        beat.wait_event("beat.fired", entry="check-redis-health")
        client = redis_server.client(2)
        wait.until(lambda: client.llen("celery") == 1, AWAY, "Redis has it")
        assert json.loads(client.lindex("celery", 0))["headers"]["celery_beat_task"] is True
        beat.stop()
    finally:
        beat.kill()


def test_each_call_site_names_a_task_that_is_registered():
    """What is enqueued under a name that nobody has fails for good; the schedule refuses to start (tests/unit/tasks/test_beat.c)."""
    registered = set(re.findall(r'^TASK\("([^"]+)"', open(os.path.join(ROOT, "tasks", "tasks.def"), encoding="utf-8").read(), re.M))
    named = {}
    for folder in ("api", "app", "domain", "realtime", "tasks"):
        for path in glob.glob(os.path.join(ROOT, folder, "*.[chd]*")):
            code = re.sub(r"/\*.*?\*/", "", open(path, encoding="utf-8").read(), flags=re.S)
            for name in re.findall(r'"((?:core\.tasks\w*|egoejo)\.[a-z]\w{3,})"', code):
                named.setdefault(name, os.path.relpath(path, ROOT))
    assert len(named) > 10
    assert {name: path for name, path in named.items() if name not in registered} == {}
