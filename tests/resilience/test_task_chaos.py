"""
Tasks through everything at once: requests that enqueue them, a server, three workers, and a Redis that is killed, hangs, and comes back
empty, while workers are killed. Each task's effect in the database happens, once.

Why nothing is lost, and nothing done twice (resilience.md 2.4, tasks.md 1.2 and 7.4):

* A task is a row of egoejo_outbox, written in the transaction of the request: it exists exactly when that has been committed.
* A relay leases the row and pushes it. Killed before that, or when it was not told what became of the push: the lease ends after 30 s
  (of one that lives: at once), and the row is pushed again, or run by local workers while Redis is away, under the same id.
* A row that Redis has acknowledged stays, as `sent`, until its id is in egoejo_task_done or its result is there and final.
* A Redis that comes back empty has lost the queue, what workers held (`unacked`) and all results. A row that was sent TASKS_RESEND_S
  ago and whose id is in no list of its queue, not in `unacked` and has no result is `new` again. That is also what covers a message
  that BRPOP had handed to a worker which was killed before it could register it. Rows of which only the result was lost go by
  egoejo_task_done.
* A worker that is killed leaves what it held in `unacked`; when the times of delivery there, which a worker that lives renews, are
  VISIBILITY_TIMEOUT old, any worker's sweep puts the messages back.
* So a task may be delivered twice, by any two of these ways, also at the same time. What it does is committed together with its id in
  egoejo_task_done: the second finds it, changes nothing, and says what the first said.

The size is small, as it runs beside all the other tests; EGOEJO_CHAOS=full makes it large, EGOEJO_CHAOS_SEED repeats a run's choices.
"""

import itertools
import json
import os
import random
import threading
import time
from collections import namedtuple

import pytest

from lib import outbox, wait
from lib.effects import Effects
from lib.queues import Queues

FULL = os.environ.get("EGOEJO_CHAOS") == "full"
Size = namedtuple("Size", "tasks seconds kills outages quiet visibility resend")
SIZE = (Size(20000, 180, (0.1, 2.0), (2.0, 12.0), 300, visibility=4, resend=12) if FULL else
        Size(400, 12, (0.1, 2.0), (0.5, 2.0), 90, visibility=1, resend=2))
AWAY = 30  # seconds that may pass until something has happened
PRODUCERS = 8
WAVE = 4  # seconds from one to the next


def far(size):
    """Everybody's settings."""
    return dict(TASKS_LOCAL_WORKERS="2", TASKS_RESEND_S=size.resend, VISIBILITY_TIMEOUT=size.visibility)


class Producers:
    """Clients of the server, each request of which enqueues a task; they come in waves over the time that the chaos takes."""

    def __init__(self, server, effects, seconds):
        self.server, self.effects = server, effects
        self.wave = effects.n / (seconds / WAVE)
        self.failures = []
        self.slowest = 0
        self._numbers = iter(range(1, effects.n + 1))
        self._lock, self._began = threading.Lock(), time.monotonic()
        self._threads = [threading.Thread(target=self._ask) for _ in range(PRODUCERS)]

    def _next(self):
        with self._lock:
            return next(self._numbers, None)

    def _ask(self):
        with self.server.client(timeout=30) as client:
            while (number := self._next()) and not self.failures:
                time.sleep(max(0, self._began + number // self.wave * WAVE - time.monotonic()))
                began = time.monotonic()
                try:
                    self.effects.ask(client, number)
                except Exception as problem:
                    self.failures.append(repr(problem))
                self.slowest = max(self.slowest, time.monotonic() - began)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self._threads:
            thread.join()


class Trouble:
    """Does something bad again and again until it is left; the pauses and what it does are the random generator's."""

    def __init__(self, pauses, do, seed):
        self.pauses, self.do, self.chance = pauses, do, random.Random(seed)
        self.done, self.problem = [], None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self._end.wait(self.chance.uniform(*self.pauses)):
                self.done.append(self.do(self.chance))
        except BaseException as problem:
            self.problem = problem

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        if self.problem:
            raise self.problem


class Workers:
    """Three of them; one that is killed is followed by another."""

    def __init__(self, start):
        self.start = start
        self.all = [start() for _ in range(3)]
        self.living = list(self.all)

    def kill_some(self, chance):
        """One, or several at once; a little later others take their place, and find what has come meanwhile."""
        chance.shuffle(self.living)
        victims = [self.living.pop() for _ in range(chance.choice((1, 1, 2, 3)))]
        for victim in victims:
            victim.kill()
        time.sleep(chance.uniform(0, 1.5))
        begun = [self.start() for _ in victims]
        self.all += begun
        self.living += begun
        return [victim.pid for victim in victims]


def break_redis(redis_server):
    def restart(_):
        redis_server.restart()

    def kill(seconds):
        redis_server.kill()
        time.sleep(seconds)
        redis_server.start()

    def hang(seconds):
        redis_server.pause()
        time.sleep(seconds)
        redis_server.resume()

    def do(chance):
        what = chance.choice((restart, kill, hang))
        what(chance.uniform(0.2, 4.0))
        return what.__name__

    return do


def free_leases_of(database, pids):
    """What 30 s would do: the leases of processes that are dead have ended."""
    for pid in itertools.chain(*pids):
        database.execute("UPDATE egoejo_outbox SET lease_until = created_at WHERE lease_owner LIKE %s", f"%-{pid}-%")


def told(processes, event, field=None):
    events = [e for p in processes for e in p.events(event)]
    return sum(e[field] for e in events) if field else len(events)


def test_chaos(database, start_server, start_worker, redis_server):
    effects = Effects(database, SIZE.tasks)
    seed = os.environ.get("EGOEJO_CHAOS_SEED") or str(time.time_ns())
    settings = far(SIZE)
    server = start_server(database.url, redis=redis_server, **settings)
    workers = Workers(lambda: start_worker(redis_server, "-c", "4", database=database.url, INTEROP_TASKS="0", **settings))
    began = time.monotonic()
    with (Trouble(SIZE.kills, workers.kill_some, seed + "k") as killer, Trouble(SIZE.outages, break_redis(redis_server), seed + "r") as breaker,
          Producers(server, effects, SIZE.seconds) as producers):
        pass  # until all have been asked for
    asked = time.monotonic() - began
    assert producers.failures == [] and effects.asked() == SIZE.tasks
    if not FULL:
        free_leases_of(database, killer.done)
    wait.until(lambda: effects.done() == SIZE.tasks and not outbox.states(database), SIZE.quiet, "all are done and nothing waits", 0.5)
    processes = [server, *workers.all]
    print(f"\nseed {seed}: {SIZE.tasks} tasks asked for in {asked:.0f} s, all done {time.monotonic() - began - asked:.0f} s later; slowest "
          f"request {producers.slowest * 1000:.0f} ms; {sum(map(len, killer.done))} workers killed; Redis "
          f"{', '.join(f'{breaker.done.count(w)} × {w}' for w in sorted(set(breaker.done)))}; {told(processes, 'relay.resent', 'tasks')} sent again, "
          f"{told(processes, 'worker.restored', 'messages')} restored, {told(processes, 'task.succeeded')} runs for {SIZE.tasks} effects")
    assert effects.wrong(range(1, SIZE.tasks + 1)) == {}
    assert Queues(redis_server).redis.llen("celery:dead") == 0
    assert killer.done and breaker.done


# ---- each way by itself ----


@pytest.fixture
def effects(database):
    return Effects(database, 20)


QUICK = dict(TASKS_RESEND_S="1", VISIBILITY_TIMEOUT="1")


def wait_sent(effects, n):
    wait.until(lambda: outbox.states(effects.database) == {"sent": n}, AWAY, "Redis has them")


def wait_done(effects, n):
    wait.until(lambda: effects.done() == n and not outbox.states(effects.database), 2 * AWAY, "they are done")
    assert effects.wrong(range(1, n + 1)) == {}


def test_a_queue_that_redis_lost_is_sent_again(effects, start_server, start_worker, redis_server):
    server = start_server(effects.database.url, redis=redis_server, **QUICK)
    effects.ask_all(server, range(1, 21))
    wait_sent(effects, 20)
    redis_server.restart()
    server.wait_event("relay.resent", AWAY)
    start_worker(redis_server, database=effects.database.url, **QUICK)
    wait_done(effects, 20)


def test_a_message_that_died_with_its_worker_before_it_was_registered(effects, start_server, start_worker, redis_server):
    """Redis has handed it over and knows nothing of it any more: no list, no `unacked`."""
    server = start_server(effects.database.url, redis=redis_server, **QUICK)
    worker = start_worker(redis_server, database=effects.database.url, **QUICK)
    queues = Queues(redis_server)
    waits = lambda: [c for c in queues.redis.client_list() if c["cmd"] == "brpop"]  # noqa: E731
    wait.until(waits, AWAY, "it waits for messages")
    worker.signal(19)
    effects.ask_all(server, [1])
    wait_sent(effects, 1)
    worker.kill()
    if queues.waiting():  # its wait had ended before the message came: this time there was nothing to lose
        pytest.fail("the message was not handed over")
    assert not queues.held()
    start_worker(redis_server, database=effects.database.url, **QUICK)
    wait_done(effects, 1)
    assert server.events("relay.resent")


def test_what_a_killed_worker_held_is_restored(effects, start_server, start_worker, redis_server):
    server = start_server(effects.database.url, redis=redis_server, TASKS_RESEND_S="600")
    effects.ask_all(server, range(1, 21))
    wait_sent(effects, 20)
    queues = Queues(redis_server)
    blocker = queues.send("interop.sleep", 60)  # with one slot, what is taken after it waits
    queues.redis.rpush("celery", queues.redis.lpop("celery"))
    worker = start_worker(redis_server, "-c", "1", database=effects.database.url, VISIBILITY_TIMEOUT="1")
    wait.until(lambda: len(queues.held()) == 4, AWAY, "it holds some")
    worker.kill()
    assert blocker in queues.held() and effects.done() == 0
    queues.redis.hdel("unacked", *[tag for tag, text in queues.redis.hgetall("unacked").items() if json.loads(text)[0]["headers"]["id"] == blocker])
    second = start_worker(redis_server, "-c", "1", database=effects.database.url, VISIBILITY_TIMEOUT="1")
    wait_done(effects, 20)
    assert second.events("worker.restored")


def test_a_message_that_comes_again_changes_nothing(effects, start_server, start_worker, redis_server):
    """Its worker was killed between the commit of its effects and all that Redis is told of them."""
    server = start_server(effects.database.url, redis=redis_server)
    effects.ask_all(server, [1])
    wait_sent(effects, 1)
    queues = Queues(redis_server)
    (message,) = queues.waiting()
    start_worker(redis_server, database=effects.database.url)
    wait_done(effects, 1)
    first = queues.wait_result(message["headers"]["id"])["result"]
    queues.redis.flushdb()
    queues.push(message)
    assert queues.wait_result(message["headers"]["id"])["result"] == first
    assert effects.wrong([1]) == {}


def test_asked_for_during_an_outage_it_is_done_once(effects, start_server, start_worker, redis_server):
    settings = dict(QUICK, TASKS_LOCAL_WORKERS="2")
    server = start_server(effects.database.url, redis=redis_server, **settings)
    worker = start_worker(redis_server, database=effects.database.url, **settings)
    redis_server.kill()
    for process in (server, worker):
        process.wait_event("redis.unavailable", usage="tasks")
    effects.ask_all(server, range(1, 21))
    wait_done(effects, 20)
    wait.until(lambda: told((server, worker), "task.succeeded") == 20, AWAY, "both have said so")
    assert {e["where"] for p in (server, worker) for e in p.events("task.succeeded")} == {"local"}
    mark = server.mark()
    redis_server.start()
    server.wait_event("redis.available", since=mark, usage="tasks")
    time.sleep(1.5)  # longer than anything that could send them once more
    assert effects.wrong(range(1, 21)) == {} and not Queues(redis_server).redis.llen("celery")


def test_ten_ends_of_redis_and_a_thousand_tasks(database, start_server, start_worker, redis_server):
    """The queue is lost each time; the one worker lives on, and none of the tasks is lost."""
    effects = Effects(database, 1000)
    server = start_server(database.url, redis=redis_server, **QUICK)
    worker = start_worker(redis_server, "-c", "2", database=database.url, **QUICK)
    for cycle in range(10):
        mark = worker.mark()
        effects.ask_all(server, range(100 * cycle + 1, 100 * cycle + 51))
        redis_server.kill()
        effects.ask_all(server, range(100 * cycle + 51, 100 * cycle + 101))
        redis_server.start()
        worker.wait_event("redis.available", AWAY, mark, usage="tasks")
    wait_done(effects, 1000)
    assert worker.process.poll() is None
    assert Queues(redis_server).control("ping") == {"ok": "pong"}
