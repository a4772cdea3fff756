"""egoejo createsuperuser and changepassword: from a pipe and on a terminal, on both engines."""

import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

from lib import people, tokens, wait
from lib.server import BINARY, environment, run

PASSWORD = "Une-Phrase-2-Passe"


def pipe(database, *arguments, text=f"{PASSWORD}\n"):
    """Runs a command with that on standard input."""
    data = text if isinstance(text, bytes) else text.encode()
    done = subprocess.run([BINARY, *arguments], env=environment(DATABASE_URL=database.url), input=data, capture_output=True, timeout=60)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert PASSWORD not in done.stdout + done.stderr
    return done


def login(server, username, password=PASSWORD):
    return server.request("POST", "/api/auth/login/", {"Content-Type": "application/json"},
                          f'{{"username": "{username}", "password": "{password}"}}'.encode(), timeout=60)


def stored(database, username):
    return database.execute("SELECT password FROM auth_user WHERE username = %s", username)[0][0]


# --- createsuperuser ---


def test_a_superuser_has_all_the_rows_and_may_sign_in(start_server, database):
    done = pipe(database, "createsuperuser", "--username", "chef", "--email", "chef@example.org")
    assert (done.returncode, done.stdout, done.stderr) == (0, "superuser chef created\n", "")
    row = database.execute("SELECT id, email, is_staff, is_superuser, is_active, last_login FROM auth_user")[0]
    assert row[1] == "chef@example.org" and all(row[2:5]) and row[5] is None
    assert database.execute("SELECT user_id FROM core_profile")[0][0] == database.execute("SELECT user_id FROM core_sakawallet")[0][0] == row[0]
    assert stored(database, "chef").startswith("argon2$argon2id$v=19$m=102400,t=2,p=8$")
    assert login(start_server(database.url), "chef").status == 200


def test_the_address_is_optional_and_the_password_trimmed(start_server, database):
    assert pipe(database, "createsuperuser", "--username=élodie", text=f"  {PASSWORD} \r\nmore\n").returncode == 0
    assert database.execute("SELECT email FROM auth_user")[0][0] == ""
    assert login(start_server(database.url), "élodie").status == 200


REFUSED = [
    (["--username", "deux mots"], f"{PASSWORD}\n", "username"),
    (["--username", ""], f"{PASSWORD}\n", "username"),
    (["--username", "a" * 151], f"{PASSWORD}\n", "username"),
    (["--username", "taken"], f"{PASSWORD}\n", "username"),
    (["--username", "chef", "--email", "nobody"], f"{PASSWORD}\n", "e-mail"),
    (["--username", "chef"], "court\n", "trop court"),
    (["--username", "chef"], "8301749265\n", "que des chiffres"),
    (["--username", "chef"], "qwertyuiop\n", "trop courant"),
    (["--username", "chef"], "\n", "trop court"),
    (["--username", "chef"], "", "ended"),
    (["--username", "chef"], b"\xff\xfe" + b"x" * 20 + b"\n", "UTF-8"),
    (["--username", "chef"], b"nul\0nul\0nul\0nul\n", "NUL"),
    (["--username", "chef"], "x" * 5000 + "\n", "4096"),
]


def test_what_is_refused_is_told_in_one_line_and_changes_nothing(database):
    people.add_person(database, "ordinary", "taken")
    for arguments, text, word in REFUSED:
        done = pipe(database, "createsuperuser", *arguments, text=text)
        assert done.returncode == 1 and done.stdout == "", arguments
        assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("egoejo: ") and word in done.stderr, done.stderr
    assert database.count("auth_user") == 1


def test_without_tables_nothing_is_made(folder):
    for command in (["createsuperuser", "--username", "chef"], ["changepassword", "chef"]):
        done = run(*command, folder=folder, DATABASE_URL="sqlite:///none.sqlite3")
        assert done.returncode == 1 and "none.sqlite3" in done.stderr
        assert not os.path.exists(os.path.join(folder, "none.sqlite3"))
    open(os.path.join(folder, "empty.sqlite3"), "wb").close()
    done = run("changepassword", "chef", folder=folder, DATABASE_URL="sqlite:///empty.sqlite3")
    assert done.returncode == 1 and "egoejo migrate" in done.stderr


# --- changepassword ---


def test_another_password_ends_the_sessions(start_server, database):
    ana = people.add_person(database, "ordinary", "ana")
    server = start_server(database.url)
    body = f'{{"refresh": "{tokens.refresh(ana.id)}"}}'.encode()
    pair = server.request("POST", "/api/auth/refresh/", {"Content-Type": "application/json"}, body).json
    done = pipe(database, "changepassword", "ana")
    assert (done.returncode, done.stdout, done.stderr) == (0, "password of ana changed\n", "")
    body = f'{{"refresh": "{pair["refresh"]}"}}'.encode()
    assert server.request("POST", "/api/auth/refresh/", {"Content-Type": "application/json"}, body).status == 401
    assert server.get("/api/auth/me/", tokens.bearer(pair["access"])).status == 200
    assert login(server, "ana").status == 200


def test_changepassword_refuses_unknown_names_and_bad_passwords(database):
    people.add_person(database, "ordinary", "ana")
    done = pipe(database, "changepassword", "Ana")
    assert done.returncode == 1 and "no account has the username Ana" in done.stderr
    done = pipe(database, "changepassword", "ana", text="motdepasse\n")
    assert done.returncode == 1 and "trop courant" in done.stderr
    assert stored(database, "ana") == "!"


# --- on a terminal ---


class Terminal:
    """A command with a terminal of its own."""

    def __init__(self, database, *arguments):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([BINARY, *arguments], env=environment(DATABASE_URL=database.url), stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.shown = ""

    def echoes(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def read_until(self, text, timeout=20):
        deadline = time.monotonic() + timeout
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} not within {timeout} s: {self.shown!r}"
            try:
                data = os.read(self.master, 4096)
            except OSError:  # the other end has gone
                data = b""
            assert data or text in self.shown, self.shown
            self.shown += data.decode()

    def answer(self, prompt, line, echo):
        """Types a line once the prompt is there and the terminal is as it should be."""
        self.read_until(prompt)
        wait.until(lambda: self.echoes() == echo, 10)
        os.write(self.master, f"{line}\n".encode())

    def end(self):
        status = self.process.wait(30)
        os.close(self.master)
        return status


@pytest.fixture
def terminal(database):
    opened = []

    def start(*arguments):
        opened.append(Terminal(database, *arguments))
        return opened[-1]

    yield start
    for t in opened:
        if t.process.poll() is None:
            t.process.kill()
            t.process.wait()


def test_a_terminal_is_asked_for_all_that_is_missing(database, terminal):
    t = terminal("createsuperuser")
    t.answer("Username: ", "chef", echo=True)
    t.answer("(may be empty): ", "", echo=True)
    t.answer("Password: ", PASSWORD, echo=False)
    t.answer("(again): ", PASSWORD, echo=False)
    t.read_until("superuser chef created")
    assert PASSWORD not in t.shown and t.echoes()
    assert t.end() == 0
    assert database.count("auth_user") == 1


def test_two_passwords_that_differ(database, terminal):
    people.add_person(database, "ordinary", "ana")
    t = terminal("changepassword", "ana")
    t.answer("Password: ", PASSWORD, echo=False)
    t.answer("(again): ", PASSWORD + "!", echo=False)
    t.read_until("the two passwords differ")
    assert t.end() == 1 and stored(database, "ana") == "!"


def test_a_signal_leaves_the_terminal_as_it_was(database, terminal):
    people.add_person(database, "ordinary", "ana")
    t = terminal("changepassword", "ana")
    t.read_until("Password: ")
    wait.until(lambda: not t.echoes(), 10)
    t.process.send_signal(signal.SIGINT)
    assert t.process.wait(20) == -signal.SIGINT
    assert t.echoes()
