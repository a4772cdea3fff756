"""
The cases of Autobahn's WebSocket test suite, by their numbers there, against an echo that only a program of the tests has
(tests/echo): all else of it is the hub. The suite itself needs Python 2.7; AUTOBAHN.md says how to run it and what it said, and with
WSTEST=…/wstest in the environment the last test here does.
"""

import json
import os
import shutil
import subprocess

import pytest

from lib.database import Database
from lib.frames import BINARY, CLOSE, PING, PONG, TEXT, Client, close, fragments, frame, head
from lib.server import BINARY as PROGRAM
from lib.server import Server

ECHO = os.path.join(os.path.dirname(os.path.abspath(PROGRAM)), "tests", "echo", "egoejo_echo")
LIMIT = 16 * 1024 * 1024
KOSME = "κόσμε"


@pytest.fixture(scope="module")
def echo(tmp_path_factory, empty_template):
    assert os.access(ECHO, os.X_OK), f"{ECHO} is not built"
    folder = tmp_path_factory.mktemp("echo")
    path = shutil.copy(empty_template, folder / "echo.sqlite3")
    database = Database(f"sqlite:///{path}")
    poll = database.insert("core_poll")
    database.close()
    server = Server(folder, dict(DATABASE_URL=f"sqlite:///{path}", REALTIME_MAX_MESSAGE_BYTES=LIMIT, REALTIME_QUEUE_BYTES=1 << 30, REALTIME_QUEUE_FRAMES=1_000_000,
                                 REALTIME_RATE=1_000_000, REALTIME_BURST=1_000_000), binary=ECHO).wait_ready()
    server.path = f"/ws/polls/{poll}/"
    yield server
    server.stop()


@pytest.fixture
def socket(echo):
    with Client(echo.port, echo.path) as opened:
        yield opened


def send(socket, data, step):
    for n in range(0, len(data), step):
        socket.send(data[n:n + step])


def assert_ends(socket, code):
    assert socket.closed()[0] == code
    assert socket.ends()


def say(text):
    """What a text message with these bytes is answered."""
    return TEXT, text.encode() if isinstance(text, str) else text


# --- 1: framing ---


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 65535, 65536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("step", [LIMIT, 997])
def test_1_messages(socket, opcode, length, step):
    send(socket, frame(b"*" * length, opcode), step)
    assert socket.receive() == (opcode, b"*" * length)
    socket.send(close(1000))
    assert_ends(socket, 1000)


# --- 2: pings and pongs ---


@pytest.mark.parametrize("payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
@pytest.mark.parametrize("step", [LIMIT, 1])
def test_2_pings(socket, payload, step):
    send(socket, frame(payload, PING), step)
    assert socket.receive() == (PONG, payload)


def test_2_5_a_ping_that_is_too_long(socket):
    socket.send(frame(b"\xfe" * 126, PING))
    assert_ends(socket, 1002)


def test_2_7_to_2_9_pongs_that_nobody_asked_for(socket):
    socket.send(frame(opcode=PONG) + frame("a") + frame(b"\xff\xfe", PONG) + frame("b", fin=False) + frame(b"\xff", PONG) + frame("c", 0) + frame(b"d", PING))
    assert [socket.receive() for _ in range(3)] == [say("a"), say("bc"), (PONG, b"d")]


@pytest.mark.parametrize("step", [LIMIT, 1])
def test_2_10_ten_pings(socket, step):
    """All of them are answered, in order."""
    payloads = [f"payload-{n}".encode() for n in range(10)]
    send(socket, b"".join(frame(p, PING) for p in payloads), step)
    assert [socket.receive() for _ in payloads] == [(PONG, p) for p in payloads]


# --- 3, 4: reserved bits and opcodes ---


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
@pytest.mark.parametrize("step", [LIMIT, 1])
def test_3_reserved_bits(socket, reserved, opcode, step):
    send(socket, frame("a") + frame("b", opcode, reserved=reserved) + frame(opcode=PING), step)
    assert socket.receive() == say("a")
    assert_ends(socket, 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"])
def test_4_reserved_opcodes(socket, opcode, payload):
    socket.send(frame("a") + frame(payload, opcode) + frame(opcode=PING))
    assert socket.receive() == say("a")
    assert_ends(socket, 1002)


# --- 5: fragments ---


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_5_1_control_frames_in_pieces(socket, opcode):
    socket.send(fragments([b"a", b"b"], opcode))
    assert_ends(socket, 1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("pieces", [[b"a", b"b"], [b"", b"", b""], [b"a"] * 10, [b"x" * 5000, b"", b"y"]])
@pytest.mark.parametrize("step", [LIMIT, 1])
def test_5_3_to_5_8_pieces_and_pings_between_them(socket, opcode, pieces, step):
    send(socket, fragments(pieces, opcode), step)
    assert socket.receive() == (opcode, b"".join(pieces))
    send(socket, fragments(pieces, opcode, between=frame("ping", PING)), step)
    assert [socket.receive() for _ in pieces] == [(PONG, b"ping")] * (len(pieces) - 1) + [(opcode, b"".join(pieces))]


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("before", ["", "a whole message"])
def test_5_9_to_5_17_pieces_of_nothing(socket, fin, before):
    socket.send((frame(before) if before else b"") + frame("b", 0, fin) + frame("c"))
    if before:
        assert socket.receive() == say(before)
    assert_ends(socket, 1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_5_18_a_message_within_a_message(socket, opcode, fin):
    socket.send(frame("a", fin=False) + frame("b", opcode, fin))
    assert_ends(socket, 1002)


# --- 6: UTF-8 ---

VALID = [KOSME, "Hello-µ@ßöäüàá-UTF-8!!", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0001fffe", "\U0010ffff"]
INVALID = [b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0 ", b"\xe0 ", b"\xf0 ", b"\xf8 ", b"\xfc ", b"\xfe", b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf",
           b"\xf8\x80\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf",
           b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]
PARTS = [b"\xce", b"\xe1\xbd", b"\xf0\x9f\x98"]


@pytest.mark.parametrize("step", [LIMIT, 1])
def test_6_text(socket, step):
    for text in VALID:
        data = text.encode()
        send(socket, frame(data), step)
        assert socket.receive() == say(data)
        send(socket, fragments([data[n:n + 1] for n in range(len(data))]), step)
        assert socket.receive() == say(data)


@pytest.mark.parametrize("data", INVALID, ids=bytes.hex)
def test_6_what_is_no_text(echo, data):
    """At its first wrong byte, though the frame, or the message, is not at its end."""
    begin = KOSME.encode() + data + b"z"
    for sent in (frame(begin), head(1000) + frame(begin)[6:], frame(KOSME, fin=False) + frame(data + b"z", 0, False)):
        with Client(echo.port, echo.path) as socket:
            socket.send(sent)
            assert_ends(socket, 1007)


@pytest.mark.parametrize("data", PARTS, ids=bytes.hex)
def test_6_text_that_breaks_off(echo, data):
    for sent in (frame(data), fragments([data, b""]), frame("a", fin=False) + frame(data, 0)):
        with Client(echo.port, echo.path) as socket:
            socket.send(sent)
            assert_ends(socket, 1007)


def test_6_text_is_none_of_the_business_of_binary_messages(socket):
    for data in INVALID + PARTS:
        socket.send(frame(data, BINARY))
        assert socket.receive() == (BINARY, data)


# --- 7: closing ---


def test_7_1_what_comes_after_a_close_is_ignored(socket):
    socket.send(frame("a") + close(1000) + close(1001) + frame("b") + frame(opcode=PING))
    assert socket.receive() == say("a")
    assert_ends(socket, 1000)


def test_7_1_5_a_close_within_a_message(socket):
    socket.send(frame("a", fin=False) + close(1000) + frame("b", 0))
    assert_ends(socket, 1000)


def test_7_1_6_a_close_behind_much(socket):
    socket.send(frame(b"x" * 256 * 1024, BINARY) + close(1000))
    assert socket.receive() == (BINARY, b"x" * 256 * 1024)
    assert_ends(socket, 1000)


@pytest.mark.parametrize("sent", [close(), close(1000), close(1000, b"Hello World!"), close(1000, b"*" * 123)], ids=len)
def test_7_3_closes(socket, sent):
    socket.send(sent)
    assert_ends(socket, 1000)


@pytest.mark.parametrize("sent, code", [(frame(b"\x03", CLOSE), 1002), (close(1000, b"*" * 124), 1002), (close(1000, KOSME.encode() + b"\xed\xa0\x80edited"), 1007)])
def test_7_3_and_7_5_closes_that_are_none(socket, sent, code):
    socket.send(sent)
    assert_ends(socket, code)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_7_7_codes(socket, code):
    socket.send(close(code))
    assert_ends(socket, 1000)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535])
def test_7_9_and_7_13_codes_that_are_none(socket, code):
    socket.send(close(code))
    assert_ends(socket, 1002)


# --- 9, 10: much ---


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size, step", [(1 << 16, LIMIT), (1 << 20, 64), (LIMIT, LIMIT)])
def test_9_large_messages(socket, opcode, size, step):
    data = ("é" * (size // 2)).encode()
    if step == LIMIT:
        socket.send(frame(data, opcode))
    else:
        socket.send(fragments([data[n:n + step] for n in range(0, size, step)], opcode))
    opcode_back, back = socket.receive()
    assert opcode_back == opcode and back == data


def test_9_too_large(socket):
    socket.send(head(LIMIT + 1, BINARY))
    assert_ends(socket, 1009)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 16, 4096])
def test_9_7_and_9_8_a_thousand_messages(socket, opcode, size):
    for _ in range(1000):
        socket.send(frame(b"*" * size, opcode))
        assert socket.receive() == (opcode, b"*" * size)


def test_10_1_1_pieces_of_1300(socket):
    data = b"*" * 65536
    socket.send(fragments([data[n:n + 1300] for n in range(0, len(data), 1300)]))
    assert socket.receive() == (TEXT, data)


# --- the rest ---


def test_the_program_itself_has_no_echo(start_server, new_database):
    url = new_database("empty")
    database = Database(url)
    path = f"/ws/polls/{database.insert('core_poll')}/"
    database.close()
    server = start_server(url)
    with Client(server.port, path) as socket:
        socket.send(frame("Hello") + frame('{"Hello":1}') + frame("Hello", BINARY))
        assert "Hello" not in socket.text()
        assert socket.closed() == (1003, "binary")


@pytest.mark.skipif("WSTEST" not in os.environ, reason="WSTEST names the suite's wstest: tests/e2e/AUTOBAHN.md")
def test_the_suite_itself(echo, folder):
    """Every case, but those of compression, which is not offered."""
    report = os.environ.get("WSTEST_REPORT", os.path.join(folder, "report"))
    spec = {"options": {"failByDrop": False}, "outdir": report, "cases": ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {},
            "servers": [{"agent": "egoejo", "url": f"ws://127.0.0.1:{echo.port}{echo.path}", "options": {"version": 18}}]}
    with open(os.path.join(folder, "spec.json"), "w", encoding="utf-8") as f:
        json.dump(spec, f)
    subprocess.run([os.environ["WSTEST"], "-m", "fuzzingclient", "-s", f.name], check=True, timeout=900, cwd=folder, stdout=subprocess.DEVNULL,
                   env={"PATH": os.environ["PATH"]})
    with open(os.path.join(report, "index.json"), encoding="utf-8") as f:
        cases = json.load(f)["egoejo"]
    passed = ("OK", "NON-STRICT", "INFORMATIONAL")
    assert len(cases) > 290
    assert {name: case for name, case in cases.items() if case["behavior"] not in passed or case["behaviorClose"] not in passed} == {}
