"""PostgreSQL goes away and comes back: 503 at once meanwhile, no restart afterwards."""

import os
import signal
import threading
import time

import pytest

from lib import people, wait
from lib.database import Database
from lib.net import free_port
from lib.postgres import Postgres
from lib.proxy import Proxy
from lib.server import run


@pytest.fixture
def own_postgres():
    """A cluster that this test may stop."""
    cluster = Postgres()
    yield cluster
    cluster.close()


def timed(server, path, headers=None):
    started = time.monotonic()
    answer = server.get(path, headers)
    return answer, time.monotonic() - started


def assert_away(server):
    wait.until(lambda: server.get("/readyz").status == 503, 3, "not ready")
    for path in ("/api/projets/1/", "/api/cagnottes/", "/api/communities/"):
        answer, took = timed(server, path)
        assert answer.status == 503 and list(answer.json) == ["detail"] and int(answer.headers["Retry-After"]) >= 1, path
        assert took < 0.1, f"{path} took {took * 1000:.0f} ms"
        assert "postgres" not in answer.text.lower() and "127.0.0.1" not in answer.text
    health = server.get("/api/health/")
    assert health.status == 503 and health.json["status"] == "error" and health.json["database"] == "disconnected"
    assert Postgres.PASSWORD not in health.text and "egoejo:" not in health.text
    assert server.get("/health", {"Accept": "text/plain"}).text == "error"
    assert server.get("/livez").status == 200
    assert "[-]database failed" in server.get("/readyz?verbose").text


def assert_back(server):
    wait.until(lambda: server.get("/readyz").status == 200, 5, "ready again")
    for path in ("/api/projets/1/", "/api/projets/", "/api/cagnottes/", "/api/health/"):
        wait.until(lambda: server.get(path).status == 200, 5, path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_postgresql_is_stopped_and_started(start_server, own_postgres, number):
    url = own_postgres.create_database()
    assert run("demo", DATABASE_URL=url).returncode == 0
    server = start_server(url)
    server.secrets.append(Postgres.PASSWORD)
    assert server.get("/api/cagnottes/").json["count"] == 4
    for _ in range(2):
        own_postgres.stop(number)
        assert_away(server)
        own_postgres.start()
        assert_back(server)
    assert server.get("/api/cagnottes/").json["count"] == 4
    server.stop()


def test_a_list_in_memory_is_served_without_the_database(start_server, own_postgres):
    url = own_postgres.create_database()
    assert run("demo", DATABASE_URL=url).returncode == 0
    server = start_server(url)
    assert len(server.get("/api/projets/").json) == 8
    own_postgres.stop()
    wait.until(lambda: server.get("/readyz").status == 503, 3, "not ready")
    assert len(server.get("/api/projets/").json) == 8


def test_a_postgresql_that_hangs(start_server, postgres):
    """Connections stay open and nothing answers: a statement has its limit, and after it everybody is told at once."""
    url = postgres.create_database()
    assert run("demo", DATABASE_URL=url).returncode == 0
    proxy = Proxy(postgres.port)
    server = start_server(url.replace(f":{postgres.port}/", f":{proxy.port}/"))
    assert server.get("/api/projets/1/").status == 200
    proxy.set_mode("silent")
    answer, took = timed(server, "/api/projets/1/")
    assert answer.status == 503 and took < 4
    assert_away(server)
    proxy.set_mode("pass")
    proxy.cut()
    assert_back(server)
    server.stop()
    proxy.close()


SLOW_COMMIT = """
    CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON core_projet DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow_commit();
"""


def test_the_file_of_a_row_whose_commit_was_not_heard_of_stays(start_server, postgres, start_proxy, folder):
    """PostgreSQL commits what it was told to, whether or not we are there to hear it: the row is there, and needs its file."""
    url = postgres.create_database()
    assert run("demo", DATABASE_URL=url).returncode == 0
    database = Database(url)
    person = people.add_person(database, "ordinary", "ana")
    database.connection.execute(SLOW_COMMIT)
    proxy = start_proxy(postgres.port)
    server = start_server(url.replace(f":{postgres.port}/", f":{proxy.port}/"), MEDIA_ROOT=os.path.join(folder, "media"))
    body = (b'--x\r\nContent-Disposition: form-data; name="titre"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name="description"\r\n\r\n2\r\n'
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.gif"\r\n\r\nGIF89a\x01\x00\x01\x00\x00\x00\x00;\r\n--x--\r\n')
    answers = []
    client = threading.Thread(target=lambda: answers.append(
        server.request("POST", "/api/projets/", {**person.headers, "Content-Type": "multipart/form-data; boundary=x"}, body)))
    client.start()
    wait.until(lambda: database.execute("SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'"), 10, "the commit")
    proxy.cut()
    client.join()
    assert answers[0].status == 503
    wait.until(lambda: database.execute("SELECT 1 FROM core_projet WHERE image = 'projets/a.gif'"), 10, "the row")
    wait.until(lambda: server.get("/readyz").status == 200, 5, "ready again")
    assert server.get("/media/projets/a.gif").status == 200
    database.close()
    server.stop()


def test_a_stop_while_the_database_is_away(start_server, own_postgres):
    server = start_server(own_postgres.create_database())
    own_postgres.stop()
    wait.until(lambda: server.get("/readyz").status == 503, 3, "not ready")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 5


def test_nothing_starts_on_a_database_that_is_not_there(start_server):
    server = start_server(f"postgres://egoejo:{Postgres.PASSWORD}@127.0.0.1:{free_port()}/x", wait=False)
    server.secrets.append(Postgres.PASSWORD)
    assert server.wait(20) == 1
    assert server.events("start.failed")
