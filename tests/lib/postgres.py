"""A PostgreSQL cluster of the test's own. The server refuses to run as root, so as root it runs as the user postgres."""

import glob
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import psycopg

from lib import wait
from lib.net import free_port


def _program(name):
    """The path of a program of PostgreSQL; Debian keeps most of them out of PATH."""
    installed = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    found = installed[-1] if installed else shutil.which("initdb")
    assert found, "PostgreSQL is not installed"
    return os.path.join(os.path.dirname(os.path.realpath(found)), name)


def _as_user():
    """Arguments for Popen that leave root behind."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Postgres:
    PASSWORD = "canary-database-password"

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="egoejo-pg-")
        self.port = free_port()
        self.process = None
        self._names = itertools.count(1)
        password_file = os.path.join(self.folder, "password")
        with open(password_file, "w", encoding="utf-8") as f:
            f.write(self.PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            shutil.chown(password_file, "postgres")
        self._run(_program("initdb"), "-D", self.data, "-U", "egoejo", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                  f"--pwfile={password_file}")
        self.start()

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    def _run(self, *command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", **_as_user())
        assert done.returncode == 0, done.stdout

    def url(self, name):
        return f"postgres://egoejo:{self.PASSWORD}@127.0.0.1:{self.port}/{name}"

    def connect(self, name="postgres", **options):
        return psycopg.connect(self.url(name), autocommit=True, connect_timeout=5, **options)

    def _answers(self):
        assert self.process.poll() is None, "PostgreSQL ended: " + open(os.path.join(self.folder, "log"), encoding="utf-8").read()
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [_program("postgres"), "-D", self.data, "-p", str(self.port), "-k", self.folder, "-c", "listen_addresses=127.0.0.1",
                 "-c", "fsync=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **_as_user())
        wait.until(self._answers, 30, f"PostgreSQL on port {self.port}", 0.02)

    def stop(self, number=signal.SIGINT):
        """SIGINT: connections are cut, the data are kept."""
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, number)
            self.process.wait(30)

    def create_database(self, template="template1"):
        """The URL of a new database: empty, or a copy of one that nobody uses now."""
        name = f"test_{next(self._names)}"
        with self.connect() as c:
            c.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def close(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
