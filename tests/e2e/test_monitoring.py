"""Measures and alerts from browsers, and what staff read of them, on both engines."""

import json
import threading

import pytest

from lib import people, wait

JSON = {"Content-Type": "application/json"}
METRICS, ALERTS = "/api/analytics/metrics/", "/api/monitoring/alerts/"


class Site:
    def __init__(self, database, start_server, **settings):
        self.database = database
        self.staff = people.add_person(database, "staff").headers
        self.server = start_server(database.url, **settings)

    def post(self, target, body, headers=None):
        return self.server.request("POST", target, {**JSON, **(headers or {})}, json.dumps(body).encode())

    def read(self, target):
        answer = self.server.get(target, self.staff)
        assert answer.status == 200, answer.text
        return answer.json


@pytest.fixture
def site(database, start_server):
    return Site(database, start_server)


def test_ids_are_those_of_the_rows(site):
    ids = [site.post(METRICS, {"metric": "LCP", "value": n}).json["id"] for n in range(5)]
    site.read("/api/monitoring/metrics/stats/")  # waits for what is on its way
    rows = site.database.execute("SELECT id, value FROM monitoring_performance_metric ORDER BY id")
    assert [tuple(r) for r in rows] == [(number, float(n)) for n, number in enumerate(ids)]
    later = site.database.insert("monitoring_performance_metric")  # Django goes on where we are
    assert later > max(ids)


def test_who_reads_sees_what_has_just_been_sent(site):
    for n in range(3):
        alert = site.post(ALERTS, {"message": f"alerte {n}", "level": "error", "url": "/é"}).json["id"]
        found = site.read("/api/monitoring/alerts/list/")
        assert found["count"] == n + 1 and found["alerts"][0]["id"] == alert and found["alerts"][0]["url"] == "/é"
    assert site.server.request("PATCH", f"/api/monitoring/alerts/{alert}/", site.staff).json == {"status": "resolved"}
    assert site.read("/api/monitoring/alerts/list/")["count"] == 2
    assert site.read("/api/monitoring/alerts/list/?resolved=true")["alerts"][0]["resolved"] is True


def test_an_alert_is_one_line_of_the_log(site):
    text = "ligne\n2026-01-01 FAKE\x1b[31m\u009b31m\u2028fin"
    mark = site.server.mark()
    assert site.post(ALERTS, {"message": text, "level": "critical"}).status == 201
    event = site.server.wait_event("alert.reported", since=mark, level="CRITICAL")
    assert event["text"] == "ligne\n2026-01-01 FAKE\x1b[31m?31m?fin"
    raw = [line for line in site.server.lines[mark:] if "alert.reported" in line]
    assert len(raw) == 1 and "\\n2026" in raw[0] and "\x1b" not in raw[0] and "\u009b" not in raw[0]
    assert site.read("/api/monitoring/alerts/list/")["alerts"][0]["message"] == text


def test_a_flood_of_one_address_is_dropped_with_the_same_answer(site):
    answers = []
    with site.server.client() as client:
        for n in range(300):
            answers.append(client.request("POST", METRICS, JSON, b'{"metric": "API_Duration", "value": 1}'))
    assert {a.status for a in answers} == {201} and {tuple(a.json) for a in answers} == {("id", "status")}
    kept = [a.json["id"] for a in answers if a.json["id"]]
    assert 20 <= len(kept) < 300
    assert site.read("/api/monitoring/metrics/stats/")["stats"]["API_Duration"]["count"] == len(kept)
    metrics = site.server.metrics()
    assert metrics['egoejo_measures_total{outcome="dropped"}'] == 300 - len(kept)
    assert site.post(METRICS, {"metric": "LCP", "value": 1}, {"X-Forwarded-For": "198.51.100.9"}).json["id"] > 0


def test_many_addresses_at_once(site):
    def send(n):
        with site.server.client() as client:
            for _ in range(10):
                answer = client.request("POST", METRICS, {**JSON, "X-Forwarded-For": f"198.51.100.{n}"}, b'{"metric": "FCP", "value": 2}')
                ids.append(answer.json["id"])

    ids = []
    threads = [threading.Thread(target=send, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 160 and 0 not in ids
    assert site.read("/api/monitoring/metrics/stats/")["stats"] == {
        "FCP": {"name": "First Contentful Paint", "count": 160, "avg": 2.0, "min": 2.0, "max": 2.0}}


def test_an_orderly_stop_loses_nothing(site):
    for _ in range(15):
        site.post(METRICS, {"metric": "LCP", "value": 1})
    site.server.stop()
    assert site.database.count("monitoring_performance_metric") == 15


def test_two_processes_never_give_the_same_id(database, start_server):
    first = Site(database, start_server)
    second = start_server(database.url)
    ids = []
    for _ in range(8):
        ids.append(first.post(ALERTS, {"message": "x"}).json["id"])
        ids.append(second.request("POST", ALERTS, JSON, b'{"message": "y"}').json["id"])
    assert len(set(ids)) == 16 and 0 not in ids
    wait.until(lambda: database.count("monitoring_alert") == 16, 5, "all rows", 0.05)


def test_nothing_and_zero_are_no_message_and_no_name(site):
    for nothing in ("", 0, 0.0, None, False, [], {}):
        for target, body in ((ALERTS, {"message": nothing}), (METRICS, {"metric": nothing, "value": 1})):
            answer = site.post(target, body)
            assert answer.status == 400 and list(answer.json) == ["detail"], (target, nothing)


def test_too_much_is_refused(site):
    assert site.post(METRICS, {"metric": "LCP", "value": 1, "metadata": {"a": "x" * 9000}}).status == 400
    assert site.post(METRICS, {"metric": "LCP", "value": 1, "metadata": "x" * 70000}).status == 413
    assert site.server.get("/api/monitoring/alerts/list/?hours=abc", site.staff).status == 400


def test_the_security_report_says_to_staff_what_ails_redis(database, start_server, start_redis):
    redis = start_redis()
    site = Site(database, start_server, redis=redis)
    wait.until(lambda: site.read("/api/security/metrics/")["cache_status"] == "ok", 5, "a cache", 0.05)
    assert "redis_errors" not in site.read("/api/security/metrics/")
    redis.kill()
    wait.until(lambda: "cache" in site.read("/api/security/metrics/").get("redis_errors", {}), 5, "the outage", 0.05)
    report = site.read("/api/security/metrics/")
    assert report["cache_status"] == "unknown" and report["database_status"] == "ok" and report["redis_errors"]["cache"]
    assert site.server.get("/api/security/metrics/").status == 403
