"""Moderation reports from end to end, on both engines."""

import json

import pytest

from lib.people import add_cast

KEYS = ["id", "reporter", "resolved_by", "report_type", "target_id", "status", "reason", "resolution", "created_at", "updated_at"]
REPORT = {"report_type": "user", "target_id": "3", "reason": "Propos déplacés 🌋"}
REPORTS = "/api/moderation/reports/"


class World:
    def __init__(self, start_server, database):
        self.database = database
        self.people = add_cast(database)
        self.server = start_server(database.url)

    def ask(self, method, path, who=None, body=None, kind="application/json"):
        headers = dict(self.people[who].headers) if who else {}
        if body is not None:
            headers["Content-Type"] = kind
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.server.request(method, path, headers, body)

    def file(self, who="ordinary", **changes):
        answer = self.ask("POST", REPORTS, who, {**REPORT, **changes})
        assert answer.status == 201, answer.text
        return answer.json

    def person(self, who):
        p = self.people[who]
        return {"id": p.id, "username": p.name, "email": p.email, "first_name": "", "last_name": ""}

    def journal(self, action):
        return self.database.execute("SELECT actor_id, target_type, target_id, metadata FROM core_auditlog WHERE action = %s ORDER BY id", action)


@pytest.fixture
def world(start_server, database):
    return World(start_server, database)


def metadata_of(entry):
    return json.loads(entry[3]) if isinstance(entry[3], str) else entry[3]


def test_filing(world):
    report = world.file()
    assert list(report) == KEYS
    assert report["reporter"] == world.person("ordinary") and report["resolved_by"] is None
    assert {k: report[k] for k in REPORT} == REPORT
    assert report["status"] == "pending" and report["resolution"] == ""
    assert report["created_at"] == report["updated_at"]
    again = world.file(target_id=3)  # a number is a text
    assert again["id"] > report["id"] and again["target_id"] == "3"
    entries = world.journal("moderation_report_create")
    assert [(e[0], e[1], e[2]) for e in entries] == [(world.people["ordinary"].id, "moderation_report", str(r["id"])) for r in (report, again)]
    assert metadata_of(entries[0]) == {"type": "user", "target_id": "3"}
    form = world.ask("POST", REPORTS, "other", b"report_type=poll&target_id=9&reason=trop", "application/x-www-form-urlencoded")
    assert form.status == 201 and form.json["report_type"] == "poll"


def test_the_decision_is_staffs_alone(world):
    """Defect 16: whoever files a report does not settle it."""
    report = world.file(status="accepted", resolution="c'est vu", reporter=1, resolved_by=1, id=99)
    assert report["status"] == "pending" and report["resolution"] == "" and report["resolved_by"] is None
    assert report["reporter"]["id"] == world.people["ordinary"].id
    assert world.file(status="nonsense", resolution=[])["status"] == "pending"
    staff = world.file("staff", status="rejected", resolution="infondé")
    assert (staff["status"], staff["resolution"], staff["resolved_by"]) == ("rejected", "infondé", None)
    assert world.ask("POST", REPORTS, "staff", {**REPORT, "status": "nonsense"}).status == 400


@pytest.mark.parametrize("change, field", [
    ({"report_type": "x"}, "report_type"), ({"report_type": None}, "report_type"), ({"target_id": ""}, "target_id"), ({"target_id": "x" * 65}, "target_id"),
    ({"target_id": True}, "target_id"), ({"target_id": [1]}, "target_id"), ({"reason": " \n"}, "reason"), ({"reason": None}, "reason"),
    ({"reason": "a\0b"}, "reason"), ({"reason": {}}, "reason"),
])
def test_what_is_refused(world, change, field):
    answer = world.ask("POST", REPORTS, "ordinary", {**REPORT, **change})
    assert answer.status == 400 and list(answer.json) == [field]
    assert world.database.execute("SELECT count(*) FROM core_moderationreport")[0][0] == 0
    assert world.journal("moderation_report_create") == []


def test_bodies_that_are_none(world):
    for body in (b"[]", b"3", b'"x"'):
        answer = world.ask("POST", REPORTS, "ordinary", body)
        assert answer.status == 400 and list(answer.json) == ["non_field_errors"], answer.text
    assert list(world.ask("POST", REPORTS, "ordinary", b"{").json) == ["detail"]
    assert world.ask("POST", REPORTS, "ordinary", b"<a/>", "text/xml").status == 415
    assert sorted(world.ask("POST", REPORTS, "ordinary", {}).json) == ["reason", "report_type", "target_id"]


def test_who_may(world):
    one = f"{REPORTS}{world.file()['id']}/"
    for who, list_post, others in ((None, 403, 403), ("ordinary", 400, 403), ("editor", 400, 403), ("founder", 400, 403), ("superuser", 400, 403)):
        assert world.ask("POST", REPORTS, who, {}).status == list_post, who
        for method, path in (("GET", REPORTS), ("GET", one), ("HEAD", one), ("PUT", one), ("PATCH", one), ("DELETE", one)):
            assert world.ask(method, path, who, None if method in ("GET", "HEAD") else {}).status == others, (who, method)
        # methods that are not there: anonymous callers learn nothing, all others do
        for method, path in (("PATCH", REPORTS), ("DELETE", REPORTS), ("PUT", REPORTS), ("POST", one)):
            answer = world.ask(method, path, who, {})
            assert answer.status == (405 if who else 403), (who, method, path)
    assert world.ask("GET", one, "staff").status == 200
    assert world.ask("POST", one, "staff", {}).headers["Allow"] == "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"


def test_staff_decide(world):
    report = world.file()
    one = f"{REPORTS}{report['id']}/"
    answer = world.ask("PATCH", one, "staff", {"status": "rejected", "resolution": "infondé", "reporter": 1, "resolved_by": 1})
    assert answer.status == 200 and answer.json == {**report, "status": "rejected", "resolution": "infondé", "resolved_by": world.person("staff"),
                                                    "updated_at": answer.json["updated_at"]}
    assert answer.json["updated_at"] > report["updated_at"]
    back = world.ask("PATCH", one, "staff", {"status": "pending"}).json
    assert back["status"] == "pending" and back["resolved_by"] == world.person("staff")
    assert sorted(world.ask("PUT", one, "staff", {"status": "accepted"}).json) == ["reason", "report_type", "target_id"]
    put = world.ask("PUT", one, "staff", {"report_type": "poll", "target_id": 9, "reason": "autre"}).json
    assert (put["report_type"], put["target_id"], put["reason"], put["status"], put["resolution"]) == ("poll", "9", "autre", "pending", "infondé")
    assert world.ask("PATCH", one, "staff", {"resolution": ""}).json["resolution"] == ""
    for bad in ({"status": "bad"}, {"status": None}, {"resolution": None}, {"reason": " "}):
        assert list(world.ask("PATCH", one, "staff", bad).json) == list(bad)
    assert [metadata_of(e) for e in world.journal("moderation_report_update")] == [{"status": s} for s in ("rejected", "pending", "pending", "pending")]
    assert world.ask("DELETE", one, "staff").status == 204
    assert world.ask("DELETE", one, "staff").status == 404
    assert world.journal("moderation_report_delete")[0][:3] == (world.people["staff"].id, "moderation_report", str(report["id"]))


def test_what_is_not_there_comes_before_the_body(world):
    for path in ("999", "abc", "-1", "1.5", "99999999999999999999999"):
        for method, body in (("GET", None), ("PATCH", b"{"), ("PUT", b"[]"), ("DELETE", None)):
            assert world.ask(method, f"{REPORTS}{path}/", "staff", body).status == 404, (method, path)


def test_pages_newest_first(world):
    ids = [world.file(target_id=i)["id"] for i in range(23)][::-1]
    first = world.ask("GET", REPORTS, "staff").json
    assert first["count"] == 23 and [r["id"] for r in first["results"]] == ids[:20] and first["previous"] is None
    second = world.ask("GET", f"{REPORTS}?page=2", "staff").json
    assert [r["id"] for r in second["results"]] == ids[20:] and second["next"] is None
    assert world.ask("GET", f"{REPORTS}?page=3", "staff").status == 404


def test_a_reporter_who_is_gone(world):
    report = world.file()
    world.ask("DELETE", "/api/user/data-delete/", "ordinary", {})
    shown = world.ask("GET", f"{REPORTS}{report['id']}/", "staff").json
    assert shown["reporter"] is None and shown["reason"] == report["reason"]
