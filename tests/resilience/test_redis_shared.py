"""Two processes that share one Redis and one database."""

import time

import pytest

from lib import wait
from lib.database import Database

KEY = "egoejo:c1:projets_list"


@pytest.fixture
def pair(start_server, new_database, redis_server, watch):
    url = new_database("empty")
    database = Database(url)
    database.insert("core_projet", titre="avant")
    servers = [start_server(url, redis=redis_server) for _ in range(2)]
    for server in servers:
        watch(server).wait_up()
    yield (*servers, database)
    database.close()


def titles(server):
    return [p["titre"] for p in server.get("/api/projets/").json]


def test_what_one_has_loaded_the_other_takes_from_redis(pair, redis_server):
    one, other, database = pair
    assert titles(one) == ["avant"]
    assert redis_server.client(1).exists(KEY)
    assert 0 < redis_server.client(1).ttl(KEY) <= 300
    database.execute("UPDATE core_projet SET titre = %s", "après")
    assert titles(other) == ["avant"]  # level 2, not the database


def test_a_deletion_is_seen_by_both_at_once(pair, redis_server):
    one, other, database = pair
    assert titles(one) == titles(other) == ["avant"]
    for n in range(10):
        database.execute("UPDATE core_projet SET titre = %s", f"titre {n}")
        redis_server.client(1).delete(KEY)
        for server in (one, other):
            wait.until(lambda: titles(server) == [f"titre {n}"], 0.5, "the new title", 0.001)


def test_a_redis_that_comes_back_empty_brings_nothing_old(pair, redis_server, watch):
    one, other, database = pair
    assert titles(one) == titles(other) == ["avant"]
    redis_server.kill()
    for server in (one, other):
        watch(server).wait_down()
    database.execute("UPDATE core_projet SET titre = %s", "après")
    redis_server.start()
    for server in (one, other):
        watch(server).wait_up()
        assert titles(server) == ["après"]


def test_without_tracking_a_value_lives_five_seconds_at_most(pair, redis_server, watch):
    one, _, database = pair
    redis_server.kill()
    watch(one).wait_down()
    assert titles(one) == ["avant"]
    stored = time.monotonic()
    database.execute("UPDATE core_projet SET titre = %s", "après")
    wait.until(lambda: titles(one) == ["après"], 7, "the new title")
    assert time.monotonic() - stored < 6.5
