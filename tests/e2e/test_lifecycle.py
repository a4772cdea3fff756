"""Start, signals and stop: what runs is finished, what waits is told, nothing is left behind."""

import os
import signal
import socket
import sys
import threading
import time

import pytest

from lib import net, wait
from lib.database import Database
from lib.server import Server

BIG = 12 * 1024 * 1024  # bytes of an answer that no socket buffer holds


@pytest.fixture
def big_server(start_server, new_database):
    """A server whose project list is too large to be sent before its reader reads."""

    def start(**settings):
        url = new_database("empty")
        database = Database(url)
        for i in range(24):
            database.insert("core_projet", titre=f"Projet {i}", description="x" * (BIG // 24))
        database.close()
        return start_server(url, **settings)

    return start


def ask_and_wait_for_the_first_byte(server, path="/api/projets/"):
    """A socket on which an answer is under way: head read, most of the body not."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(20)
    s.connect(("127.0.0.1", server.port))
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    assert head.startswith(b"HTTP/1.1 200")
    return s, length


def read_exactly(s, length):
    got = 0
    while got < length:
        data = s.recv(1 << 16)
        assert data, f"cut after {got} of {length} bytes"
        got += len(data)
    return got


def wait_until_refused(server):
    wait.until(lambda: not net.answers(server.port), 5, "the server accepts no more")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_answer_that_runs(big_server, number):
    server = big_server(SHUTDOWN_GRACE_S=20)
    s, length = ask_and_wait_for_the_first_byte(server)
    server.signal(number)
    wait_until_refused(server)
    assert read_exactly(s, length) > BIG
    assert server.wait() == 0
    assert server.events("server.stopped")[0]["cut"] == 0
    s.close()


def test_a_signal_lets_a_request_come_in_to_its_end(start_server):
    server = start_server()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(b"POST /api/help-requests/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                  b"Expect: 100-continue\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 100")  # it has the head and waits for the body
        server.signal(signal.SIGTERM)
        wait_until_refused(server)
        s.sendall(b"{}")
        assert s.recv(4000).startswith(b"HTTP/1.1 ")
    assert server.wait() == 0


def test_what_does_not_end_within_the_grace_is_cut(big_server):
    server = big_server(SHUTDOWN_GRACE_S=1)
    s, _ = ask_and_wait_for_the_first_byte(server)
    started = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert 0.9 < time.monotonic() - started < 5
    (event,) = server.events("server.stopped")
    assert event["level"] == "WARNING" and event["cut"] == 1
    s.close()


def test_a_second_interrupt_ends_at_once(big_server):
    server = big_server(SHUTDOWN_GRACE_S=60)
    s, _ = ask_and_wait_for_the_first_byte(server)
    server.signal(signal.SIGINT)
    server.wait_event("server.stopping")
    wait_until_refused(server)
    server.signal(signal.SIGINT)
    assert server.wait(5) == -signal.SIGINT
    s.close()


def test_a_kept_alive_connection_does_not_hold_up_the_stop(start_server):
    server = start_server(SHUTDOWN_GRACE_S=30)
    with server.client() as client:
        assert client.get("/api/projets/").status == 200
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 5


def test_nobody_is_told_ready_once_it_stops(big_server):
    server = big_server(SHUTDOWN_GRACE_S=20)
    with server.client() as kept:
        assert kept.get("/readyz").status == 200
        s, length = ask_and_wait_for_the_first_byte(server)
        server.signal(signal.SIGTERM)
        wait_until_refused(server)
        try:
            assert kept.get("/readyz").status == 503
        except (ConnectionError, OSError):
            pass  # closed: no answer is no "ready" either
        read_exactly(s, length)
        s.close()
    assert server.wait() == 0


def test_hangup_is_ignored(start_server):
    server = start_server()
    server.signal(signal.SIGHUP)
    assert server.get("/readyz").status == 200
    server.stop()


def test_clients_that_go_away_in_mid_answer_harm_nobody(big_server):
    server = big_server()
    for _ in range(5):
        s, _ = ask_and_wait_for_the_first_byte(server)
        s.close()
    assert server.get("/readyz").status == 200
    server.stop()


def test_a_killed_server_starts_again_on_its_database(start_server, new_database):
    url = new_database("demo")
    first = start_server(url)
    assert len(first.get("/api/projets/").json) == 8
    first.kill()
    second = start_server(url)
    assert len(second.get("/api/projets/").json) == 8


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_several_may_start_at_once_on_an_empty_database(folder, start_server, engine, request):
    url = f"sqlite:///{folder}/shared.sqlite3" if engine == "sqlite" else request.getfixturevalue("postgres").create_database()
    servers = [start_server(url, wait=False) for _ in range(4)]
    for server in servers:
        server.wait_ready(60)
        assert server.get("/readyz").status == 200
    assert sum(len(s.events("schema.created")) for s in servers) >= 1
    assert Database(url).count("egoejo_schema") == 3


# --- systemd ---


class NotifySocket:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(20)

    def next(self):
        return self.socket.recv(1000).decode()


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_is_told(folder, start_server, kind):
    name = f"@egoejo-test-{os.getpid()}-{time.monotonic_ns()}" if kind == "abstract" else os.path.join(folder, "notify")
    notify = NotifySocket(name)
    server = start_server(NOTIFY_SOCKET=name, wait=False)
    assert notify.next() == "READY=1"
    server.wait_ready()
    assert server.get("/readyz").status == 200
    server.signal(signal.SIGTERM)
    assert notify.next() == "STOPPING=1"
    assert server.wait() == 0


def test_the_watchdog_is_fed(folder, start_server):
    name = os.path.join(folder, "notify")
    notify = NotifySocket(name)
    server = start_server(NOTIFY_SOCKET=name, WATCHDOG_USEC=100000)
    assert [notify.next() for _ in range(4)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
    server.stop()


def test_a_notify_socket_that_is_not_there_is_no_matter(start_server):
    server = start_server(NOTIFY_SOCKET="/nowhere/notify")
    server.stop()


def test_a_socket_that_systemd_passes_is_served(start_server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        # LISTEN_PID must be the process that execs; the socket must be descriptor 3
        become = f"import os, sys; os.dup2({fd}, 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[1], sys.argv[1:])"
        server = start_server(wrapper=[sys.executable, "-c", become], pass_fds=(fd,), PORT="0")
        assert server.port == port
        assert server.get("/readyz").status == 200
        server.stop()


def test_descriptors_meant_for_another_process_are_left_alone(start_server):
    server = start_server(LISTEN_PID=1, LISTEN_FDS=1)
    assert server.get("/readyz").status == 200


# --- threads, memory, descriptors ---


def test_connections_leave_no_descriptors_behind(server):
    def descriptors():
        return len(os.listdir(f"/proc/{server.pid}/fd"))

    for _ in range(50):
        server.get("/api/projets/")
    before = descriptors()
    workers = [threading.Thread(target=lambda: [server.get("/api/projets/") for _ in range(50)]) for _ in range(8)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    wait.until(lambda: descriptors() <= before + 2, 10, "descriptors are closed")


def test_the_log_of_a_quiet_life_has_no_warning(start_server):
    server = start_server()
    assert isinstance(server, Server)
    server.get("/api/projets/")
    server.stop()
    assert [e for e in server.events() if e["level"] not in ("INFO", "DEBUG")] == []
    assert [e["event"] for e in server.events() if e["logger"] == "app"][-3:] == ["server.listening", "server.stopping", "server.stopped"]
