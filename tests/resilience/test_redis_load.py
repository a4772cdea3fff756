"""
Many clients while Redis comes and goes: none of them may fail, none may wait because of it.

What the machine itself costs is no part of it: the time without a processor is taken off (lib/load.py), and the same load on
a server without any Redis is measured just before. An answer is slow because of Redis when it takes longer than the limit,
and more than the limit longer than the slowest without Redis.
"""

import threading
import time

import pytest

from lib import wait
from lib.load import Load

PATHS = ["/api/projets/", "/api/contents/", "/api/projets/1/", "/api/communities/", "/api/projets/search/?q=marais"]
KEYS = ["egoejo:c1:projets_list", "egoejo:c1:educational_contents_published"]
CYCLES = 50
ENOUGH = 1000  # requests, or it was no load
LIMIT = 0.25  # seconds that Redis may cost


class Eraser:
    """Deletes the cached lists from Redis again and again, so that requests go to level 2 and not only to memory."""

    def __init__(self, redis):
        self.redis = redis
        self.erased = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        client = None
        while not self._stop.wait(0.02):
            try:
                client = client or self.redis.client(1)
                self.erased += client.delete(*KEYS)
            except Exception:  # Redis is down: that is the test
                client = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


@pytest.fixture
def baseline(start_server):
    """The same load when there is no Redis at all, for a few seconds."""
    server = start_server("demo")
    ends = time.monotonic() + 3
    with Load(server, PATHS) as load:
        wait.until(lambda: time.monotonic() > ends, 4)
    server.stop()
    return load.result


def assert_nobody_noticed(result, baseline):
    print(f"\nwith outages: {result}\nwithout Redis: {baseline}")
    assert result.count > ENOUGH, result
    assert result.failures == [], result
    assert result.slowest <= LIMIT or result.slowest - baseline.slowest <= LIMIT


def cycle(redis, look):
    redis.kill()
    look.wait_down(timeout=3)
    redis.start()
    look.wait_up(timeout=3)


def test_fifty_kills_and_restarts_under_load(start_server, redis_server, watch, baseline):
    server = start_server("demo", redis=redis_server)
    look = watch(server)
    look.wait_up()
    with Load(server, PATHS) as load, Eraser(redis_server) as eraser:
        for _ in range(CYCLES):
            cycle(redis_server, look)
    assert_nobody_noticed(load.result, baseline)
    assert eraser.erased > CYCLES  # level 2 was really written and read
    moves = server.metrics()
    assert moves['egoejo_redis_transitions_total{usage="cache",to="open"}'] >= CYCLES
    assert server.get("/health").json["status"] == "ok"
    server.stop()


def has_enough(server):
    return sum(n for route, n in server.answered().items() if route.startswith("/api/")) >= ENOUGH + 100  # 32 may still be under way


WAYS = {
    "stopped": (lambda redis, proxy: redis.pause(), lambda redis, proxy: redis.resume()),
    "silent": (lambda redis, proxy: proxy.set_mode("silent"), lambda redis, proxy: proxy.set_mode("pass")),
    "reset in mid-reply": (lambda redis, proxy: proxy.set_mode("reset"), lambda redis, proxy: proxy.set_mode("pass")),
    "one byte every 100 ms": (lambda redis, proxy: proxy.set_mode("drip"), lambda redis, proxy: proxy.set_mode("pass")),
    "refused": (lambda redis, proxy: proxy.set_mode("refuse"), lambda redis, proxy: proxy.set_mode("pass")),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_outage_under_load(start_server, redis_server, start_proxy, watch, baseline, way):
    fail, mend = WAYS[way]
    proxy = start_proxy(redis_server.port)
    server = start_server("demo", redis=proxy.url())
    look = watch(server)
    look.wait_up()
    with Load(server, PATHS) as load, Eraser(redis_server) as eraser:
        outages = 0
        while outages < 3 or not has_enough(server):  # a slow machine has more of them
            outages += 1
            reached = eraser.erased
            wait.until(lambda: eraser.erased > reached + 2, 5, "level 2 is in use")
            fail(redis_server, proxy)
            look.wait_down(timeout=3)
            mend(redis_server, proxy)
            look.wait_up(timeout=3)
    assert_nobody_noticed(load.result, baseline)
    server.stop()
