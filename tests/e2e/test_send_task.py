"""egoejo send-task: requests on standard input, ids on standard output."""

import json
import subprocess

import pytest

from lib.net import free_port
from lib.queues import Queues
from lib.server import BINARY, SANITIZER, environment


def start(redis_url):
    return subprocess.Popen([BINARY, "send-task"], env=environment(REDIS_URL=redis_url), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def send(redis_url, text):
    process = start(redis_url)
    printed, said = process.communicate(text, 30)
    assert not SANITIZER.search(said), said
    return process.returncode, printed, said


@pytest.fixture
def queues(redis_server):
    return Queues(redis_server)


def waiting(queues, queue="celery"):
    """The messages of a queue, the first to be served first."""
    return [json.loads(item) for item in reversed(queues.redis.lrange(queue, 0, -1))]


def test_one_request_may_stand_on_several_lines(redis_server, queues):
    request = {"task": "interop.add", "args": [1, {"texte": "une \"}\" et \\ {"}], "id": None, "expires": 60}
    status, printed, said = send(redis_server.url, json.dumps(request, indent=2))
    assert (status, said) == (0, "")
    message, = waiting(queues)
    assert printed == message["headers"]["id"] + "\n" and message["headers"]["argsrepr"].startswith("(1, ")
    assert queues.redis.smembers("_kombu.binding.celery") == {b"celery\x06\x16\x06\x16celery"}


def test_many_requests_go_in_their_order(redis_server, queues):
    requests = [{"task": "interop.add", "args": [i, i], "id": f"n{i}", "queue": "b" if i % 100 == 50 else None, "priority": 9 if i % 7 == 0 else 0}
                for i in range(1000)]
    status, printed, said = send(redis_server.url, "".join(json.dumps(request) + "\n" for request in requests))
    assert (status, said) == (0, "")
    assert printed.split() == [request["id"] for request in requests]
    for queue in ("celery", "b"):
        for priority, list_name in ((0, queue), (9, f"{queue}\x06\x169")):
            expected = [r["id"] for r in requests if (r["queue"] or "celery") == queue and r["priority"] == priority]
            found = waiting(queues, list_name)
            assert [m["headers"]["id"] for m in found] == expected
            assert {m["properties"]["delivery_info"]["routing_key"] for m in found} <= {queue}
    assert len({m["properties"]["delivery_tag"] for m in waiting(queues)}) == queues.redis.llen("celery")


def test_who_writes_one_by_one_reads_each_id_at_once(redis_server, queues):
    process = start(redis_server.url)
    for i in range(3):
        process.stdin.write(json.dumps({"task": "interop.add", "args": [i, i], "id": f"n{i}"}) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"n{i}\n"
        assert queues.redis.llen("celery") == i + 1
    assert process.communicate(timeout=30) == ("", "") and process.returncode == 0


@pytest.mark.parametrize("text, sent, said", [
    ("", [], "no JSON object"),
    ("nonsense", [], "no JSON object"),
    ('{"args": []}', [], '"task"'),
    ('{"task": "interop.add", "id": "a"}\n{"task": "interop.add", "id": "b", "priority": 10}\n{"task": "interop.add", "id": "c"}\n',
     ["a"], 'request 2: the request\'s "priority"'),
    ('{"task": "interop.add", "id": "a"} {"task": "interop.add"', ["a"], "request 2: "),
    ('{"task": "interop.add", "id": "a"}}', ["a"], "request 2: "),
])
def test_the_first_that_is_wrong_ends_it(redis_server, queues, text, sent, said):
    status, printed, error = send(redis_server.url, text)
    assert status == 1 and printed.split() == sent
    assert error.startswith("egoejo: ") and error.count("\n") == 1
    assert said in error
    assert [m["headers"]["id"] for m in waiting(queues)] == sent


def test_no_broker():
    status, printed, said = send(f"redis://127.0.0.1:{free_port()}", '{"task": "interop.add"}')
    assert (status, printed, said) == (1, "", "egoejo: the broker does not answer\n")
