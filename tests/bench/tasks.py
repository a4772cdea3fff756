"""
Tasks: enqueueing and running them, ours beside Celery's newest, in turn and in one run, on one Redis with a database for each.

The task is a sum of two numbers: what is measured is taking a message, storing and publishing its result, acknowledging it late. A
queue is filled while its worker is idle and handed over in one step; what was done when the time is over counts, and its results are
looked at. Messages are those that the subject's own producer writes, with ids and delivery tags of their own.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import uuid

import load
from lib import server
from lib.database import Database
from lib.wait import until
from subjects import fail

HERE = os.path.dirname(os.path.abspath(__file__))
CONCURRENCY = 2
WRITERS = 16  # threads that change the database at a time
CHECKED = 200  # results that are read after each run
BACKLOG = 20000  # rows of an outbox that is full: what an hour of outage may leave


class Side:
    """One of the two: its database of the one Redis, its worker's process."""

    def __init__(self, bench, redis, db, events):
        self.bench = bench
        self.events = "1" if events else "0"
        self.url = redis.url.rpartition("/")[0] + f"/{db}"
        self.client = redis.client(db)
        self.client.flushdb()
        self.template = self.make_template()
        self.process = None

    # --- producing ---

    def make_template(self):
        """A message as it comes from the producer: (text, id, delivery tag)."""
        self.produce_some()
        text = self.client.lindex("celery", 0).decode()
        self.client.delete("celery")
        message = json.loads(text)
        return text, message["headers"]["id"], message["properties"]["delivery_tag"]

    def stock(self, n):
        """n messages in a list that nobody takes from; their ids, the first to be served first."""
        text, task_id, tag = self.template
        ids = [str(uuid.uuid4()) for _ in range(n)]
        for i in range(0, n, 1000):
            self.client.lpush("stock", *(text.replace(task_id, one).replace(tag, str(uuid.uuid4())) for one in ids[i:i + 1000]))
        return ids

    # --- running ---

    def start(self):
        with open(os.path.join(self.bench.folder, f"{type(self).__name__}-{self.events}.log"), "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, cwd=HERE, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.run_some(20, 60)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def run_some(self, n, timeout):
        """Runs so many tasks to the end."""
        ids = self.stock(n)
        self.client.rename("stock", "celery")
        until(lambda: self.process.poll() is not None or self.finished(ids) == n, timeout, "tasks run by " + type(self).__name__)
        self.wait_idle()
        self.forget(ids)

    def finished(self, ids):
        return sum(result is not None for result in self.client.mget([f"celery-task-meta-{one}" for one in ids]))

    def wait_idle(self):
        until(lambda: not self.client.exists("unacked"), 30, "what was taken is acknowledged")

    def forget(self, ids):
        for i in range(0, len(ids), 1000):
            self.client.unlink(*(f"celery-task-meta-{one}" for one in ids[i:i + 1000]))

    @property
    def processes(self):
        """The worker and its children."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as f:
            return [self.process.pid, *map(int, f.read().split())]

    def memory(self):
        """(RSS, PSS) in MB of all of them together."""
        sizes = [load.memory(pid) for pid in self.processes]
        return sum(rss for rss, _ in sizes), sum(pss for _, pss in sizes)

    def cpu(self):
        return sum(load.cpu_seconds(pid) for pid in self.processes)

    def execute(self):
        """Tasks run per second."""
        ids = self.stock(self.STOCK * self.bench.seconds)
        before, started = self.cpu(), time.monotonic()
        self.client.rename("stock", "celery")
        time.sleep(self.bench.seconds)
        left, held = self.client.pipeline().llen("celery").hlen("unacked").execute()
        elapsed, cpu = time.monotonic() - started, self.cpu() - before
        self.client.delete("celery")
        done = len(ids) - left - held
        if not left or done <= 0:
            fail(f"{type(self).__name__} ran {done} of {len(ids)} tasks in {elapsed:.1f} s: that is no measure")
        self.wait_idle()  # what was held may be older than what was done
        self.check(ids[:done])
        self.forget(ids)
        return {"rate": done / elapsed, "cpu_us": cpu * 1e6 / done}

    def check(self, ids):
        """What has been run has its result, some of them looked at."""
        some = ids[::max(1, len(ids) // CHECKED)]
        for one, text in zip(some, self.client.mget([f"celery-task-meta-{one}" for one in some])):
            stored = json.loads(text) if text else {}
            if stored.get("status") != "SUCCESS" or stored.get("result") != 3:
                fail(f"{type(self).__name__}: the result of {one} is {text}")


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Ours(Side):
    STOCK = 40000  # messages that are more than are run in a second
    SENT = 50000  # requests of a second, more or less

    @property
    def environment(self):
        return server.environment(REDIS_URL=self.url, CELERY_BROKER_URL=self.url, DATABASE_URL=self.bench.url, INTEROP_TASKS="1", LOG_LEVEL="WARNING",
                                  CELERY_SEND_EVENTS=self.events, DEBUG="1")

    @property
    def command(self):
        return [server.BINARY, "worker", "-c", str(CONCURRENCY), "-n", "ours@bench"]

    def _send(self, n):
        request = json.dumps({"task": "interop.add", "args": [1, 2]}) + "\n"
        done = subprocess.run([server.BINARY, "send-task"], env=self.environment, input=request * n, stdout=subprocess.PIPE, text=True, check=True)
        if len(done.stdout.splitlines()) != n:
            fail("send-task did not send all")

    def produce_some(self):
        self._send(1)

    def produce(self):
        """The whole process counts, its start too."""
        before, started, n = children_cpu(), time.monotonic(), self.SENT * self.bench.seconds
        self._send(n)
        elapsed = time.monotonic() - started
        if self.client.llen("celery") != n:
            fail("not all that was sent is there")
        self.client.delete("celery")
        return {"rate": n / elapsed, "cpu_us": (children_cpu() - before) * 1e6 / n}


class Celerys(Side):
    STOCK = 4000

    @property
    def environment(self):
        return {**os.environ, "CELERY_BROKER_URL": self.url, "CELERY_SEND_EVENTS": self.events}

    @property
    def command(self):
        return [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-c", str(CONCURRENCY), "-n", "python@bench", "-l", "WARNING"]

    def _send(self, seconds):
        done = subprocess.run([sys.executable, "celery_app.py", str(seconds), "celery"], env=self.environment, cwd=HERE, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout)

    def produce_some(self):
        self._send(0.01)

    def produce(self):
        """Only the loop counts, not the start of Python."""
        before = children_cpu()
        rate = self._send(self.bench.seconds)
        n = self.client.llen("celery")
        self.client.delete("celery")
        return {"rate": rate, "cpu_us": (children_cpu() - before) * 1e6 / n}


# --- measures ---


def executed(bench, events):
    """([(ours, Celery's), …], memory of ours, of Celery's), tasks told of or not."""
    with bench.redis() as redis:
        ours, other = Ours(bench, redis, 5, events).start(), Celerys(bench, redis, 6, events).start()
        try:
            return bench.in_turn(ours, other, lambda side: side.execute()), ours.memory(), other.memory()
        finally:
            ours.stop()
            other.stop()


def produced(bench):
    """Straight to Redis, by one process."""
    with bench.redis() as redis:
        ours, other = Ours(bench, redis, 5, False), Celerys(bench, redis, 6, False)
        return bench.in_turn(ours, other, lambda side: side.produce())


class Changes:
    """tests/bench/enqueue.c on a copy of the database."""

    def __init__(self, bench, task):
        self.bench, self.task = bench, task
        self.path = os.path.join(bench.folder, f"enqueue-{task}.sqlite3")
        shutil.copy(bench.database, self.path)
        self.program = os.path.join(os.path.dirname(bench.bare_binary), "enqueue")

    @property
    def url(self):
        return f"sqlite:///{self.path}"

    def measure(self):
        before = children_cpu()
        done = subprocess.run([self.program, self.url, str(WRITERS), str(self.bench.seconds), self.task], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True)
        rate = float(done.stdout)
        return {"rate": rate, "cpu_us": (children_cpu() - before) * 1e6 / (rate * self.bench.seconds)}


def enqueued(bench):
    """
    Changes with a task in the outbox beside the same without, and beside Celery's delay, which is no transaction:
    ([(with, without), …], [(with, Celery's), …], what a relay then sends to Redis in a second).
    """
    with_task, without = Changes(bench, "1"), Changes(bench, "0")
    pairs = bench.in_turn(with_task, without, lambda changes: changes.measure())
    with bench.redis() as redis:
        other = Celerys(bench, redis, 6, False)
        beside = bench.in_turn(with_task, other, lambda side: side.measure() if side is with_task else side.produce())
        return pairs, beside, relayed(bench, redis, with_task.url)


def relayed(bench, redis, url):
    """The outbox is full when a server starts: how many rows of it are in Redis a second."""
    database = Database(url)
    database.execute("DELETE FROM egoejo_outbox WHERE id NOT IN (SELECT id FROM egoejo_outbox ORDER BY id LIMIT %s)", BACKLOG)
    rows = database.execute("SELECT count(*) FROM egoejo_outbox")[0][0]
    database.close()
    client = redis.client(7)
    with bench.egoejo(url, CELERY_BROKER_URL=redis.url.rpartition("/")[0] + "/7", TASKS_LOCAL_WORKERS="0", BEAT="off"):
        until(lambda: client.llen("celery") > 0, 30, "the first task in Redis", 0.001)
        before, started = client.llen("celery"), time.monotonic()
        until(lambda: client.llen("celery") == rows, 120, "all tasks in Redis", 0.01)
        return (rows - before) / (time.monotonic() - started)
