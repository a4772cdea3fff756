"""Contents from end to end, on both engines: who sees what, proposing, the editorial workflow, exports, the public report, the cache."""

import csv
import io
import json
import os
import threading
from datetime import datetime, timezone

import pytest

from lib import wait
from lib.database import NOW, hours_ago
from lib.people import add_cast, add_person

KEYS = ["id", "title", "slug", "type", "status", "description", "external_url", "file", "created_at", "likes_count", "comments_count"]
STATUSES = ["draft", "pending", "published", "rejected", "archived"]
PAYLOADS = os.path.join(os.path.dirname(__file__), "..", "lib", "xss.txt")


class World:
    """A server on a database with people and one content of each status."""

    def __init__(self, start_server, database, **settings):
        self.database = database
        self.people = add_cast(database)
        self.contents = {s: database.insert("core_educationalcontent", title=s, slug=s, status=s, external_url="https://example.org/") for s in STATUSES}
        self.server = start_server(database.url, ENABLE_SAKA="True", **settings)

    def ask(self, method, path, who=None, body=None, **headers):
        headers = {**(self.people[who].headers if who else {}), **headers}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        return self.server.request(method, path, headers, body)

    def get(self, path, who=None):
        return self.ask("GET", path, who)

    def post(self, path, who=None, body=None):
        return self.ask("POST", path, who, body)

    def propose(self, who="ordinary", **body):
        return self.post("/api/contents/", who, {"title": "Titre", "slug": "titre", **body})

    def status(self, content):
        return self.database.execute("SELECT status FROM core_educationalcontent WHERE id = %s", content)[0][0]

    def entries(self, action):
        rows = self.database.execute("SELECT actor_id, target_type, target_id, metadata FROM core_auditlog WHERE action = %s ORDER BY id", action)
        return [(a, t, i, json.loads(m) if isinstance(m, str) else m) for a, t, i, m in rows]

    def tasks(self):
        """name → arguments of the tasks that wait."""
        import base64
        found = {}
        for name, envelope in self.database.execute("SELECT name, envelope FROM egoejo_outbox ORDER BY id"):
            body = json.loads(envelope)["body"]
            found[name] = json.loads(base64.b64decode(body))[0]
        return found


@pytest.fixture
def world(start_server, database):
    return World(start_server, database)


def titles(answer):
    assert answer.status == 200, answer.text
    found = answer.json
    return {c["title"] for c in (found if isinstance(found, list) else found["results"])}


# --- who sees what ---


def test_anonymous_callers_see_what_is_published(world):
    assert titles(world.get("/api/contents/")) == {"published"}
    assert titles(world.get("/api/contents/?page=1")) == {"published"}
    assert titles(world.get("/api/contents/?status=")) == {"published"}
    for status in STATUSES:
        visible = status == "published"
        assert titles(world.get(f"/api/contents/?page=1&status={status}")) == ({"published"} if visible else set())
        answer = world.get(f"/api/contents/{world.contents[status]}/")
        assert answer.status == (200 if visible else 404) and ("title" in answer.json) == visible


def test_editors_see_everything(world):
    for who in ("editor", "staff", "superuser"):
        assert titles(world.get("/api/contents/?page=1", who)) == set(STATUSES)
        assert titles(world.get("/api/contents/?status=draft", who)) == {"draft"}
        assert titles(world.get("/api/contents/", who)) == {"published"}  # the bare array is the same for everybody
        assert world.get(f"/api/contents/{world.contents['rejected']}/", who).status == 200


def test_others_see_their_own_too(world):
    world.database.execute("UPDATE core_educationalcontent SET author_id = %s WHERE status IN ('draft', 'rejected')", world.people["ordinary"].id)
    for who, extra in (("ordinary", {"draft", "rejected"}), ("other", set()), ("contributor", set()), ("founder", set())):
        assert titles(world.get("/api/contents/?page=1", who)) == {"published"} | extra
        assert titles(world.get("/api/contents/?status=draft", who)) == ({"draft"} if extra else set())
        assert world.get(f"/api/contents/{world.contents['draft']}/", who).status == (200 if extra else 404)


def test_a_cached_page_of_nobody_is_not_served_to_somebody(world):
    for _ in range(2):
        assert titles(world.get("/api/contents/?page=1")) == {"published"}
        assert titles(world.get("/api/contents/?page=1", "editor")) == set(STATUSES)


def test_pages_and_categories(world):
    for i in range(25):
        world.database.insert("core_educationalcontent", title=f"c{i:02}", slug=f"c{i}", category="guides", created_at=hours_ago(i + 1))
    page = world.get("/api/contents/?status=published&page=1&page_size=10").json
    assert page["count"] == 26 and len(page["results"]) == 10 and page["previous"] is None
    assert page["next"] == f"{world.server.base}/api/contents/?page=2&page_size=10&status=published"
    assert len(world.get("/api/contents/?page_size=1000").json["results"]) == 26
    for odd in ("0", "-1", "x", "1.5"):
        assert len(world.get(f"/api/contents/?page_size={odd}").json["results"]) == 20
    assert titles(world.get("/api/contents/?category=guides")) == {f"c{i:02}" for i in range(25)}
    assert titles(world.get("/api/contents/?category=guides&page=2&page_size=20")) == {f"c{i:02}" for i in range(20, 25)}
    assert world.get("/api/contents/?category=nichts&page=1").json["count"] == 0


# --- proposing ---


def test_a_proposal_is_pending_harmless_and_noted(world):
    answer = world.propose(title="Le & le <b>", slug="le-b", description="a\r\n\t'b'\x01", type="video", status="published",
                           external_url="https://example.org/?a=1&b=2", category="guides", id=9999)
    assert answer.status == 201, answer.text
    content = answer.json
    assert list(content) == KEYS
    assert content["title"] == "Le &amp; le &lt;b&gt;" and content["description"] == "a\r\n\t&#x27;b&#x27;"
    assert content["status"] == "pending" and content["type"] == "video" and content["external_url"] == "https://example.org/?a=1&b=2"
    assert content["file"] is None and content["likes_count"] == content["comments_count"] == 0
    author = world.people["ordinary"].id
    assert world.entries("content_create") == [(author, "educational_content", str(content["id"]), {
        "title": "Le &amp; le &lt;b&gt;", "type": "video", "status": "pending", "author_id": author})]
    assert world.tasks() == {"core.tasks_embeddings.generate_embedding_task": ["sentence-transformers", content["id"], "educational_content"]}
    row = world.database.execute("SELECT author_id, category FROM core_educationalcontent WHERE id = %s", content["id"])[0]
    assert tuple(row) == (author, "autres")
    assert world.get(f"/api/contents/{content['id']}/", "ordinary").json == content
    assert world.get(f"/api/contents/{content['id']}/").status == 404


def multipart(fields, name=None, data=b""):
    mark = "xyzzy"
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    if name is not None:
        parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/pdf\r\n\r\n'.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def test_a_proposal_with_a_file(world):
    body, kind = multipart({"title": "Rapport", "slug": "rapport", "type": "pdf"}, "mon rapport.pdf", b"%PDF-1.4\n%%EOF\n")
    answer = world.ask("POST", "/api/contents/", "ordinary", body, **{"Content-Type": kind})
    assert answer.status == 201, answer.text
    stored = answer.json["file"].removeprefix(f"{world.server.base}/media/")
    assert stored.startswith("educational_contents/mon_rapport") and stored.endswith(".pdf")
    tasks = world.tasks()
    assert tasks["core.tasks_security.scan_file_antivirus"] == [stored]
    assert tasks["core.tasks_security.validate_file_type"] == [stored, ["application/pdf", "audio/", "video/", "image/"]]
    body, kind = multipart({"title": "Mal", "slug": "mal"}, "mal.html", b"<script>alert(1)</script>")
    assert list(world.ask("POST", "/api/contents/", "ordinary", body, **{"Content-Type": kind}).json) == ["file"]


@pytest.mark.parametrize("body, wrong", [
    ({}, {"title", "slug"}),
    ({"title": "\x01\x02", "slug": "x"}, {"title"}),
    ({"title": " \x1f ", "slug": "published"}, {"title", "slug"}),
    ({"title": "T", "slug": "published"}, {"slug"}),
    ({"title": "T", "slug": "x", "external_url": "javascript:alert(1)"}, {"external_url"}),
    ({"title": "T", "slug": "published", "type": "film", "description": None}, {"slug", "type", "description"}),
    ({"title": "T" * 256, "slug": "é"}, {"title", "slug"}),
])
def test_all_errors_of_a_proposal_at_once(world, body, wrong):
    answer = world.post("/api/contents/", "ordinary", body)
    assert answer.status == 400 and set(answer.json) == wrong, answer.text
    assert world.database.count("core_auditlog") == world.database.count("egoejo_outbox") == 0


def test_nobody_proposes_without_an_account(world):
    assert world.propose(who=None).status == 403 and world.propose(who="inactive").status == 403
    assert world.database.count("core_educationalcontent") == len(STATUSES)


def test_of_many_proposals_with_one_slug_one_is_stored(world):
    answers = at_once(16, lambda i: world.propose(slug="meme", title=f"n° {i}"))
    assert sorted(a.status for a in answers) == [201] + [400] * 15
    assert all(list(a.json) == ["slug"] for a in answers if a.status == 400)
    assert len(world.entries("content_create")) == 1 and world.database.count("egoejo_outbox") == 1


def test_what_attackers_write_comes_out_as_text(world):
    with open(PAYLOADS, encoding="utf-8") as f:
        payloads = [line.rstrip("\n") for line in f]
    assert len(payloads) > 90
    for i, payload in enumerate(payloads):
        answer = world.propose(title=payload, slug=f"p{i}", description=payload)
        assert answer.status == 201, payload
        seen = world.get(f"/api/contents/{answer.json['id']}/", "editor")
        assert seen.headers["Content-Type"] == "application/json" and seen.headers["X-Content-Type-Options"] == "nosniff"
        for text in (seen.json["title"], seen.json["description"]):
            assert not set("<>\"'") & set(text), payload
            assert text.count("&") == sum(text.count(e) for e in ("&amp;", "&lt;", "&gt;", "&quot;", "&#x27;"))
    everything = world.get("/api/contents/?page_size=100&status=pending", "editor")
    assert "<" not in everything.text and ">" not in everything.text


# --- the editorial workflow ---

MOVES = {
    "publish": ("pending", "published", {"staff", "superuser"}, "published_by"),
    "reject": ("pending", "rejected", {"staff", "superuser", "editor"}, "rejected_by"),
    "archive": ("published", "archived", {"staff", "superuser"}, "archived_by"),
    "unpublish": ("published", "draft", {"staff", "superuser", "editor"}, "unpublished_by"),
}


@pytest.mark.parametrize("action", MOVES)
def test_a_move(world, action):
    before, after, allowed, by = MOVES[action]
    for status in STATUSES:
        content = world.contents[status]
        answer = world.post(f"/api/contents/{content}/{action}/", "superuser", {"rejection_reason": "Trop court"} if action == "reject" else None)
        if status != before:
            assert answer.status == 400 and list(answer.json) == ["error"] and world.status(content) == status
            continue
        assert answer.status == 200 and answer.json["status"] == after and list(answer.json) == KEYS
        assert world.status(content) == after
        metadata = {"old_status": before, "new_status": after, by: world.people["superuser"].id}
        if action == "reject":
            metadata["rejection_reason"] = "Trop court"
        assert world.entries(f"content_{action}") == [(world.people["superuser"].id, "educational_content", str(content), metadata)]
    expected = {"core.tasks_audio.generate_audio_content": [world.contents["pending"], "openai", "alloy"]} if action == "publish" else {}
    assert world.tasks() == expected


@pytest.mark.parametrize("action", MOVES)
def test_who_may_move(world, action):
    before, _, allowed, _ = MOVES[action]
    content = world.contents[before]
    for who in (None, "ordinary", "contributor", "founder", "inactive", "editor", "staff", "superuser"):
        if who in allowed:
            assert world.post(f"/api/contents/9999/{action}/", who).status == 404
            assert world.post(f"/api/contents/abc/{action}/", who).status == 404
            assert world.post(f"/api/contents/{content}/{action}/", who).status == 200
            world.database.execute("UPDATE core_educationalcontent SET status = %s WHERE id = %s", before, content)
        else:
            assert world.post(f"/api/contents/9999/{action}/", who).status == 403
            assert world.post(f"/api/contents/{content}/{action}/", who).status == 403
            assert world.status(content) == before


def test_a_move_without_a_body_does_not_look_at_one(world):
    content = world.contents["pending"]
    for kind, body in (("text/plain", b"x"), ("application/json", b"{"), ("application/json", b"[]")):
        answer = world.ask("POST", f"/api/contents/{content}/publish/", "superuser", body, **{"Content-Type": kind})
        assert answer.status == 200
        world.database.execute("UPDATE core_educationalcontent SET status = 'pending' WHERE id = %s", content)
        assert world.ask("POST", f"/api/contents/{content}/reject/", "superuser", body, **{"Content-Type": kind}).status in (400, 415)


def test_a_move_is_no_page(world):
    """Who may not move gets 403 for any method, who is signed in 405 for one that is not there."""
    for action in (*MOVES, "mark-consumed"):
        path = f"/api/contents/{world.contents['pending']}/{action}/"
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            assert world.ask(method, path).status == 403
            assert world.ask(method, path, "ordinary").status == 405
        assert world.ask("OPTIONS", path).status == 403 and world.ask("OPTIONS", path, "ordinary").status == 200
    assert world.ask("DELETE", "/api/cagnottes/").status == 403 and world.ask("DELETE", "/api/cagnottes/", "ordinary").status == 405


def test_who_published_and_when_is_kept(world):
    content, staff, editor = world.contents["pending"], world.people["staff"].id, world.people["editor"].id
    row = "SELECT published_by_id, modified_by_id, published_at, updated_at FROM core_educationalcontent WHERE id = %s"
    assert world.post(f"/api/contents/{content}/publish/", "staff").status == 200
    first = world.database.execute(row, content)[0]
    assert tuple(first[:2]) == (staff, staff) and first[2] == first[3]
    assert world.post(f"/api/contents/{content}/unpublish/", "editor").status == 200
    second = world.database.execute(row, content)[0]
    assert tuple(second[:2]) == (staff, editor) and second[2] == first[2] and second[3] > first[3]


def test_the_charter_comes_before_the_status(world):
    content = world.database.insert("core_educationalcontent", title="Un rendement", slug="r", status="draft", description="garanti, 10 €")
    answer = world.post(f"/api/contents/{content}/publish/", "staff")
    assert answer.status == 400
    assert list(answer.json) == ["error", "compliance_score", "critical_failures", "violations", "message"]
    assert answer.json["compliance_score"] == 0.0 and answer.json["critical_failures"] == 2
    assert [v["criterion"] for v in answer.json["violations"]] == ["no_financial_language", "no_monetary_symbols"]
    assert answer.json["violations"][0]["details"] == {"violations": [{"field": "title", "pattern": "rendement", "snippet": "Un rendement"}]}
    assert answer.json["violations"][1]["details"] == {"violations": [{"pattern": "€", "snippet": "Un rendement garanti, 10 €"}]}
    assert world.status(content) == "draft" and not world.entries("content_publish") and not world.tasks()
    content = world.database.insert("core_educationalcontent", title="Le SAKA", slug="s", status="pending", description="vaut deux euros")
    answer = world.post(f"/api/contents/{content}/publish/", "staff").json
    assert answer["violations"][0]["details"] == {"pattern": "saka.*eur|eur.*saka", "snippet": "le saka vaut deux euros"}


def test_words_that_only_look_like_euros_are_published(world):
    content = world.database.insert("core_educationalcontent", title="Le SAKA", slug="s", status="pending", description="et leur meilleure valeur, à l'heure")
    assert world.post(f"/api/contents/{content}/publish/", "staff").status == 200


@pytest.mark.parametrize("body, status", [({"rejection_reason": ["x"]}, 400), ([1], 400), ({"rejection_reason": None}, 200), (None, 200), ({"x": 1}, 200)])
def test_reasons_of_a_rejection(world, body, status):
    assert world.post(f"/api/contents/{world.contents['pending']}/reject/", "editor", body).status == status
    assert len(world.entries("content_reject")) == (status == 200)


def at_once(n, call):
    """The answers of n calls that start at the same moment."""
    answers, barrier = [None] * n, threading.Barrier(n)

    def run(i):
        barrier.wait()
        answers[i] = call(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_64_who_publish_at_once_one_does(world):
    content = world.contents["pending"]
    answers = at_once(64, lambda i: world.post(f"/api/contents/{content}/publish/", ("staff", "superuser")[i % 2]))
    assert sorted(a.status for a in answers) == [200] + [400] * 63
    assert len(world.entries("content_publish")) == 1 and len(world.tasks()) == 1


def test_of_64_who_disagree_one_decides(world):
    content = world.contents["pending"]
    answers = at_once(64, lambda i: world.post(f"/api/contents/{content}/{('publish', 'reject')[i % 2]}/", "staff"))
    assert sorted(a.status for a in answers) == [200] + [400] * 63
    assert len(world.entries("content_publish")) + len(world.entries("content_reject")) == 1


# --- reading to the end ---


def consume(world, content, body=None, who="ordinary"):
    return world.post(f"/api/contents/{content}/mark-consumed/", who, body)


def test_reading_to_the_end(world):
    content = world.contents["published"]
    assert consume(world, content).json == {"ok": True, "message": "Contenu parcouru.", "content_id": content, "progress": 100}
    for progress in (80, 92.5, 150, 1e2):
        answer = consume(world, content, {"progress": progress})
        assert answer.status == 200 and answer.json["progress"] == progress
    for progress in (79, 79.99, 0, -5):
        answer = consume(world, content, {"progress": progress})
        assert answer.status == 400 and list(answer.json) == ["ok", "message", "progress"] and answer.json["progress"] == progress
    wallet = world.database.execute("SELECT balance, total_harvested FROM core_sakawallet WHERE user_id = %s", world.people["ordinary"].id)[0]
    assert tuple(wallet) == (130, 130)  # three times a day


@pytest.mark.parametrize("progress", [None, True, False, "80", [80], {}, ""])
def test_a_progress_that_is_no_number(world, progress):
    answer = consume(world, world.contents["published"], {"progress": progress})
    assert answer.status == 400 and list(answer.json) == ["ok", "message"] and answer.json["ok"] is False


@pytest.mark.parametrize("body", [b"progress=NaN", b"progress=x", b"progress="])
def test_a_progress_in_a_form_that_is_no_number(world, body):
    answer = world.ask("POST", f"/api/contents/{world.contents['published']}/mark-consumed/", "ordinary", body,
                       **{"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 400 and answer.json["ok"] is False


def test_only_what_is_published_pays(world):
    world.database.execute("UPDATE core_educationalcontent SET author_id = %s", world.people["ordinary"].id)
    for status in STATUSES:
        for who in ("ordinary", "superuser"):
            assert consume(world, world.contents[status], who=who).status == (200 if status == "published" else 404)
    assert consume(world, 9999).status == 404 and consume(world, "abc", {"progress": "x"}).status == 404
    assert consume(world, 9999, who=None).status == 403


def test_many_readings_at_once_pay_three_times(world):
    answers = at_once(20, lambda i: consume(world, world.contents["published"]))
    assert {a.status for a in answers} == {200}
    assert world.database.count("core_sakatransaction") == 3


# --- exports ---

CSV_NAMES = ["id", "title", "slug", "type", "status", "category", "description", "author_id", "author_username", "anonymous_display_name",
             "external_url", "created_at", "updated_at", "published_at", "published_by_id", "tags", "project_id"]


def today():
    return datetime.now(timezone.utc).strftime("%Y%m%d")


def test_a_csv_export(world):
    author = add_person(world.database, "ordinary", "zoé")
    odd = world.database.insert("core_educationalcontent", title='=HYPERLINK("x")', slug="odd", description='a, "b"\r\nc', author_id=author.id,
                                tags=["a", "b"], created_at=hours_ago(-1), anonymous_display_name="@moi", external_url="")
    answer = world.get("/api/contents/export/csv/", "editor")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="contents_published_{today()}.csv"'
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0] == CSV_NAMES and len(rows) == 3
    assert rows[1] == [str(odd), "'=HYPERLINK(\"x\")", "odd", "article", "published", "autres", 'a, "b"\r\nc', str(author.id), "zoé", "'@moi", "",
                       "2026-03-01T13:00:00+00:00", "2026-03-01T12:00:00+00:00", "", "", "a,b", ""]
    assert rows[2][0] == str(world.contents["published"]) and rows[2][7:9] == ["", ""]


def test_a_json_export(world):
    answer = world.get("/api/contents/export/json/?status=draft", "staff")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="contents_draft_{today()}.json"'
    assert [list(c) for c in answer.json] == [KEYS] and answer.json[0]["id"] == world.contents["draft"]
    assert answer.text == json.dumps(answer.json, indent=2, ensure_ascii=False)
    assert world.get("/api/contents/export/json/?status=nichts", "staff").text == "[]"
    empty = world.get("/api/contents/export/json/?status=", "staff")
    assert empty.text == "[]" and "contents__" in empty.headers["Content-Disposition"]


def test_who_may_export(world):
    for kind in ("csv", "json"):
        path = f"/api/contents/export/{kind}/"
        assert list(world.get(path).json) == ["detail"] and world.get(path).status == 403
        for who in ("ordinary", "contributor", "founder"):
            answer = world.get(path, who)
            assert answer.status == 403 and list(answer.json) == ["error"]
        for who in ("editor", "staff", "superuser"):
            assert world.get(path, who).status == 200
        assert world.post(path, "staff", {}).status == 405
    assert world.get("/api/contents/export/", "staff").status == 404


def test_limits_of_an_export(world):
    for i in range(230):
        world.database.insert("core_educationalcontent", title=f"{i}", slug=f"e{i}", status="archived", created_at=hours_ago(i))
    ask = lambda limit: world.get(f"/api/contents/export/json/?status=archived&limit={limit}", "editor")  # noqa: E731
    for limit, n in (("0", 0), ("1", 1), ("100", 100), ("101", 101), ("%20230%20", 230), ("10001", 231), ("9" * 30, 231), ("%2B5", 5)):
        assert len(ask(limit).json) == n, limit
    assert [c["title"] for c in ask("3").json] in (["archived", "0", "1"], ["0", "archived", "1"])
    for limit in ("-1", "x", "1.5", "", "1e3", "0x10"):
        answer = ask(limit)
        assert answer.status == 400 and list(answer.json) == ["error"], limit
    assert len(world.get("/api/contents/export/csv/?status=archived&limit=150", "editor").text.split("\r\n")) == 152


@pytest.mark.parametrize("status", ["a%0D%0AX-Evil:1", "..%2F..%2Fetc", "%22;x=", "%C3%A9", "a" * 200, "%00"])
def test_a_status_does_not_get_out_of_the_file_name(world, status):
    answer = world.get(f"/api/contents/export/csv/?status={status}", "editor")
    if status == "%00":
        assert answer.status == 400
        return
    assert answer.status == 200 and "X-Evil" not in answer.headers
    assert answer.headers["Content-Disposition"] == f'attachment; filename="contents_inconnu_{today()}.csv"'
    assert answer.text == ",".join(CSV_NAMES) + "\r\n"


# --- the public report ---


def test_the_public_report(world):
    path = "/api/public/content-compliance.json"
    report = world.get(path).json
    assert list(report) == ["compliance_status", "total_published", "compliant_count", "non_compliant_count", "violations", "last_audit", "rules"]
    assert report["compliance_status"] == "compliant" and report["total_published"] == report["compliant_count"] == 1
    bad = world.database.insert("core_educationalcontent", title="Du profit", slug="bad", external_url="", created_at=hours_ago(1))
    report = world.get(path).json  # never cached
    assert report["compliance_status"] == "partial" and report["non_compliant_count"] == 1
    assert report["violations"] == [{"content_id": bad, "content_title": "Du profit", "content_slug": "bad",
                                     "issues": ["financial_language", "missing_source"],
                                     "details": {"financial_violations": [{"field": "title", "pattern": "profit", "snippet": "Du profit"}]}}]
    assert abs((datetime.fromisoformat(report["last_audit"]) - datetime.now(timezone.utc)).total_seconds()) < 60
    assert report["rules"] == dict.fromkeys(["public_content_must_be_published", "source_required", "license_required", "no_financial_promises"], True)
    world.database.execute("DELETE FROM core_educationalcontent WHERE id = %s", world.contents["published"])
    assert world.get(path).json["compliance_status"] == "non-compliant"
    world.database.execute("DELETE FROM core_educationalcontent")
    assert world.get(path).json["compliance_status"] == "compliant"


def test_the_report_has_no_slash(world):
    answer = world.get("/api/public/content-compliance.json")
    assert answer.header_set("Allow") == {"get", "options"}
    assert world.get("/api/public/content-compliance.json/").status == 404
    assert world.get("/api/public/content-compliance").status == 404
    assert world.post("/api/public/content-compliance.json", None, {}).status == 405


# --- the cache ---


def test_every_change_shows_at_once(world):
    def seen():
        return titles(world.get("/api/contents/")), titles(world.get("/api/contents/?page=1")), titles(world.get("/api/contents/?page_size=5&status=published"))

    content = world.contents["pending"]
    assert seen() == ({"published"},) * 3
    assert world.post(f"/api/contents/{content}/publish/", "staff").status == 200
    assert seen() == ({"published", "pending"},) * 3
    assert world.post(f"/api/contents/{content}/unpublish/", "staff").status == 200
    assert seen() == ({"published"},) * 3
    assert world.post(f"/api/contents/{world.contents['published']}/archive/", "staff").status == 200
    assert seen() == (set(),) * 3


def test_pages_are_revalidated(world):
    first = world.get("/api/contents/?page=1")
    again = world.server.get("/api/contents/?page=1", {"If-None-Match": first.headers["ETag"]})
    assert first.status == 200 and first.headers["Cache-Control"] == "no-cache" and again.status == 304 and not again.raw
    world.post(f"/api/contents/{world.contents['pending']}/publish/", "staff")
    assert world.server.get("/api/contents/?page=1", {"If-None-Match": first.headers["ETag"]}).status == 200


def test_pages_of_another_process_change_too(start_server, database, redis_server):
    world = World(start_server, database, REDIS_URL=redis_server.url)
    other = start_server(database.url, redis=redis_server, ENABLE_SAKA="True")
    pages = ["/api/contents/?page=1", "/api/contents/?page_size=3", "/api/contents/"]
    for server in (world.server, other):
        for page in pages:
            assert titles(server.get(page)) == {"published"}
    assert world.post(f"/api/contents/{world.contents['pending']}/publish/", "staff").status == 200
    for page in pages:
        assert titles(world.server.get(page)) == {"published", "pending"}  # at once here
        wait.until(lambda: titles(other.get(page)) == {"published", "pending"}, timeout=5)  # noqa: B023
    assert redis_server.command("EXISTS", "egoejo:c1:gen:educational_contents", db=1) == 1


def test_changes_show_while_redis_is_away(start_server, database, redis_server):
    world = World(start_server, database, REDIS_URL=redis_server.url)
    assert titles(world.get("/api/contents/?page=1")) == {"published"}
    redis_server.kill()
    assert world.post(f"/api/contents/{world.contents['pending']}/publish/", "staff").status == 200
    assert titles(world.get("/api/contents/?page=1")) == {"published", "pending"}
    redis_server.restart()
    assert world.post(f"/api/contents/{world.contents['pending']}/unpublish/", "staff").status == 200
    assert titles(world.get("/api/contents/?page=1")) == {"published"}
