"""The program under test: one process, its log as events, and the rules that every run of it must keep."""

import collections
import json
import os
import re
import subprocess
import threading
import time
from signal import SIGCONT, SIGTERM

from lib.http import Client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("EGOEJO") or os.path.join(ROOT, "build", "egoejo")

KEY = "a-key-for-tests-that-is-long-enough-to-be-no-reason-for-a-warning-0123456789"
SANITIZER = re.compile(r"(ERROR|WARNING): (Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE")


def is_sanitized(binary=BINARY):
    """Whether it was built with a sanitizer: then its memory and its speed say nothing."""
    with open(binary, "rb") as f:
        return re.search(rb"__(asan|tsan|msan)_init", f.read()) is not None


def environment(**settings):
    """
    Only what a test names: nothing of the developer's own environment reaches the program. None takes a default away.
    Nothing is throttled unless a test says DISABLE_THROTTLE_FOR_TESTS="0"; no background task is run unless it says
    TASKS_LOCAL_WORKERS="2", and nothing enqueued by beat (BEAT="on"), so that what requests enqueue can be looked at.
    """
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env.update(DJANGO_SECRET_KEY=KEY, DEBUG="1", HOST="127.0.0.1", PORT="0", LOG_FORMAT="json", DISABLE_THROTTLE_FOR_TESTS="1",
               TASKS_LOCAL_WORKERS="0", BEAT="off")
    for name, value in settings.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


def run(*arguments, folder=None, timeout=60, **settings):
    """Runs a command of the program to its end; a subprocess.CompletedProcess with text output."""
    done = subprocess.run([BINARY, *arguments], env=environment(**settings), cwd=folder, timeout=timeout, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


class Server:
    """
    egoejo serve (or another command that stays), as its own process. Waits are on its log lines: a thread reads them as they come.

    Ended by stop (a signal, the exit status checked); teardown calls it for tests that do not.
    """

    def __init__(self, folder, settings, wrapper=(), pass_fds=(), binary=None, command=("serve",)):
        self.folder = str(folder)
        self.settings = environment(**settings)
        self.log_path = os.path.join(self.folder, f"server-{time.monotonic_ns()}.log")
        self.lines = []
        self.port = None
        self.secrets = [KEY]
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen([*wrapper, binary or BINARY, *command], env=self.settings, cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=pass_fds)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    # --- its log ---

    def _read(self):
        with open(self.log_path, "wb") as copy:
            for line in self.process.stdout:
                copy.write(line)
                copy.flush()
                with self._news:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def output(self):
        return "\n".join(self.lines)

    def mark(self):
        """A place in the log: events and wait_event look from there on."""
        return len(self.lines)

    def events(self, name=None, since=0, **fields):
        """The log lines, as objects, of that event and with these fields."""
        found = []
        for line in self.lines[since:]:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if (name is None or event.get("event") == name) and all(event.get(k) == v for k, v in fields.items()):
                found.append(event)
        return found

    def wait_event(self, name, timeout=10.0, since=0, **fields):
        """The first such line; fails when it does not come in time, or when the program ends before."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = self.events(name, since, **fields)
                if found:
                    return found[0]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "the program ended" if self._ended else f"not within {timeout} s"
                    raise AssertionError(f"no {name} {fields}: {why}\n{self.output}")
                self._news.wait(left)

    def wait_ready(self, timeout=30.0):
        event = self.wait_event("server.listening", timeout)
        self.port = int(event["address"].rstrip("/").rpartition(":")[2])
        return self

    # --- talking to it ---

    def client(self, timeout=10):
        return Client(self.port, timeout=timeout)

    def request(self, method, target, headers=None, body=None, timeout=10):
        with self.client(timeout) as c:
            return c.request(method, target, headers, body)

    def get(self, target, headers=None, timeout=10):
        return self.request("GET", target, headers, timeout=timeout)

    def metrics(self):
        """/metrics as a dictionary: 'name{labels}' → number."""
        values = {}
        for line in self.get("/metrics").text.splitlines():
            if line and not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                values[series] = float(value)
        return values

    def answered(self):
        """How many requests it has counted: route → number. An answer is counted when it has been sent, which its reader may see a moment before."""
        routes = collections.Counter()
        for series, value in self.metrics().items():
            if series.startswith("egoejo_http_requests_total{"):
                routes[re.search(r'route="([^"]*)"', series)[1]] += value
        return routes

    # --- ending it ---

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=30):
        """The exit status; negative: the signal that killed it. Its output is then complete."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def stop(self, number=SIGTERM, expect=0, timeout=30):
        """Stops it and checks what every run must keep: exit status, no sanitizer report, no secret in the log."""
        if self.process.poll() is None:
            self.signal(SIGCONT)
            self.signal(number)
        try:
            status = self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"does not stop within {timeout} s\n{self.output}") from None
        self.check_output()
        assert status == expect, f"exit status {status}\n{self.output}"

    def check_output(self):
        report = SANITIZER.search(self.output)
        assert not report, self.output
        for secret in self.secrets:
            assert secret not in self.output, f"a secret is in the log\n{self.output}"

    def kill(self):
        """The end without manners; nothing is checked."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
