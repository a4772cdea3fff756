"""
What RFC 9112 says that a server must refuse, and what it must take: raw bytes against the program.

Each bad request is sent as the first of its connection, where the door judges it; as the second, where only libmicrohttpd
has read it; and byte by byte. Wherever it stands, nothing that follows it may be served.
"""

import json
import shutil
import socket

import pytest

from lib.raw import HOST, Peer, get
from lib.server import Server, run

POST = b"POST /api/help-requests/ HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = get(b"/smuggled/")

BAD = {
    # the request line
    "HTTP/0.9": b"GET /\r\n\r\n",
    "two blanks": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab for a blank": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank behind the version": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "no target": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    "no method": b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method that is no token": b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a lower-case version": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "a long version": b"GET / HTTP/1.11\r\n" + HOST + b"\r\n",
    "a version with a blank": b"GET / HTTP/ 1.1\r\n" + HOST + b"\r\n",
    "HTTP/1.9": b"GET / HTTP/1.9\r\n" + HOST + b"\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /#top HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target beyond ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority-form": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "GET *": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute-form of another scheme": b"GET ftp://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute-form with user information": b"GET http://u:p@localhost/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a very long target": b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a very long method": b"G" * 40000 + b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    # line ends and control characters
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "bare LF behind the request line": b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    "bare LF behind a field": b"GET / HTTP/1.1\r\n" + HOST + b"X: y\n\r\n",
    "bare LF at the end of the head": b"GET / HTTP/1.1\r\n" + HOST + b"\n",
    "CR CR LF": b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rContent-Length: 5\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\n" + HOST + b"X\0: b\r\n\r\n",
    "a control character in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: \x02\r\n\r\n",
    # fields
    "a folded field": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a folded Host": b"GET / HTTP/1.1\r\nHost:\r\n localhost\r\n\r\n",
    "a folded Transfer-Encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "white space before the first field": b"GET / HTTP/1.1\r\n " + HOST + b"\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n",
    "a blank before Content-Length's colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a tab before Transfer-Encoding's colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\n" + HOST + b"X\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n" + HOST + b": y\r\n\r\n",
    "a name that is no token": b"GET / HTTP/1.1\r\n" + HOST + b"X{}: y\r\n\r\n",
    "a name beyond ASCII": b"GET / HTTP/1.1\r\n" + HOST + b"\xc3\xa9: y\r\n\r\n",
    "a very long field": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000 + b"\r\n\r\n",
    "very many fields": b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 500 + b"\r\n",
    # Host
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "two different Hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\n" + HOST + HOST + b"\r\n",
    # the length of the body
    "Content-Length and Transfer-Encoding": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "Transfer-Encoding and Content-Length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + b"Content-Length: -1\r\n\r\nhello",
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\nhello",
    "an empty length": POST + b"Content-Length: \r\n\r\nhello",
    "a length of letters": POST + b"Content-Length: five\r\n\r\nhello",
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "Transfer-Encoding in HTTP/1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and identity": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "an empty Transfer-Encoding": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    # chunks
    "bare LF behind a chunk's size": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "bare LF behind a chunk's data": CHUNKED + b"5\r\nhello\n0\r\n\r\n",
    "bare LF behind the last chunk's size": CHUNKED + b"0\n\r\n",
    "bare LF at the end of the body": CHUNKED + b"5\r\nhello\r\n0\r\n\n",
    "bare LF in an extension": CHUNKED + b"5;a\nhello\r\n0\r\n\r\n",
    "bare CR behind a chunk's size": CHUNKED + b"5\rhello\r\n0\r\n\r\n",
    "NUL in an extension": CHUNKED + b"5;\0\r\nhello\r\n0\r\n\r\n",
    "an extension without an end": CHUNKED + b"5;" + b"a" * 20000 + b"\r\nhello\r\n0\r\n\r\n",
    "more data than the chunk says": CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n",
    "less data than the chunk says": CHUNKED + b"6\r\nhello\r\n0\r\n\r\n",
    "no size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "a size with a prefix": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with a sign": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": CHUNKED + b"0_5\r\nhello\r\n0\r\n\r\n",
    "a blank before the size": CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
    "a blank behind the size": CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a folded trailer": CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n",
    "a trailer with a blank before the colon": CHUNKED + b"0\r\nX : y\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"0\r\nX\r\n\r\n",
    "bare LF in the trailer": CHUNKED + b"0\r\nX: y\n\r\n",
}
STATUSES = {"a very long target": (414,), "a very long method": (414,), "a very long field": (431,), "very many fields": (431,),
            "HTTP/1.9": (505,), "HTTP/2.0": (505,)}
STATUSES_OF_THE_LIBRARY = (400, 413)  # its own short pages on a used connection (a size beyond measure is 413 there)
SILENT_IN_THE_LIBRARY = ("no method", "a tab for a blank", "NUL in the target", "a very long method")  # which may just close the connection


@pytest.fixture(scope="module")
def shared(empty_template, tmp_path_factory):
    """One server for all: what one client sends must not touch the next."""
    folder = tmp_path_factory.mktemp("http11")
    path = folder / "database.sqlite3"
    shutil.copy(empty_template, path)
    server = Server(folder, {"DATABASE_URL": f"sqlite:///{path}"}).wait_ready()
    yield server
    server.stop()


def check_refused(peer, statuses, may_be_silent=False):
    """One refusal, and then the end: no second answer, whatever else was sent."""
    everything = peer.read_to_end()
    if may_be_silent and not everything:
        return
    assert everything.startswith(b"HTTP/1.1 "), everything[:200]
    assert int(everything[9:12]) in statuses, everything[:200]
    assert b"HTTP/1.1 2" not in everything and b"HTTP/1.1 404" not in everything, everything


@pytest.mark.parametrize("name", BAD)
def test_a_bad_first_request_is_refused(shared, name):
    with Peer(shared.port) as peer:
        peer.send(BAD[name] + SMUGGLED)
        check_refused(peer, STATUSES.get(name, (400,)))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_second_request_is_refused(shared, name):
    with Peer(shared.port) as peer:
        assert peer.ask(get()).status == 200
        peer.send(BAD[name] + SMUGGLED)
        check_refused(peer, STATUSES.get(name, STATUSES_OF_THE_LIBRARY), name in SILENT_IN_THE_LIBRARY)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pipelined_request_is_refused(shared, name):
    with Peer(shared.port) as peer:
        peer.send(get() + BAD[name] + SMUGGLED)
        assert peer.answer().status == 200
        check_refused(peer, STATUSES.get(name, STATUSES_OF_THE_LIBRARY), name in SILENT_IN_THE_LIBRARY)


@pytest.mark.parametrize("name", [name for name in BAD if len(BAD[name]) < 500])
def test_a_bad_request_is_refused_byte_by_byte(shared, name):
    with Peer(shared.port) as peer:
        peer.send_bytewise(get() + BAD[name] + SMUGGLED)
        assert peer.answer().status == 200
        check_refused(peer, STATUSES.get(name, STATUSES_OF_THE_LIBRARY), name in SILENT_IN_THE_LIBRARY)


@pytest.mark.parametrize("start", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0\0\0\0", b"\r\n\r\n\r\n", b"{}\r\n\r\n"])
def test_what_is_not_http_is_refused_at_once(shared, start):
    with Peer(shared.port) as peer:
        assert peer.ask(start).status == 400
        assert peer.ends()


def test_a_refusal_is_json_with_all_headers(shared):
    for before in (b"", get()):
        with Peer(shared.port) as peer:
            if before:
                peer.ask(before)
            answer = peer.ask(b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n")
            assert answer.status == 400 and json.loads(answer.body).keys() == {"detail"}
            assert answer.fields["content-type"] == ["application/json"] and answer.fields["connection"] == ["close"]
            for name in ("x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy", "vary", "date"):
                assert len(answer.fields[name]) == 1, name


# --- what must be taken ---

GOOD = {
    "no white space around a value": b"GET /livez HTTP/1.1\r\nHost:localhost\r\n\r\n",
    "much white space around a value": b"GET /livez HTTP/1.1\r\nHost: \t localhost \t \r\n\r\n",
    "an empty value": get(fields=b"X:\r\n"),
    "bytes beyond ASCII in a value": get(fields=b"X: \xe9\xff\r\n"),
    "names in any case": b"GET /livez HTTP/1.1\r\nhOsT: localhost\r\n\r\n",
    "an empty line before": b"\r\n" + get(),
    "absolute-form": b"GET http://localhost/livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute-form and another Host": b"GET http://localhost/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a percent-encoded path": b"GET /%6civez HTTP/1.1\r\n" + HOST + b"\r\n",
    "an empty body": get(fields=b"Content-Length: 0\r\n"),
    "a body that nobody wants": get(fields=b"Content-Length: 5\r\n") + b"hello",
    "chunks that nobody wants": get(fields=b"Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n",
    "chunks with a trailer": get(fields=b"Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "a head of 16 KiB": get(fields=b"X: " + b"a" * 16000 + b"\r\n"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_request_is_served(shared, name):
    with Peer(shared.port) as peer:
        for _ in range(2):
            assert peer.ask(GOOD[name]).status == 200
        peer.send(GOOD[name] * 3)
        assert [peer.answer().status for _ in range(3)] == [200] * 3
        peer.send_bytewise(GOOD[name][:2000])
        assert peer.ask(GOOD[name][2000:]).status == 200


def test_chunk_extensions_are_ignored(shared):
    """libmicrohttpd 1.0.1 takes the LF behind an extension for data, and so refuses what has one; 0.9.75 does not."""
    broken = "libmicrohttpd 1.0.1" in run("version").stdout
    with Peer(shared.port) as peer:
        answer = peer.ask(get(fields=b"Transfer-Encoding: chunked\r\n") + b"5;a=b;c\r\nhello\r\n0;d\r\n\r\n")
        assert answer.status == (400 if broken else 200)


def test_http_1_0_closes_unless_asked_to_stay(shared):
    with Peer(shared.port) as peer:
        assert peer.ask(b"GET /livez HTTP/1.0\r\n\r\n").status == 200
        assert peer.ends()
    with Peer(shared.port) as peer:
        answer = peer.ask(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert answer.status == 200 and [v.lower() for v in answer.fields["connection"]] == ["keep-alive"]
        assert peer.ask(get()).status == 200


def test_connection_close_is_honoured(shared):
    with Peer(shared.port) as peer:
        peer.send(get(fields=b"Connection: close\r\n") + SMUGGLED)
        answer = peer.answer()
        assert answer.status == 200 and answer.fields["connection"] == ["close"]
        assert peer.ends()


def test_a_long_pipeline_is_answered_in_order(shared):
    with Peer(shared.port) as peer:
        peer.send(b"".join(get(b"/livez") + get(b"/nothing/") for _ in range(100)))
        assert [peer.answer().status for _ in range(200)] == [200, 404] * 100


def test_head_has_the_headers_of_get_and_no_body(shared):
    with Peer(shared.port) as peer:
        full = peer.ask(get(b"/"))
        head = peer.ask(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n", head_only=True)
        for fields in (full.fields, head.fields):
            del fields["date"]
        assert head.status == 200 and head.fields == full.fields and int(head.fields["content-length"][0]) == len(full.body)
        assert peer.ask(get()).status == 200


def test_an_expectation_is_met(shared):
    expecting = b"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with Peer(shared.port) as peer:
        assert peer.ask(POST + expecting % 2).status == 100
        assert peer.ask(b"{}").status not in (100, 408, 413)
        assert peer.ask(get()).status == 200
    with Peer(shared.port) as peer:
        assert peer.ask(POST + expecting % 3_000_000).status == 413
        assert peer.ends()


@pytest.mark.parametrize("request_bytes", [get(), get() * 3, POST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"])
def test_a_client_that_has_nothing_more_to_say_is_answered(shared, request_bytes):
    with Peer(shared.port) as peer:
        peer.send(request_bytes)
        peer.socket.shutdown(socket.SHUT_WR)
        for _ in range(request_bytes.count(b" HTTP/1.1")):
            answer = peer.answer()
            assert answer is not None and answer.status not in (408, 413)
        assert peer.ends()
