"""GET /media/: nothing but stored files comes out, as a browser may safely have it, however slowly it is read."""

import os
import socket
import time

import pytest

from lib.raw import HOST, Peer, get

SECRET = b"the secret beside the folder"
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
LONG = bytes(i * i >> 7 & 255 for i in range(1 << 16)) * 80  # 5 MiB


@pytest.fixture
def site(start_server, folder):
    media = os.path.join(folder, "media")
    os.makedirs(os.path.join(media, "projets", "2026"))
    files = {"projets/a.gif": GIF, "projets/2026/été 1.gif": GIF, "long.pdf": LONG, "page.html": b"<script>1</script>", "a.svg": b"<svg/>",
             "none.txt": b"", ".hidden": SECRET, "projets/.upload-x": SECRET}
    for name, content in files.items():
        with open(os.path.join(media, name), "wb") as f:
            f.write(content)
    with open(os.path.join(folder, "secret.txt"), "wb") as f:
        f.write(SECRET)
    os.symlink("../secret.txt", os.path.join(media, "link.txt"))
    os.symlink("/etc", os.path.join(media, "etc"))
    os.mkfifo(os.path.join(media, "pipe"))
    return start_server(HTTP_THREADS=1)


def ask(server, target):
    peer = Peer(server.port)
    peer.send(get(target))
    return peer.answer()


def test_files(site):
    image = site.get("/media/projets/a.gif")
    assert (image.status, image.raw) == (200, GIF)
    assert image.headers["Content-Type"] == "image/gif"
    assert "Content-Disposition" not in image.headers
    assert site.get("/media/projets/2026/%C3%A9t%C3%A9%201.gif").raw == GIF
    assert site.get("/media/none.txt").raw == b""
    for name in ("page.html", "a.svg"):
        other = site.get(f"/media/{name}")
        assert other.headers["Content-Type"] == "application/octet-stream"
        assert other.headers["Content-Disposition"] == "attachment"


def test_headers(site):
    for answer in (site.get("/media/projets/a.gif"), site.get("/media/long.pdf"), site.get("/media/page.html")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "public, max-age=86400"
        policies = answer.headers.get_all("Content-Security-Policy")
        assert policies[0] == "default-src 'none'; sandbox"
        assert len(policies) == 2 and policies[1] == site.get("/livez").headers["Content-Security-Policy"]


OUTSIDE = [b"/media/../secret.txt", b"/media/%2e%2e/secret.txt", b"/media/..%2fsecret.txt", b"/media/%2e%2e%2fsecret.txt", b"/media/.%2e/secret.txt",
           b"/media/projets/../../secret.txt", b"/media/projets/%2e%2e/%2e%2e/secret.txt", b"/media/..%5csecret.txt", b"/media/..\\secret.txt",
           b"/media/%252e%252e/secret.txt", b"/media//secret.txt", b"/media/%2fetc/passwd", b"/media//etc/passwd", b"/media/etc/passwd", b"/media/link.txt",
           b"/media/./projets/a.gif", b"/media/projets//a.gif", b"/media/projets/a.gif/", b"/media/projets/", b"/media/projets", b"/media/", b"/media/.",
           b"/media/..", b"/media/.hidden", b"/media/projets/.upload-x", b"/media/pipe", b"/media/projets/a.gif%0a", b"/media/projets/a.gif%7f",
           b"/media/%e2%80%a5/secret.txt", b"/media/%ef%bc%8e%ef%bc%8e/secret.txt", b"/media/" + b"a/" * 4000 + b"x", b"/media/" + b"a" * 5000,
           b"/media/" + b"../" * 20 + b"etc/passwd", b"/media/projets/a.gif?/../../secret.txt/", b"/MEDIA/projets/a.gif", b"/media/file:///etc/passwd"]


@pytest.mark.parametrize("target", OUTSIDE, ids=lambda t: t[:50].decode("latin-1"))
def test_nothing_else_comes_out(site, target):
    answer = ask(site, target)
    assert SECRET not in answer.body and b"root:" not in answer.body
    if b"?" in target:
        assert answer.status == 200 and answer.body == GIF  # a query changes nothing
    else:
        assert answer.status == 404


@pytest.mark.parametrize("target", [b"/media/projets/a.gif%00", b"/media/%00", b"/media/projets/a.gif%00.pdf", b"/media/%c0%ae%c0%ae/secret.txt",
                                    b"/media/%c0%ae%c0%ae%c0%afsecret.txt", b"/media/%e0%80%ae%e0%80%ae/secret.txt", b"/media/%ff",
                                    b"/media/%ed%a0%80"])
def test_what_is_no_text_is_refused(site, target):
    assert ask(site, target).status == 400


def test_other_methods(site):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = site.request(method, "/media/projets/a.gif", body=b"")
        assert answer.status == 405 and answer.header_set("Allow") == {"get", "head"}
    head = site.request("HEAD", "/media/long.pdf")
    assert (head.status, head.raw, head.headers["Content-Length"]) == (200, b"", str(len(LONG)))


def test_conditions(site, folder):
    first = site.get("/media/projets/a.gif")
    etag, date = first.headers["ETag"], first.headers["Last-Modified"]
    for condition in ({"If-None-Match": etag}, {"If-None-Match": f'"x", W/{etag}'}, {"If-None-Match": "*"}, {"If-Modified-Since": date}):
        again = site.get("/media/projets/a.gif", condition)
        assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", etag)
    assert site.get("/media/projets/a.gif", {"If-None-Match": '"x"', "If-Modified-Since": date}).status == 200
    with open(os.path.join(folder, "media/projets/a.gif"), "ab") as f:
        f.write(b"more")
    changed = site.get("/media/projets/a.gif", {"If-None-Match": etag})
    assert changed.status == 200 and changed.headers["ETag"] != etag


def test_ranges(site):
    part = site.get("/media/long.pdf", {"Range": "bytes=1000000-2999999"})
    assert part.status == 206 and part.raw == LONG[1000000:3000000]
    assert part.headers["Content-Range"] == f"bytes 1000000-2999999/{len(LONG)}"
    assert site.get("/media/long.pdf", {"Range": "bytes=-5"}).raw == LONG[-5:]
    assert site.get("/media/long.pdf", {"Range": "bytes=5242000-"}).raw == LONG[5242000:]
    outside = site.get("/media/long.pdf", {"Range": f"bytes={len(LONG)}-"})
    assert outside.status == 416 and outside.headers["Content-Range"] == f"bytes */{len(LONG)}"
    assert site.get("/media/long.pdf", {"Range": "bytes=0-1,5-6"}).status == 200
    etag = part.headers["ETag"]
    assert site.get("/media/long.pdf", {"Range": "bytes=0-1", "If-Range": etag}).status == 206
    assert site.get("/media/long.pdf", {"Range": "bytes=0-1", "If-Range": '"old"'}).status == 200


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def test_a_slow_reader_gets_all_and_holds_up_nobody(site):
    before = descriptors(site)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    slow.connect(("127.0.0.1", site.port))
    slow.settimeout(20)
    slow.sendall(b"GET /media/long.pdf HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    time.sleep(0.3)
    for _ in range(10):
        started = time.monotonic()
        assert site.get("/media/projets/a.gif").raw == GIF
        assert time.monotonic() - started < 2
        slow.recv(4096)
    got = b""
    while piece := slow.recv(65536):
        got += piece
    slow.close()
    assert got.endswith(LONG[-100000:])
    assert site.get("/livez").status == 200
    deadline = time.monotonic() + 10
    while descriptors(site) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors(site) <= before


def test_readers_who_leave_leave_nothing_open(site):
    before = descriptors(site)
    for _ in range(30):
        peer = Peer(site.port)
        peer.send(get(b"/media/long.pdf"))
        peer.socket.recv(1000)
        peer.socket.close()
    deadline = time.monotonic() + 10
    while descriptors(site) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors(site) <= before


def test_a_file_is_not_read_into_memory(start_server, folder):
    os.mkdir(os.path.join(folder, "elsewhere"))
    with open(os.path.join(folder, "elsewhere", "big.pdf"), "wb") as f:
        f.truncate(200 << 20)
    server = start_server(MEDIA_ROOT=os.path.join(folder, "elsewhere"))
    answer = server.get("/media/big.pdf", timeout=60)
    assert answer.status == 200 and len(answer.raw) == 200 << 20
    with open(f"/proc/{server.pid}/status") as f:
        peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
    assert peak < 150 * 1024


def test_without_a_folder_there_are_no_files(server):
    assert server.get("/media/a.gif").status == 404
