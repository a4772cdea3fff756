"""
Fixtures of the tests that run the program.

Each test has servers, folders and databases of its own, so that tests may run at the same time and in any order;
PostgreSQL is one cluster for each pytest process, with a new database for each test.
"""

import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import people  # noqa: E402
from lib.database import Database  # noqa: E402
from lib.postgres import Postgres  # noqa: E402
from lib.proxy import Proxy  # noqa: E402
from lib.redis_server import RedisServer  # noqa: E402
from lib.server import BINARY, Server, run  # noqa: E402
from lib.uploads import Site  # noqa: E402


def pytest_sessionstart(session):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not built: ./dev build, or name another in EGOEJO", 2)


def _make_folder():
    folder = tempfile.mkdtemp(prefix="egoejo-test-")
    os.chmod(folder, 0o755)  # other users run programs in it
    return folder


@pytest.fixture
def folder():
    path = _make_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _make_template(command):
    folder = _make_folder()
    path = os.path.join(folder, "template.sqlite3")
    done = run(command, folder=folder, DATABASE_URL=f"sqlite:///{path}")
    if done.returncode != 0:
        shutil.rmtree(folder)
        pytest.fail(done.stderr)
    Database(f"sqlite:///{path}").execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder, path


@pytest.fixture(scope="session")
def empty_template():
    """An SQLite file with all tables and no rows."""
    folder, path = _make_template("migrate")
    yield path
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def demo_template():
    """An SQLite file with the demonstration data."""
    folder, path = _make_template("demo")
    yield path
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres():
    cluster = Postgres()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def postgres_template(postgres):
    """The name of a PostgreSQL database with all tables and no rows, to copy."""
    url = postgres.create_database()
    done = run("migrate", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    return url.rpartition("/")[2]


@pytest.fixture
def new_database(folder, request):
    """new_database("empty" | "demo" | "missing"): the URL of an SQLite file of the test's own."""
    made = []

    def make(kind):
        path = os.path.join(folder, f"database-{len(made)}.sqlite3")
        made.append(path)
        if kind != "missing":
            shutil.copy(request.getfixturevalue(f"{kind}_template"), path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """A database with its tables and no rows, on each engine."""
    if request.param == "sqlite":
        url = request.getfixturevalue("new_database")("empty")
    else:
        url = request.getfixturevalue("postgres").create_database(request.getfixturevalue("postgres_template"))
    opened = Database(url)
    yield opened
    opened.close()


def _end(started):
    """Stops them and checks what each has said; one that is at fault leaves none of the others running."""
    try:
        for process in started:
            if process.process.poll() is None:
                process.stop()
            else:
                process.check_output()
    finally:
        for process in started:
            process.kill()


@pytest.fixture
def start_server(folder, new_database):
    """
    start_server(database, redis, wait, wrapper, pass_fds, binary, **settings) → Server.

    database: "empty", "demo", "missing", a URL, or None for none. redis: anything with a .url, or a URL.
    """
    started = []

    def start(database="empty", redis=None, wait=True, wrapper=(), pass_fds=(), binary=None, **settings):
        if database is not None:
            settings.setdefault("DATABASE_URL", database if "://" in database else new_database(database))
        if redis is not None:
            settings.setdefault("REDIS_URL", getattr(redis, "url", redis))
        server = Server(folder, settings, wrapper, pass_fds, binary)
        started.append(server)
        return server.wait_ready() if wait else server

    yield start
    _end(started)


@pytest.fixture
def make_site(start_server, folder, request):
    """make_site(database, **settings) → Site: a server with a folder of files, and somebody who sends it some."""

    def make(database=None, **settings):
        database = database or Database(request.getfixturevalue("new_database")("empty"))
        person = people.add_person(database, "ordinary", "ana")
        media = os.path.join(folder, "media")
        return Site(start_server(database.url, MEDIA_ROOT=media, **settings), database, media, person)

    return make


@pytest.fixture
def start_worker(folder, new_database):
    """start_worker(redis, *options, wait, **settings) → Server: egoejo worker with the tasks of the interop checks."""
    started = []

    def start(redis, *options, wait=True, database="empty", **settings):
        settings.setdefault("DATABASE_URL", database if "://" in database else new_database(database))
        settings.setdefault("REDIS_URL", getattr(redis, "url", redis))
        settings.setdefault("INTEROP_TASKS", "1")
        started.append(Server(folder, settings, command=("worker", *options)))
        if wait:
            started[-1].wait_event("worker.ready", 30)
        return started[-1]

    yield start
    _end(started)


@pytest.fixture
def server(start_server):
    """A server on an empty database, without Redis."""
    return start_server()


@pytest.fixture
def redis_server():
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def start_redis():
    """start_redis(password, arguments, start) → RedisServer."""
    started = []

    def start(*args, **kwargs):
        started.append(RedisServer(*args, **kwargs))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def start_proxy():
    """start_proxy(target_port, mode) → Proxy."""
    started = []

    def start(*args, **kwargs):
        started.append(Proxy(*args, **kwargs))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()
