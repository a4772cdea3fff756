"""Files that clients send: from a form through the checks into a folder, a row and a URL. content.md 8, http.md 3."""

import json
import os
import re
import threading
import time
from urllib.parse import unquote

import pytest

from lib import people, wait
from lib.raw import Peer
from lib.uploads import BOUNDARY, GIF, JPEG, PDF, PNG, Site, form


@pytest.fixture
def site(make_site):
    return make_site()


def refused(answer, field):
    assert answer.status == 400, answer.text
    assert list(answer.json) == [field] and len(answer.json[field]) == 1 and answer.json[field][0]
    return answer.json[field][0]


# --- what is taken ---


def test_a_project_with_its_image(make_site, database):
    site = make_site(database)
    answer = site.project(("image", "mon verger été.gif", GIF))
    assert answer.status == 201
    url = answer.json["image"]
    assert unquote(url) == f"{site.server.base}/media/projets/mon_verger_été.gif"
    assert database.execute("SELECT image FROM core_projet WHERE id = %s", answer.json["id"]) == [("projets/mon_verger_été.gif",)]
    image = site.fetch(url)
    assert (image.status, image.raw, image.headers["Content-Type"]) == (200, GIF, "image/gif")
    assert "Content-Disposition" not in image.headers
    assert site.server.get(f"/api/projets/{answer.json['id']}/").json["image"] == url
    assert any(p["image"] == url for p in site.server.get("/api/projets/").json)


def test_a_content_with_its_file(make_site, database):
    site = make_site(database)
    answer = site.content(("file", "rapport.pdf", PDF), type="pdf")
    assert answer.status == 201
    assert answer.json["file"] == f"{site.server.base}/media/educational_contents/rapport.pdf"
    document = site.fetch(answer.json["file"])
    assert (document.raw, document.headers["Content-Type"], document.headers["Content-Disposition"]) == (PDF, "application/pdf", "attachment")


def test_modes(site):
    site.project(("image", "a.gif", GIF))
    mode = lambda name: os.stat(os.path.join(site.media, name)).st_mode & 0o7777  # noqa: E731
    assert (mode("."), mode("projets"), mode("projets/a.gif")) == (0o750, 0o750, 0o640)


def test_a_name_that_is_taken(site):
    urls = [site.project(("image", "a.gif", GIF + bytes([i]))).json["image"] for i in range(4)]
    assert len(set(urls)) == 4 and urls[0].endswith("/projets/a.gif")
    for i, url in enumerate(urls):
        assert site.fetch(url).raw == GIF + bytes([i])
        assert i == 0 or re.search(r"/projets/a_[0-9A-Za-z]{7}\.gif$", url)


def test_many_at_once(site):
    urls = []

    def send(i):
        urls.append((i, site.project(("image", "a.gif", GIF + b"%d" % i)).json["image"]))

    threads = [threading.Thread(target=send, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({url for _, url in urls}) == 24 and len(site.files()) == 24
    for i, url in urls:
        assert site.fetch(url).raw == GIF + b"%d" % i


def test_another_image_and_none(site):
    made = site.project(("image", "a.gif", GIF)).json
    target = f"/api/projets/{made['id']}/"
    changed = site.send("PATCH", target, {}, [("image", "b.png", PNG)])
    assert changed.status == 200 and changed.json["image"].endswith("/projets/b.png") and changed.json["titre"] == "Un verger"
    kept = site.send("PUT", target, {"titre": "T", "description": "D"}, [])
    assert kept.json["image"] == changed.json["image"]
    gone = site.server.request("PATCH", target, {**site.person.headers, "Content-Type": "application/json"}, b'{"image":null}')
    assert gone.status == 200 and gone.json["image"] is None


def test_a_file_that_was_not_chosen(site):
    answer = site.project(("image", "", b""))
    assert answer.status == 201 and answer.json["image"] is None
    assert site.files() == []


def test_multipart_without_files_is_a_form(site):
    answer = site.project(impact_score="7")
    assert answer.status == 201 and answer.json["impact_score"] == 7
    assert not os.path.exists(site.media)


# --- names ---

NAMES = ["../../evil.gif", "..\\..\\evil.gif", "/etc/cron.d/evil.gif", "C:\\Windows\\evil.gif", "....//evil.gif", "evil.gif/../../x.gif", ".evil.gif",
         "..evil..gif", "a/../../../../../evil.gif", "evil;rm -rf $HOME.gif", "evil`id`.gif", "evil|x>y.gif", "evil\u202egif.gif", "%2e%2e%2fevil.gif",
         "evil\u2028x.gif", "\u0435v\u0456l.gif", "e" * 96 + ".gif", "\U0001f4a5evil.gif", "~evil.gif", "-evil.gif", "CON.gif", "évìl.GIF", "日" * 96 + ".gif"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_no_name_leaves_the_folder(site, name):
    answer = site.project(("image", name, GIF))
    assert answer.status == 201, answer.text
    (path,) = site.files()
    assert os.path.dirname(path) == "projets" and len(path) <= 100
    assert re.fullmatch(r"[\w-]+(\.[\w-]+)*", os.path.basename(path)) and ".." not in path
    assert site.fetch(answer.json["image"]).raw == GIF
    beside = {n for n in os.listdir(os.path.dirname(site.media)) if not n.startswith(("database", "server-"))}
    assert beside == {"media"}


@pytest.mark.parametrize("name", [".gif", "..", "...", "/", "a/", "gif", "a.", "e" * 97 + ".gif", "💥.gif", "\\"], ids=ascii)
def test_names_that_are_none(site, name):
    refused(site.project(("image", name, GIF)), "image")
    assert site.files() == []


@pytest.mark.parametrize("name", [b"a\x00.gif", b"a.gif\x00.exe", b"\xff.gif", b"\xc0\xae\xc0\xae\xc0\xafa.gif", b"a\nb.gif", b"a\x1b[2J.gif"], ids=repr)
def test_names_that_are_no_text(site, name):
    answer = site.project(("image", name, GIF))
    assert answer.status == 400 and list(answer.json) == ["detail"]
    assert site.files() == []


# --- what is refused ---

HTML = b"<!DOCTYPE html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8\x00" + bytes(100)
WRONG = [("a.svg", SVG), ("a.html", HTML), ("a.exe", EXE), ("a.js", b"alert(1)"), ("a.php", b"<?php ?>"), ("a.gif", HTML), ("a.png", SVG),
         ("a.jpg", EXE), ("a.png", GIF), ("a.gif", PNG), ("a.webp", b"RIFF\x00\x00\x00\x00WAVE"), ("a.gif.html", GIF), ("a.html", GIF + HTML),
         ("a.gif", b"GIF"), ("a.png", b"\x89PNG"), ("a", GIF), ("a.gif ", HTML), ("a.zip", b"PK\x03\x04" + bytes(60)), ("a.tiff", b"II*\x00" + bytes(60))]


@pytest.mark.parametrize("name, content", WRONG, ids=lambda x: ascii(x)[:24])
def test_types_that_are_refused(site, name, content):
    refused(site.project(("image", name, content)), "image")
    refused(site.content(("file", name, content)), "file")
    assert site.files() == []


def test_what_each_field_takes(site):
    for i, (name, content) in enumerate((("a.png", PNG), ("a.gif", GIF), ("a.jpg", JPEG))):
        assert site.project(("image", name, content)).status == 201
        assert site.content(("file", name, content), slug=f"s{i}").status == 201
    refused(site.project(("image", "a.pdf", PDF)), "image")
    assert site.content(("file", "A.PDF", b"%PDF-"), slug="court").status == 201


def test_a_polyglot_is_served_as_what_it_begins_as(site):
    url = site.content(("file", "a.pdf", b"%PDF-1.4\n" + HTML)).json["file"]
    answer = site.fetch(url)
    assert answer.headers["Content-Type"] == "application/pdf" and answer.headers["Content-Disposition"] == "attachment"
    url = site.project(("image", "a.gif", b"GIF89a/*" + HTML + b"*/=1;alert(1)")).json["image"]
    answer = site.fetch(url)
    assert answer.headers["Content-Type"] == "image/gif" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers.get_all("Content-Security-Policy")[0]


def test_empty_and_misplaced_files(site):
    refused(site.project(("image", "a.gif", b"")), "image")
    refused(site.project(image="a.gif"), "image")
    refused(site.send("POST", "/api/projets/", {"description": "D"}, [("titre", "a.gif", GIF)]), "titre")
    assert site.project(("nothing", "a.gif", GIF)).status == 201  # unknown fields are ignored
    answer = site.server.request("POST", "/api/projets/", {**site.person.headers, "Content-Type": "application/json"},
                                 json.dumps({"titre": "T", "description": "D", "image": "projets/a.gif"}).encode())
    refused(answer, "image")
    assert site.files() == []


def test_nothing_is_kept_when_the_request_fails(site):
    refused(site.project(("image", "a.gif", GIF), funding_type="NONE"), "funding_type")
    assert site.content(slug="one").status == 201
    refused(site.content(("file", "a.pdf", PDF), slug="one"), "slug")  # the row is refused after the file is checked
    assert site.send("PATCH", "/api/projets/999/", {}, [("image", "a.gif", GIF)]).status == 404
    assert site.files() == []


# --- sizes ---


def test_the_largest(make_site):
    site = make_site()
    content = PDF + bytes(10 * 1024 * 1024 - len(PDF))
    answer = site.content(("file", "a.pdf", content))
    assert answer.status == 201 and site.fetch(answer.json["file"]).raw == content
    assert "10485760" in refused(site.content(("file", "a.pdf", content + b"0"), slug="b"), "file")
    assert site.content(("file", "a.pdf", content + bytes(1024 * 1024)), slug="c").status == 413
    assert len(site.files()) == 1


def anonymous_memory(server):
    with open(f"/proc/{server.pid}/status") as f:
        return int(next(line for line in f if line.startswith("RssAnon")).split()[1]) * 1024


def test_uploads_are_not_held_in_memory(make_site):
    site = make_site(MAX_UPLOAD_BYTES=100 << 20)
    site.content(("file", "a.pdf", PDF), slug="first")
    before = anonymous_memory(site.server)
    assert site.content(("file", "a.pdf", PDF + bytes(90 << 20)), slug="second").status == 201
    assert anonymous_memory(site.server) - before < 20 << 20


def test_only_who_may_be_somebody_sends_long_bodies(site):
    kind, body = form({"titre": "T"}, [("image", "a.gif", GIF + bytes(3 << 20))])
    for headers in ({}, {"Authorization": "Bearer a.b.c"}):
        assert site.server.request("POST", "/api/projets/", {**headers, "Content-Type": kind}, body).status == 403
    assert not os.path.exists(site.media)


def test_other_routes_and_types_keep_their_limit(site):
    kind, body = form({"name": "x"}, [("f", "a.gif", bytes(3 << 20))])
    for target, method in (("/api/analytics/metrics/", "POST"), ("/api/help-requests/", "POST")):
        assert site.server.request(method, target, {**site.person.headers, "Content-Type": kind}, body).status == 413
    assert site.server.request("POST", "/api/projets/", {**site.person.headers, "Content-Type": "application/json"}, bytes(3 << 20)).status == 413


def test_texts_beside_a_file_keep_their_limit(site):
    limit = 2621440
    assert site.project(("image", "a.gif", GIF), description="x" * (limit - 100)).status == 201
    assert site.project(("image", "b.gif", GIF), description="x" * (limit + 1)).status == 413
    halves = {"description": "x" * (limit // 2), "categorie": "x" * (limit // 2 + 1)}
    assert site.project(("image", "b.gif", GIF + bytes(3 << 20)), **halves).status == 413
    assert site.files() == ["projets/a.gif"]


# --- trouble ---


def bodies_on_the_way(site):
    """Files without a name that the server has open in its media folder."""
    found = 0
    for number in os.listdir(f"/proc/{site.server.pid}/fd"):
        try:
            found += os.readlink(f"/proc/{site.server.pid}/fd/{number}").startswith(site.media)
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def begin_upload(site, sent):
    kind, body = form({"titre": "T", "description": "D"}, [("image", "a.gif", GIF + bytes(5 << 20))])
    head = "".join(f"{name}: {value}\r\n" for name, value in {**site.person.headers, "Content-Type": kind, "Content-Length": str(len(body))}.items())
    peer = Peer(site.server.port)
    peer.send(f"POST /api/projets/ HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode() + body[:sent])
    return peer, body[sent:]


def test_a_client_who_leaves_leaves_nothing(site):
    site.project(("image", "first.gif", GIF))
    peers = [begin_upload(site, 2 << 20)[0] for _ in range(10)]
    wait.until(lambda: bodies_on_the_way(site) == 10, what="ten bodies are on the way")
    for peer in peers:
        peer.socket.close()
    wait.until(lambda: bodies_on_the_way(site) == 0, what="all are gone")
    assert site.files() == ["projets/first.gif"]
    assert site.project(("image", "after.gif", GIF)).status == 201


def test_killed_in_the_middle(site, start_server):
    site.project(("image", "first.gif", GIF))
    begin_upload(site, 2 << 20)
    site.server.kill()
    assert site.files() == ["projets/first.gif"]
    again = start_server(site.database.url, MEDIA_ROOT=site.media)
    assert again.get("/media/projets/first.gif").raw == GIF


def test_a_body_that_is_cut(site):
    kind, body = form({"titre": "T", "description": "D"}, [("image", "a.gif", GIF + bytes(1 << 20))])
    for end in (len(body) - 5, len(body) // 2, 100):
        answer = site.server.request("POST", "/api/projets/", {**site.person.headers, "Content-Type": kind}, body[:end])
        assert answer.status == 400 and list(answer.json) == ["detail"]
    assert site.files() == []


def test_a_full_disk(start_server, new_database, folder):
    """No file of the server may be longer than 4 MiB, the database included: what is longer fails as on a full disk."""
    from lib.database import Database

    database = Database(new_database("empty"))
    media = os.path.join(folder, "media")
    site = Site(start_server(database.url, MEDIA_ROOT=media, wrapper=("prlimit", f"--fsize={4 << 20}")), database, media,
                people.add_person(database, "ordinary", "ana"))
    small = ("file", "small.pdf", PDF)
    for i in range(3):
        answer = site.content(("file", "large.pdf", PDF + bytes(5 << 20)), slug=f"large-{i}")
        assert answer.status == 503 and list(answer.json) == ["detail"] and answer.headers["Retry-After"]
        assert site.content(small, slug=f"small-{i}").status == 201
    assert len(site.files()) == 3 and all("small" in name for name in site.files())
    assert database.execute("SELECT count(*) FROM core_educationalcontent") == [(3,)]
    assert site.server.events("media.full")


def test_a_folder_that_cannot_be_written(make_site, folder):
    site = make_site()
    with open(os.path.join(folder, "media"), "w"):
        pass
    answer = site.project(("image", "a.gif", GIF))
    assert answer.status == 500 and answer.json["request_id"]
    assert site.project().status == 201
    os.unlink(os.path.join(folder, "media"))
    assert site.project(("image", "a.gif", GIF)).status == 201


@pytest.mark.parametrize("body", [b"", b"--x", b"--x--", b"--x\r\n\r\n--x--", b"\r\n" * 50000, b"--x\r\n" * 20000, b"\0" * 70000,
                                  b"--x\r\nContent-Disposition: form-data; name=\"titre\"\r\n" + b"A: b\r\n" * 20000,
                                  b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" * 1001 + b"--x--"], ids=lambda b: ascii(b[:24]))
def test_bodies_that_mean_harm(site, body):
    started = time.monotonic()
    answer = site.server.request("POST", "/api/projets/", {**site.person.headers, "Content-Type": "multipart/form-data; boundary=x"}, body)
    assert answer.status == 400 and time.monotonic() - started < 2
    assert site.files() == []
