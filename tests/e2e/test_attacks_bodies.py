"""Bodies that mean harm, on every route that reads one: too large, too deep, not UTF-8, NUL, numbers that are none."""

import json
import time

import pytest

from lib import bodies, routes
from lib.attacks import check
from lib.database import Database
from lib.world import World

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LIMIT = 2_621_440


@pytest.fixture(scope="module")
def writing():
    """The lines that have a handler and read a body."""
    return [route for route in routes.table() if not route.later and bodies.GOOD.get(str(route), dict)()]


@pytest.fixture
def world(new_database, start_server):
    """Bodies are judged before the database is asked: one engine will do."""
    opened = Database(new_database("empty"))
    made = World(opened, start_server)
    yield made
    made.close()
    opened.close()


@pytest.fixture
def world_on_both(database, start_server):
    made = World(database, start_server)
    yield made
    made.close()


def send(world, route, body, headers, sent="", statuses=(400,)):
    caller = world.headers_of("staff")
    return check(world.request(route.method, world.path(route), {**caller, **headers}, body), sent, statuses)


BROKEN = {
    "nothing but space": b"   ",
    "half an object": b'{"titre": "a"',
    "two values": b"{}{}",
    "text behind": b"{} x",
    "comma at the end": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "comment": b'{"a": 1 /* x */}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "overlong slash": b'{"a": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "beyond Unicode": b'{"a": "\xf4\x90\x80\x80"}',
    "cut short": b'{"a": "\xe2\x82"}',
    "NUL byte": b'{"a": "x\0y"}',
    "only NUL": b"\0" * 20,
    "NUL behind": b"{}\0",
    "line feed in a text": b'{"a": "x\ny"}',
    "half an escape": b'{"a": "\\u12"}',
    "101 levels": b'{"a":' + b"[" * 101 + b"]" * 101 + b"}",
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "100,000 levels, objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 levels, not closed": b'{"titre":' + b"[" * 100_000,
}


def test_json_that_is_none(world, writing):
    for route in writing:
        for why, body in BROKEN.items():
            answer = send(world, route, body, JSON, why, (400, 413) if len(body) > 50_000 else (400,))
            assert list(answer.json) == ["detail"], (route, why, answer.raw)


def test_json_that_is_no_object(world, writing):
    for route in writing:
        for body in (b"null", b"[]", b"[{}]", b'"titre"', b"7", b"true", b"1e999", b"[" * 50 + b"]" * 50):
            statuses = (400, 403, 404) if "boost" in route.pattern or "reject" in route.pattern else (400,)
            send(world, route, body, JSON, body.decode(), statuses)


ODD = {
    "NUL": "a\0b",
    "lone surrogate": "\ud800",
    "surrogates the wrong way round": "\udc00\ud800",
    "noncharacter": "\ufffe\uffff",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "right to left": "\u202e\u2066abc\u2069",
    "combining": "e" + "\u0301" * 5000,
    "zalgo emoji": "👩‍👩‍👧‍👦" * 200,
    "long": "x" * 100_000,
    "empty": "",
    "space": " \u3000\u00a0",
    "huge number": 10 ** 400,
    "huge float": 1e308,
    "negative": -(2 ** 63),
    "beyond 64 bits": 2 ** 64,
    "true": True,
    "list": [],
    "list of lists": [[[[]]]],
    "object": {"$ne": None},
    "null": None,
    "99 levels": json.loads("[" * 97 + "]" * 97),
    "many elements": list(range(20_000)),
    "many keys": {f"k{i}": i for i in range(20_000)},
}


QUICK = ("NUL", "lone surrogate", "long", "true", "object", "null", "many elements")


def test_odd_values_in_every_field(world_on_both, writing):
    """A field says no, or keeps the value; the database never has the word."""
    world = world_on_both
    for route in writing:
        hashing = str(route) in bodies.HASHING
        for field in bodies.GOOD[str(route)]():
            for why, value in ODD.items():
                if hashing and why not in QUICK:
                    continue  # good names and passwords, which cost a hash each
                body = json.dumps({**bodies.GOOD[str(route)](), field: value}).encode()
                send(world, route, body, JSON, "", (200, 201, 204, 400, 401, 403, 404, 413))


def test_infinite_numbers_in_every_field(world_on_both, writing):
    world = world_on_both
    for route in writing:
        if str(route) in bodies.HASHING:
            continue
        for field in bodies.GOOD[str(route)]():
            for number in ("1e999", "-1e999", "1e-999", "123456789" * 100, "0." + "1" * 5000, "1e308", "-0"):
                body = json.dumps({**bodies.GOOD[str(route)](), field: "%NUMBER%"}).replace('"%NUMBER%"', number).encode()
                answer = send(world, route, body, JSON, number, (200, 201, 204, 400, 401, 403, 404))
                assert b"inf" not in answer.raw.lower().replace(b"inform", b""), (route, field, number)


def test_a_body_too_large_is_413(world, writing):
    for route in writing:
        for headers, body in ((JSON, b'{"titre": "' + b"x" * LIMIT + b'"}'), (FORM, b"titre=" + b"x" * LIMIT), (JSON, b" " * (LIMIT + 1))):
            with world.server.client() as client:  # the connection may be closed after it
                answer = client.request(route.method, world.path(route), {**world.headers_of("staff"), **headers}, body)
            check(answer, statuses=(413,))
            assert list(answer.json) == ["detail"]


def test_a_body_as_large_as_it_may_be(world, writing):
    started = time.monotonic()
    for route in writing:
        for text in (b"x", b"<", b"\\u00e9", b"\\\""):
            body = b'{"titre": "' + text * ((LIMIT - 100) // len(text)) + b'"}'
            send(world, route, body, JSON, "", (200, 201, 400, 401, 403, 404, 413))  # 413: measures are short
    assert time.monotonic() - started < 5 + len(writing) * 4


def test_forms_that_are_none(world, writing):
    many = b"&".join(b"f%d=1" % i for i in range(1001))
    for route in writing:
        answer = send(world, route, many, FORM, "1001 fields")
        assert list(answer.json) == ["detail"]
        for body in (b"%", b"%zz=%zz", b"a=%00", b"titre=%ff%fe", b"=&=&=", b"&" * 900, b"titre=\0", b"titre=\xff", b"titre" * 1000, b"a=1;b=2", b"%C0%AF=1"):
            send(world, route, body, FORM, "", (200, 201, 400, 401, 403, 404))


def test_keys_that_collide_or_repeat(world, writing):
    """Duplicate keys: the last wins; tens of thousands of names cost no more than time in proportion."""
    many = b"{" + b",".join(b'"k%d":0' % i for i in range(100_000)) + b"}"
    same = b"{" + b",".join([b'"titre":"x"'] * 100_000) + b"}"
    for route in writing:
        for body in (many, same):
            started = time.monotonic()
            send(world, route, body, JSON, "", (200, 201, 400, 401, 403, 404, 413))
            assert time.monotonic() - started < 3, route


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json-patch+json", "text/html", "*/*", "application/", "json", ";", "\u00e9",
                                  "application/x-json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 300])
def test_another_type_of_body(world, writing, kind):
    for route in writing:
        send(world, route, b'{"titre": "x"}', {"Content-Type": kind.encode("latin-1").decode("latin-1")}, kind, (400, 415))


def test_charsets_that_are_none(world, writing):
    for charset in ("utf-7", "utf-16", "ucs-4", "../../../etc/passwd", "x" * 500, "\"utf-8", "utf-8;utf-16", "%s%n", "idna", "base64"):
        for route in writing:
            if str(route) not in bodies.HASHING:
                send(world, route, b'{"titre": "x"}', {"Content-Type": f"application/json; charset={charset}"}, charset, (200, 201, 400, 401, 403, 404, 415))


MULTIPART = b'--B\r\nContent-Disposition: form-data; name="titre"\r\n\r\nUn verger\r\n'


@pytest.mark.parametrize("body", [
    b"", b"--", b"--B", b"--B--", b"--B\r\n", MULTIPART, MULTIPART[:-2] + b"\0\r\n--B--\r\n", b"\r\n" * 1000, MULTIPART * 1001 + b"--B--\r\n",
    b"--B\r\n\r\n\r\n--B--\r\n", b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--\r\n", b"--B\r\nContent-Disposition: form-data; name=\r\n\r\nx\r\n--B--\r\n",
    b'--B\r\nContent-Disposition: form-data; name="a\0b"\r\n\r\nx\r\n--B--\r\n', b'--B\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\xfe\r\n--B--\r\n',
    b"--B\r\n" + b"X-H: y\r\n" * 5000 + b"\r\nx\r\n--B--\r\n", b"--B\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--B--\r\n",
    b'--B\r\nContent-Disposition: form-data; name="titre"\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--B--\r\n',
], ids=range(17))
def test_multipart_that_is_none(world, writing, body):
    for route in writing:
        if str(route) not in bodies.HASHING:
            send(world, route, body, {"Content-Type": "multipart/form-data; boundary=B"}, "", (200, 201, 400, 401, 403, 404, 413))
