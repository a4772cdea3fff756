"""What the resilience tests measure with."""

import time

import pytest

from lib import wait
from lib.live import Sockets

PROMPT = 1.0  # seconds within which health must tell the truth, both ways (resilience.md 2.2)
USAGES = ("channels", "cache", "tasks")


class Watcher:
    """Looks at the health of a server."""

    def __init__(self, server):
        self.server = server

    def health(self):
        return self.server.get("/health").json

    def down(self):
        """The usages that are down now."""
        return {u for u, s in self.health()["redis"].items() if not s["available"]}

    def wait_down(self, *usages, timeout=PROMPT):
        """Until these (default: all) are down and no others; the seconds it took."""
        return self._wait(set(usages or USAGES), timeout)

    def wait_up(self, timeout=PROMPT):
        return self._wait(set(), timeout)

    def _wait(self, expected, timeout):
        started = time.monotonic()
        wait.until(lambda: self.down() == expected, timeout, f"{sorted(expected)} down, no others")
        return time.monotonic() - started


@pytest.fixture
def watch():
    return Watcher


@pytest.fixture
def sockets():
    made = Sockets()
    yield made
    made.close()
