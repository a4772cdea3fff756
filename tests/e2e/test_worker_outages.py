"""
egoejo worker while its Redis is killed, hangs, comes back empty, cuts connections, or answers on some of them only: nothing that it
holds is lost, what it finishes is told, and it goes on by itself.
"""

import time

import pytest

from lib import wait
from lib.queues import Queues


@pytest.fixture
def queues(redis_server):
    return Queues(redis_server)


@pytest.fixture
def worker(redis_server, start_worker):
    return start_worker(redis_server, "-c", "2", "-n", "test@here")


def wait_up(worker, since):
    worker.wait_event("redis.available", 10, since, usage="tasks")


def test_idle_and_redis_restarts(redis_server, worker, queues):
    for _ in range(3):
        mark = worker.mark()
        redis_server.restart()
        wait_up(worker, mark)
        assert queues.wait_result(queues.send("interop.add", 1, 2), timeout=5)["result"] == 3
        assert queues.control("ping") == {"ok": "pong"}
        wait.until(lambda: queues.redis.smembers("_kombu.binding.celery.pidbox"), 5, "bound again")


def test_a_run_that_outlives_redis_is_told(redis_server, worker, queues):
    running, waiting = queues.send("interop.sleep", 2), [queues.send("interop.sleep", 1.5 + n / 10) for n in range(4)]
    wait.until(lambda: len(queues.held()) == 5, 5, "all are held")
    redis_server.kill()
    worker.wait_event("redis.unavailable", usage="tasks")
    time.sleep(2.5)  # the first runs end meanwhile
    redis_server.start()  # empty: nobody but the worker knows of them
    assert queues.wait_result(running, timeout=10)["result"] == 2
    for task in waiting:
        queues.wait_result(task, timeout=10)
    assert not queues.redis.hlen("unacked")


def test_a_retry_that_redis_could_not_take_is_made(redis_server, worker, queues):
    task = queues.send("interop.flaky_retry", "k", kwargs={"failures": 2, "countdown": 1})
    queues.wait_result(task, "RETRY")
    redis_server.pause()
    time.sleep(2)
    redis_server.resume()
    assert queues.wait_result(task, timeout=15)["result"]["retries"] == 2
    queues.wait_idle()


@pytest.mark.parametrize("seconds", [0.5, 3])
def test_what_comes_while_redis_hangs_is_not_lost(redis_server, worker, queues, seconds):
    """The server hands a message to the connection that waited when it hung: it must still be there."""
    for n in range(3):
        client = queues.redis
        client.ping()
        redis_server.pause()
        time.sleep(seconds)
        sent = queues.send_through(client, "interop.add", n, 1, resume=redis_server.resume)
        assert queues.wait_result(sent, timeout=10)["result"] == n + 1
    queues.wait_idle()


def test_connections_that_are_cut(redis_server, start_proxy, start_worker, queues):
    """A thousand tasks through a proxy that resets, swallows and refuses: each runs, none is forgotten in unacked."""
    proxy = start_proxy(redis_server.port)
    worker = start_worker(proxy.url(), "-c", "4", REDIS_RETRY_MS="100")
    sent = []
    for mode in ("reset", "silent", "refuse", "drip", "deaf", "reset", "refuse", "silent"):
        sent += [queues.send("interop.add", n, 1) for n in range(125)]
        time.sleep(0.2)
        proxy.set_mode(mode)
        time.sleep(0.7)
        proxy.set_mode("pass")
    for task in sent:
        queues.wait_result(task, timeout=40)
    queues.wait_idle(30)
    assert worker.process.poll() is None


def test_a_connection_that_is_deaf_is_made_again(redis_server, start_proxy, start_worker, queues):
    """Redis answers, but not to the one who waits for tasks."""
    proxy = start_proxy(redis_server.port)
    worker = start_worker(proxy.url(), "-c", "1")
    queues.wait_result(queues.send("interop.add", 1, 1))
    time.sleep(0.5)  # it waits again
    proxy.deafen()
    lost = queues.send("interop.add", 1, 1)  # handed to the deaf one
    wait.until(lambda: not queues.redis.llen("celery"), 5, "handed over")
    task = queues.send("interop.add", 2, 1)
    assert queues.wait_result(task, timeout=15)["result"] == 3
    worker.wait_event("worker.deaf")
    assert queues.result(lost) is None or queues.result(lost)["status"] == "SUCCESS"


def test_connected_and_taking_nothing_is_noticed(redis_server, start_worker, queues):
    """Redis answers, messages wait, and it refuses to hand them over: here by what the worker may call."""
    worker = start_worker(redis_server, "-c", "1")
    queues.wait_result(queues.send("interop.add", 1, 1))
    redis_server.command("ACL", "SETUSER", "default", "-eval")

    def refused():
        return queues.redis.info("commandstats")["cmdstat_eval"]["rejected_calls"]

    wait.until(refused, 5, "it is refused what it asks for")
    waiting = queues.send("interop.add", 2, 1), queues.send("interop.add", 3, 1)
    before, began = refused(), time.monotonic()
    assert worker.wait_event("worker.stalled", 15, level="ERROR")["waiting"] == 2
    assert refused() - before < 30 * (time.monotonic() - began)  # it does not hammer
    assert len(worker.events("broker.refused")) <= 3
    redis_server.command("ACL", "SETUSER", "default", "+eval")
    for task in waiting:
        queues.wait_result(task)
    queues.wait_idle()


def test_a_queue_that_cannot_be_one_is_not_hammered(redis_server, start_worker, queues):
    queues.redis.set("celery", "something else")
    worker = start_worker(redis_server, "-c", "1")
    worker.wait_event("broker.refused", level="ERROR")

    def asked():
        return queues.redis.info("commandstats")["cmdstat_brpop"]["calls"]

    before, began = asked(), time.monotonic()
    wait.until(lambda: asked() - before >= 5, 10, "it tries on")
    assert asked() - before < 30 * (time.monotonic() - began)
    queues.redis.delete("celery")
    queues.wait_result(queues.send("interop.add", 1, 1))


def test_who_cannot_renew_what_it_holds_does_not_put_it_back(redis_server, start_worker, queues):
    """Its own messages look forgotten then, and would be run twice at once."""
    worker = start_worker(redis_server, "-c", "1", VISIBILITY_TIMEOUT="1")
    task = queues.send("interop.sleep", 4)
    wait.until(lambda: queues.control("active"), 5, "it runs")
    redis_server.command("ACL", "SETUSER", "default", "-zadd")
    wait.until(lambda: queues.redis.zcount("unacked_index", 0, time.time() - 2), 10, "nobody has renewed it")
    assert queues.held() == [task] and not queues.waiting()
    redis_server.command("ACL", "SETUSER", "default", "+zadd")
    assert queues.wait_result(task)["result"] == 4
    queues.wait_idle()
    assert not worker.events("worker.restored")


def test_a_warm_end_without_redis(redis_server, start_worker, queues):
    worker = start_worker(redis_server, "-c", "1")
    queues.send("interop.sleep", 1)
    queues.send("interop.add", 1, 1)
    wait.until(lambda: len(queues.held()) == 2, 5, "both are held")
    redis_server.kill()
    started = time.monotonic()
    worker.stop()
    assert time.monotonic() - started < 15


def test_a_start_before_redis(redis_server, start_worker, queues):
    redis_server.kill()
    worker = start_worker(redis_server, "-c", "1")
    redis_server.start()
    wait_up(worker, 0)
    assert queues.wait_result(queues.send("interop.add", 1, 1), timeout=10)["result"] == 2
    assert queues.control("ping") == {"ok": "pong"}


def test_events_while_it_lives(redis_server, start_worker, queues):
    listener = queues.redis.pubsub()
    listener.psubscribe("/2.celeryev/*")
    worker = start_worker(redis_server, "-c", "1", "-n", "told@here")
    queues.wait_result(queues.send("interop.add", 1, 1))
    worker.stop()
    seen = []

    def hear():
        message = listener.get_message(timeout=0.1)
        if message and message["type"] == "pmessage":
            seen.extend(queues.open_events(message["data"]))
        return seen and seen[-1]["type"] == "worker-offline"

    wait.until(hear, 10, "worker-offline", 0)
    kinds = [event["type"] for event in seen if event["type"] != "worker-heartbeat"]
    assert kinds == ["worker-online", "task-received", "task-started", "task-succeeded", "worker-offline"]
    assert {event["hostname"] for event in seen} == {"told@here"}
    clocks = [event["clock"] for event in seen]
    assert clocks == sorted(set(clocks))
