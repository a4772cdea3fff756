"""SQL in every parameter of every route: path, query, body field, header. On both engines."""

import json
import time
from urllib.parse import quote, urlencode

import pytest

from lib import bodies, routes
from lib.attacks import SQL, SQL_SHORT, check
from lib.world import World

# Every parameter that some route reads; each is tried on every GET.
QUERY_NAMES = ["page", "page_size", "status", "category", "q", "mine", "help_request", "hours", "metric_type", "level", "resolved", "limit", "format",
               "token", "ordering", "search", "type", "projet_id", "content_id"]
# Filters that must find nothing when they are asked for what does not exist.
FILTERS = [("/api/contents/", "status", "results"), ("/api/contents/", "category", None), ("/api/help-requests/", "status", "results"),
           ("/api/monitoring/alerts/list/", "level", "alerts"), ("/api/monitoring/metrics/stats/", "metric_type", "stats"),
           ("/api/projets/search/", "q", "results"), ("/api/projets/semantic-search/", "q", "results"), ("/api/contents/export/json/", "status", None)]
HEADERS = ["Authorization", "X-Admin-Token", "X-Forwarded-For", "X-Forwarded-Proto", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "Origin",
           "Referer", "Cookie", "If-None-Match", "If-Modified-Since", "Range", "X-Request-Id", "X-CSRFToken", "X-HTTP-Method-Override", "Forwarded"]
PATIENCE = 9  # seconds; the payloads that sleep would take ten


@pytest.fixture(scope="module")
def table():
    return routes.table()


@pytest.fixture
def world(database, start_server):
    """
    Rows that nobody asks for, and the tables as they must be afterwards. Left out of it: the accounts' columns that change
    by being used.
    """
    made = World(database, start_server)
    for name in ("core_projet", "core_helprequest", "core_engagement", "core_cagnotte"):
        database.insert(name)
    database.insert("core_educationalcontent", slug="canari", title="Canari")
    database.insert("core_educationalcontent", slug="brouillon", title="Brouillon", status="draft")
    database.insert("monitoring_alert", message="Canari")
    before = accounts(database), database.tables()
    yield made
    made.close()
    people, tables = accounts(database), database.tables()
    assert people[:len(before[0])] == before[0], "an account has changed"
    assert [row[1:3] for row in people[len(before[0]):] if any(row[1:3])] == [], "an account with rights"
    assert tables == before[1], "tables have come or gone"
    assert database.execute("SELECT title FROM core_educationalcontent WHERE slug = 'brouillon'") == [("Brouillon",)]


def accounts(database):
    return database.execute("SELECT username, is_superuser, is_staff, is_active, password FROM auth_user ORDER BY id")


def ask(world, method, target, headers, sent, body=None, later=False, statuses=None):
    started = time.monotonic()
    answer = check(world.request(method, target, headers, body), sent, later=later, statuses=statuses, page=target.startswith("/api/docs/"))
    assert time.monotonic() - started < PATIENCE, f"{method} {target} with {sent!r} waits"
    assert b"pbkdf2" not in answer.raw and b"argon2" not in answer.raw, target
    return answer


def test_in_every_path(world, table):
    staff = world.headers_of("staff")
    for route in table:
        for text in SQL:
            value = quote(text, safe="")
            for path in {route.path(value), route.pattern.partition("{")[0] + value + "/"} if route.parameters else {route.pattern + value + "/"}:
                ask(world, route.method, path, staff, text, b"" if route.writes else None, route.later, (400, 403, 404, 405, 501))


def test_in_every_query_parameter(world, table):
    staff = world.headers_of("staff")
    for route in table:
        if route.writes:
            continue
        path = world.path(route)
        for name in QUERY_NAMES:
            for text in SQL[::2] if name in ("ordering", "search", "token", "format") else SQL:
                ask(world, "GET", f"{path}?{urlencode({name: text})}", staff, text, later=route.later, statuses=(200, 400, 404, 501))


def test_a_filter_that_is_sql_finds_nothing(world, table):
    later = {route.pattern for route in table if route.later}
    staff = world.headers_of("staff")
    for path, name, member in FILTERS:
        if path in later:
            continue
        for text in [t for t in SQL if len(t) > 1]:
            answer = ask(world, "GET", f"{path}?{urlencode({name: text})}", staff, text, statuses=(200, 400)).json
            found = answer[member] if member and member in answer else answer
            found = found.get("results", []) if isinstance(found, dict) and "results" in found else found
            assert not found or isinstance(found, dict) and set(found) <= {"detail", "error"}, (path, name, text, answer)


@pytest.mark.parametrize("form", [False, True])
def test_in_every_body_field(world, table, form):
    for route in table:
        if route.later or str(route) not in bodies.GOOD:
            continue
        for field in bodies.GOOD[str(route)]():
            for text in SQL_SHORT if str(route) in bodies.HASHING else SQL:
                body = {**bodies.GOOD[str(route)](), field: text}
                if form:
                    kind, data = "application/x-www-form-urlencoded", urlencode({k: v for k, v in body.items() if v is not None}, doseq=True).encode()
                else:
                    kind, data = "application/json", json.dumps(body).encode()
                headers = {**world.headers_of("staff"), "Content-Type": kind}
                ask(world, route.method, world.path(route), headers, text, data, statuses=(200, 201, 204, 400, 401, 403, 404))


def test_texts_are_kept_as_they_are(world, table):
    """What is no statement to us is a text like any other: it comes back whole."""
    built = {str(route) for route in table if not route.later}
    for name, field in (("POST /api/projets/", "titre"), ("POST /api/help-requests/", "title"), ("POST /api/engagements/", "notes")):
        if name not in built:
            continue
        method, path = name.split(" ")
        for text in SQL:
            body = json.dumps({**bodies.GOOD[name](), field: text}).encode()
            answer = ask(world, method, path, {**world.headers_of("staff"), "Content-Type": "application/json"}, text, body, statuses=(201,))
            assert answer.json[field] == text


def test_in_every_header(world, table):
    """On each GET, and on the two routes that keep headers of the caller in a row."""
    targets = [("GET", route, None) for route in table if not route.writes]
    targets += [("POST", route, bodies.GOOD[str(route)]()) for route in table
                if str(route) in ("POST /api/analytics/metrics/", "POST /api/monitoring/alerts/")]
    for method, route, body in targets:
        path = world.path(route)
        for name in HEADERS:
            for text in (SQL[1], SQL[4], SQL[6], SQL[8]):
                headers = {**world.headers_of("staff"), **({"Content-Type": "application/json"} if body else {}), name: text}
                ask(world, method, path, headers, text, json.dumps(body).encode() if body else None, route.later)


def test_a_host_that_is_sql_is_refused(world):
    for text in SQL:
        answer = check(world.request("GET", "/api/projets/", {"Host": text.encode("ascii", "replace").decode()}), text, statuses=(400,))
        assert "localhost" not in answer.text
