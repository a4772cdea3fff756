"""egoejo alerts-report and backup-db: what an operator runs by hand, or by cron."""

import datetime
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import threading

import pytest

from lib.database import Database
from lib.server import BINARY, environment, run

UTC = datetime.timezone.utc


def add_alert(database, event_type, channel, *at):
    database.execute("INSERT INTO core_criticalalertevent (created_at, severity, event_type, channel, fingerprint) VALUES (%s, 'critical', %s, %s, 'f')",
                     datetime.datetime(*at, tzinfo=UTC), event_type, channel)


# --- alerts-report ---


def test_the_report_of_a_month(database):
    add_alert(database, "REDIS UNAVAILABLE", "email", 2026, 1, 31, 23, 59, 59)
    for day in (3, 5):
        add_alert(database, "INTEGRITY BREACH DETECTED", "both", 2026, 2, day)
    add_alert(database, "REDIS UNAVAILABLE", "email", 2026, 2, 28, 23, 59, 59)
    add_alert(database, "REDIS UNAVAILABLE", "email", 2026, 3, 1)
    done = run("alerts-report", "--month", "2026-02", DATABASE_URL=database.url, DJANGO_SECRET_KEY=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Critical alerts of 2026-02: 3", "First: 2026-02-03T00:00:00+00:00", "Last:  2026-02-28T23:59:59+00:00", "",
        "By event type", "       2  INTEGRITY BREACH DETECTED", "       1  REDIS UNAVAILABLE", "",
        "By channel", "       2  both", "       1  email"]


def test_a_month_without_alerts_and_the_end_of_a_year(new_database):
    database = Database(new_database("empty"))
    assert run("alerts-report", "--month", "2025-01", DATABASE_URL=database.url).stdout == "Critical alerts of 2025-01: 0\n"
    add_alert(database, "A", "email", 2025, 12, 31, 23)
    add_alert(database, "A", "email", 2026, 1, 1)
    assert run("alerts-report", "--month", "2025-12", DATABASE_URL=database.url).stdout.startswith("Critical alerts of 2025-12: 1\n")


@pytest.mark.parametrize("arguments", [[], ["--month", "2026-13"], ["--month", "2026-00"], ["--month", "2026-1"], ["--month", "november"],
                                       ["--month", "2019-12"], ["--month", str(datetime.datetime.now(UTC).year + 2) + "-01"], ["--month", "2026/11"]])
def test_a_month_that_is_none(new_database, arguments):
    done = run("alerts-report", *arguments, DATABASE_URL=new_database("empty"))
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"egoejo: --month.*\n", done.stderr)


def test_next_year_can_be_asked_for(new_database):
    month = f"{datetime.datetime.now(UTC).year + 1}-12"
    assert run("alerts-report", "--month", month, DATABASE_URL=new_database("empty")).returncode == 0


# --- backup-db ---


def rows(path, sql="SELECT count(*) FROM core_intent"):
    with sqlite3.connect(path) as c:
        return c.execute(sql).fetchone()[0]


def test_a_copy_beside_a_server_that_writes(folder, database, start_server):
    if not database.sqlite:
        pytest.skip("SQLite's own")
    server = start_server(database.url)
    stop, written = threading.Event(), [0]

    def write():
        own = Database(database.url)
        while not stop.is_set():
            own.insert("core_intent")
            written[0] += 1
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = run("backup-db", folder=folder, DATABASE_URL=database.url, DJANGO_SECRET_KEY=None)
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 0, done.stderr
    path = os.path.join(folder, done.stdout.strip())
    assert re.fullmatch(r"backups/database-0_\d{8}_\d{6}\.sqlite3\n", done.stdout)
    assert rows(path) <= written[0] and rows(path, "SELECT 1 FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1
    assert os.stat(path).st_mode & 0o077 == 0
    assert os.listdir(os.path.join(folder, "backups")) == [os.path.basename(path)]
    assert server.get("/health").json["status"] == "ok"
    restored = shutil.copy(path, os.path.join(folder, "restored.sqlite3"))
    assert start_server(f"sqlite:///{restored}").get("/health").json["database"] == "connected"


def test_the_newest_are_kept_and_the_database_itself(folder, empty_template):
    backups = os.path.join(folder, "kept")
    os.mkdir(backups)
    live = shutil.copy(empty_template, os.path.join(backups, "live.sqlite3"))
    os.utime(live, (1, 1))
    for name, age in (("old.sqlite3", 40), ("older.sql", 50), ("young.sql", 10), ("note.txt", 90), ("middle.sqlite3", 20)):
        path = os.path.join(backups, name)
        with open(path, "w", encoding="ascii"):
            os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    done = run("backup-db", "--output-dir", backups, "--keep", "3", DATABASE_URL=f"sqlite:///{live}")
    assert done.returncode == 0, done.stderr
    new, *removed = done.stdout.splitlines()
    assert sorted(removed) == [f"removed {backups}/old.sqlite3", f"removed {backups}/older.sql"]
    left = {name for name in os.listdir(backups) if not name.startswith("live.")}
    assert left == {os.path.basename(new), "young.sql", "middle.sqlite3", "note.txt"}
    assert rows(live, "SELECT count(*) FROM django_migrations") > 0


def test_nothing_is_replaced(folder, new_database):
    url = new_database("empty")
    seen = set()
    for _ in range(3):
        done = run("backup-db", folder=folder, DATABASE_URL=url)
        if done.returncode == 0:
            assert done.stdout not in seen
            seen.add(done.stdout)
        else:  # within the same second
            assert done.returncode == 1 and re.fullmatch(r"egoejo: backups/\S+(: File exists| is there already)\n", done.stderr)
    assert len(os.listdir(os.path.join(folder, "backups"))) == len(seen) > 0


def test_what_makes_no_sense_is_refused(folder, new_database):
    url = new_database("empty")
    cases = [(["--keep", "0"], "--keep"), (["--keep", "some"], "--keep"), (["--output-dir", ""], "--output-dir"),
             (["--output-dir", "/dev/null/x"], "/dev/null/x"), (["--output-dir", f"{folder}/none/deep"], "none/deep")]
    for arguments, word in cases:
        done = run("backup-db", *arguments, folder=folder, DATABASE_URL=url)
        assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("egoejo: ") and word in done.stderr
    assert run("backup-db", folder=folder, DATABASE_URL=f"sqlite:///{folder}/missing.sqlite3").returncode == 1
    assert not os.path.exists(f"{folder}/missing.sqlite3")


def test_a_full_disk_leaves_nothing_behind(folder, new_database):
    """A limit on the size of files is met as a full disk is, once its signal is ignored (as Python does)."""
    url = new_database("empty")
    done = subprocess.run([BINARY, "backup-db"], cwd=folder, env=environment(DATABASE_URL=url), capture_output=True, text=True, timeout=60, restore_signals=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)))
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("egoejo: ")
    assert os.listdir(os.path.join(folder, "backups")) == []


def test_postgresql_is_told_of_pg_dump(postgres, postgres_template):
    done = run("backup-db", DATABASE_URL=postgres.create_database(postgres_template))
    assert done.returncode == 1 and "pg_dump" in done.stderr and done.stdout == ""
