"""egoejo worker from outside, on a Redis of its own: what Celery's producers and clients see of it. The outages: test_worker_outages.py."""

import json
import signal
import time
from datetime import datetime, timedelta, timezone

import pytest

from lib import outbox, wait
from lib.database import Database
from lib.queues import Queues, envelope, signature
from lib.server import run


@pytest.fixture
def queues(redis_server):
    return Queues(redis_server)


@pytest.fixture
def worker(redis_server, start_worker):
    return start_worker(redis_server, "-c", "1", "-n", "test@here")


def soon(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()


# --- running ---


def test_a_result(worker, queues):
    task = queues.send("interop.echo", "é", None, kwargs={"nom": "Zoé ✓"})
    stored = queues.wait_result(task)
    assert stored["result"] == {"args": ["é", None], "kwargs": {"nom": "Zoé ✓"}}
    assert set(stored) == {"status", "result", "traceback", "children", "date_done", "task_id"}
    assert 86000 < queues.redis.ttl(f"celery-task-meta-{task}") <= 86400
    queues.wait_idle()


def test_what_fails_says_so_as_python_does(worker, queues):
    stored = queues.wait_result(queues.send("interop.add", "a", 1), "FAILURE")
    assert stored["result"]["exc_type"] == "TypeError" and stored["result"]["exc_module"] == "builtins"
    assert stored["traceback"].startswith("Traceback")
    unknown = queues.wait_result(queues.send("interop.nobody"), "FAILURE")
    assert unknown["result"] == {"exc_type": "NotRegistered", "exc_message": ["interop.nobody"], "exc_module": "celery.exceptions"}
    assert unknown["traceback"] is None
    queues.wait_idle()


def test_a_retry_is_a_message_of_its_own(worker, queues):
    task = queues.send("interop.flaky_retry", "k", kwargs={"failures": 1, "countdown": 1})
    retry = queues.wait_result(task, "RETRY", 5)
    assert retry["date_done"] is None and retry["children"] == [[[task, None], None]]
    assert queues.wait_result(task)["result"] == {"key": "k", "retries": 1}
    assert queues.result(task)["parent_id"] == task
    queues.wait_idle()


def test_callbacks_and_chains_follow(worker, queues):
    chain = [signature("interop.add", 1000, options={"task_id": "c"}), signature("interop.add", 100, options={"task_id": "b"})]
    callback = signature("interop.echo", "then", options={"task_id": "d"})
    queues.send("interop.add", 1, 2, task_id="a", embed={"chain": chain, "callbacks": [callback]})
    assert queues.wait_result("c")["result"] == 1103
    assert queues.wait_result("d")["result"]["args"] == [3, "then"]
    assert queues.result("b")["parent_id"] == "a" and queues.result("c")["parent_id"] == "b"
    assert {child[0][0] for child in queues.result("a")["children"]} == {"b", "d"}
    queues.send("interop.add", 1, "x", task_id="e", embed={"errbacks": [signature("interop.echo", "ko", options={"task_id": "f"})],
                                                           "chain": [signature("interop.add", 1, options={"task_id": "never"})]})
    assert queues.wait_result("f")["result"]["args"] == ["e", "ko"]
    queues.wait_idle()
    assert queues.result("never") is None


def test_groups_and_immutable_signatures_follow(worker, queues):
    group = signature("celery.group", subtask_type="group",
                      kwargs={"tasks": [signature("interop.add", n, options={"task_id": f"g{n}", "group_id": "g"}) for n in (1, 2)]})
    queues.send("interop.add", 1, 2, embed={"callbacks": [group, signature("interop.echo", "alone", immutable=True, options={"task_id": "i"})]})
    assert [queues.wait_result(f"g{n}")["result"] for n in (1, 2)] == [4, 5]
    assert queues.result("g1")["group_id"] == "g"
    assert queues.wait_result("i")["result"]["args"] == ["alone"]


def test_priorities_and_several_queues(redis_server, start_worker, queues):
    for priority, name in ((9, "celery\x06\x169"), (6, "celery\x06\x166"), (3, "celery\x06\x163"), (0, "celery")):
        queues.push(envelope("interop.echo", priority, task_id=f"p{priority}", priority=priority), name)
    for n in range(3):
        queues.send("interop.echo", n, task_id=f"mail{n}", queue="mail")
    worker = start_worker(redis_server, "-c", "1", "--queues", "celery, mail")
    worker.wait_event("task.succeeded", id="p9")
    order = [event["id"] for event in worker.events("task.succeeded")]
    assert order == ["p0", "mail0", "mail1", "mail2", "p3", "p6", "p9"]


# --- time ---


def test_eta_and_expiry(worker, queues):
    later = queues.send("interop.add", 1, 1, eta=soon(1.5))
    old = queues.send("interop.add", 1, 1, expires=soon(-1))
    gone = queues.send("interop.add", 1, 1, eta=soon(1), expires=soon(0.5))
    assert queues.wait_result(old, "REVOKED")["result"]["exc_message"] == ["expired"]
    assert queues.control("scheduled")[-1]["request"]["id"] in (later, gone)
    assert queues.result(later) is None
    assert queues.wait_result(later)["result"] == 2
    assert queues.wait_result(gone, "REVOKED")["result"]["exc_message"] == ["expired"]
    queues.wait_idle()


def test_a_soft_limit_is_told_to_the_task(worker, queues):
    stored = queues.wait_result(queues.send("interop.sleep", 60, timelimit=[None, 1]), "FAILURE")
    assert stored["result"] == {"exc_type": "SoftTimeLimitExceeded", "exc_message": [], "exc_module": "billiard.exceptions"}


def test_a_hard_limit_frees_the_slot(worker, queues):
    late = queues.send("interop.sleep", 8, timelimit=[1, None])
    after = queues.send("interop.add", 1, 2)
    stored = queues.wait_result(late, "FAILURE", 5)
    assert stored["result"] == {"exc_type": "TimeLimitExceeded", "exc_message": [1], "exc_module": "billiard.exceptions"}
    assert queues.wait_result(after, timeout=5)["result"] == 3
    queues.wait_idle()
    worker.stop()  # although the run goes on
    assert queues.result(late)["status"] == "FAILURE"


def test_rates_are_limited(worker, queues):
    assert queues.control("rate_limit", task_name="interop.add", rate_limit="2/s") == {"ok": "new rate limit set successfully"}
    started = time.monotonic()
    for task in [queues.send("interop.add", n, 1) for n in range(4)]:
        queues.wait_result(task)
    assert time.monotonic() - started >= 1.4
    assert "error" in queues.control("rate_limit", task_name="interop.nobody", rate_limit="2/s")
    assert "error" in queues.control("rate_limit", task_name="interop.add", rate_limit=1e-300)
    assert "error" in queues.control("rate_limit", task_name="interop.add", rate_limit="often")


def test_what_waits_for_a_rate_is_not_taken_without_end(worker, queues):
    queues.control("rate_limit", task_name="interop.add", rate_limit="1/h")
    tasks = [queues.send("interop.add", n, 1) for n in range(50)]
    queues.wait_result(tasks[0])
    wait.until(lambda: len(queues.control("scheduled")) == 4, 5, "as many as are taken ahead")
    assert queues.control("stats")["prefetch_count"] == 4
    assert len(queues.held()) == 4 and queues.redis.llen("celery") == 45
    assert queues.control("rate_limit", task_name="interop.add", rate_limit=0) == {"ok": "rate limit disabled successfully"}
    for task in tasks:
        queues.wait_result(task)


# --- control ---


def test_revoked_before_it_runs(worker, queues):
    first, second = queues.send("interop.sleep", 1), queues.send("interop.add", 1, 1)
    wait.until(lambda: [t["id"] for t in queues.control("reserved")] == [second], 5, "one waits for the slot")
    assert "ok" in queues.control("revoke", task_id=[second, "not-there-yet"])
    assert queues.wait_result(second, "REVOKED")["result"]["exc_message"] == ["revoked"]
    assert queues.control("revoked") == [second, "not-there-yet"]
    queues.send("interop.add", 1, 1, task_id="not-there-yet")
    queues.wait_result(first)
    queues.wait_idle()
    assert queues.result("not-there-yet")["status"] == "REVOKED"


@pytest.mark.parametrize("yes", [True, 1])  # Flower's
def test_terminated_while_it_runs(worker, queues, yes):
    task, after = queues.send("interop.sleep", 8), queues.send("interop.add", 1, 1)
    wait.until(lambda: queues.control("active"), 5, "it runs")
    assert queues.control("revoke", task_id=task, terminate=yes, signal="SIGTERM") == {"ok": "terminate: 1 tasks terminated"}
    assert queues.wait_result(task, "REVOKED")["result"]["exc_message"] == ["terminated"]
    queues.wait_result(after, timeout=5)


def test_what_control_answers(worker, queues):
    assert queues.control("ping") == {"ok": "pong"}
    queues.wait_result(queues.send("interop.add", 1, 1))
    stats = queues.control("stats")
    assert stats["total"] == {"interop.add": 1} and stats["pid"] == worker.pid and stats["pool"]["max-concurrency"] == 1
    assert stats["prefetch_count"] == 4 and isinstance(stats["clock"], str) and stats["rusage"]["maxrss"] > 0
    registered = queues.control("registered")
    assert registered == sorted(registered) and "interop.add" in registered
    assert [q["name"] for q in queues.control("active_queues")] == ["celery"]
    assert queues.control("conf")["task_acks_late"] is True
    assert queues.control("clock")["clock"] > 0
    assert queues.control("hello", from_node="other@there", revoked=["x"])["revoked"] == ["x"]
    assert queues.control("query_task", ids=["x"]) == {}
    assert "ok" in queues.control("report")
    assert queues.control("memsample") is None
    assert queues.control("disable_events") == {"ok": "task events disabled"}
    assert queues.control("enable_events") == {"ok": "task events enabled"}
    assert "ok" in queues.control("time_limit", task_name="interop.sleep", soft=1, hard=2)
    for method in ("pool_grow", "pool_shrink", "autoscale", "pool_restart", "nonsense", "rate_limit", "revoke", "add_consumer"):
        assert "error" in queues.control(method), method


def test_queues_are_added_and_cancelled(worker, queues):
    assert queues.control("add_consumer", queue="mail") == {"ok": "add consumer mail"}
    assert queues.wait_result(queues.send("interop.add", 1, 1, queue="mail"))
    assert queues.control("cancel_consumer", queue="mail") == {"ok": "no longer consuming from mail"}
    wait.until(lambda: [q["name"] for q in queues.control("active_queues")] == ["celery"], 5, "cancelled")
    queues.wait_result(queues.send("interop.add", 1, 1))  # the wait that had begun before is over
    waiting = queues.send("interop.add", 1, 1, queue="mail")
    queues.wait_result(queues.send("interop.add", 1, 1))
    assert [m["headers"]["id"] for m in queues.waiting("mail")] == [waiting]


def test_shutdown_by_control(worker, queues):
    queues.control("shutdown", reply=False)
    assert worker.wait() == 0
    assert not queues.redis.smembers("_kombu.binding.celery.pidbox")


def test_inspect_asks_all(redis_server, start_worker, worker):
    start_worker(redis_server, "-n", "second@here")
    done = run("inspect", "ping", REDIS_URL=redis_server.url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"test@here": {"ok": "pong"}, "second@here": {"ok": "pong"}}
    assert run("inspect", "shutdown", REDIS_URL=redis_server.url).returncode == 64


def test_inspect_without_an_answer(redis_server):
    done = run("inspect", "ping", REDIS_URL=redis_server.url)
    assert (done.returncode, done.stdout, done.stderr) == (1, "{}\n", "egoejo: no worker answers\n")
    redis_server.kill()
    done = run("inspect", "ping", REDIS_URL=redis_server.url)
    assert done.returncode == 1 and done.stderr == "egoejo: the broker does not answer\n"


# --- messages that are none ---


def test_malformed_messages_are_kept_and_stop_nobody(worker, queues):
    good = envelope("interop.add", 1, 2)
    bad = ["not json", "{}", "[]", b"\xff\xfe", json.dumps({**good, "body": "!!!"}), json.dumps({**good, "headers": {}}),
           json.dumps({**good, "properties": {}}), json.dumps({**good, "content-type": "application/x-python-serialize"})]
    for text in bad:
        queues.push(text)
    assert queues.wait_result(queues.send("interop.add", 40, 2))["result"] == 42
    queues.wait_idle()
    assert queues.redis.llen("celery:dead") == len(bad)
    assert len(worker.events("task.malformed")) == len(bad)
    queues.redis.lrem("celery:dead", 0, next(t for t in queues.redis.lrange("celery:dead", 0, -1) if b"\xff" in t))
    assert {d["reason"] for d in queues.dead()} >= {"item is not JSON", "body is not base64", "no headers.task", "no properties.delivery_tag"}


def test_a_queue_that_is_no_list_holds_nobody_up(worker, queues):
    """A message says where its callbacks go, and where it goes back to; a name that means something else in Redis is no place for it."""
    bad = queues.send("interop.add", 1, 1, embed={"callbacks": [signature("interop.add", 1, options={"queue": "unacked", "task_id": "follower"})]})
    queues.wait_result(bad)
    letter, = queues.dead()
    assert json.loads(letter["item"])["headers"]["id"] == "follower" and "is no list" in letter["reason"] and letter["queue"] == "unacked"
    worker.wait_event("broker.dead_letter", level="ERROR", id=bad)
    queues.redis.lpush(f"celery-task-meta-{(other := 'somebody-elses')}", "a list")
    queues.send("interop.add", 20, 22, task_id=other)
    queues.wait_idle()
    assert queues.result(other)["result"] == 42
    running, nowhere = queues.send("interop.sleep", 1), envelope("interop.add", 1, 1, queue="unacked_index", task_id="nowhere")
    queues.push(nowhere)
    wait.until(lambda: sorted(queues.held()) == sorted([running, "nowhere"]), 5, "both are held")
    worker.stop()
    assert json.loads(queues.dead()[0]["item"])["headers"]["id"] == "nowhere" and not queues.held()


def test_an_end_that_redis_refuses_holds_nobody_up(redis_server, start_worker, queues):
    worker = start_worker(redis_server, "-c", "1")
    redis_server.command("ACL", "SETUSER", "default", "-hdel")
    first = queues.send("interop.add", 1, 1)
    worker.wait_event("broker.refused", level="ERROR")
    redis_server.command("ACL", "SETUSER", "default", "+hdel")
    queues.wait_idle()
    assert queues.result(first)["result"] == 2
    redis_server.command("ACL", "SETUSER", "default", "-hdel")
    second = queues.send("interop.add", 1, 1)
    worker.wait_event("task.succeeded", id=second)
    worker.stop()
    assert queues.held() == [second]  # it comes back, and is done already


@pytest.mark.parametrize("idle", [True, False])
def test_a_message_that_is_too_large_stops_nobody(redis_server, start_worker, queues, idle):
    """Its way into the worker and back would take longer than one command may: again and again, an outage for all."""
    large = envelope("interop.add", "x" * (12 << 20), 1)
    large_enough = envelope("interop.echo", "x" * (1 << 20), argsrepr="")
    if not idle:
        queues.push(large)
    worker = start_worker(redis_server, "-c", "1", REDIS_COMMAND_TIMEOUT_MS="1000")
    if idle:
        wait.until(lambda: redis_server.client(0).info("clients")["blocked_clients"], 5, "it waits")
        queues.push(large)
    sent = queues.push(large_enough), queues.send("interop.add", 20, 22)
    assert len(queues.wait_result(sent[0])["result"]["args"][0]) == 1 << 20
    assert queues.wait_result(sent[1])["result"] == 42
    queues.wait_idle()
    letter, = queues.dead()
    assert letter["reason"].startswith("too large: ") and len(letter["item"]) == 65536
    key = letter["reason"].split()[-1]
    assert json.loads(queues.redis.get(key)) == large
    assert 29 * 86400 < queues.redis.ttl(key) <= 30 * 86400
    assert worker.wait_event("task.malformed", level="ERROR")["item"].startswith('{"body"')


def test_a_message_that_kills_whoever_takes_it_is_buried(redis_server, start_worker, queues):
    queues.send("interop.sleep", 600, task_id="poison")
    for _ in range(6):
        worker = start_worker(redis_server, "-c", "1", VISIBILITY_TIMEOUT="1")
        wait.until(lambda: queues.control("active"), 10, "it runs")
        worker.kill()
        wait.until(lambda: queues.redis.zcount("unacked_index", 0, time.time() - 1) == 1, 5, "beyond the visibility timeout")
    start_worker(redis_server, "-c", "1", VISIBILITY_TIMEOUT="1")
    assert queues.wait_result("poison", "FAILURE")["result"]["exc_type"] == "WorkerLostError"
    queues.wait_idle()
    assert queues.dead()[0]["reason"] == "redelivered 5 times"


def test_what_is_done_is_not_done_again(worker, queues):
    queues.redis.set("celery-task-meta-x", json.dumps({"status": "SUCCESS", "result": "before", "task_id": "x"}))
    queues.send("interop.add", 1, 1, task_id="x", redelivered=True)
    queues.wait_idle()
    assert queues.result("x")["result"] == "before"
    worker.wait_event("task.done_before")


def test_beat_asks_for_one_compost_a_week(redis_server, start_worker, queues):
    start_worker(redis_server, SAKA_COMPOST_ENABLED="true")
    compost = "core.tasks.saka_run_compost_cycle"
    first, second = (queues.wait_result(queues.send(compost, False, celery_beat_task=True))["result"] for _ in range(2))
    assert first["log_id"] and second == first  # another message, the same week: what the first did
    by_hand = queues.wait_result(queues.send(compost, False))["result"]
    assert by_hand["log_id"] > first["log_id"]


def test_what_it_holds_stays_its_own(redis_server, start_worker, queues):
    """A run and a wait that are longer than the visibility timeout are not given to somebody else."""
    start_worker(redis_server, "-c", "1", "-n", "a@here", VISIBILITY_TIMEOUT="2")
    running, waiting = queues.send("interop.sleep", 5), queues.send("interop.add", 1, 1, eta=soon(5))
    wait.until(lambda: len(queues.held()) == 2, 5, "both are held")
    other = start_worker(redis_server, "-c", "1", "-n", "b@here", VISIBILITY_TIMEOUT="2")
    assert queues.wait_result(running)["result"] == 5 and queues.wait_result(waiting)["result"] == 2
    assert not other.events("worker.restored") and not other.events("task.succeeded")


# --- the end ---


def test_a_warm_end(worker, queues):
    running = queues.send("interop.sleep", 1.5)
    waiting = [queues.send("interop.add", n, 1) for n in range(3)]
    wait.until(lambda: len(queues.held()) == 4, 5, "all are held")
    worker.stop()
    assert queues.result(running)["result"] == 1.5
    assert not queues.held() and not queues.redis.zcard("unacked_index")
    assert [m["headers"]["id"] for m in queues.waiting()] == waiting
    assert all(m["headers"]["redelivered"] and m["properties"]["delivery_info"]["redelivered"] for m in queues.waiting())


def test_rows_of_the_outbox_are_given_back_although_a_run_was_abandoned(redis_server, start_worker, queues, new_database):
    database = Database(new_database("empty"))
    worker = start_worker(redis_server, "-c", "1", database=database.url, TASKS_LOCAL_WORKERS="1", SHUTDOWN_GRACE_S="2")
    outbox.put(database, "interop.sleep", 60, queue="local")
    wait.until(lambda: database.execute("SELECT lease_owner FROM egoejo_outbox") != [(None,)], 10, "it runs")
    queues.wait_result(queues.send("interop.sleep", 30, timelimit=[1, None]), "FAILURE")
    worker.stop()
    assert database.execute("SELECT state, lease_owner, attempts FROM egoejo_outbox") == [("new", None, 0)]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(worker, queues, second):
    running = queues.send("interop.sleep", 60)
    wait.until(lambda: queues.control("active"), 5, "it runs")
    worker.signal(signal.SIGTERM)
    worker.wait_event("worker.stopping")
    started = time.monotonic()
    worker.signal(second)
    assert worker.wait() == 0
    assert time.monotonic() - started < 3
    assert [m["headers"]["id"] for m in queues.waiting()] == [running] and not queues.held()


# --- the start ---


@pytest.mark.parametrize("options, settings, word", [
    (["-c", "0"], {}, "--concurrency"), (["-c", "many"], {}, "--concurrency"), (["-Q", ","], {}, "--queues"),
    ([], {"REDIS_URL": None}, "REDIS_URL"), ([], {"CELERY_CONCURRENCY": "many"}, "CELERY_CONCURRENCY"),
    ([], {"DJANGO_SECRET_KEY": None}, "DJANGO_SECRET_KEY")])
def test_a_start_that_is_refused(redis_server, new_database, options, settings, word):
    done = run("worker", *options, **{"REDIS_URL": redis_server.url, "DATABASE_URL": new_database("empty"), **settings})
    assert done.returncode == 78 and word in done.stderr, done.stderr


def test_interop_tasks_are_not_offered_by_default(redis_server, start_worker, queues):
    start_worker(redis_server, INTEROP_TASKS=None)
    assert queues.wait_result(queues.send("interop.add", 1, 1), "FAILURE")["result"]["exc_type"] == "NotRegistered"
    assert not [name for name in queues.control("registered") if name.startswith("interop.")]
