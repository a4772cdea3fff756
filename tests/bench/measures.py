"""
The measures. Each is a function of a Bench that returns its part of the report.

Two subjects are always measured in turn, A B B A …, in one run: what else the machine does hits both. A ratio is formed
from each neighbouring pair, and the median, the lowest and the highest of these ratios are told.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import load
from lib import server
from lib.http import Client
from lib.net import free_port
from lib.postgres import Postgres
from lib.redis_server import RedisServer
from lib.wait import until
from subjects import DESCRIPTION, DETAIL, HEADERS, LIST, PASSWORD, PRODUCTION, USER, Bare, Egoejo, Nginx, capture, fail, fill, find_nginx

CACHE_KEY = "egoejo:c1:projets_list"


class Bench:
    """The folder, the options, and what was started: all of it ends with the with block."""

    def __init__(self, bare_binary, runs, seconds):
        self.bare_binary = bare_binary
        self.runs = runs
        self.seconds = seconds
        self.stack = contextlib.ExitStack()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="egoejo-bench-"))
        os.chmod(self.folder, 0o755)  # nginx reads it as another user
        self.database = os.path.join(self.folder, "bench.sqlite3")
        self.url = f"sqlite:///{self.database}"
        fill(self.url)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self.stack.__exit__(*exception)

    @contextlib.contextmanager
    def egoejo(self, url=None, **settings):
        subject = Egoejo(self.folder, url or self.url, **settings)
        try:
            yield subject
        finally:
            subject.stop()

    @contextlib.contextmanager
    def bare(self, subject, path, headers, database=None):
        bare = Bare(self.bare_binary, self.folder, capture(subject.port, path, headers), database)
        try:
            yield bare
        finally:
            bare.stop()

    @contextlib.contextmanager
    def redis(self):
        redis = RedisServer()
        try:
            yield redis
        finally:
            redis.close()

    def in_turn(self, a, b, measure):
        """measure(subject) for both, as often as asked for, after one round that does not count: [(a's, b's), …]."""
        pairs = []
        for i in range(-1, self.runs):
            got = {id(subject): measure(subject) for subject in ((a, b) if i % 2 else (b, a))}
            if i >= 0:
                pairs.append((got[id(a)], got[id(b)]))
        return pairs

    def load_in_turn(self, ours, bare, path, headers, **how):
        pairs = self.in_turn(ours, bare, lambda subject: load.run(subject, path, headers, self.seconds, **how))
        check_same_bytes(pairs)
        return pairs


def check_same_bytes(pairs):
    """The comparison is one only when both send the same: a few bytes of difference are Connection: and numbers of other length."""
    ours = statistics.median(a["bytes"] for a, _ in pairs)
    bare = statistics.median(b["bytes"] for _, b in pairs)
    if abs(ours - bare) > 0.02 * bare:
        fail(f"the answers differ: {ours:.0f} and {bare:.0f} bytes")


# --- throughput ---


def cached_list(bench, coding=None, **settings):
    headers = {**HEADERS, **({"Accept-Encoding": coding} if coding else {})}
    with bench.egoejo(**settings) as ours, bench.bare(ours, LIST, headers) as bare:
        return bench.load_in_turn(ours, bare, LIST, headers)


def new_connections(bench):
    with bench.egoejo() as ours, bench.bare(ours, LIST, HEADERS) as bare:
        return bench.load_in_turn(ours, bare, LIST, HEADERS, new_connections=True)


def detail_sqlite(bench):
    with bench.egoejo() as ours, bench.bare(ours, DETAIL, HEADERS, bench.database) as bare:
        return bench.load_in_turn(ours, bare, DETAIL, HEADERS)


def detail_postgresql(bench):
    """(beside the bare server over SQLite: the budget is put so; beside the bare server over the same PostgreSQL)."""
    postgres = Postgres()
    try:
        url = postgres.create_database()
        fill(url)
        found = []
        for other in (bench.database, url):
            with bench.egoejo(url) as ours, bench.bare(ours, DETAIL, HEADERS, other) as bare:
                found.append(bench.load_in_turn(ours, bare, DETAIL, HEADERS))
        return found
    finally:
        postgres.close()


def nginx_file(bench):
    """Context: nginx with the same bytes as a file; None without nginx."""
    binary = find_nginx()
    if not binary:
        return None
    with bench.egoejo() as ours:
        with tempfile.TemporaryDirectory(prefix="nginx-", dir=bench.folder) as folder:
            nginx = Nginx(binary, folder, capture(ours.port, LIST, HEADERS))
            try:
                pairs = bench.in_turn(ours, nginx, lambda s: load.run(s, LIST if s is ours else Nginx.path, HEADERS, bench.seconds))
                check_same_bytes(pairs)
                return pairs
            finally:
                nginx.stop()


# --- people and writes ---


def bearer(ours):
    """The headers of somebody who has logged in."""
    with Client(ours.port) as client:
        answer = client.request("POST", "/api/auth/login/", {**HEADERS, "Content-Type": "application/json"},
                                json.dumps({"username": USER, "password": PASSWORD}).encode())
    if answer.status != 200:
        fail(f"login: {answer.status} {answer.text}")
    return {**HEADERS, "Authorization": f"Bearer {answer.json['access']}"}


def authenticated_detail(bench):
    """The detail as somebody: one HMAC and one read more. Beside the bare server, whose one SELECT knows nobody."""
    with bench.egoejo(DISABLE_THROTTLE_FOR_TESTS="1") as ours:
        headers = bearer(ours)
        with bench.bare(ours, DETAIL, headers, bench.database) as bare:
            return bench.load_in_turn(ours, bare, DETAIL, headers)


def authenticated_list(bench):
    """The cached list as somebody."""
    with bench.egoejo(DISABLE_THROTTLE_FOR_TESTS="1") as ours:
        headers = bearer(ours)
        with bench.bare(ours, LIST, headers) as bare:
            return bench.load_in_turn(ours, bare, LIST, headers)


class Program:
    """A bare program that measures itself: it prints how often it did its work in a second."""

    pid = None

    def __init__(self, bench, name):
        self.path = os.path.join(os.path.dirname(bench.bare_binary), name)

    def rate(self, *arguments):
        done = subprocess.run([self.path, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
        return {"rate": float(done.stdout), "cpu_us": 0, "p99_us": 0, "failures": 0, "bytes": 0}


LOGIN_THREADS = 2


def login(bench):
    """Beside libargon2 alone, in as many threads."""
    bare = Program(bench, "bare_argon2")
    body = json.dumps({"username": USER, "password": PASSWORD})

    def measure(subject):
        if subject is bare:
            return bare.rate(LOGIN_THREADS, bench.seconds)
        return load.run(ours, "/api/auth/login/", HEADERS, bench.seconds, connections=8, body=body)

    with bench.egoejo(DISABLE_THROTTLE_FOR_TESTS="1", PASSWORD_THREADS=LOGIN_THREADS) as ours:
        return bench.in_turn(ours, bare, measure)


def create(bench):
    """
    A project made by somebody: gates, validation, the row, its task in the outbox, durably. Beside SQLite alone, committing
    such rows in groups of the size that the server's own writer came to: (pairs, rows in a commit).
    """
    bare = Program(bench, "bare_commit")
    body = json.dumps({"titre": "Verger %d", "description": DESCRIPTION, "categorie": "Environnement"})
    groups = []

    def measure(subject):
        if subject is bare:
            group = max(1, round(groups[-1])) if groups else 4
            return bare.rate(os.path.join(bench.folder, "commit.sqlite3"), group, bench.seconds, "row", 600, "outbox", 1500)
        before = ours.metrics()
        found = load.run(ours, LIST, headers, bench.seconds, body=body)
        after = ours.metrics()
        commits = after["egoejo_db_commits_total"] - before["egoejo_db_commits_total"]
        groups.append(found["rate"] * bench.seconds / max(commits, 1))
        return found

    copy = os.path.join(bench.folder, "create.sqlite3")
    shutil.copy(bench.database, copy)
    with bench.egoejo(f"sqlite:///{copy}", DISABLE_THROTTLE_FOR_TESTS="1", EXECUTOR_THREADS="16") as ours:
        headers = bearer(ours)
        pairs = bench.in_turn(ours, bare, measure)
    return pairs, statistics.median(groups)


# --- invalidation ---


def _misses(ours):
    """How often neither level of the cache had the answer."""
    return ours.metrics()['egoejo_cache_misses_total{backend="redis"}']


class Deleter:
    """Deletes the list's key in Redis, as another process would, so many times a second."""

    def __init__(self, redis, per_second):
        self.client = redis.client(db=1)
        self.pause = 1 / per_second
        self.ended = threading.Event()
        self.deleted = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.ended.wait(self.pause):
            self.deleted += self.client.delete(CACHE_KEY)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.client.close()


def invalidated_under_load(bench, per_second=100):
    """([(ours, bare), …], how many times a second the list was really built again)."""
    rebuilt = []

    def measure(subject):
        before, started = _misses(ours), time.monotonic()
        with Deleter(redis, per_second):
            result = load.run(subject, LIST, HEADERS, bench.seconds)
        if subject is ours:
            rebuilt.append((_misses(ours) - before) / (time.monotonic() - started))
        return result

    with bench.redis() as redis, bench.egoejo(REDIS_URL=redis.url) as ours, bench.bare(ours, LIST, HEADERS) as bare:
        pairs = bench.in_turn(ours, bare, measure)
    if statistics.median(rebuilt) < 1:
        fail("no deletion reached the server")
    return pairs, statistics.median(rebuilt)


def _microseconds(connection, path):
    started = time.perf_counter_ns()
    connection.request("GET", path, headers=HEADERS)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        fail(f"{path}: {answer.status}")
    return (time.perf_counter_ns() - started) / 1000


def rebuild(bench, rounds=300):
    """Median time of one answer, one client, in microseconds: (right after a deletion, from the cache, bare server)."""
    with bench.redis() as redis, bench.egoejo(REDIS_URL=redis.url) as ours, bench.bare(ours, LIST, HEADERS) as bare:
        client = redis.client(db=1)
        connection = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=10)
        floor = http.client.HTTPConnection("127.0.0.1", bare.port, timeout=10)
        after, cached, plain = [], [], []
        before = _misses(ours)
        for _ in range(rounds):
            # An answer built while an older deletion was being announced is rightly not stored: ask again until one is.
            until(lambda: client.delete(CACHE_KEY) or not _microseconds(connection, LIST), 5, "the list in Redis", 0.0005)
            time.sleep(0.001)  # the announcement travels to the server meanwhile
            after.append(_microseconds(connection, LIST))
            cached.append(_microseconds(connection, LIST))
            plain.append(_microseconds(floor, LIST))
        if _misses(ours) - before < 0.9 * rounds:
            fail("the answers came from the cache: nothing was rebuilt")
        client.close()
        connection.close()
        floor.close()
    return statistics.median(after), statistics.median(cached), statistics.median(plain)


# --- Redis outages ---


def _is_up(ours):
    return ours.metrics().get('egoejo_redis_up{usage="cache"}') == 1


def _window(bench, subject, change=None):
    """One load; what changes does so a third of a second after it has begun."""
    running = load.Load(subject, LIST, HEADERS, bench.seconds)
    if change:
        time.sleep(0.3)
        change()
    return running.result()


def outage(bench, how):
    """how: kill or pause. For each run {before, during, after: (ours, bare)}."""
    found = []
    with bench.redis() as redis, bench.egoejo(REDIS_URL=redis.url) as ours, bench.bare(ours, LIST, HEADERS) as bare:
        breaks, mends = (redis.kill, redis.start) if how == "kill" else (redis.pause, redis.resume)
        _window(bench, ours)
        for _ in range(bench.runs):
            until(lambda: _is_up(ours), 10, "Redis seen as up")
            measured = {"before": (_window(bench, ours), _window(bench, bare))}
            measured["during"] = (_window(bench, ours, breaks), _window(bench, bare))
            if _is_up(ours):
                fail("the outage was not noticed")
            measured["after"] = (_window(bench, ours, mends), _window(bench, bare))
            found.append(measured)
    return found


# --- memory, start ---


def memory(bench):
    """(RSS, PSS) in MB, at rest after the first answer and while loaded: {rest, load}."""
    with bench.redis() as redis, bench.egoejo(REDIS_URL=redis.url) as ours:
        ours.get(LIST, HEADERS)
        rest = load.memory(ours.pid)
        highest = (0, 0)
        for path in (LIST, DETAIL):
            running = load.Load(ours, path, HEADERS, bench.seconds)
            while running.process.poll() is None:
                highest = max(highest, load.memory(ours.pid))
                time.sleep(0.1)
            running.result()
    return {"rest": rest, "load": highest}


def _first_answer_ms(bench):
    port = free_port()
    settings = server.environment(**PRODUCTION, DATABASE_URL=bench.url, PORT=port)
    request = f"GET {LIST} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    started = time.monotonic()
    process = subprocess.Popen([server.BINARY, "serve"], env=settings, cwd=bench.folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answered():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                s.sendall(request.encode())
                return s.recv(100).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False

    until(answered, 20, "the first answer", 0.0005)
    elapsed = time.monotonic() - started
    process.terminate()
    process.wait(20)
    return elapsed * 1000


def start(bench):
    """Milliseconds from exec to the first answer, a list of them: the database exists, no Redis."""
    return [_first_answer_ms(bench) for _ in range(max(5, bench.runs))]


# --- where the time goes ---


def _perf(bench, ours, path):
    record = os.path.join(bench.folder, "perf.data")
    running = load.Load(ours, path, HEADERS, bench.seconds + 1)
    done = subprocess.run(["perf", "record", "-q", "-F", "1999", "-o", record, "-p", str(ours.pid), "--", "sleep", str(bench.seconds)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    running.result()
    if done.returncode != 0:
        return None
    report = subprocess.run(["perf", "report", "-q", "--stdio", "-i", record, "--no-children", "-g", "none", "-F", "overhead,dso,symbol"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = [" ".join(line.split()) for line in report.stdout.splitlines() if line.strip() and not line.startswith("#")]
    return lines[:10]


def _callgrind(bench, path):
    """Slow, but works where perf may not be used: the share of instructions, kernel left out."""
    out = os.path.join(bench.folder, "callgrind.out")
    ours = Egoejo(bench.folder, bench.url, wrapper=["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"])
    load.run(ours, path, HEADERS, bench.seconds, connections=8)
    ours.stop()
    report = subprocess.run(["callgrind_annotate", "--auto=no", "--show-percs=yes", out], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    lines = [" ".join(line.split()) for line in report.stdout.splitlines() if "???:" in line or ".c:" in line]
    return lines[:10]


def profile(bench):
    """{path: (tool, ten lines)}; None when there is no tool."""
    found = {}
    for path in (LIST, DETAIL):
        lines = None
        if shutil.which("perf"):
            with bench.egoejo() as ours:
                lines = _perf(bench, ours, path)
        if lines:
            found[path] = ("perf", lines)
        elif shutil.which("valgrind"):
            found[path] = ("callgrind", _callgrind(bench, path))
    return found or None
