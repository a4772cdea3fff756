"""Throttles, as clients meet them: one process, two that share a Redis, a Redis that dies, and guesses at passwords."""

import pytest

from lib import people, tokens, wait

ON = dict(DISABLE_THROTTLE_FOR_TESTS="0")


def statuses(server, n, target="/api/", headers=None, method="GET"):
    return [server.request(method, target, headers).status for _ in range(n)]


def test_the_allowance_of_an_address(start_server):
    server = start_server(THROTTLE_ANON="3/minute", **ON)
    assert statuses(server, 4) == [200, 200, 200, 429]
    answer = server.get("/api/projets/", {"Origin": "http://localhost:3000"})
    assert answer.status == 429 and list(answer.json) == ["detail"]
    assert 58 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["Allow"] and answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    head = server.request("HEAD", "/api/projets/")
    assert head.status == 429 and head.raw == b""
    assert server.get("/api/", {"X-Forwarded-For": "198.51.100.7"}).status == 200  # loopback is a trusted proxy
    assert server.get("/api/health/").status == server.get("/").status == 200
    assert server.metrics()['egoejo_throttled_total{scope="anon"}'] == 3


def test_nobody_escapes_by_a_header_of_his_own(start_server):
    server = start_server(THROTTLE_ANON="2/minute", TRUSTED_PROXIES="192.0.2.1", **ON)
    headers = [{"X-Forwarded-For": f"198.51.100.{n}"} for n in range(4)]
    assert [server.get("/api/", h).status for h in headers] == [200, 200, 429, 429]


def test_a_place_becomes_free(start_server):
    server = start_server(THROTTLE_ANON="2/second", **ON)
    assert 429 in statuses(server, 4)
    wait.until(lambda: server.get("/api/").status == 200, 3, "a free place", 0.05)


def test_whoever_is_signed_in_has_his_own(start_server, database):
    cast = people.add_cast(database)
    server = start_server(database.url, THROTTLE_ANON="1/minute", THROTTLE_USER="3/minute", **ON)
    ordinary, other = cast["ordinary"].headers, cast["other"].headers
    assert statuses(server, 2) == [200, 429]
    assert statuses(server, 4, headers=ordinary) == [200, 200, 200, 429]
    assert statuses(server, 1, headers=other) == [200]


def test_the_default_is_ten_a_minute(start_server):
    server = start_server(**ON)
    assert statuses(server, 11) == [200] * 10 + [429]


def test_measures_do_not_lock_a_visitor_out(start_server):
    server = start_server(THROTTLE_ANON="2/minute", THROTTLE_METRICS="5/minute", **ON)
    headers = {"Content-Type": "application/json"}
    answers = [server.request("POST", "/api/analytics/metrics/", headers, b'{"metric": "LCP", "value": 1}').status for _ in range(6)]
    assert answers == [201] * 5 + [429]
    assert statuses(server, 3) == [200, 200, 429]


def test_passwords_cannot_be_guessed(start_server, database):
    people.add_cast(database)
    server = start_server(database.url, THROTTLE_ANON="4/minute", **ON)
    wrong = [server.get("/api/", tokens.basic("ordinary", f"guess {n}")).status for n in range(6)]
    assert wrong == [403] * 4 + [429] * 2
    elsewhere = {"X-Forwarded-For": "198.51.100.7"}
    assert server.get("/api/", {**tokens.basic("ordinary", "guess"), **elsewhere}).status == 429  # the name has no more
    assert server.get("/api/", {**tokens.basic("other", "guess"), **elsewhere}).status == 403
    assert statuses(server, 1) == [429]  # nor has the address


def test_bad_tokens_use_the_allowance_up_and_good_ones_do_not_suffer(start_server, database):
    cast = people.add_cast(database)
    server = start_server(database.url, THROTTLE_ANON="3/minute", **ON)
    assert statuses(server, 4, headers={"Authorization": "Bearer x"}) == [403, 403, 403, 429]
    assert statuses(server, 2, headers=cast["ordinary"].headers) == [200, 200]


@pytest.fixture
def pair(start_server, new_database, redis_server):
    url = new_database("empty")
    return [start_server(url, redis=redis_server, THROTTLE_ANON="6/minute", **ON) for _ in range(2)]


def redis_usable(server):
    return server.get("/health").json["redis"]["cache"]["state"] == "closed"


def test_two_processes_share_a_limit(pair, redis_server):
    one, other = pair
    answers = [server.get("/api/").status for _ in range(4) for server in pair]
    assert answers == [200] * 6 + [429] * 2
    assert redis_server.client(1).zcard("egoejo:t1:throttle_anon_127.0.0.1") == 6


def test_cached_lists_are_told_in_batches(pair, redis_server):
    one, other = pair
    assert statuses(one, 6, "/api/projets/") == [200] * 6
    wait.until(lambda: redis_server.client(1).zcard("egoejo:t1:throttle_anon_127.0.0.1") == 6, 2, "the batch", 0.02)
    assert statuses(other, 1, "/api/") == [429]
    assert statuses(other, 1, "/api/projets/") == [429]


def test_a_dead_redis_closes_nothing(pair, redis_server):
    one, other = pair
    assert statuses(one, 2) == [200, 200]
    redis_server.kill()
    assert statuses(one, 6) == [200] * 4 + [429] * 2  # what it knows itself
    assert statuses(other, 7) == [200] * 6 + [429]  # each for itself
    redis_server.start()
    wait.until(lambda: redis_usable(one) and redis_usable(other), 5, "Redis again", 0.05)
    wait.until(lambda: redis_server.client(1).zcard("egoejo:t1:throttle_anon_127.0.0.1") == 6, 3, "what was missed", 0.05)


def test_off_in_production_is_said_loudly(start_server):
    server = start_server(DEBUG="0", ALLOWED_HOSTS="*", ENABLE_SAKA="true", SAKA_COMPOST_ENABLED="true", SAKA_SILO_REDIS_ENABLED="true",
                          DISABLE_THROTTLE_FOR_TESTS="1")
    assert any("DISABLE_THROTTLE_FOR_TESTS=1 IN PRODUCTION" in event["message"] for event in server.events("settings.warning", level="WARNING"))
