"""Polls as people propose, manage and vote in them: rights, order of checks, options as a set, grains, the journal, races."""

import datetime
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import people
from lib.server import KEY
from lib.world import World

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MANAGERS = ("ordinary", "staff")  # the creator of the polls below, and staff
OTHERS = ("other", "contributor", "editor", "founder", "superuser")


@pytest.fixture
def world(database, start_server):
    made = World(database, start_server, SAKA_VOTE_ENABLED="true")
    yield made
    made.close()


def call(world, method, target, caller="ordinary", body=None, headers=None, client=None):
    """A request with a JSON body, or with bytes as they are."""
    headers = {**world.headers_of(caller), **({} if body is None else JSON), **(headers or {})}
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    return (client or world.client).request(method, target, headers, data)


def create(world, caller="ordinary", n=3, **fields):
    body = {"title": "Le lieu", "question": "Où ?", "status": "open", "options": [{"label": f"option {i}"} for i in range(n)], **fields}
    answer = call(world, "POST", "/api/polls/", caller, body)
    assert answer.status == 201, answer.text
    return answer.json


def detail(world, number):
    return world.client.get(f"/api/polls/{number}/").json


def vote(world, poll, caller="ordinary", body=None, **fields):
    return call(world, "POST", f"/api/polls/{poll['id']}/vote/", caller, {**(body or {}), **fields})


def ids(poll):
    return [option["id"] for option in poll["options"]]


def votes(poll):
    return [option["votes"] for option in poll["options"]]


def as_json(value):
    return json.loads(value) if isinstance(value, str) else value


def journal(world):
    """(action, actor, metadata), oldest first."""
    return [(action, actor, as_json(metadata)) for action, actor, metadata in
            world.database.execute("SELECT action, actor_id, metadata FROM core_auditlog WHERE target_type = 'poll' ORDER BY id")]


def ballots(world, *columns):
    return world.database.execute(f"SELECT {', '.join(columns)} FROM core_pollballot ORDER BY id")


def balance(world, caller="ordinary"):
    return world.database.execute("SELECT balance FROM core_sakawallet WHERE user_id = %s", world.cast[caller].id)[0][0]


# ---- reading ----


def test_everybody_reads_drafts_too(world):
    polls = [create(world, title=f"Scrutin {i}", status=status) for i, status in enumerate(("draft", "open", "closed"))]
    for caller in ("anonymous", *MANAGERS, *OTHERS):
        answer = call(world, "GET", "/api/polls/", caller).json
        assert answer == {"count": 3, "next": None, "previous": None, "results": polls[::-1]}
    assert detail(world, polls[0]["id"]) == polls[0]


def test_filters_and_pages(world):
    project = world.database.insert("core_projet")
    for i in range(23):
        create(world, n=0, status="closed" if i % 2 else "open", project=project if i < 3 else None)
    get = world.client.get
    assert [get(f"/api/polls/?{query}").json["count"] for query in ("", "status=open", "status=", "status=Open", f"project={project}",
                                                                    f"project={project}&status=closed", "project=", "project=99999999999999999999", "project=-1")] == [
        23, 12, 23, 0, 3, 1, 23, 0, 0]
    first = get("/api/polls/?status=").json
    assert len(first["results"]) == 20 and first["next"].endswith("/api/polls/?page=2&status=") and first["previous"] is None
    assert len(get("/api/polls/?page=last").json["results"]) == 3
    for query in ("page=3", "page=0", "page=x"):
        assert get(f"/api/polls/?{query}").status == 404
    for value in ("abc", "1.5", "1 or 1=1"):
        answer = get("/api/polls/?project=" + value.replace(" ", "%20"))
        assert (answer.status, list(answer.json)) == (400, ["project"])


@pytest.mark.parametrize("number", ["abc", "0", "424242", "99999999999999999999", "1x"])
def test_what_is_not_there(world, number):
    assert call(world, "GET", f"/api/polls/{number}/", "anonymous").status == 404
    for method, path in (("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "open/"), ("POST", "close/"), ("POST", "vote/")):
        assert call(world, method, f"/api/polls/{number}/{path}", "anonymous").status == 403
        answer = call(world, method, f"/api/polls/{number}/{path}", "staff", b"{")  # the row comes before the body
        assert (answer.status, list(answer.json)) == (404, ["detail"])


# ---- rights ----


def test_who_manages(world):
    poll = create(world)
    path = f"/api/polls/{poll['id']}/"
    acts = [("PATCH", path, {"title": "x"}), ("PUT", path, {"title": "x", "question": "y"}), ("POST", path + "open/", None),
            ("POST", path + "close/", None), ("DELETE", path, None)]
    for caller in ("anonymous", *OTHERS):
        for method, target, body in acts:
            answer = call(world, method, target, caller, body)
            assert (answer.status, list(answer.json)) == (403, ["detail"]), (caller, method)
    assert call(world, "PATCH", path, "other", {"title": ""}).status == 403  # before what is wrong with the body
    assert call(world, "PATCH", path, "other", b"{").status == 403
    assert call(world, "PATCH", path, "other", b"x", {"Content-Type": "text/plain"}).status == 403
    assert detail(world, poll["id"]) == poll
    assert len(journal(world)) == 1
    for caller in MANAGERS:
        for method, target, body in acts[:4]:
            assert call(world, method, target, caller, body).status == 200, (caller, method)
    assert call(world, "PATCH", path, "ordinary", b"{").status == 400
    assert call(world, "PATCH", path, "ordinary", b"x", {"Content-Type": "text/plain"}).status == 415
    assert call(world, "DELETE", path).status == 204
    assert call(world, "DELETE", path).status == 404


def test_opening_and_closing_do_not_look_at_the_body(world):
    poll = create(world, status="draft")
    for word in ("open", "close"):
        for body, headers in ((b"{", {}), (b"[1]", {}), (b"x", {"Content-Type": "text/plain"}), (b'{"status": "draft", "title": ""}', {})):
            answer = call(world, "POST", f"/api/polls/{poll['id']}/{word}/", body=body, headers=headers)
            assert answer.status == 200 and answer.json["status"] == {"open": "open", "close": "closed"}[word]
    assert answer.json["title"] == poll["title"]


def test_a_poll_whose_creator_is_gone(world):
    leaver = people.add_person(world.database, "ordinary", "leaver")
    world.cast["leaver"] = leaver
    poll = create(world, "leaver")
    assert vote(world, poll, "leaver", options=ids(poll)[:1]).status == 200
    assert call(world, "DELETE", "/api/user/data-delete/", "leaver").status in (200, 204)
    assert detail(world, poll["id"])["created_by"] is None
    assert detail(world, poll["id"])["total_votes"] == 1
    assert call(world, "DELETE", f"/api/polls/{poll['id']}/", "other").status == 403
    assert call(world, "DELETE", f"/api/polls/{poll['id']}/", "staff").status == 204


# ---- managing ----


def test_defaults_and_what_is_ignored(world):
    answer = call(world, "POST", "/api/polls/", body={"title": " t ", "question": "q", "id": 99999, "created_by": 1, "created_at": "2020-01-01",
                                                      "total_votes": 9, "is_shareholder_vote": True, "voter_hash": "x"})
    assert answer.status == 201
    poll = answer.json
    assert poll["id"] < 99999 and poll["created_by"]["username"] == "ordinary" and not poll["created_at"].startswith("2020")
    assert (poll["title"], poll["description"], poll["status"], poll["is_anonymous"], poll["allow_multiple"]) == ("t", "", "draft", True, False)
    assert all(poll[name] is None for name in ("quorum", "opens_at", "closes_at", "project")) and poll["options"] == [] and poll["total_votes"] == 0
    assert list(poll) == ["id", "title", "question", "description", "status", "is_anonymous", "allow_multiple", "quorum", "opens_at", "closes_at",
                          "project", "created_by", "created_at", "updated_at", "options", "total_votes"]
    method, points, shares = world.database.execute("SELECT voting_method, max_points, is_shareholder_vote FROM core_poll")[0]
    assert method == "binary" and points is None and not shares
    assert journal(world) == [("poll_create", world.cast["ordinary"].id, {"title": "t"})]


REFUSED = [("title", None), ("title", ""), ("title", "x" * 256), ("title", "a\0b"), ("title", True), ("question", " "), ("question", None),
           ("description", None), ("status", "Open"), ("status", None), ("is_anonymous", None), ("is_anonymous", "peut-être"), ("allow_multiple", 2),
           ("quorum", -1), ("quorum", 1.5), ("quorum", 2**31), ("quorum", "x"), ("opens_at", "hier"), ("closes_at", 5), ("project", 424242),
           ("project", "x"), ("voting_method", "x"), ("voting_method", None), ("max_points", 0), ("max_points", 10001)]


def test_what_a_field_does_not_take(world):
    poll = create(world)
    for field, value in REFUSED:
        for method, path in (("POST", "/api/polls/"), ("PUT", f"/api/polls/{poll['id']}/"), ("PATCH", f"/api/polls/{poll['id']}/")):
            answer = call(world, method, path, body={"title": "t", "question": "q", field: value})
            assert (answer.status, list(answer.json)) == (400, [field]), (method, field, value)
    answer = call(world, "POST", "/api/polls/", body={"quorum": -1, "options": 5})
    assert set(answer.json) == {"title", "question", "quorum", "options"}
    assert detail(world, poll["id"]) == poll and world.database.count("core_poll") == 1


def test_what_a_field_takes(world):
    poll = create(world, quorum="7", opens_at="2026-05-01", closes_at="2030-01-01T10:00:00+02:00", title=12345, max_points=10000,
                  voting_method="majority")
    assert (poll["quorum"], poll["title"]) == (7, "12345")
    assert (poll["opens_at"], poll["closes_at"]) == ("2026-05-01T00:00:00+00:00", "2030-01-01T08:00:00+00:00")
    form = call(world, "POST", "/api/polls/", body=b"title=t&question=q&quorum=3&allow_multiple=on&options=[{\"label\":\"un\"}]", headers=FORM)
    assert form.status == 201, form.text
    assert (form.json["quorum"], form.json["allow_multiple"], form.json["is_anonymous"]) == (3, True, False)  # an absent boolean of a form is false
    assert [option["label"] for option in form.json["options"]] == ["un"]
    assert call(world, "POST", "/api/polls/", body=b"title=t&question=q&options=null", headers=FORM).json["options"] == []


def test_a_put_keeps_what_it_does_not_name(world):
    poll = create(world, quorum=4, description="d")
    path = f"/api/polls/{poll['id']}/"
    assert list(call(world, "PUT", path, body={"title": "x"}).json) == ["question"]
    changed = call(world, "PUT", path, body={"title": "x", "question": "y"}).json
    assert changed == {**poll, "title": "x", "question": "y", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > poll["updated_at"]
    assert call(world, "PATCH", path, body={"quorum": None}).json["quorum"] is None
    assert [entry[0] for entry in journal(world)] == ["poll_create", "poll_update", "poll_update"]


BAD_OPTIONS = [5, "x", {"label": "a"}, [5], ["a"], [None], [[]], [{"label": 5}], [{"label": True}], [{"label": ["a"]}], [{"label": "x" * 256}],
               [{"label": "a", "position": -1}], [{"label": "a", "position": "x"}], [{"label": "a", "position": 1.5}], [{"label": "a", "position": True}],
               [{"label": "a", "position": None}], [{"label": "a", "position": 2**31}], [{"label": "a", "position": 2**70}],
               [{"label": "a", "id": 5}, {"label": "b", "id": 5}], [{"label": "a\0b"}], [{"label": "a"}] * 501]


def test_options_that_are_none(world):
    poll = create(world)
    for options in BAD_OPTIONS:
        for method, path in (("POST", "/api/polls/"), ("PATCH", f"/api/polls/{poll['id']}/")):
            answer = call(world, method, path, body={"title": "t", "question": "q", "options": options})
            assert (answer.status, list(answer.json)) == (400, ["options"]), options
            assert isinstance(answer.json["options"], list)
    assert detail(world, poll["id"]) == poll and world.database.count("core_polloption") == 3


def test_options_are_skipped_and_sorted(world):
    poll = create(world, options=[{"label": "a"}, {"label": " "}, {}, {"label": None, "position": "x"}, {"label": " b ", "position": 0}, {"label": "c"},
                                  {"label": "d", "position": "2"}])
    assert [(o["label"], o["position"]) for o in poll["options"]] == [("a", 0), ("b", 0), ("d", 2), ("c", 5)]
    assert len(create(world, n=500)["options"]) == 500
    assert create(world, options=None)["options"] == []


def test_options_are_a_complete_new_set(world):
    poll, other = create(world, allow_multiple=True), create(world)
    path = f"/api/polls/{poll['id']}/"
    a, b, c = ids(poll)
    vote(world, poll, options=[a, b])
    vote(world, poll, "other", options=[b, c])
    for body in ({"title": "x"}, {"options": None}):
        assert votes(call(world, "PATCH", path, body=body).json) == [1, 2, 1]
    changed = call(world, "PATCH", path, body={"options": [{"label": "neuf"}, {"id": b, "label": "gardé", "position": 9}, {"id": ids(other)[0], "label": "z"}]}).json
    assert [(o["label"], o["position"], o["votes"]) for o in changed["options"]] == [("neuf", 0, 0), ("z", 2, 0), ("gardé", 9, 2)]
    assert changed["options"][2]["id"] == b and changed["total_votes"] == 2 and ids(other)[0] not in ids(changed)
    assert detail(world, poll["id"]) == changed and detail(world, other["id"]) == other
    emptied = call(world, "PUT", path, body={"title": "x", "question": "y", "options": []}).json
    assert emptied["options"] == [] and emptied["total_votes"] == 0
    assert world.database.count("core_pollballot") == 0


def test_open_close_open(world):
    poll = create(world, status="draft")
    path = f"/api/polls/{poll['id']}/"
    assert vote(world, poll, options=ids(poll)[:1]).json.keys() == {"detail"}
    opened = call(world, "POST", path + "open/").json
    assert opened["status"] == "open" and opened["opens_at"] and opened["updated_at"] == poll["updated_at"]
    closed = call(world, "POST", path + "close/", "staff").json
    assert closed["status"] == "closed" and closed["closes_at"] and closed["opens_at"] == opened["opens_at"]
    assert call(world, "POST", path + "close/").json["closes_at"] > closed["closes_at"]
    assert list(vote(world, poll, options=ids(poll)[:1]).json) == ["detail"]
    again = call(world, "POST", path + "open/").json
    assert again["closes_at"] is None and again["opens_at"] == opened["opens_at"]
    assert vote(world, poll, options=ids(poll)[:1]).status == 200
    assert [entry[0] for entry in journal(world)] == ["poll_create", "poll_open", "poll_close", "poll_close", "poll_open", "poll_vote"]


def test_a_deleted_poll_leaves_its_title_in_the_journal(world):
    poll = create(world)
    vote(world, poll, options=ids(poll)[:1])
    assert call(world, "DELETE", f"/api/polls/{poll['id']}/", "staff").status == 204
    assert [world.database.count(table) for table in ("core_poll", "core_polloption", "core_pollballot")] == [0, 0, 0]
    assert journal(world)[-1] == ("poll_delete", world.cast["staff"].id, {"title": "Le lieu"})


# ---- voting ----


def test_everybody_who_is_signed_in_votes(world):
    poll = create(world)
    assert vote(world, poll, "anonymous", options=ids(poll)[:1]).status == 403
    assert vote(world, poll, "inactive", options=ids(poll)[:1]).status == 403
    for n, caller in enumerate((*MANAGERS, *OTHERS), 1):
        answer = vote(world, poll, caller, options=ids(poll)[1:2])
        assert (answer.status, votes(answer.json)) == (200, [0, n, 0])
        assert answer.json == detail(world, poll["id"])


def test_the_order_of_checks(world):
    now = datetime.datetime.now(datetime.timezone.utc)
    later, earlier = ((now + datetime.timedelta(hours=hours)).isoformat() for hours in (1, -1))
    for fields in ({"status": "draft"}, {"status": "closed"}, {"opens_at": later}, {"closes_at": earlier}):
        poll = create(world, **fields)
        for body in (b"{", b"[]", b"{}", b'{"options": [1, 1]}'):
            answer = call(world, "POST", f"/api/polls/{poll['id']}/vote/", body=body)
            assert (answer.status, list(answer.json)) == (400, ["detail"])
    poll = create(world, opens_at=earlier, closes_at=later)
    path = f"/api/polls/{poll['id']}/vote/"
    assert call(world, "POST", path, body=b"{").json.keys() == {"detail"}
    assert call(world, "POST", path, body=b"x", headers={"Content-Type": "text/plain"}).status == 415
    for body in ([], "x", None, 5):
        answer = call(world, "POST", path, body=json.dumps(body).encode())
        assert (answer.status, list(answer.json)) == (400, ["non_field_errors"])
    assert vote(world, poll, options=ids(poll)[:1]).status == 200


BAD_CHOICES = [(None, list), ([], list), ("x", list), (5, list), ({"a": 1}, list), (["x", 1.5, True, None, [], {}], {"0", "1", "2", "3", "4", "5"})]


def test_options_of_a_vote(world):
    poll = create(world, allow_multiple=True)
    a, b, _ = ids(poll)
    for value, shape in BAD_CHOICES:
        answer = vote(world, poll, options=value)
        assert (answer.status, list(answer.json)) == (400, ["options"]), value
        assert isinstance(answer.json["options"], list) if shape is list else set(answer.json["options"]) == shape
    assert vote(world, poll, options=[a, "x", b, 1.5]).json["options"].keys() == {"1", "3"}
    assert list(vote(world, poll).json) == ["options"]
    for value in ([a, a], [a, str(a)], [a, 424242], [0], [-1], [2**70], list(range(1, 5000))):
        answer = vote(world, poll, options=value)
        assert (answer.status, list(answer.json)) == (400, ["non_field_errors"]), value
    assert world.database.count("core_pollballot") == 0 and balance(world) == 100
    assert votes(vote(world, poll, options=[str(a), float(b)]).json) == [1, 1, 0]
    assert votes(call(world, "POST", f"/api/polls/{poll['id']}/vote/", body=f"options={b}".encode(), headers=FORM).json) == [0, 1, 0]
    assert votes(call(world, "POST", f"/api/polls/{poll['id']}/vote/", body=f"options={a}&options={b}".encode(), headers=FORM).json) == [1, 1, 0]


def test_a_ballot_chosen_again_stays_as_it_is(world):
    poll = create(world, allow_multiple=True)
    a, b, c = ids(poll)
    vote(world, poll, options=[a, b])
    before = ballots(world, "id", "option_id", "submitted_at", "metadata", "points", "ranking", "saka_spent", "weight")
    assert [row[4:] for row in before] == [(1, None, 0, None)] * 2
    vote(world, poll, options=[b, c])
    after = ballots(world, "id", "option_id", "submitted_at", "metadata", "points", "ranking", "saka_spent", "weight")
    assert after[0] == before[1] and after[1][1] == c and len(after) == 2


def expected_hash(poll, user):
    return hashlib.sha256(f"{KEY}:{poll['id']}:user:{user}".encode()).hexdigest()


def test_what_is_kept_of_a_voter(world):
    me = world.cast["ordinary"].id
    for anonymous in (True, False):
        poll = create(world, is_anonymous=anonymous)
        vote(world, poll, options=ids(poll)[:1])
        (voter, metadata, submitted), = ballots(world, "voter_hash", "metadata", "submitted_at")
        metadata = as_json(metadata)
        assert voter == expected_hash(poll, me)
        moment = datetime.datetime.fromisoformat(metadata["ts"])
        assert len(metadata["ts"]) == len("2026-03-01T12:00:00.000000+00:00") and moment.utcoffset() == datetime.timedelta(0)
        if anonymous:
            assert set(metadata) == {"ts"} and metadata["ts"].endswith(":00.000000+00:00")
            assert datetime.datetime.fromisoformat(str(submitted)).second == 0
            assert journal(world)[-1] == ("poll_vote", me, {})
        else:
            assert metadata == {"ts": metadata["ts"], "user_id": me}
            assert journal(world)[-1] == ("poll_vote", me, {"hash": voter, "options": ids(poll)[:1]})
        call(world, "DELETE", f"/api/polls/{poll['id']}/")
    assert expected_hash(poll, me) not in "".join(map(str, world.server.lines))


def test_points(world):
    poll = create(world, voting_method="quadratic", max_points=50, is_anonymous=False)
    a, b, c = ids(poll)
    answer = vote(world, poll, votes=[{"option_id": a, "points": 30}, {"option_id": str(b), "points": "20"}, {"option_id": c, "points": 0}], intensity="3")
    assert answer.status == 200, answer.text
    assert votes(answer.json) == [1, 1, 0]
    assert answer.json.pop("saka_info") == {"saka_spent": 15, "saka_cost": 15, "intensity": 3, "weight": pytest.approx(1.861954618136543)}
    assert answer.json["total_votes"] == 2 and "saka_info" not in detail(world, poll["id"])
    assert [(row[0], row[1], row[2], as_json(row[3])["points"], as_json(row[3])["intensity"]) for row in
            ballots(world, "points", "saka_spent", "ranking", "metadata")] == [(30, 15, None, 30, 3), (20, 15, None, 20, 3)]
    assert journal(world)[-1][2]["votes"] == [{"option_id": a, "points": 30}, {"option_id": str(b), "points": "20"}, {"option_id": c, "points": 0}]
    assert balance(world) == 100 - 15 + 5
    info = vote(world, poll, options=[a], votes=[{"option_id": c, "points": 50}], intensity=99).json["saka_info"]
    assert (info["saka_spent"], info["intensity"]) == (25, 5)
    assert votes(detail(world, poll["id"])) == [0, 0, 1] and balance(world) == 90 - 25 + 5
    info = vote(world, poll, votes=[{"option_id": c, "points": 1}], intensity=-7).json["saka_info"]
    assert (info["saka_spent"], info["intensity"]) == (5, 1)


def test_points_in_a_form(world):
    poll = create(world, voting_method="quadratic")
    body = f'votes=[{{"option_id":{ids(poll)[0]},"points":5}}]&intensity=2'.encode()
    answer = call(world, "POST", f"/api/polls/{poll['id']}/vote/", body=body, headers=FORM)
    assert (answer.status, answer.json["saka_info"]["saka_spent"]) == (200, 10)


def test_points_that_are_none(world):
    poll, other = create(world, voting_method="quadratic"), create(world)
    a, b, _ = ids(poll)
    good = [{"option_id": a, "points": 1}]
    vote(world, poll, votes=good)
    before = ballots(world, "id", "option_id", "points"), balance(world), len(journal(world))
    cases = [
        ({}, "options"), ({"votes": None}, "options"), ({"options": [a]}, "votes"), ({"votes": []}, "votes"), ({"votes": "x"}, "detail"),
        ({"votes": {"a": 1}}, "detail"), ({"options": [a], "votes": None}, "detail"), ({"votes": [5]}, "votes"), ({"votes": [[]]}, "votes"),
        ({"votes": [{"points": 1}]}, "votes"), ({"votes": [{"option_id": a}]}, "votes"), ({"votes": [{"option_id": None, "points": 1}]}, "votes"),
        ({"votes": [{"option_id": ids(other)[0], "points": 1}]}, "votes"), ({"votes": good * 2}, "votes"),
        ({"votes": [{"option_id": a, "points": -1}]}, "votes"), ({"votes": [{"option_id": a, "points": -50}, {"option_id": b, "points": 150}]}, "votes"),
        ({"votes": [{"option_id": a, "points": 1.5}]}, "votes"), ({"votes": [{"option_id": a, "points": True}]}, "votes"),
        ({"votes": [{"option_id": a, "points": None}]}, "votes"), ({"votes": [{"option_id": a, "points": "x"}]}, "votes"),
        ({"votes": [{"option_id": a, "points": 0}]}, "votes"), ({"votes": [{"option_id": a, "points": 101}]}, "detail"),
        ({"votes": [{"option_id": a, "points": 60}, {"option_id": b, "points": 41}]}, "detail"),
        ({"votes": [{"option_id": a, "points": 60}] * 2}, "detail"), ({"votes": [{"option_id": ids(other)[0], "points": 101}]}, "detail"), ({"votes": [{"option_id": a, "points": 2**70}]}, "detail"),
        ({"votes": good, "intensity": "x"}, "intensity"), ({"votes": good, "intensity": None}, "intensity"), ({"votes": good, "intensity": 1.5}, "intensity"),
        ({"votes": good, "intensity": True}, "intensity"), ({"votes": good, "intensity": [1]}, "intensity"),
        ({"votes": good, "options": []}, "options"), ({"votes": good, "options": None}, "options"), ({"votes": good, "options": ["x"]}, "options"),
        ({"votes": good, "options": [ids(other)[0]]}, "non_field_errors"), ({"votes": good, "options": [a, b]}, "non_field_errors"),
        ({"votes": "x", "options": [ids(other)[0]]}, "non_field_errors"),
    ]
    for body, key in cases:
        answer = vote(world, poll, body=body)
        assert (answer.status, list(answer.json)) == (400, [key]), body
    assert (ballots(world, "id", "option_id", "points"), balance(world), len(journal(world))) == before


def test_ranks(world):
    poll = create(world, voting_method="majority", is_anonymous=False)
    a, b, c = ids(poll)
    answer = vote(world, poll, rankings=[{"option_id": b, "ranking": 1}, {"option_id": a, "ranking": "1"}, {"option_id": c}])
    assert answer.status == 200, answer.text
    assert votes(answer.json) == [1, 1, 1] and "saka_info" not in answer.json
    assert ballots(world, "option_id", "ranking", "points", "saka_spent", "weight") == [(b, 1, 1, 0, None), (a, 1, 1, 0, None), (c, None, 1, 0, None)]
    assert [as_json(row[0])["ranking"] for row in ballots(world, "metadata")] == [1, 1, None]
    assert journal(world)[-1][2]["rankings"] == [{"option_id": b, "ranking": 1}, {"option_id": a, "ranking": "1"}, {"option_id": c}]  # as it came
    assert votes(vote(world, poll, rankings=[{"option_id": c, "ranking": None}]).json) == [0, 0, 1]
    before = ballots(world, "id", "option_id")
    for body, key in [({}, "options"), ({"options": [a]}, "rankings"), ({"rankings": []}, "rankings"), ({"rankings": "x"}, "rankings"),
                      ({"rankings": [5]}, "rankings"), ({"rankings": [{"option_id": 424242, "ranking": 1}]}, "rankings"),
                      ({"rankings": [{"option_id": a, "ranking": 1}] * 2}, "rankings"), ({"rankings": [{"option_id": a, "ranking": 0}]}, "rankings"),
                      ({"rankings": [{"option_id": a, "ranking": 1.5}]}, "rankings"), ({"rankings": [{"option_id": a, "ranking": True}]}, "rankings"),
                      ({"rankings": [{"option_id": a, "ranking": 2**31}]}, "rankings"), ({"rankings": [{"ranking": 1}]}, "rankings"),
                      ({"options": [424242], "rankings": "x"}, "non_field_errors")]:
        answer = vote(world, poll, body=body)
        assert (answer.status, list(answer.json)) == (400, [key]), body
    assert ballots(world, "id", "option_id") == before


@pytest.mark.parametrize("settings, left", [({"SAKA_VOTE_ENABLED": "true"}, 9), ({}, 105), ({"SAKA_VOTE_ENABLED": "true", "ENABLE_SAKA": "false"}, 100)])
def test_too_poor_or_off(database, start_server, settings, left):
    world = World(database, start_server, **settings)
    if left == 9:
        database.execute("UPDATE core_sakawallet SET balance = 4, total_harvested = 4")
    poll = create(world, voting_method="quadratic")
    answer = vote(world, poll, votes=[{"option_id": ids(poll)[0], "points": 1}], intensity=4)
    assert answer.json["saka_info"] == {"saka_spent": 0, "saka_cost": 20, "intensity": 4, "weight": 2.0}
    assert balance(world) == left
    assert ballots(world, "saka_spent", "weight") == [(0, 2.0)]
    world.close()


def test_ten_rewards_a_day(world):
    poll = create(world)
    for i in range(12):
        assert vote(world, poll, options=[ids(poll)[i % 3]]).status == 200
    assert balance(world) == 150
    rows = world.database.execute("SELECT amount, direction, transaction_type, metadata FROM core_sakatransaction WHERE reason = 'poll_vote'")
    assert len(rows) == 10 and rows[0][:3] == (5, "EARN", "HARVEST")
    assert as_json(rows[0][3]) == {"poll_id": poll["id"], "voting_method": "binary"}


# ---- many at once ----


def at_once(world, jobs):
    """Runs each job(client) on a connection and a thread of its own, all started together."""
    barrier = threading.Barrier(len(jobs))

    def run(job):
        with world.server.client(timeout=60) as client:
            barrier.wait()
            return job(client)

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def cast_job(world, poll, headers, body):
    path = f"/api/polls/{poll['id']}/vote/"
    return lambda client: client.request("POST", path, {**headers, **JSON}, json.dumps(body).encode())


def test_sixty_four_votes_of_one_voter_leave_one_ballot(world):
    poll = create(world)
    headers = world.headers_of("ordinary")
    answers = at_once(world, [cast_job(world, poll, headers, {"options": [ids(poll)[i % 3]]}) for i in range(64)])
    assert [answer.status for answer in answers] == [200] * 64
    assert all(answer.json["total_votes"] == 1 for answer in answers)
    assert detail(world, poll["id"])["total_votes"] == world.database.count("core_pollballot") == 1
    assert balance(world) == 150
    assert [entry[0] for entry in journal(world)].count("poll_vote") == 64


def test_sixty_four_voters_are_all_counted(world):
    poll = create(world)
    crowd = [people.add_person(world.database, "ordinary", f"voter-{i}") for i in range(64)]
    answers = at_once(world, [cast_job(world, poll, person.headers, {"options": [ids(poll)[i % 2]]}) for i, person in enumerate(crowd)])
    assert [answer.status for answer in answers] == [200] * 64
    assert votes(detail(world, poll["id"])) == [32, 32, 0]
    assert sorted(answer.json["total_votes"] for answer in answers) == list(range(1, 65))
    assert world.database.execute("SELECT COUNT(DISTINCT voter_hash) FROM core_pollballot") == [(64,)]


def test_grains_are_spent_once_however_many_ask(world):
    poll = create(world, voting_method="quadratic")
    body = {"votes": [{"option_id": ids(poll)[0], "points": 1}], "intensity": 5}
    answers = at_once(world, [cast_job(world, poll, world.headers_of("ordinary"), body) for _ in range(32)])
    assert [answer.status for answer in answers] == [200] * 32
    spent = sum(answer.json["saka_info"]["saka_spent"] for answer in answers)
    assert balance(world) == 100 + 50 - spent >= 0 and spent % 25 == 0
    assert world.database.count("core_pollballot") == 1
    assert world.database.execute("SELECT COALESCE(SUM(amount), 0) FROM core_sakatransaction WHERE direction = 'SPEND'")[0][0] == spent


def test_voting_while_it_is_managed(world):
    """Votes, new sets of options, closing and opening at once: whatever is answered, counts and rows agree afterwards."""
    poll = create(world)
    path = f"/api/polls/{poll['id']}/"
    crowd = [people.add_person(world.database, "ordinary", f"voter-{i}") for i in range(24)]
    kept = [{"id": number, "label": "gardée"} for number in ids(poll)[:2]]
    staff = {**world.headers_of("staff"), **JSON}
    jobs = [cast_job(world, poll, person.headers, {"options": [ids(poll)[i % 3]]}) for i, person in enumerate(crowd)]
    jobs[5:5] = [lambda client: client.request("PATCH", path, staff, json.dumps({"options": kept}).encode())] * 2
    jobs[12:12] = [lambda client: client.request("POST", path + "close/", staff), lambda client: client.request("POST", path + "open/", staff)]
    answers = at_once(world, jobs)
    assert {answer.status for answer in answers} <= {200, 400}, [answer.text for answer in answers if answer.status not in (200, 400)]
    shown = detail(world, poll["id"])
    assert sum(votes(shown)) == shown["total_votes"] == world.database.count("core_pollballot")
    assert ids(shown) == ids(poll)[:2]
