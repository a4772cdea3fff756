"""Other people's objects, and columns that nobody may set: what is the caller's own stays his, whatever ids and fields are sent."""

import json

import pytest

from lib import bodies, wait
from lib.database import hours_ago
from lib.people import add_person
from lib.world import World

JSON = {"Content-Type": "application/json"}

# Every column of the tables behind the API, and every other name that a framework has once obeyed.
FORBIDDEN = {
    "id": 999_999, "pk": 999_999, "is_staff": True, "is_superuser": True, "is_active": False, "groups": [1], "user_permissions": [1], "role": "admin",
    "last_login": "2020-01-01T00:00:00Z", "date_joined": "2020-01-01T00:00:00Z", "user": 1, "user_id": 1, "author": 1, "author_id": 1, "actor": 1,
    "status": "published", "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z", "published_at": "2020-01-01T00:00:00Z",
    "published_by": 1, "published_by_id": 1, "modified_by": 1, "modified_by_id": 1, "category": "podcast", "tags": ["x"], "project_id": 1,
    "anonymous_display_name": "x", "audio_file": "x.mp3", "audio_source_hash": "x", "embedding_source_hash": "x", "likes_count": 9, "comments_count": 9,
    "saka_score": 9999, "saka_supporters_count": 9999, "embedding": {"vector": [1]}, "coordinates_3d": {"x": 9}, "active_oracles": ["co2_avoided"],
    "impact_4p": {"p1_financier": 9}, "balance": 9999, "wallet": {"balance": 9999}, "total_harvested": 9999, "resolved": True,
    "resolved_at": "2020-01-01T00:00:00Z", "ip_address": "6.6.6.6", "user_agent": "forged", "profile": {"bio": "x"}, "avatar": "x.png",
    "__proto__": {"is_staff": True}, "constructor": {"prototype": {"is_staff": True}}, "csrfmiddlewaretoken": "x", "_method": "DELETE",
}


@pytest.fixture
def world(database, start_server):
    made = World(database, start_server)
    yield made
    made.close()


def post(world, path, caller, method="POST", **fields):
    """A good body with all that is forbidden beside it."""
    body = {**FORBIDDEN, **bodies.GOOD.get(f"{method} {path}", dict)(), **fields}
    return world.request(method, path, {**world.headers_of(caller), **JSON}, json.dumps(body).encode())


def latest(database, table, *columns):
    return database.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id DESC LIMIT 1")[0]


def as_json(value):
    return json.loads(value) if isinstance(value, str) else value


def test_nobody_registers_with_rights(world):
    answer = post(world, "/api/auth/register/", "anonymous")
    assert answer.status == 201, answer.raw
    number = answer.json["id"]
    assert number < 1000 and set(answer.json) == {"id", "username", "email", "first_name", "last_name"}
    d = world.database
    staff, superuser, active, joined = d.execute("SELECT is_staff, is_superuser, is_active, date_joined FROM auth_user WHERE id = %s", number)[0]
    assert not staff and not superuser and active and "2020" not in str(joined)
    assert d.execute("SELECT COUNT(*) FROM auth_user_groups WHERE user_id = %s", number) == [(0,)]
    assert d.execute("SELECT balance, total_harvested FROM core_sakawallet WHERE user_id = %s", number) == [(0, 0)]
    assert d.execute("SELECT display_name, bio, avatar FROM core_profile WHERE user_id = %s", number) == [("", "", None)]


def test_a_project_gets_no_rank_from_a_member(world):
    columns = ("id", "saka_score", "saka_supporters_count", "embedding", "coordinates_3d", "active_oracles", "created_at")
    score = dict(active_oracles=["co2_avoided"], embedding={"vector": [1]}, coordinates_3d={"x": 1})
    answer = post(world, "/api/projets/", "ordinary", **score)
    assert answer.status == 201, answer.raw
    row = latest(world.database, "core_projet", *columns)
    assert row[0] < 1000 and row[1:5] == (0, 0, None, None) and as_json(row[5]) == [] and "2020" not in str(row[6])
    for method in ("PUT", "PATCH"):
        answer = world.request(method, f"/api/projets/{row[0]}/", {**world.headers_of("ordinary"), **JSON},
                               json.dumps({**FORBIDDEN, **score, "titre": "Autre", "description": "Autre"}).encode())
        assert answer.status == 200 and answer.json["titre"] == "Autre", answer.raw
        assert latest(world.database, "core_projet", *columns) == row
    answer = world.request("PATCH", f"/api/projets/{row[0]}/", {**world.headers_of("staff"), **JSON}, b'{"saka_score": 7}')
    assert answer.status == 200 and answer.json["saka_score"] == 7  # what staff may


def test_a_content_begins_pending_and_is_its_authors(world):
    answer = post(world, "/api/contents/", "ordinary")
    assert answer.status == 201 and answer.json["status"] == "pending", answer.raw
    row = latest(world.database, "core_educationalcontent", "id", "status", "author_id", "published_by_id", "published_at", "category", "tags", "project_id",
                 "anonymous_display_name", "audio_file", "embedding", "created_at")
    assert row[0] < 1000 and row[1] == "pending" and row[2] == world.cast["ordinary"].id and row[3:6] == (None, None, "autres")
    assert as_json(row[6]) == [] and row[7] is None and row[8] == "" and not row[9] and row[10] is None and "2020" not in str(row[11])


@pytest.mark.parametrize("path, table", [("/api/help-requests/", "core_helprequest"), ("/api/engagements/", "core_engagement")])
def test_help_begins_new_and_belongs_to_the_caller(world, path, table):
    for caller in ("ordinary", "anonymous"):
        answer = post(world, path, caller)
        assert answer.status == 201 and answer.json["status"] == "new", answer.raw
        owner = world.cast[caller].id if caller in world.cast else None
        assert latest(world.database, table, "status", "user_id") == ("new", owner)
        assert answer.json["id"] < 1000 and "user" not in answer.json


@pytest.mark.parametrize("path, table", [("/api/analytics/metrics/", "monitoring_performance_metric"), ("/api/monitoring/alerts/", "monitoring_alert")])
def test_a_measure_is_its_senders(world, path, table):
    answer = post(world, path, "ordinary")
    assert answer.status == 201, answer.raw
    wait.until(lambda: world.database.count(table), 10, "the batch is written")
    row = latest(world.database, table, "id", "user_id", "ip_address", "user_agent")
    assert row[0] < 1000 and row[1] == world.cast["ordinary"].id and "6.6.6.6" not in str(row[2]) and row[3] != "forged"


# --- other people's objects ---

HIDDEN = ("draft", "pending", "rejected", "archived")
SEES_ALL = ("editor", "staff", "superuser")
SEES_OWN = ("other", "contributor", "founder")


@pytest.fixture
def hidden(world):
    """status → id of a content of `ordinary`."""
    return {status: world.database.insert("core_educationalcontent", title=f"Caché {status}", slug=f"cache-{status}", status=status,
                                          author_id=world.cast["ordinary"].id) for status in HIDDEN}


def test_a_content_that_is_not_published_is_its_authors_and_the_editors(world, hidden):
    world.database.insert("core_educationalcontent", title="Public", slug="public")
    for caller in ("anonymous", *SEES_OWN):
        headers = world.headers_of(caller)
        for status, number in hidden.items():
            assert world.request("GET", f"/api/contents/{number}/", headers).status == 404, (caller, status)
            for query in (f"?status={status}", f"?status={status}&page=1", f"?status={status}&page_size=100"):
                answer = world.request("GET", f"/api/contents/{query}", headers).json
                assert (answer["results"] if "results" in answer else answer) == [], (caller, query)
        for query in ("", "?page=1", "?status=", "?page=1&status=", "?page_size=50", "?status=published", "?category=autres"):
            assert b"Cach" not in world.request("GET", f"/api/contents/{query}", headers).raw, (caller, query)
    for caller in ("ordinary", *SEES_ALL):
        for number in hidden.values():
            assert world.request("GET", f"/api/contents/{number}/", world.headers_of(caller)).status == 200, caller


def test_what_an_editor_saw_is_not_cached_for_others(world, hidden):
    for query in ("", "?page=1", "?page=1&page_size=10", "?status=", "?category=autres"):
        for caller in ("staff", "ordinary", "anonymous", "other", "anonymous"):
            raw = world.request("GET", f"/api/contents/{query}", world.headers_of(caller)).raw
            if caller in ("anonymous", "other"):
                assert b"Cach" not in raw, (caller, query)


def test_the_moves_of_a_content_are_not_its_authors(world, hidden):
    for action in ("publish", "archive", "reject", "unpublish"):
        for caller in ("ordinary", "other", "contributor", "founder", "anonymous"):
            answer = world.request("POST", f"/api/contents/{hidden['pending']}/{action}/", world.headers_of(caller), b"")
            assert answer.status == 403, (caller, action)
    assert world.database.execute("SELECT status FROM core_educationalcontent WHERE id = %s", hidden["pending"]) == [("pending",)]


def test_a_hidden_content_pays_nobody(world, hidden):
    for number in hidden.values():
        for caller in ("ordinary", "other"):
            assert world.request("POST", f"/api/contents/{number}/mark-consumed/", world.headers_of(caller), b"").status == 404
    assert world.database.execute("SELECT DISTINCT balance FROM core_sakawallet") == [(100,)]


@pytest.mark.parametrize("path, table, column", [("/api/help-requests/", "core_helprequest", "description"), ("/api/engagements/", "core_engagement", "notes")])
def test_team_only_is_for_the_author_and_staff(world, path, table, column):
    mine, theirs = (world.database.insert(table, anonymity="team_only", user_id=world.cast[who].id, **{column: f"secret of {who}"})
                    for who in ("ordinary", "other"))
    world.database.insert(table, anonymity="team_only", user_id=None, **{column: "secret of nobody"})
    shown = {"anonymous": set(), "contributor": set(), "ordinary": {mine}, "other": {theirs}}
    for caller, numbers in shown.items():
        answer = world.request("GET", path, world.headers_of(caller)).json
        assert {row["id"] for row in answer["results"]} == numbers and answer["count"] == len(numbers), caller
        assert {row["id"] for row in world.request("GET", f"{path}?mine=1", world.headers_of(caller)).json["results"]} == numbers, caller
    assert world.request("GET", path, world.headers_of("staff")).json["count"] == 3


def test_each_sees_his_own_account_only(world):
    """Whatever id is sent along: these routes know one account, the caller's."""
    d = world.database
    d.insert("core_sakatransaction", user_id=world.cast["ordinary"].id, amount=7, metadata={"of": "ordinary"})
    d.insert("core_intent", nom="Secret", email=world.cast["ordinary"].email)
    mallory = add_person(d, "other", "mallory")
    victim = world.cast["ordinary"]
    for path in ("/api/auth/me/", "/api/user/data-export/", "/api/saka/transactions/", "/api/impact/global-assets/"):
        for query in ("", f"?user={victim.id}", f"?user_id={victim.id}&id={victim.id}", f"?username={victim.name}", f"?email={victim.email}"):
            answer = world.request("GET", path + query, {**mallory.headers, "X-User-Id": str(victim.id), "X-Forwarded-User": victim.name})
            assert answer.status == 200, path
            assert victim.name.encode() not in answer.raw and victim.email.encode() not in answer.raw and b"Secret" not in answer.raw, (path, query)
    body = json.dumps({"id": victim.id, "user": victim.id, "username": victim.name}).encode()
    assert world.request("DELETE", f"/api/user/data-delete/?user={victim.id}", {**mallory.headers, **JSON}, body).status == 200
    assert d.execute("SELECT COUNT(*) FROM auth_user WHERE id = %s", victim.id) == [(1,)]
    assert d.execute("SELECT COUNT(*) FROM auth_user WHERE id = %s", mallory.id) == [(0,)]


def test_an_address_that_somebody_else_has_shows_him_nothing(world):
    """Addresses are not verified: who registers with another's gets only the intents of afterwards (accounts.md D8)."""
    d = world.database
    d.insert("core_intent", nom="Victime", email="victime@example.org")
    mallory = add_person(d, "other", "mallory")
    d.execute("UPDATE auth_user SET email = 'victime@example.org', date_joined = %s WHERE id = %s", hours_ago(-24), mallory.id)
    answer = world.request("GET", "/api/user/data-export/", mallory.headers)
    assert answer.status == 200 and answer.json["intents"] == []
