"""
Who may call what: every line of `egoejo routes`, asked by everybody.

What each caller must get follows from the access word of the line; what differs is in the tables below.
"""

import pytest

from lib import people, routes, tokens
from lib.world import World

# Who passes the gate of each word. The inactive never do (their own test is below).
PASSES = {
    "anyone": {"anonymous", "ordinary", "other", "contributor", "editor", "founder", "staff", "superuser"},
    "user": {"ordinary", "other", "contributor", "editor", "founder", "staff", "superuser"},
    "owner": {"ordinary", "other", "contributor", "editor", "founder", "staff", "superuser"},
    "staff": {"staff"},
    "editor": {"editor", "staff", "superuser"},
    "admin": {"staff", "superuser"},
    "founder": {"founder"},
    "admin_token": set(),
}
CALLERS = PASSES["anyone"]

# The two exports know a second refusal, with a body of their own (content.md 1): only editors get them.
EXPORTS = ("/api/contents/export/json/", "/api/contents/export/csv/")
# The Authorization header is not looked at (accounts.md 3.1).
BLIND = ("/api/auth/login/",)
# Files that need not be there.
FILES = ("/media/", "/api/docs/")
# What a plain GET needs to be a good one.
QUERIES = {"/api/projets/search/": "?q=projet", "/api/projets/semantic-search/": "?q=projet", "/api/projets/semantic-suggestions/": "?projet_id=1"}
# Only for whose object it is, and for staff (realtime.md 1, 2 and 5): here it is nobody's.
MANAGED = {f"{method} /api/polls/{{id}}/" for method in ("PUT", "PATCH", "DELETE")} | {f"POST /api/polls/{{id}}/{word}/" for word in ("open", "close")}
MANAGED |= {f"{method} /api/chat/{family}/{{id}}/" for method in ("PUT", "PATCH", "DELETE") for family in ("threads", "messages")}
# Seen by who has made it, and by staff: here nobody has.
HIDDEN = ("GET /api/chat/reports/{id}/",)
# Nobody is let through to an answer of success by these, whoever he is: Django's Allow names a method that finds nothing;
# no file is stored here.
NEVER_FOUND = ("PATCH /api/monitoring/alerts/list/",)


@pytest.fixture(scope="module")
def table():
    return routes.table()


@pytest.fixture
def world(database, start_server):
    made = World(database, start_server)
    yield made
    made.close()


def ask(world, route, headers, method=None):
    target = world.path(route) + QUERIES.get(route.pattern, "")
    return world.request(method or route.method, target, headers, b"" if route.writes else None)


def is_refusal(answer):
    return answer.status == 403 and list(answer.json) == ["detail"]


def let_through(route, answer):
    """The handler has had its say: success, or a complaint about the body, or the 501 of a line without handler."""
    if route.later:
        return answer.status == 501
    if str(route) in NEVER_FOUND:
        return answer.status == 404
    if route.pattern.startswith(FILES):
        return answer.status in (200, 404)
    if not route.writes:
        return answer.status == 200
    return answer.status in (200, 201, 204, 400) or (route.pattern in BLIND and answer.status == 401)


def expected(route, caller):
    """Returns a predicate on the answer."""
    if str(route) in MANAGED and caller != "staff":
        return is_refusal
    if caller not in PASSES[route.access]:
        if route.access == "admin_token":
            return lambda answer: answer.status == 401 and list(answer.json) == ["ok", "error"]
        return is_refusal
    if str(route) in HIDDEN and caller != "staff":
        return lambda answer: answer.status == 404
    if route.pattern in EXPORTS and caller not in PASSES["editor"]:
        return lambda answer: answer.status == (501 if route.later else 403) and list(answer.json) == ["detail" if route.later else "error"]
    return lambda answer: let_through(route, answer)


def test_every_word_of_the_table_is_known(table):
    assert {route.access for route in table} <= set(PASSES)


def test_everybody_gets_what_the_table_says(world, table):
    wrong = []
    for route in table:
        for caller in sorted(CALLERS):
            if route.access == "owner" and route.method == "DELETE" and caller != "anonymous":
                headers = people.add_person(world.database, caller, f"leaver-{caller}").headers  # the account may go with it
            else:
                headers = world.headers_of(caller)
            answer = ask(world, route, headers)
            if not expected(route, caller)(answer):
                wrong.append(f"{route} ({route.access}) by {caller}: {answer.status} {answer.raw[:120]!r}")
    assert wrong == []


def test_head_passes_the_same_gate_as_get(world, table):
    wrong = []
    for route in table:
        if route.method != "GET" or not route.is_api:
            continue
        for caller in ("anonymous", "ordinary", "staff"):
            get, head = (ask(world, route, world.headers_of(caller), method) for method in ("GET", "HEAD"))
            if head.status != get.status or head.raw:
                wrong.append(f"{route} by {caller}: GET {get.status}, HEAD {head.status}")
    assert wrong == []


# What comes in the Authorization header without being an account's: the codes are those of accounts.md 3.4.
def bad_credentials(world):
    inactive = world.cast["inactive"].headers
    gone = people.add_person(world.database, "staff", "gone")
    people.remove_person(world.database, gone)
    staff = world.cast["staff"].id
    return {
        "inactive": (inactive, "user_inactive"),
        "deleted": (gone.headers, "user_not_found"),
        "expired": (tokens.bearer(tokens.access(staff, exp=1_700_000_000)), "token_not_valid"),
        "refresh token": (tokens.bearer(tokens.refresh(staff)), "token_not_valid"),
        "other key": (tokens.bearer(tokens.sign(tokens.claims("access", staff), key="another key " * 5)), "token_not_valid"),
        "bare word": ({"Authorization": "Bearer"}, "bad_authorization_header"),
        "three words": ({"Authorization": "Bearer a b"}, "bad_authorization_header"),
    }


def test_credentials_that_are_none_open_no_route(world, table):
    """Not even those that ask for none: a stale token gets 403 wherever credentials are looked at."""
    wrong = []
    for name, (headers, code) in bad_credentials(world).items():
        for route in table:
            if not route.is_api or route.pattern in BLIND or route.access == "admin_token":
                continue
            answer = ask(world, route, headers)
            if answer.status != 403 or "detail" not in answer.json or answer.json.get("code") != code:
                wrong.append(f"{route} with {name}: {answer.status} {answer.raw[:120]!r}")
    assert wrong == []


def test_routes_outside_the_api_do_not_look_at_credentials(world, table):
    for headers, _ in bad_credentials(world).values():
        for route in table:
            if route.pattern in BLIND or (not route.is_api and route.pattern != "/metrics"):
                answer = ask(world, route, headers)
                assert answer.status == 501 if route.later else let_through(route, answer), route


def test_a_scheme_that_is_none_of_ours_is_no_credentials(world, table):
    """`bearer` in lower case, JWT, a bare token, nothing at all: the caller is anonymous."""
    token = world.cast["staff"].headers["Authorization"].removeprefix("Bearer ")
    wrong = []
    for value in (f"bearer {token}", f"JWT {token}", token, ""):
        for route in table:
            if route.is_api and not expected(route, "anonymous")(ask(world, route, {"Authorization": value})):
                wrong.append(f"{route} with {value[:12]!r}")
    assert wrong == []


def test_an_unsafe_method_that_is_not_there(world, table):
    """403 for who may not write here at all, 405 with Allow for the others; never the handler of another method."""
    wrong = []
    for pattern, methods in routes.methods_by_pattern(table).items():
        any_route = next(iter(methods.values()))
        if not any_route.is_api or any_route.access == "admin_token":
            continue
        for method in {"POST", "PUT", "PATCH", "DELETE"} - set(methods):
            answer = ask(world, any_route, world.cast["staff"].headers, method)
            if answer.status != 405 or method in answer.headers["Allow"]:
                wrong.append(f"{method} {pattern} by staff: {answer.status}")
            answer = ask(world, any_route, {}, method)
            closed = all(route.access != "anyone" for route in methods.values())
            if answer.status not in ((403,) if closed else (403, 405)):
                wrong.append(f"{method} {pattern} by nobody: {answer.status}")
    assert wrong == []
