"""Beside Celery itself: its worker runs what ours sends, its clients ask ours, and either takes over what the other leaves behind."""

import gc
import os
import subprocess
import sys
import time

import pytest
from celery import Celery, chain, group

from lib import wait
from lib.queues import Queues
from lib.server import BINARY, environment, run

LIB = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib")


@pytest.fixture
def url(redis_server):
    return f"redis://127.0.0.1:{redis_server.port}/2"


@pytest.fixture
def queues(redis_server):
    return Queues(redis_server)


@pytest.fixture
def app(url):
    app = Celery("client", broker=url, backend=url)
    yield app
    gc.collect()  # results unsubscribe when they go, and want their Redis for it
    app.close()


@pytest.fixture
def start_python(url, app):
    """start_python(**settings): Celery's worker, which answers."""
    started = []

    def start(**settings):
        env = {**environment(CELERY_BROKER_URL=url, **settings), "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "celery", "-A", "python_tasks", "worker", "--loglevel=WARNING", "--concurrency=1", "-n", "python@here"]
        started.append(subprocess.Popen(command, env=env, cwd=LIB, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
        wait.until(lambda: "python@here" in (app.control.inspect(timeout=0.5).ping() or {}), 60, "Celery's worker")
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait()


def send(url, request):
    done = subprocess.run([BINARY, "send-task"], env=environment(CELERY_BROKER_URL=url), input=request,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_its_worker_runs_what_ours_sends(url, app, start_python, queues):
    start_python()
    task = send(url, '{"task": "interop.echo", "args": ["é", null, {"a": [1.5]}], "kwargs": {"nom": "Zoé ✓"}}')
    assert app.AsyncResult(task).get(timeout=20) == {"args": ["é", None, {"a": [1.5]}], "kwargs": {"nom": "Zoé ✓"}}
    started = time.time()
    later = send(url, '{"task": "interop.add", "args": [1, 2], "countdown": 2, "priority": 7}')
    assert app.AsyncResult(later).get(timeout=20) == 3 and time.time() - started >= 1.9
    again = send(url, '{"task": "interop.flaky_retry", "args": ["k"], "kwargs": {"failures": 2}}')
    assert app.AsyncResult(again).get(timeout=20) == {"key": "k", "retries": 2}
    queues.wait_idle()


def test_its_client_is_served_by_our_worker(redis_server, app, start_worker, queues):
    start_worker(redis_server, "-c", "2", "-n", "ours@here")
    assert app.send_task("interop.add", (2, 3)).get(timeout=20) == 5
    steps = chain(app.signature("interop.add", (1, 2)), app.signature("interop.add", (10,)), app.signature("interop.add", (100,)))
    assert steps.apply_async().get(timeout=20) == 113
    assert group(app.signature("interop.add", (n, 1)) for n in range(5)).apply_async().get(timeout=20) == [1, 2, 3, 4, 5]
    with pytest.raises(TypeError, match="unsupported operand"):
        app.send_task("interop.add", ("a", 1)).get(timeout=20)
    again = chain(app.signature("interop.flaky_retry", ("k",), {"failures": 2}), app.signature("interop.echo")).apply_async()
    assert again.get(timeout=20) == {"args": [{"key": "k", "retries": 2}], "kwargs": {}}
    started = time.time()
    assert app.send_task("interop.add", (1, 1), countdown=2).get(timeout=20) == 2 and time.time() - started >= 1.9
    assert app.control.inspect(timeout=1.5).ping() == {"ours@here": {"ok": "pong"}}
    assert app.control.inspect(timeout=1.5).stats()["ours@here"]["total"]["interop.add"] >= 10
    revoked = app.send_task("interop.add", (1, 1), countdown=60)
    wait.until(lambda: app.control.inspect(timeout=0.5).scheduled()["ours@here"], 10, "scheduled")
    app.control.revoke(revoked.id)
    wait.until(lambda: revoked.state == "REVOKED", 10, "revoked")


def test_either_takes_over_from_the_other(redis_server, app, start_worker, start_python, queues):
    ours = start_worker(redis_server, "-c", "1", VISIBILITY_TIMEOUT="2")
    task = app.send_task("interop.sleep", (1,))
    wait.until(lambda: queues.held() == [task.id], 10, "taken by ours")
    ours.kill()
    wait.until(lambda: queues.redis.zcount("unacked_index", 0, time.time() - 2) == 1, 10, "beyond the visibility timeout")
    python = start_python(VISIBILITY_TIMEOUT="2")
    assert task.get(timeout=60) == 1
    task = app.send_task("interop.sleep", (30,))
    wait.until(lambda: queues.held() == [task.id], 10, "taken by Celery's")
    os.killpg(python.pid, 9)
    wait.until(lambda: queues.redis.zcount("unacked_index", 0, time.time() - 2) == 1, 10, "beyond the visibility timeout")
    ours = start_worker(redis_server, "-c", "1", VISIBILITY_TIMEOUT="2")
    wait.until(lambda: queues.control("active"), 10, "it runs again")
    ours.kill()


def test_inspect_sees_both(redis_server, url, start_worker, start_python):
    start_python()
    start_worker(redis_server, "-n", "ours@here")
    done = run("inspect", "ping", CELERY_BROKER_URL=url)
    assert done.returncode == 0 and '"ours@here"' in done.stdout and '"python@here"' in done.stdout
