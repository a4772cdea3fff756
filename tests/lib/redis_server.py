"""A redis-server of the test's own, on a port of its own, that can be broken in every way a real one breaks."""

import os
import shutil
import signal
import subprocess
import tempfile

import redis

from lib import wait
from lib.net import free_port


class RedisServer:
    def __init__(self, password=None, arguments=(), start=True):
        self.folder = tempfile.mkdtemp(prefix="egoejo-redis-")
        self.port = free_port()
        self.password = password
        self.arguments = list(arguments)
        self.process = None
        if start:
            self.start()

    @property
    def url(self):
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def client(self, db=0):
        """A client of the test's own; closed by the garbage collector, like the test that made it."""
        return redis.Redis(port=self.port, db=db, password=self.password, socket_timeout=5, protocol=2)

    def _answers(self):
        assert self.process.poll() is None, f"redis-server ended with {self.process.returncode}"
        try:
            return self.client().ping()
        except redis.exceptions.BusyLoadingError:
            return False
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return False

    def start(self, wait_for_answer=True):
        """Starts it, empty, on the same port."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--dir", self.folder, "--daemonize", "no", "--enable-debug-command", "yes"]
        if self.password:
            command += ["--requirepass", self.password]
        self.process = subprocess.Popen(command + self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        if wait_for_answer:
            wait.until(self._answers, 10, f"redis-server on port {self.port}", 0.005)
        return self

    def kill(self):
        """kill -9: what was in memory is lost."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def restart(self):
        """Kills and starts again, empty, on the same port."""
        self.kill()
        return self.start()

    def pause(self):
        """SIGSTOP: connections stay, nothing answers."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def command(self, *words, db=0):
        c = self.client(db)
        try:
            return c.execute_command(*words)
        finally:
            c.close()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
