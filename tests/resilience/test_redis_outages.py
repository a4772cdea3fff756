"""
Redis fails in every way it can; the callers must not notice, and the operators must.

Each way to fail is a way to break a running redis-server (or what stands between) and a way to mend it; the same checks
run on all of them.
"""

import time

import pytest

from lib import wait
from lib.fake_redis import FakeRedis
from lib.load import Waits
from lib.net import free_port
from lib.server import is_sanitized

CACHED = ("/api/projets/", "/api/contents/")
PASSWORD = "canary-redis-password"


class Setup:
    """A Redis behind a proxy, both breakable."""

    def __init__(self, redis, proxy):
        self.redis, self.proxy = redis, proxy
        self.url = proxy.url(redis.password)

    def mode(self, mode):
        return lambda: self.proxy.set_mode(mode)


# name: (break, mend, the error class that health shows, or None when several are right)
OUTAGES = {
    "killed": (lambda s: s.redis.kill(), lambda s: s.redis.start(), None),
    "stopped": (lambda s: s.redis.pause(), lambda s: s.redis.resume(), "timeout"),
    "refused": (lambda s: s.proxy.set_mode("refuse"), lambda s: s.proxy.set_mode("pass"), None),
    "silent": (lambda s: s.proxy.set_mode("silent"), lambda s: s.proxy.set_mode("pass"), "timeout"),
    "reset in mid-reply": (lambda s: s.proxy.set_mode("reset"), lambda s: s.proxy.set_mode("pass"), None),
    "one byte every 100 ms": (lambda s: s.proxy.set_mode("drip"), lambda s: s.proxy.set_mode("pass"), "timeout"),
    "password changed": (lambda s: (s.redis.command("CONFIG", "SET", "requirepass", "another"), s.proxy.cut()),
                         lambda s: mend_password(s), "authentication failed"),
}


def mend_password(s):
    import redis

    c = redis.Redis(port=s.redis.port, password="another", protocol=2)
    c.config_set("requirepass", PASSWORD)
    c.close()


@pytest.fixture
def setup(start_redis, start_proxy):
    redis = start_redis(PASSWORD)
    return Setup(redis, start_proxy(redis.port))


@pytest.fixture
def server(start_server, setup, watch):
    server = start_server("demo", redis=setup.url)
    server.secrets.append(PASSWORD)
    watch(server).wait_up()
    return server


def assert_serves(server, limit=0.25):
    """All reads answer, soon enough, and as always."""
    for path in (*CACHED, "/api/projets/1/", "/api/cagnottes/", "/api/communities/"):
        started = time.monotonic()
        answer = server.get(path)
        took = time.monotonic() - started
        assert answer.status == 200, path
        assert took <= limit, f"{path} took {took * 1000:.0f} ms"
    assert len(server.get("/api/projets/").json) == 8


@pytest.mark.parametrize("way", OUTAGES)
def test_an_outage_is_served_through_seen_and_forgotten(server, setup, watch, way):
    fail, mend, error = OUTAGES[way]
    look, mark = watch(server), server.mark()
    assert_serves(server)
    fail(setup)
    look.wait_down()
    health = look.health()
    assert health["status"] == "degraded" and health["degraded"] is True and health["database"] == "connected"
    for usage, fallback in (("channels", "InMemoryChannelLayer"), ("cache", "LocMemCache"), ("tasks", "InProcess")):
        status = health["redis"][usage]
        assert status["state"] in ("open", "half_open") and status["fallback"] == fallback and status["error"], status
        assert error is None or status["error"] == error, status
        assert "127.0.0.1" not in status["error"] and PASSWORD not in status["error"]
        event = server.wait_event("redis.unavailable", 2, mark, usage=usage)
        assert event["level"] == "ERROR" and event["logger"] == f"redis.{usage}" and event["error"]
    assert server.get("/health", {"Accept": "text/plain"}).text == "degraded"
    assert server.get("/readyz").status == server.get("/livez").status == 200
    assert_serves(server)
    mend(setup)
    look.wait_up()
    for usage in ("channels", "cache", "tasks"):
        event = server.wait_event("redis.available", 2, mark, usage=usage)
        assert event["level"] == "INFO" and event["down_seconds"] >= 0 and "fallbacks" in event
    assert_serves(server)
    assert look.health()["status"] == "ok"
    assert len(server.events("redis.unavailable", mark)) == 3  # each usage once


@pytest.mark.parametrize("way", OUTAGES)
def test_the_first_request_into_an_outage_is_not_slow(server, setup, way):
    """Nothing in memory, the breaker still closed: this request finds out."""
    setup.redis.client(1).flushdb()
    OUTAGES[way][0](setup)
    assert_serves(server)
    OUTAGES[way][1](setup)


@pytest.mark.parametrize("way", ["killed", "stopped", "silent"])
def test_health_answers_at_once_in_every_state(server, setup, watch, way):
    def assert_at_once():
        waits = Waits(server.pid)  # for a processor: what the machine costs is no part of it
        took = []
        for _ in range(10):
            started = time.monotonic()
            assert server.get("/api/health/").status == 200
            ended = time.monotonic()
            took.append(ended - started - waits.between(started, ended))
        assert min(took) < (0.05 if is_sanitized() else 0.005) and max(took) < 0.1, took  # one that asked Redis would take its timeout, 100 ms

    assert_at_once()
    OUTAGES[way][0](setup)
    assert_at_once()  # perhaps before it is noticed
    watch(server).wait_down()
    assert_at_once()
    OUTAGES[way][1](setup)


@pytest.mark.parametrize("way", ["killed", "stopped", "silent", "one byte every 100 ms"])
def test_a_server_stops_in_order_during_an_outage(server, setup, way):
    OUTAGES[way][0](setup)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 3
    OUTAGES[way][1](setup)


# --- outages of one usage ---


@pytest.mark.parametrize("fail, mend, error", [
    (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], "read only"),
    (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], "out of memory"),
])
def test_a_redis_that_takes_no_writes_is_down_for_the_cache(start_server, redis_server, watch, fail, mend, error):
    server = start_server("demo", redis=redis_server)
    look = watch(server)
    look.wait_up()
    assert_serves(server)
    redis_server.client(1).flushdb()  # so that the next request must store
    wait.until(lambda: server.metrics().get("egoejo_cache_entries", 0) == 0, 2, "level 1 is emptied")
    redis_server.command(*fail)
    assert_serves(server)
    wait.until(lambda: "cache" in look.down(), 1, "the cache is down")
    assert look.health()["redis"]["cache"]["error"] == error
    assert_serves(server)
    redis_server.command(*mend)
    look.wait_up()
    assert_serves(server)


# --- from the start ---


def test_a_start_before_redis(start_server, start_redis, watch):
    redis = start_redis(start=False)
    server = start_server("demo", redis=redis)
    look = watch(server)
    assert look.down() == {"channels", "cache", "tasks"}
    assert {e["usage"] for e in server.events("redis.unavailable")} == {"channels", "cache", "tasks"}
    assert_serves(server)
    redis.start()
    look.wait_up()
    assert_serves(server)
    server.wait_event("redis.available", 2)


def test_a_start_with_a_redis_that_is_there(start_server, redis_server):
    server = start_server("demo", redis=redis_server)
    assert {e["usage"] for e in server.events("redis.available")} == {"channels", "cache", "tasks"}
    assert server.events("redis.unavailable") == []


def test_a_start_without_redis_is_no_outage(start_server):
    server = start_server("demo")
    assert [e["level"] for e in server.events("redis.not_configured")] == ["INFO"]
    assert_serves(server)
    server.stop()
    assert [e for e in server.events() if e["level"] in ("WARNING", "ERROR", "CRITICAL")] == []


def test_a_start_with_a_silent_redis_is_bounded(start_server, redis_server, start_proxy, watch):
    proxy = start_proxy(redis_server.port, "silent")
    started = time.monotonic()
    server = start_server("demo", redis=proxy.url())
    assert time.monotonic() - started < 3
    assert watch(server).down() == {"channels", "cache", "tasks"}
    assert_serves(server)
    proxy.set_mode("pass")
    watch(server).wait_up()


@pytest.mark.parametrize("password", [None, "canary-wrong-password"])
def test_a_start_with_a_wrong_password(start_server, start_redis, watch, password):
    redis = start_redis(PASSWORD)
    user = f":{password}@" if password else ""
    server = start_server("demo", redis=f"redis://{user}127.0.0.1:{redis.port}/0")
    server.secrets.append("canary-wrong-password")
    health = watch(server).health()
    assert {s["error"] for s in health["redis"].values()} == {"authentication failed"}
    assert_serves(server)


@pytest.mark.parametrize("answer, error", [
    ("-LOADING Redis is loading the dataset in memory", "loading"),
    ("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", None),
    ("-MISCONF Redis is configured to save RDB snapshots", None),
    ("-CLUSTERDOWN The cluster is down", None),
])
def test_a_server_that_answers_only_errors(start_server, redis_server, start_proxy, watch, answer, error):
    fake = FakeRedis(answer)
    proxy = start_proxy(fake.port)
    server = start_server("demo", redis=proxy.url())
    health = watch(server).health()
    assert {s["available"] for s in health["redis"].values()} == {False}
    assert error is None or {s["error"] for s in health["redis"].values()} == {error}
    assert_serves(server)
    proxy.target_port = redis_server.port
    proxy.cut()
    watch(server).wait_up()
    fake.close()


def test_a_name_that_does_not_resolve(start_server, watch):
    server = start_server("demo", redis="redis://no-such-host.invalid:6379/0")
    assert watch(server).down() == {"channels", "cache", "tasks"}
    assert_serves(server)


# --- what the log says ---


def test_a_long_outage_does_not_fill_the_log(server, setup, watch):
    setup.redis.kill()
    watch(server).wait_down()
    mark = server.mark()
    until = time.monotonic() + 3  # several probes and retries
    while time.monotonic() < until:
        server.get("/api/projets/")
        server.get("/api/contents/")
    assert server.events("redis.unavailable", mark) == []  # transitions only
    assert len(server.events("cache.fallback", mark)) <= 1
    assert all(e["level"] == "WARNING" for e in server.events("cache.fallback"))


def test_a_fallback_of_the_cache_is_counted_and_told_once(server, setup, watch):
    assert_serves(server)
    mark = server.mark()
    setup.redis.kill()  # the tracking is lost with it, so level 1 is emptied
    watch(server).wait_down()
    wait.until(lambda: [server.get(p) for p in CACHED] and server.events("cache.fallback", mark), 10, "a fallback is told")
    event = server.events("cache.fallback", mark)[0]
    assert event["level"] == "WARNING" and event["usage"] == "cache" and event["key"]
    counted = {k: v for k, v in server.metrics().items() if k.startswith("egoejo_redis_fallbacks_total") and 'usage="cache"' in k}
    assert sum(counted.values()) >= 1


def test_metrics_follow_the_state(server, setup, watch):
    def metrics():
        return server.metrics()

    assert metrics()['egoejo_redis_up{usage="cache"}'] == 1
    assert metrics()['egoejo_redis_breaker_state{usage="cache",state="closed"}'] == 1
    setup.redis.kill()
    watch(server).wait_down()
    m = metrics()
    assert [m[f'egoejo_redis_up{{usage="{u}"}}'] for u in ("channels", "cache", "tasks")] == [0, 0, 0]
    assert m['egoejo_redis_transitions_total{usage="tasks",to="open"}'] >= 1
    assert sum(v for k, v in m.items() if k.startswith("egoejo_redis_errors_total")) >= 1
    setup.redis.start()
    watch(server).wait_up()
    m = metrics()
    assert m['egoejo_redis_up{usage="cache"}'] == 1 and m['egoejo_redis_transitions_total{usage="cache",to="closed"}'] >= 1
    assert m['egoejo_redis_downtime_seconds_total{usage="cache"}'] > 0


# --- usages on servers of their own ---


def test_one_usage_down_leaves_the_others_up(start_server, start_redis, watch):
    cache, rest = start_redis(), start_redis()
    server = start_server("demo", redis=rest, REDIS_CACHE_URL=cache.url)
    look = watch(server)
    look.wait_up()
    cache.kill()
    look.wait_down("cache")
    assert_serves(server)
    rest.kill()
    look.wait_down()
    cache.start()
    look.wait_down("channels", "tasks")
    rest.start()
    look.wait_up()


def test_a_deaf_subscription_is_found_by_its_canary(server, setup, watch):
    """PING answers, but nothing published arrives: only the canary can tell."""
    look, mark = watch(server), server.mark()
    wait.until(lambda: look.health()["redis"]["channels"]["canary_ms"] is not None, 5, "a canary")
    setup.proxy.set_mode("deaf")
    look.wait_down("channels", timeout=6)
    assert server.wait_event("redis.unavailable", 2, mark)["usage"] == "channels"
    assert_serves(server)
    setup.proxy.set_mode("pass")
    look.wait_up(5)


def test_no_redis_command_of_a_request_while_it_is_down(start_server, start_proxy, redis_server, watch):
    """An open breaker means no connection attempts by callers: only the prober comes by."""
    proxy = start_proxy(redis_server.port, "silent")
    server = start_server("demo", redis=proxy.url(), REDIS_RETRY_MS=60000)
    assert watch(server).down() == {"channels", "cache", "tasks"}
    before = proxy.accepted
    for _ in range(200):
        server.get("/api/projets/1/")
        server.get("/api/projets/")
    assert proxy.accepted - before <= 3  # one probe at most of each usage, none of ours


def test_a_free_port_is_not_a_redis():
    """The harness itself: what these tests call dead must be dead."""
    import socket

    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", free_port()), timeout=1)
