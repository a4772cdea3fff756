"""
schemathesis asks every operation of /api/schema/ on a seeded database, as two callers, on each engine.

Not part of ./dev test, because it takes minutes: .ci/run schemathesis. What it asks and what it overlooks, with the
reasons, is in schemathesis.toml and hooks.py.
"""

import json
import os
import re
import subprocess
import sys

import pytest

from lib import people
from lib.database import Database, hours_ago
from lib.server import run

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMATHESIS = os.path.join(os.path.dirname(sys.executable), "schemathesis")


def seed(database, cast):
    """Rows of every kind and status, of several authors, some of them with all columns null that may be."""
    authors = [cast["ordinary"].id, cast["other"].id, cast["editor"].id]
    for n, status in enumerate(["draft", "pending", "published", "rejected", "archived"] * 3):
        database.insert("core_educationalcontent", title=f"Contenu {n}", slug=f"contenu-{n}", status=status, author_id=authors[n % 3])
    for n, status in enumerate(["new", "in_review", "accepted", "rejected", "archived"]):
        database.insert("core_helprequest", title=f"Aide {n}", status=status, anonymity=["pseudo", "team_only"][n % 2], user_id=authors[n % 3])
        database.insert("core_engagement", notes=f"Note {n}", help_types=["humain"], user_id=authors[n % 3])
    for n, owner in enumerate([*authors, None]):
        database.insert("core_projet", titre=f"Projet {n}", funding_type=["DONATION", "EQUITY", "HYBRID"][n % 3])
        database.insert("core_auditlog", actor_id=owner, target_id=str(n))
        database.insert("monitoring_performance_metric", value=float(n), timestamp=hours_ago(n))
    for n, status in enumerate(["draft", "open", "closed", "open", "open", "open"]):
        poll = database.insert("core_poll", title=f"Scrutin {n}", status=status, allow_multiple=True, created_by_id=[*authors, None][n % 4],
                               voting_method=["binary", "quadratic", "majority"][n % 3])
        option = [database.insert("core_polloption", poll_id=poll, position=k) for k in range(3)][0]
        database.insert("core_pollballot", poll_id=poll, option_id=option)
    for n in range(12):
        thread = database.insert("core_chatthread", title=f"Fil {n}", created_by_id=[*authors, None][n % 4])
        for person in cast.values():
            database.insert("core_chatmembership", thread_id=thread, user_id=person.id, role=["member", "moderator", "owner"][n % 3])
        message = [database.insert("core_chatmessage", thread_id=thread, author_id=author, is_deleted=n % 5 == 1, deleted_at=hours_ago(n) if n % 5 == 1 else None)
                   for author in [None, *authors]][-1]
        database.insert("core_chatmessagereport", message_id=message, reporter_id=[*authors, None][n % 4])
    for n, status in enumerate(["pending", "accepted", "rejected"] * 2):
        database.insert("core_moderationreport", report_type=["message", "user", "poll", "project"][n % 4], status=status,
                        reporter_id=[*authors, None][n % 4], resolved_by_id=None if status == "pending" else cast["staff"].id)
    pot = database.insert("core_cagnotte")
    for person in cast.values():
        database.insert("core_sakatransaction", user_id=person.id)
    database.insert("core_contribution", cagnotte_id=pot, user_id=cast["staff"].id, montant=500.0)  # staff have a concierge, others none


def ids(database, table, column="id"):
    return [row[0] for row in database.execute(f"SELECT {column} FROM {table} ORDER BY id")]


def rows_of(database):
    return {
        "projets": ids(database, "core_projet"),
        "contents": ids(database, "core_educationalcontent"),
        "help-requests": ids(database, "core_helprequest"),
        "communities": ids(database, "core_community"),
        "communities slugs": ids(database, "core_community", "slug"),
        "polls": ids(database, "core_poll"),
        "chat/threads": ids(database, "core_chatthread"),
        "chat/messages": ids(database, "core_chatmessage"),
        "chat/reports": ids(database, "core_chatmessagereport"),
        "users": ids(database, "auth_user"),
        "moderation": ids(database, "core_moderationreport"),
        "audit": ids(database, "core_auditlog"),
        "monitoring": ids(database, "monitoring_alert"),
    }


def later_lines():
    """[method, path] of the lines that answer 501 until their milestone."""
    lines = re.findall(r"^(\w+) +(\S+) .*\(later\)$", run("routes").stdout, re.M)
    return [[method, re.sub(r"\{(int|id)\}", "{id}", path)] for method, path in lines]


@pytest.fixture(params=["sqlite", "postgresql"])
def demo_database(request):
    """The demonstration data, on each engine."""
    if request.param == "sqlite":
        url = request.getfixturevalue("new_database")("demo")
    else:
        url = request.getfixturevalue("postgres").create_database()
        done = run("demo", DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
    opened = Database(url)
    yield opened
    opened.close()


@pytest.mark.parametrize("role", ["staff", "ordinary"])
def test_every_operation_keeps_to_the_document(demo_database, start_server, folder, role):
    cast = people.add_cast(demo_database)
    seed(demo_database, cast)
    server = start_server(demo_database.url, DISABLE_THROTTLE_FOR_TESTS="1", **SETTINGS)
    environment = {
        **os.environ,
        "PYTHONPATH": HERE,
        "SCHEMA_ROWS": json.dumps(rows_of(demo_database)),
        "SCHEMA_LATER": json.dumps(later_lines()),
        "SCHEMA_ROLE": role,
        "SCHEMA_DATABASE": demo_database.url,
    }
    authorization = f"Authorization: {cast[role].headers['Authorization']}"
    done = subprocess.run([SCHEMATHESIS, "--config-file", os.path.join(HERE, "schemathesis.toml"), "--no-color", "run",
                           server.base + "/api/schema/", "-H", authorization, *os.environ.get("SCHEMATHESIS_OPTIONS", "").split()],
                          cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=1200)
    failures = re.split(r"^=+ (?:ERRORS|FAILURES) =+$", done.stdout, maxsplit=1, flags=re.M)[-1]
    print(done.stdout.partition("= SUMMARY =")[2])
    assert done.returncode == 0, failures
    tested = re.search(r"Selected: (\d+)/(\d+)\n +Tested: (\d+)", done.stdout)
    assert tested and len(set(tested.groups())) == 1, done.stdout


# All features that a route may ask for.
SETTINGS = {
    "ENABLE_SAKA": "True",
    "SAKA_COMPOST_ENABLED": "True",
    "SAKA_SILO_REDIS_ENABLED": "True",
    "SAKA_PROJECT_BOOST_ENABLED": "True",
}
