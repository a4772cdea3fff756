"""Help requests and engagements from end to end, on both engines."""

import json

import pytest

from lib.database import hours_ago
from lib.people import add_cast

REQUEST_KEYS = ["id", "title", "description", "help_type", "urgency", "is_linked_to_project", "project", "anonymity", "status", "created_at"]
ENGAGEMENT_KEYS = ["id", "help_types", "domains", "availability", "scope", "anonymity", "notes", "help_request", "status", "created_at"]


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

    def titles(self, query="", who=None):
        answer = self.ask("GET", f"/api/help-requests/{query}", who)
        assert answer.status == 200, answer.text
        assert answer.json["count"] == len(answer.json["results"])
        return [r["title"] for r in answer.json["results"]]

    def notes(self, query="", who=None):
        answer = self.ask("GET", f"/api/engagements/{query}", who)
        assert answer.status == 200, answer.text
        return [e["notes"] for e in answer.json["results"]]


@pytest.fixture
def world(start_server, database):
    return World(start_server, database)


def add_requests(world):
    """old: ordinary's, secret: ordinary's for the team, newest: nobody's."""
    own = world.people["ordinary"].id
    add = world.database.insert
    return {
        "old": add("core_helprequest", title="old", user_id=own, status="accepted", created_at=hours_ago(3)),
        "secret": add("core_helprequest", title="secret", user_id=own, anonymity="team_only", created_at=hours_ago(2)),
        "newest": add("core_helprequest", title="newest", created_at=hours_ago(1)),
    }


# --- help requests ---


def test_those_for_the_team_are_for_the_team(world):
    add_requests(world)
    for who in (None, "other", "editor", "contributor", "founder", "superuser"):
        assert world.titles(who=who) == ["newest", "old"], who
    for who in ("staff", "ordinary"):
        assert world.titles(who=who) == ["newest", "secret", "old"], who


def test_filters(world):
    add_requests(world)
    assert world.titles("?status=accepted") == ["old"] and world.titles("?status=zzz") == [] and world.titles("?status=") == ["newest", "old"]
    for yes in ("1", "true", "yes"):
        assert world.titles(f"?mine={yes}", "ordinary") == ["secret", "old"]
    for no in ("0", "True", "oui", ""):
        assert world.titles(f"?mine={no}", "ordinary") == ["newest", "secret", "old"]
    assert world.titles("?mine=1") == ["newest", "old"]  # nobody has none of his own
    assert world.titles("?mine=1&status=accepted", "ordinary") == ["old"]
    assert world.titles("?mine=1", "staff") == []


def test_asking_for_help(world):
    project = world.database.insert("core_projet")
    answer = world.ask("POST", "/api/help-requests/", "ordinary", {
        "title": " Outils ", "description": "Deux <b>bêches</b>", "help_type": "materiel", "urgency": "high", "project": str(project),
        "is_linked_to_project": True, "anonymity": "team_only", "status": "accepted", "user": 9999, "id": 9999})
    assert answer.status == 201, answer.text
    request = answer.json
    assert list(request) == REQUEST_KEYS
    assert request["title"] == "Outils" and request["description"] == "Deux <b>bêches</b>"  # stored as it is
    assert request["status"] == "new" and request["project"] == project and request["id"] != 9999
    row = world.database.execute("SELECT user_id, status FROM core_helprequest")[0]
    assert tuple(row) == (world.people["ordinary"].id, "new")
    assert world.titles("?mine=1", "ordinary") == ["Outils"] and world.titles() == []


def test_anybody_may_ask(world):
    answer = world.ask("POST", "/api/help-requests/", None, {"title": "Un toit", "description": "Réparer"})
    assert answer.status == 201 and answer.json["help_type"] == "financier" and answer.json["urgency"] == "medium"
    assert answer.json["anonymity"] == "pseudo" and answer.json["project"] is None and answer.json["is_linked_to_project"] is False
    assert world.database.execute("SELECT user_id FROM core_helprequest")[0][0] is None
    form = world.ask("POST", "/api/help-requests/", None, "title=Forme&description=é&project=".encode(), "application/x-www-form-urlencoded")
    assert form.status == 201 and form.json["title"] == "Forme" and form.json["project"] is None


def test_all_errors_at_once(world):
    answer = world.ask("POST", "/api/help-requests/", None, {"help_type": "zz", "urgency": None, "anonymity": "", "project": 9999, "is_linked_to_project": "peut-être"})
    assert answer.status == 400 and set(answer.json) == {"title", "description", "help_type", "urgency", "anonymity", "project", "is_linked_to_project"}
    assert world.database.count("core_helprequest") == 0


def test_accepting(world):
    requests = add_requests(world)
    staff = world.people["staff"].id
    for name, n in (("newest", 1), ("secret", 2), ("newest", 3)):  # from any status, again and again
        answer = world.ask("POST", f"/api/help-requests/{requests[name]}/mark-as-project/", "staff")
        assert answer.status == 200 and list(answer.json) == REQUEST_KEYS and answer.json["status"] == "accepted"
        entries = world.database.execute("SELECT actor_id, target_type, target_id FROM core_auditlog WHERE action = 'help_request_accept' ORDER BY id")
        assert len(entries) == n and tuple(entries[-1]) == (staff, "help_request", str(requests[name]))
    assert world.titles("?status=accepted", "staff") == ["newest", "secret", "old"]


def test_who_may_accept(world):
    path = f"/api/help-requests/{add_requests(world)['newest']}/mark-as-project/"
    for who in (None, "ordinary", "editor", "contributor", "founder", "superuser", "inactive"):
        assert world.ask("POST", path, who).status == 403
        assert world.ask("POST", "/api/help-requests/9999/mark-as-project/", who).status == 403
    assert world.database.count("core_auditlog") == 0
    assert world.ask("GET", path, "staff").status == 405


def test_what_is_not_found_is_not_accepted(world):
    requests = add_requests(world)
    for path in ("9999", "abc", "9" * 30, f"{requests['newest']}"):
        query = "?status=accepted" if path == str(requests["newest"]) else ""
        answer = world.ask("POST", f"/api/help-requests/{path}/mark-as-project/{query}", "staff")
        assert answer.status == 404 and list(answer.json) == ["detail"]
    assert world.ask("POST", f"/api/help-requests/{requests['newest']}/mark-as-project/?mine=1", "staff").status == 404
    assert world.ask("GET", f"/api/help-requests/{requests['newest']}/").status == 404


# --- engagements ---


def test_engagements_for_the_team(world):
    own = world.people["ordinary"].id
    world.database.insert("core_engagement", notes="secret", anonymity="team_only", user_id=own, created_at=hours_ago(1))
    world.database.insert("core_engagement", notes="open", created_at=hours_ago(2))
    for who in (None, "other", "editor", "superuser"):
        assert world.notes(who=who) == ["open"], who
    for who in ("staff", "ordinary"):
        assert world.notes(who=who) == ["secret", "open"], who


def test_engagements_of_a_help_request(world):
    request = world.database.insert("core_helprequest")
    world.database.insert("core_engagement", notes="for it", help_request_id=request)
    world.database.insert("core_engagement", notes="for all")
    assert world.notes(f"?help_request={request}") == ["for it"]
    assert world.notes("?help_request=9999") == [] and world.notes("?help_request=" + "9" * 30) == []
    assert world.notes(f"?help_request=%20{request}%20") == ["for it"]
    assert world.notes("?help_request=-1") == [] and world.notes("?help_request=-" + "9" * 30) == []
    for wrong in ("x", "1.0", "-", "%20", "1x"):
        answer = world.ask("GET", f"/api/engagements/?help_request={wrong}")
        assert answer.status == 400 and list(answer.json) == ["help_request"], wrong


def test_offering(world):
    request = world.database.insert("core_helprequest")
    answer = world.ask("POST", "/api/engagements/", "ordinary", {
        "help_types": ["temps", "compétences"], "domains": ["santé"], "availability": "le soir", "scope": "local", "notes": "<b>Ça va</b>",
        "help_request": request, "status": "active"})
    assert answer.status == 201, answer.text
    assert list(answer.json) == ENGAGEMENT_KEYS
    assert answer.json["help_types"] == ["temps", "compétences"] and answer.json["notes"] == "<b>Ça va</b>"
    assert answer.json["status"] == "new" and answer.json["help_request"] == request
    assert world.ask("GET", "/api/engagements/").json["results"] == [answer.json]
    assert world.database.execute("SELECT user_id FROM core_engagement")[0][0] == world.people["ordinary"].id


def test_an_empty_offer_is_one(world):
    answer = world.ask("POST", "/api/engagements/", None, {})
    assert answer.status == 201
    assert answer.json == {"id": answer.json["id"], "help_types": [], "domains": [], "availability": "", "scope": "both", "anonymity": "pseudo",
                           "notes": "", "help_request": None, "status": "new", "created_at": answer.json["created_at"]}
    assert world.server.request("POST", "/api/engagements/").status == 201


@pytest.mark.parametrize("value", [None, "temps", {}, {"a": 1}, 1, True, [1], [None], [["a"]], ["a" * 101], ["a"] * 21, ["\u0000"]])
def test_lists_are_lists_of_short_texts(world, value):
    answer = world.ask("POST", "/api/engagements/", None, {"help_types": value, "domains": value})
    assert answer.status == 400 and set(answer.json) == {"help_types", "domains"}
    assert world.database.count("core_engagement") == 0


def test_the_longest_lists_that_are_taken(world):
    value = ["é" * 100] * 20
    answer = world.ask("POST", "/api/engagements/", None, {"help_types": value, "domains": value})
    assert answer.status == 201 and answer.json["domains"] == value


def test_errors_of_an_offer(world):
    answer = world.ask("POST", "/api/engagements/", None, {"scope": "galaxie", "anonymity": "zz", "help_request": 9999, "notes": None})
    assert answer.status == 400 and set(answer.json) == {"scope", "anonymity", "help_request", "notes"}
