"""Texts that turn into something else where they come out: scripts, formulas, header lines, other hosts."""

import csv
import html
import io
import json
import re
from urllib.parse import quote

import pytest

from lib import bodies, routes
from lib.attacks import XSS, check
from lib.raw import Peer
from lib.world import World

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def table():
    return routes.table()


@pytest.fixture
def world(database, start_server):
    made = World(database, start_server)
    yield made
    made.close()


def create(world, path, caller="ordinary", **fields):
    body = json.dumps({**bodies.GOOD[f"POST {path}"](), **fields}).encode()
    return check(world.request("POST", path, {**world.headers_of(caller), **JSON}, body), statuses=(201, 400))


# --- scripts that are stored ---


def test_contents_are_stored_harmless(world):
    """Whatever was sent, what is stored and shown has no markup left and means, read as HTML, the text that it was."""
    for i, text in enumerate(XSS):
        answer = create(world, "/api/contents/", slug=f"xss-{i}", title=text, description=text + "\n" + text)
        assert answer.status == 201, text
        for value in (answer.json["title"], answer.json["description"]):
            assert not re.search(r"[<>\"']", value), value
            assert not re.search(r"&(?!amp;|lt;|gt;|quot;|#x27;)", value), value
        assert html.unescape(answer.json["title"]) == re.sub(r"[\x00-\x1f\x7f-\x9f]", "", text).strip(), text


def test_a_title_is_cut_between_entities(world):
    for i in range(240, 256):
        answer = create(world, "/api/contents/", slug=f"cut-{i}", title="x" * i + "<" * (255 - i))
        assert answer.status == 201 and len(answer.json["title"]) <= 255 and re.fullmatch(r"x+(&lt;)*", answer.json["title"]), answer.json["title"]


def test_urls_of_contents_are_of_four_schemes(world):
    for i, url in enumerate(["javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example", "evil.example",
                             "file:///etc/passwd", "http://", "http:///x", "http://a b/", "http://exa\u0000mple.org/", "gopher://x.org/", "https:javascript:x",
                             "http://[::1", "http://x" * 100, "\u0001javascript:x", "blob:https://x.org/y", "http://evil.example\\@x.org/ "]):
        answer = create(world, "/api/contents/", slug=f"url-{i}", external_url=url)
        assert answer.status == 400 and list(answer.json) == ["external_url"], url


@pytest.mark.parametrize("path, fields", [("/api/projets/", ("titre", "description", "categorie")), ("/api/help-requests/", ("title", "description")),
                                          ("/api/engagements/", ("notes", "availability"))])
def test_what_is_stored_raw_comes_out_as_json_only(world, path, fields):
    """Clients escape these: so no answer may be anything that a browser would read as a page."""
    for text in XSS:
        sent = {field: text if field != "categorie" else text[:100] for field in fields}
        made = create(world, path, **sent)
        assert made.status == 201 and all(made.json[field] == value.strip() for field, value in sent.items()), text
    for accept in ("*/*", "text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "application/json"):
        answer = check(world.request("GET", path, {"Accept": accept}), statuses=(200,))
        assert answer.headers["Content-Type"].startswith("application/json") and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_errors_do_not_become_pages(world, table):
    """Refusals that repeat what was sent are JSON, for whatever the caller says that he reads."""
    for route in table:
        for text in ("<script>alert(1)</script>", "\"><svg/onload=alert(1)>"):
            path = route.path(quote(text, safe="")) if route.parameters else f"{route.pattern}?page={quote(text)}&status={quote(text)}&format={quote(text)}"
            answer = check(world.request(route.method, path, {**world.headers_of("staff"), "Accept": "text/html, */*"}, b"" if route.writes else None), text, later=True,
                           page=route.pattern in ("/api/docs/", "/api/docs/realtime/"))
            if answer.body and not route.pattern.startswith("/api/docs/"):
                assert (answer.headers["Content-Type"] or "").split(";")[0] in ("application/json", "text/csv", "text/plain"), path
    for path in ("/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E/", "/api/<svg onload=alert(1)>".replace(" ", "%20")):
        answer = check(world.request("GET", path, {"Accept": "text/html"}), statuses=(404,))
        assert answer.headers["Content-Type"].startswith("application/json")


FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(1)", "=HYPERLINK(\"http://evil.example\",\"x\")", "=cmd|' /C calc'!A0", "\u0000=1", ";=1", "a,\"b\"\r\n=1"]


def test_exports_run_no_formulas(world):
    for i, text in enumerate(FORMULAS + ["\t=1", "\r=1"]):
        world.database.insert("core_educationalcontent", slug=f"f-{i}", title=text.replace("\u0000", ""), description=text.replace("\u0000", ""), external_url="=1")
    answer = check(world.request("GET", "/api/contents/export/csv/", world.headers_of("staff")), statuses=(200,))
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert len(rows) == len(FORMULAS) + 3
    for row in rows[1:]:
        assert not [cell for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")], row


# --- lines and hosts that go into headers ---

BREAKS = ["\r\nX-Evil: 1", "\nX-Evil: 1", "\r\n\r\n<html>", "\u560d\u560aX-Evil: 1", "\u2028X-Evil: 1", "\0X-Evil: 1", "\x0bX-Evil: 1", "\";X-Evil=1", "\x85X-Evil: 1"]


def test_no_parameter_breaks_a_header(world, table):
    """Redirects, pages' links, file names of exports: what is put into a header stays in its line."""
    for text in BREAKS:
        for route in table:
            if route.writes:
                continue
            base = world.path(route)
            for path in (f"{base}?page={quote(text)}&status={quote(text)}&{quote(text)}=1", f"{base.rstrip('/')}?next={quote(text)}",
                         f"{base.rstrip('/')}{quote(text, safe='')}", f"{base}{quote(text, safe='')}/"):
                answer = check(world.request("GET", path, world.headers_of("staff")), text, later=True, page=base in ("/api/docs/", "/api/docs/realtime/"))
                for name in ("Location", "Content-Disposition", "Link", "ETag"):
                    assert not re.search(r"[\x00-\x1f\x7f]", answer.headers[name] or ""), (path, name)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_name_of_an_export_is_ours(world, kind):
    for text in BREAKS + ["\"; filename=\"evil.exe", "../../evil", "a" * 300, "é", "published;x"]:
        answer = check(world.request("GET", f"/api/contents/export/{kind}/?status={quote(text)}", world.headers_of("staff")), text, statuses=(200, 400))
        name = answer.headers["Content-Disposition"] or ""
        assert "evil" not in name.lower() and re.fullmatch(rf'(attachment; filename="contents_[a-z]+_\d{{8}}\.{kind}")?', name), name


def test_a_redirect_stays_on_its_host(world):
    for target in ("//evil.example/api/projets", "/\\evil.example/api/projets", "/%2f/evil.example/api/projets", "/api/projets?//evil.example", "///api/projets",
                   "/api/api/projets", "/.//evil.example", "/api/projets;//evil.example", "/@evil.example/api/projets"):
        answer = check(world.request("GET", target))
        location = answer.headers["Location"]
        assert answer.status in (200, 301, 400, 404), target
        assert location is None or (location.startswith("/api/") and "evil" not in location.partition("?")[0]), (target, location)


def test_a_forged_host_is_in_no_answer(world):
    world.database.insert("core_projet", image="projets/a.png")
    for i in range(30):
        world.database.insert("core_cagnotte", titre=f"cagnotte {i}")
    for headers in ({"X-Forwarded-Host": "evil.example"}, {"X-Original-URL": "/admin/"}, {"X-Rewrite-URL": "/admin/"}, {"Forwarded": "host=evil.example"},
                    {"X-Forwarded-Server": "evil.example"}, {"X-Host": "evil.example"}, {"X-Forwarded-Proto": "javascript"}, {"X-Forwarded-Prefix": "//evil.example"},
                    {"X-Forwarded-Port": "666"}, {"Origin": "https://evil.example"}, {"Referer": "https://evil.example/"}):
        for path in ("/api/projets/", "/api/cagnottes/?page=2", "/api/", "/api/projets"):
            answer = check(world.request("GET", path, headers))
            assert b"evil" not in answer.raw and b"javascript" not in answer.raw and b"666" not in answer.raw, (path, headers)
            assert "evil" not in str(answer.headers)
    for host in ("evil.example", "localhost.evil.example", "localhost@evil.example", "localhost:80@evil.example", "localhost:evil", "localhost/../evil", "[::1", "a b",
                 "localhost,evil.example", "127.0.0.1\t", "", "*", ".", "x" * 300, "127.0.0.1:99999", "localhost#evil", "127.1", "2130706433", "localhost\\evil"):
        answer = check(world.request("GET", "/api/projets/", {"Host": host}))
        assert answer.status == 400 or (answer.status == 200 and host.strip() in ("127.0.0.1", "127.0.0.1:99999")), host
        assert b"evil" not in answer.raw


def test_origins_are_not_reflected(world):
    good = "http://localhost:3000"
    assert world.request("GET", "/api/projets/", {"Origin": good}).headers["Access-Control-Allow-Origin"] == good
    for origin in ("http://localhost:3000.evil.example", "http://localhost:30000", "http://evil.example/http://localhost:3000", "http://localhost:3000@evil.example",
                   "https://localhost:3000", "null", "*", "file://", "http://localhost:3000, http://evil.example", "http://LOCALHOST:3000", "http://localhost", " ",
                   "http://localhost:3000%0d%0aX-Evil:1", "javascript://localhost:3000", "http://user@localhost:3000"):
        answer = check(world.request("GET", "/api/projets/", {"Origin": origin}))
        assert answer.headers["Access-Control-Allow-Origin"] in (None, "http://localhost"), origin
        assert answer.headers["Access-Control-Allow-Credentials"] is None


# --- bytes that are no text ---


def test_bytes_that_are_no_text_in_paths_and_queries(world, table):
    """NUL, broken UTF-8, broken escapes: in the target as it comes over the wire."""
    odd = [b"%00", b"a%00b", b"%ff%fe", b"%c0%af", b"%ed%a0%80", b"%", b"%z", b"%u0041", b"\xff\xfe", "é".encode(), b"%f0%9f", b"..%00/", b"%2e%2e%2f", b"%5c..%5c",
           b"%0a", b"%25%30%30", b"+" * 100, b"%F4%90%80%80"]
    for route in table:
        head = b"Host: localhost\r\nContent-Length: 0\r\nAuthorization: " + world.headers_of("staff")["Authorization"].encode() + b"\r\n\r\n"
        path = world.path(route).encode()
        targets = [route.path("@@").encode().replace(b"@@", text) for text in odd] if route.parameters else []
        targets += [path + b"?q=" + text + b"&page=" + text + b"&status=" + text + b"&" + text for text in odd] + [path + text + b"/" for text in odd]
        for target in targets:
            with Peer(world.server.port) as peer:
                answer = peer.ask(route.method.encode() + b" " + target + b" HTTP/1.1\r\n" + head)
            assert answer and (answer.status < 500 or (route.later and answer.status == 501)), (route, target, answer)
            assert b"\0" not in answer.body
