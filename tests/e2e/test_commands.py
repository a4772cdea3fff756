"""The command line: every command, its help, its exit status, and what it says when something is wrong."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess

import pytest

from lib.database import Database
from lib.net import free_port
from lib.server import BINARY, KEY, environment, run

COMMANDS = ["serve", "migrate", "demo", "createsuperuser", "changepassword", "check", "settings", "routes", "openapi", "healthcheck", "worker", "beat", "tasks", "inspect", "send-task",
            "alerts-report", "backup-db", "version"]


def one_line(done, *words):
    """The message is one line of the program's own and holds the words."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("egoejo: "), done.stderr
    for word in words:
        assert word in lines[0], done.stderr


# --- the command line itself ---


def test_help_names_every_command():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", done.stdout, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command):
    done = run(command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"Usage: egoejo {command}")


@pytest.mark.parametrize("arguments", [[], ["dance"], ["--dance"], ["serve", "--dance"], ["serve", "--markdown"], ["version", "now"], ["Serve"],
                                       ["version", "--username", "x"], ["createsuperuser", "ana"], ["createsuperuser", "--username"],
                                       ["createsuperuser"], ["changepassword"], ["changepassword", "a", "b"]])
def test_a_wrong_command_line_gets_the_usage_and_64(arguments):
    done = run(*arguments)
    assert done.returncode == os.EX_USAGE
    assert done.stdout == "" and ("Usage: egoejo" in done.stderr or "--username is needed" in done.stderr)


def test_version_names_program_and_libraries():
    for arguments in (["version"], ["--version"]):
        done = run(*arguments)
        assert done.returncode == 0
        names = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        assert re.fullmatch(r"\d+\.\d+\.\d+", names["egoejo"])
        assert {"libmicrohttpd", "sqlite", "libpq", "hiredis", "openssl", "jansson", "zlib", "brotli"} <= set(names)
        assert all(re.match(r"\d+\.\d+", number) for number in names.values())


def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, "version"], env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 1 and "standard output" in done.stderr


# --- settings ---


@pytest.mark.parametrize("settings, words", [
    (dict(PORT="http"), ["PORT"]),
    (dict(PORT="65536"), ["PORT"]),
    (dict(API_PAGE_SIZE="0"), ["API_PAGE_SIZE"]),
    (dict(LOG_LEVEL="LOUD"), ["LOG_LEVEL"]),
    (dict(CORS_ALLOWED_ORIGINS="http://example.org/path"), ["CORS_ALLOWED_ORIGINS"]),
    (dict(EGOEJO_COMMISSION_RATE="much"), ["EGOEJO_COMMISSION_RATE"]),
    (dict(DATABASE_URL="mysql://localhost/x"), ["postgres://", "sqlite://"]),
    (dict(DJANGO_SECRET_KEY=None), ["DJANGO_SECRET_KEY"]),
    (dict(DJANGO_SECRET_KEY=""), ["DJANGO_SECRET_KEY"]),
    (dict(DEBUG="0", DJANGO_SECRET_KEY="short", ENABLE_SAKA="True", SAKA_COMPOST_ENABLED="True", SAKA_SILO_REDIS_ENABLED="True"),
     ["DJANGO_SECRET_KEY"]),
    (dict(DEBUG="0"), ["ENABLE_SAKA"]),
    (dict(DEBUG="0", ENABLE_SAKA="True"), ["SAKA_COMPOST_ENABLED"]),
    (dict(DEBUG="0", ENABLE_SAKA="True", SAKA_COMPOST_ENABLED="True", SAKA_SILO_REDIS_ENABLED="True", RAILWAY_ENVIRONMENT="production"),
     ["ALLOWED_HOSTS"]),
    (dict(DEBUG="0", ENABLE_SAKA="True", SAKA_COMPOST_ENABLED="True", SAKA_SILO_REDIS_ENABLED="True", E2E_TEST_MODE="1"), ["E2E_TEST_MODE"]),
    (dict(REDIS_URL="http://localhost"), ["REDIS_URL"]),
    (dict(REDIS_URL="redis://localhost/one"), ["REDIS_URL"]),
    (dict(REDIS_CACHE_URL="redis://"), ["REDIS_CACHE_URL"]),
    (dict(TRUSTED_PROXIES="10.0.0.0/99"), ["TRUSTED_PROXIES"]),
])
def test_a_wrong_setting_stops_the_start_with_one_line_and_78(folder, settings, words):
    values = {"DATABASE_URL": "sqlite:///x.sqlite3", "LOG_FORMAT": "text", **settings}
    done = run("serve", folder=folder, **values)
    assert done.returncode == os.EX_CONFIG, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("egoejo: ") or " CRITICAL " in line]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], done.stderr


def test_settings_shows_every_variable_and_no_secret():
    secrets = dict(DJANGO_SECRET_KEY="sekret-key-" + "k" * 50, METRICS_TOKEN="sekret-token", DB_PASSWORD="sekret-db",
                   REDIS_URL="redis://me:sekret-redis@localhost:6379/0", DATABASE_URL="postgres://me:sekret-pg@localhost/x")
    done = run("settings", **secrets)
    assert done.returncode == 0
    assert "sekret" not in done.stdout + done.stderr
    shown = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert shown["DJANGO_SECRET_KEY"] == "***" and shown["REDIS_URL"].endswith("***@localhost:6379/0")
    assert shown["API_PAGE_SIZE"] == "20" and shown["SHUTDOWN_GRACE_S"] == "10"


def test_settings_as_markdown_needs_no_environment():
    done = run("settings", "--markdown", DJANGO_SECRET_KEY=None)
    assert done.returncode == 0
    variables = re.findall(r"^\| `?([A-Z0-9_]+)`? \|", done.stdout, re.M)
    assert len(variables) == len(set(variables)) and {"DJANGO_SECRET_KEY", "REDIS_URL", "HTTP_THREADS"} <= set(variables)


def test_routes_shows_the_table():
    done = run("routes", DJANGO_SECRET_KEY=None)
    assert done.returncode == 0
    assert re.search(r"^GET\s+/api/projets/\s", done.stdout, re.M)
    assert re.search(r"^GET\s+/readyz\s", done.stdout, re.M)


# --- migrate, demo ---


def test_migrate_makes_all_tables_once(folder):
    url = f"sqlite:///{folder}/new.sqlite3"
    first = run("migrate", DATABASE_URL=url)
    assert first.returncode == 0 and "tables created" in first.stdout
    database = Database(url)
    assert {"core_projet", "auth_user", "django_migrations", "egoejo_schema", "egoejo_outbox"} <= database.tables()
    again = run("migrate", DATABASE_URL=url)
    assert again.returncode == 0 and "nothing to do" in again.stdout
    assert database.count("egoejo_schema") == 3


def test_migrate_needs_no_secret_key(folder):
    assert run("migrate", DATABASE_URL=f"sqlite:///{folder}/x.sqlite3", DJANGO_SECRET_KEY=None).returncode == 0


def test_migrate_completes_a_database_of_django(folder, empty_template):
    path = shutil.copy(empty_template, folder)
    with sqlite3.connect(path) as c:
        for (table,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'egoejo\\_%' ESCAPE '\\'").fetchall():
            c.execute(f"DROP TABLE {table}")
    done = run("migrate", DATABASE_URL=f"sqlite:///{path}")
    assert done.returncode == 0 and "added" in done.stdout
    assert "egoejo_outbox" in Database(f"sqlite:///{path}").tables()


@pytest.mark.parametrize("change", ["DROP TABLE core_poll", "ALTER TABLE core_projet DROP COLUMN categorie"])
def test_migrate_refuses_a_foreign_schema_and_says_what_differs(folder, empty_template, change):
    path = shutil.copy(empty_template, folder)
    database = Database(f"sqlite:///{path}")
    database.execute("DROP TABLE egoejo_outbox")
    database.execute(change)
    before = database.tables()
    done = run("migrate", DATABASE_URL=database.url)
    assert done.returncode == 1
    assert done.stderr.startswith("egoejo: ") and ("core_poll" in done.stderr or "categorie" in done.stderr)
    assert database.tables() == before


def test_demo_fills_an_empty_database(database):
    done = run("demo", DATABASE_URL=database.url)
    assert done.returncode == 0, done.stderr
    assert (database.count("core_projet"), database.count("core_educationalcontent"), database.count("core_community"),
            database.count("core_cagnotte"), database.count("core_helprequest")) == (8, 12, 3, 4, 4)
    assert database.count("auth_user") == 0
    statuses = {row[0] for row in database.execute("SELECT DISTINCT status FROM core_educationalcontent")}
    assert statuses == {"draft", "pending", "published", "rejected", "archived"}
    for table, column in (("core_projet", "titre"), ("core_educationalcontent", "title"), ("core_cagnotte", "titre"),
                          ("core_helprequest", "title"), ("core_community", "name")):
        assert all(row[0].startswith("[Démo] ") for row in database.execute(f"SELECT {column} FROM {table}"))
    # What refers to another row found it, and the sums are those of the rows
    assert database.execute("SELECT COUNT(*) FROM core_cagnotte WHERE projet_id IS NULL") == [(0,)]
    assert database.execute("SELECT COUNT(*) FROM core_cagnotte k WHERE montant_collecte <> "
                            "(SELECT SUM(montant) FROM core_contribution c WHERE c.cagnotte_id = k.id)") == [(0,)]
    assert database.count("project_impact_4p") == 8
    # New rows get free ids
    assert database.insert("core_projet", titre="Après") not in {1}


def test_demo_refuses_a_database_with_rows(database):
    database.insert("core_community", slug="la-mienne")
    done = run("demo", DATABASE_URL=database.url)
    assert done.returncode == 1
    one_line(done, "empty")
    assert database.count("core_projet") == 0 and database.count("core_community") == 1


def test_demo_twice_changes_nothing(folder):
    url = f"sqlite:///{folder}/x.sqlite3"
    assert run("demo", DATABASE_URL=url).returncode == 0
    assert run("demo", DATABASE_URL=url).returncode == 1
    assert Database(url).count("core_projet") == 8


# --- check ---


def test_check_of_a_sound_setup(new_database, redis_server):
    done = run("check", DATABASE_URL=new_database("empty"), REDIS_URL=redis_server.url)
    assert done.returncode == 0, done.stdout
    assert "WRONG" not in done.stdout
    assert [line.split()[:3] for line in done.stdout.splitlines() if line.startswith("redis")] == [
        ["redis", "channels", "ok"], ["redis", "cache", "ok"], ["redis", "tasks", "ok"]]


def test_check_makes_no_file_and_changes_none(folder, empty_template):
    path = os.path.join(folder, "none.sqlite3")
    run("check", DATABASE_URL=f"sqlite:///{path}")
    assert not os.path.exists(path)
    copy = shutil.copy(empty_template, folder)
    before = open(copy, "rb").read()
    assert run("check", DATABASE_URL=f"sqlite:///{copy}").returncode == 0
    assert open(copy, "rb").read() == before


def test_check_says_what_is_wrong(new_database, redis_server):
    url, port = new_database("empty"), free_port()
    cases = [
        (dict(DATABASE_URL=url, REDIS_URL=f"redis://:sekret-secret@127.0.0.1:{port}"), 1, "refused"),
        (dict(DATABASE_URL=f"postgres://me:sekret-secret@127.0.0.1:{port}/x"), 1, "database       WRONG"),
        (dict(DATABASE_URL=url, DJANGO_SECRET_KEY=None), 78, "DJANGO_SECRET_KEY"),
        (dict(DATABASE_URL=new_database("missing"), MIGRATE_ON_START="0"), 1, "database       WRONG"),
    ]
    for settings, status, words in cases:
        done = run("check", **settings)
        assert done.returncode == status and words in done.stdout, (settings, done.stdout, done.stderr)
        assert "sekret" not in done.stdout + done.stderr


def test_check_names_the_differences_of_a_foreign_schema(folder):
    path = os.path.join(folder, "foreign.sqlite3")
    with sqlite3.connect(path) as c:
        c.execute("CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
    done = run("check", DATABASE_URL=f"sqlite:///{path}")
    assert done.returncode == 1
    assert "schema         WRONG" in done.stdout and "core_projet" in done.stdout


def test_check_of_a_corrupt_file(folder):
    path = os.path.join(folder, "corrupt.sqlite3")
    with open(path, "wb") as f:
        f.write(b"This is not a database. " * 200)
    done = run("check", DATABASE_URL=f"sqlite:///{path}")
    assert done.returncode == 1 and "database       WRONG" in done.stdout


# --- healthcheck ---


def test_healthcheck_follows_the_server(start_server):
    server = start_server()
    port = server.port
    assert run("healthcheck", PORT=port).returncode == 0
    assert run("healthcheck", PORT=port, HOST="0.0.0.0").returncode == 0
    server.stop()
    done = run("healthcheck", PORT=port)
    assert done.returncode == 1
    one_line(done, str(port))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b""])
def test_healthcheck_of_something_that_is_not_ready(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = subprocess.Popen([BINARY, "healthcheck"], env=environment(PORT=listener.getsockname()[1]), stderr=subprocess.PIPE, text=True)
        peer, _ = listener.accept()
        assert peer.recv(1000).startswith(b"GET /readyz HTTP/1.1\r\n")
        peer.sendall(answer)
        peer.close()
        assert child.wait(10) == 1
        assert child.stderr.read().count("\n") == 1


def test_healthcheck_waits_three_seconds_and_no_longer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run("healthcheck", PORT=listener.getsockname()[1], timeout=6)  # accepted by the kernel, never answered
    assert done.returncode == 1
    one_line(done, "3 seconds")


# --- starts that fail ---


def failed_start(server, status=1):
    assert server.wait() == status, server.output
    (event,) = server.events("start.failed")
    assert event["level"] == "CRITICAL"
    return event["message"]


def test_a_port_in_use(start_server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in failed_start(start_server(wait=False, PORT=port))


def test_a_corrupt_database_file(folder, start_server):
    path = os.path.join(folder, "corrupt.sqlite3")
    with open(path, "wb") as f:
        f.write(b"This is not a database. " * 200)
    assert path in failed_start(start_server(f"sqlite:///{path}", wait=False))


def test_a_foreign_database_is_refused_with_its_differences(folder, start_server):
    path = os.path.join(folder, "foreign.sqlite3")
    with sqlite3.connect(path) as c:
        c.execute("CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
    server = start_server(f"sqlite:///{path}", wait=False)
    assert "differ" in failed_start(server)
    assert server.events("schema.difference")
    assert Database(f"sqlite:///{path}").tables() == {"recipes"}


def test_a_folder_that_does_not_exist(start_server):
    assert failed_start(start_server("sqlite:////nowhere/at/all.sqlite3", wait=False))


def test_a_postgresql_that_does_not_answer(start_server):
    port = free_port()
    server = start_server(f"postgres://me:sekret-secret@127.0.0.1:{port}/x", wait=False)
    server.secrets.append("sekret-secret")
    assert str(port) in failed_start(server)


def test_a_wrong_password_of_postgresql(start_server, postgres):
    url = postgres.create_database().replace(postgres.PASSWORD, "sekret-wrong")
    server = start_server(url, wait=False)
    server.secrets.append("sekret-wrong")
    assert failed_start(server)


def test_a_missing_file_is_made_on_start(start_server, folder):
    server = start_server("missing")
    assert server.events("schema.created")
    assert server.get("/api/projets/").json == []


@pytest.mark.parametrize("database", ["missing", "plain"])
def test_migrate_on_start_off_makes_nothing(start_server, folder, database):
    path = os.path.join(folder, "x.sqlite3")
    if database == "plain":
        sqlite3.connect(path).execute("PRAGMA user_version = 1").close()
    server = start_server(f"sqlite:///{path}", wait=False, MIGRATE_ON_START="0")
    assert failed_start(server)
    assert database == "missing" and not os.path.exists(path) or Database(f"sqlite:///{path}").tables() == set()


def test_migrate_on_start_off_serves_a_current_schema(start_server):
    assert start_server(MIGRATE_ON_START="0").get("/readyz").status == 200


def test_a_file_that_cannot_be_written_is_served_read_only(start_server, folder, demo_template):
    place = os.path.join(folder, "fixed")
    os.mkdir(place)
    path = shutil.copy(demo_template, place)
    os.chmod(path, 0o444)
    os.chmod(place, 0o555)
    binary = shutil.copy(BINARY, os.path.join(folder, "egoejo"))
    os.chmod(binary, 0o755)
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    server = start_server(f"sqlite:///{path}", wrapper=wrapper, binary=binary)
    (event,) = server.events("database.read_only")
    assert event["level"] == "WARNING"
    assert server.get("/readyz").status == 200
    assert len(server.get("/api/projets/").json) == 8
    server.stop()
    os.chmod(place, 0o755)


# --- secrets ---


def test_no_output_of_any_command_holds_a_secret(folder, start_server):
    secrets = dict(DJANGO_SECRET_KEY="sekret-key-" + "k" * 50, METRICS_TOKEN="sekret-token",
                   REDIS_URL=f"redis://me:sekret-redis@127.0.0.1:{free_port()}/0", DATABASE_URL=f"sqlite:///{folder}/x.sqlite3",
                   DB_PASSWORD="sekret-db")
    for command in ("migrate", "demo", "check", "settings", "routes", "version", "healthcheck"):
        done = run(command, **{**secrets, "PORT": free_port()})
        assert "sekret" not in done.stdout + done.stderr, command
    server = start_server(wait=True, LOG_LEVEL="DEBUG", **secrets)
    server.secrets.append("sekret")
    for path in ("/api/health/", "/health", "/readyz?verbose", "/livez?verbose", "/api/projets/", "/metrics"):
        assert "sekret" not in server.get(path).text
    server.stop()


def test_the_commands_leave_the_terminal_alone_on_sigpipe(folder):
    """A reader that goes away early: no crash report, no hang."""
    child = subprocess.Popen([BINARY, "settings", "--markdown"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    assert child.wait(10) in (0, 1, -signal.SIGPIPE)
    assert KEY.encode() not in child.stderr.read()
