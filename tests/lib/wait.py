"""Waiting for a condition, with a deadline: no test sleeps for a fixed time."""

import time


def until(condition, timeout=10.0, what="the condition", pause=0.01):
    """Calls condition until it returns something true, and returns that; fails after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout} s (last: {value!r})")
        time.sleep(pause)
