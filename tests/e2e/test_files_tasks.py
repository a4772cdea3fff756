"""Uploads after their answer: scanned before anybody gets them, looked at for what they are. tasks.md 1, 8; content.md 11.17."""

import base64
import datetime
import json
import os
import signal

import pytest

from lib import outbox, wait
from lib.clamd import EICAR, VIRUS, Clamd
from lib.net import free_port
from lib.server import Server
from lib.uploads import GIF, PDF, PNG

AWAY = 20  # seconds that may pass until something has happened
SCAN, VALIDATE = "core.tasks_security.scan_file_antivirus", "core.tasks_security.validate_file_type"
BAD_PDF = PDF + EICAR
OGG = b"OggS\0\2" + bytes(20) + b"\1\x1e\1vorbis" + bytes(22)


@pytest.fixture
def start_clamd():
    """start_clamd(way, port) → Clamd."""
    started = []

    def start(*args, **kwargs):
        started.append(Clamd(*args, **kwargs))
        return started[-1]

    yield start
    for one in started:
        one.close()


def with_scanner(clamd_or_port, **settings):
    return dict(CLAMAV_HOST="127.0.0.1", CLAMAV_PORT=getattr(clamd_or_port, "port", clamd_or_port), TASKS_LOCAL_WORKERS="2", **settings)


def without_scanner(**settings):
    return dict(CLAMAV_PORT=free_port(), TASKS_LOCAL_WORKERS="2", **settings)


def result_of(database, name):
    """What the one run of the task answered."""
    rows = wait.until(lambda: database.execute("SELECT result FROM egoejo_task_done WHERE name = %s", name), AWAY, f"{name} is done")
    assert len(rows) == 1
    return json.loads(rows[0][0])


def waiting(database):
    return dict(database.execute("SELECT path, last_error FROM egoejo_file_scan"))


def delay_of_retry(database):
    """Seconds between now and when the scan is to be tried again; None: it is not."""
    rows = database.execute("SELECT due_at FROM egoejo_outbox WHERE name = %s AND lease_owner IS NULL", SCAN)
    if not rows:
        return None
    due = datetime.datetime.fromisoformat(rows[0][0]).replace(tzinfo=datetime.timezone.utc) if database.sqlite else rows[0][0]
    return (due - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


def try_again(database, seconds):
    """The scan is to be tried again after so long: now."""
    wait.until(lambda: (delay := delay_of_retry(database)) and seconds - 30 < delay <= seconds, AWAY, f"it is to be tried again in {seconds} s")
    database.execute("UPDATE egoejo_outbox SET due_at = created_at")


def audit(database, action):
    rows = database.execute("SELECT target_type, target_id, metadata, actor_id FROM core_auditlog WHERE action = %s", action)
    return [(kind, number, json.loads(data) if isinstance(data, str) else data, actor) for kind, number, data, actor in rows]


def asked(database):
    """(task, arguments) of all rows of the outbox, in their order."""
    found = []
    for name, envelope in database.execute("SELECT name, envelope FROM egoejo_outbox ORDER BY id"):
        args, kwargs, _ = json.loads(base64.b64decode(json.loads(envelope)["body"]))
        assert kwargs == {}
        found.append((name, args))
    return found


# --- who asks for what (tasks.md 1.1) ---


def test_what_a_project_with_an_image_asks_for(make_site, database):
    site = make_site(database)
    number = site.project(("image", "un jardin.gif", GIF)).json["id"]
    embedding = ("core.tasks_embeddings.generate_embedding_task", ["sentence-transformers", number, "projet"])
    assert asked(database) == [(SCAN, ["projets/un_jardin.gif"]), embedding]
    database.execute("DELETE FROM egoejo_outbox")
    assert site.project().status == 201
    assert [name for name, _ in asked(database)] == [embedding[0]]


def test_what_a_content_with_a_file_asks_for(make_site, database):
    site = make_site(database)
    number = site.content(("file", "a.pdf", PDF)).json["id"]
    path = "educational_contents/a.pdf"
    embedding = ("core.tasks_embeddings.generate_embedding_task", ["sentence-transformers", number, "educational_content"])
    assert asked(database) == [(SCAN, [path]), (VALIDATE, [path, ["application/pdf", "audio/", "video/", "image/"]]), embedding]
    database.execute("DELETE FROM egoejo_outbox")
    assert site.content(slug="sans").status == 201
    assert [name for name, _ in asked(database)] == [embedding[0]]


# --- clean, infected ---


def test_a_file_is_not_served_before_it_was_scanned(make_site, database, start_clamd):
    clamd = start_clamd()
    clamd.gate.clear()
    site = make_site(database, **with_scanner(clamd))
    image = site.project(("image", "a.gif", GIF)).json["image"]
    clamd.wait_calls(1)
    for method in ("GET", "HEAD"):
        assert site.server.request(method, image.removeprefix(site.server.base)).status == 404
    clamd.gate.set()
    served = wait.until(lambda: (answer := site.fetch(image)).status == 200 and answer, AWAY, "it is served")
    assert served.raw == GIF and clamd.seen == [GIF]
    assert waiting(database) == {}
    assert result_of(database, SCAN) == {"success": True, "scanned": True, "safe": True, "file_path": site.files()[0]}


def test_it_waits_through_a_restart(make_site, database, start_clamd, start_server):
    clamd = start_clamd()
    clamd.gate.clear()
    site = make_site(database, **with_scanner(clamd))
    image = site.project(("image", "a.gif", GIF)).json["image"].removeprefix(site.server.base)
    clamd.wait_calls(1)
    site.server.signal(signal.SIGKILL)
    site.server.wait()
    second = start_server(database.url, MEDIA_ROOT=site.media, **with_scanner(clamd, BEAT="off"))
    assert second.get(image).status == 404
    clamd.gate.set()
    database.execute("UPDATE egoejo_outbox SET lease_until = %s", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
    wait.until(lambda: second.get(image).status == 200, AWAY, "it is served")


def test_who_sends_it_cannot_guess_its_name(make_site, start_clamd):
    site = make_site(**with_scanner(start_clamd()))
    site.project(("image", "a.gif", GIF))
    (name,) = site.files()
    assert name.startswith("projets/a_") and len(name) == len("projets/a_") + 20 + len(".gif")


def test_an_infected_file_goes(make_site, database, start_clamd):
    site = make_site(database, **with_scanner(start_clamd()))
    made = site.content(("file", "a.pdf", BAD_PDF))
    number, url = made.json["id"], made.json["file"]
    path = url.partition("/media/")[2]
    event = site.server.wait_event("file.scanned", AWAY, level="CRITICAL")
    assert (event["file"], event["what"]) == (path, VIRUS)
    assert result_of(database, SCAN) == {"success": True, "scanned": True, "safe": False, "virus": VIRUS, "file_path": path, "deleted": True}
    wait.until(lambda: waiting(database) == {}, AWAY, "it is gone")
    assert site.files() == [] and site.fetch(url).status == 404
    assert database.execute("SELECT file FROM core_educationalcontent WHERE id = %s", number) == [(None,)]
    assert audit(database, "file_infected") == [("educational_content", str(number), {"file_path": path, "virus": VIRUS}, None)]


def test_the_list_forgets_an_infected_image(make_site, start_clamd):
    clamd = start_clamd()
    clamd.gate.clear()
    site = make_site(**with_scanner(clamd))
    site.project(("image", "a.gif", GIF + EICAR))
    clamd.wait_calls(1)
    assert site.server.get("/api/projets/").json[0]["image"]  # cached
    clamd.gate.set()
    site.server.wait_event("file.scanned", AWAY, level="CRITICAL")
    wait.until(lambda: site.server.get("/api/projets/").json[0]["image"] is None, AWAY, "it is forgotten")


def test_a_large_file_is_streamed(make_site, start_clamd):
    clamd = start_clamd()
    site = make_site(**with_scanner(clamd))
    content = PDF + bytes(5 << 20)
    site.content(("file", "a.pdf", content))
    wait.until(lambda: clamd.seen, AWAY, "it was scanned")
    assert clamd.seen == [content] and max(clamd.pieces) <= 64 * 1024


# --- no scanner, or one that does not do its work ---


def test_without_a_scanner_files_are_served(make_site, database):
    site = make_site(database, **without_scanner())
    answer = site.content(("file", "a.pdf", BAD_PDF))
    assert answer.json["file"].endswith("/educational_contents/a.pdf")
    assert site.fetch(answer.json["file"]).status == 200
    result = result_of(database, SCAN)
    assert result.pop("reason").startswith("no scanner: ")
    assert result == {"success": True, "scanned": False, "safe": True}
    assert waiting(database) == {} and not site.server.events("task.retried")


def test_one_on_this_machine_is_asked_though_none_is_configured(make_site, database, start_clamd):
    site = make_site(database, TASKS_LOCAL_WORKERS="2", CLAMAV_PORT=start_clamd().port)
    site.content(("file", "a.pdf", BAD_PDF))
    assert result_of(database, SCAN)["safe"] is False
    wait.until(lambda: site.files() == [], AWAY, "it is gone")


def test_a_scanner_that_is_away_is_tried_again_and_the_file_waits(make_site, database, start_clamd):
    port = free_port()
    site = make_site(database, **with_scanner(port))
    answer = site.content(("file", "a.pdf", PDF))
    path = answer.json["file"].partition("/media/")[2]
    for retries, seconds in enumerate((60, 120)):
        assert "ConnectionError" in site.server.wait_event("task.retried", AWAY, task=SCAN, retries=retries)["error"]
        try_again(database, seconds)
    result = result_of(database, SCAN)
    assert result.pop("error").startswith("no scanner: ")
    assert result == {"success": False, "scanned": False, "safe": True}
    assert waiting(database)[path].startswith("no scanner: ")
    assert site.fetch(answer.json["file"]).status == 404
    # nobody is about to look at it: the hourly task asks again, and now there is a scanner
    database.execute("UPDATE egoejo_file_scan SET asked_at = %s", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
    start_clamd(port=port)
    outbox.put(database, "egoejo.scan_again", queue="local")
    wait.until(lambda: site.fetch(answer.json["file"]).status == 200, AWAY, "it is served")
    assert waiting(database) == {}


@pytest.mark.parametrize("way", ["close", "nonsense"])
def test_a_scanner_that_breaks_off_is_tried_again(make_site, start_clamd, way, new_database):
    clamd = start_clamd(way)
    site = make_site(**with_scanner(clamd))
    file = site.content(("file", "a.pdf", PDF + bytes(1 << 20))).json["file"]
    site.server.wait_event("task.retried", AWAY, task=SCAN)
    clamd.way = "scan"
    try_again(site.database, 60)
    wait.until(lambda: site.fetch(file).status == 200, AWAY, "it is served")


@pytest.mark.parametrize("way, text", [("error", "Can't allocate memory"), ("limit", "INSTREAM size limit exceeded.")])
def test_what_the_scanner_refuses_is_not_served(make_site, start_clamd, way, text):
    site = make_site(**with_scanner(start_clamd(way)))
    file = site.content(("file", "a.pdf", PDF + bytes(1 << 20))).json["file"]
    event = site.server.wait_event("file.scanned", AWAY, level="ERROR")
    assert event["what"] == text
    assert result_of(site.database, SCAN) == {"success": False, "scanned": False, "safe": True, "error": text}
    assert site.fetch(file).status == 404 and list(waiting(site.database).values()) == [text]
    assert not site.server.events("task.retried")


def test_a_scanner_that_hangs_holds_no_end_up(make_site, database, start_clamd, start_server):
    clamd = start_clamd("hang")
    site = make_site(database, **with_scanner(clamd, SHUTDOWN_GRACE_S=2))
    file = site.project(("image", "a.gif", GIF)).json["image"].removeprefix(site.server.base)
    wait.until(lambda: clamd.seen, AWAY, "the scanner has all of it")
    site.server.stop()
    clamd.way = "scan"
    second = start_server(database.url, MEDIA_ROOT=site.media, **with_scanner(clamd))
    wait.until(lambda: second.get(file).status == 200, AWAY, "another has it scanned")


def test_a_worker_of_celerys_queue_lets_it_go(make_site, folder, redis_server, start_clamd):
    clamd = start_clamd()
    clamd.gate.clear()
    settings = with_scanner(clamd, REDIS_URL=redis_server.url)
    site = make_site(**settings)
    file = site.project(("image", "a.gif", GIF)).json["image"]
    worker = Server(folder, dict(DATABASE_URL=site.database.url, MEDIA_ROOT=site.media, **settings), command=("worker",))
    try:
        clamd.wait_calls(1)
        assert site.fetch(file).status == 404
        clamd.gate.set()
        wait.until(lambda: site.fetch(file).status == 200, AWAY, "it is served")
        worker.stop()
    finally:
        worker.kill()


# --- what a file is ---


def store(site, path, content):
    full = os.path.join(site.media, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as f:
        f.write(content)


def test_a_file_of_another_type_goes(make_site, database):
    site = make_site(database, **without_scanner())
    path = "educational_contents/a.pdf"
    store(site, path, b"#!/bin/sh\nexit 0\n")
    number = database.insert("core_educationalcontent", file=path)
    outbox.put(database, VALIDATE, path, ["application/pdf", "audio/"])
    result = result_of(database, VALIDATE)
    assert result == {"success": True, "valid": False, "detected_type": "text/x-shellscript", "allowed_types": ["application/pdf", "audio/"]}
    assert database.execute("SELECT file FROM core_educationalcontent WHERE id = %s", number) == [(None,)]
    wait.until(lambda: site.files() == [], AWAY, "it is gone")
    metadata = {"file_path": path, "detected_type": "text/x-shellscript"}
    assert audit(database, "file_type_refused") == [("educational_content", str(number), metadata, None)]


@pytest.mark.parametrize("content, allowed, kind", [(PDF, ["application/pdf"], "application/pdf"), (PNG, ["audio/", "image/"], "image/png"),
                                                    (OGG, ["audio/"], "audio/ogg"), (b"bonjour, l'\xc3\xa9t\xc3\xa9", None, "text/plain")], ids=["pdf", "png", "ogg", "text"])
def test_a_file_of_its_type_stays(make_site, content, allowed, kind):
    site = make_site(**without_scanner())
    store(site, "x/a", content)
    outbox.put(site.database, VALIDATE, "x/a", *([] if allowed is None else [allowed]))
    expected = {"success": True, "valid": True, "detected_type": kind, **({"allowed_types": allowed} if allowed else {})}
    assert result_of(site.database, VALIDATE) == expected
    assert site.files() == ["x/a"]
