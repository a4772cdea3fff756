"""A clamd for tests: it speaks INSTREAM as ClamAV's does, finds EICAR's text, and can be told to behave badly."""

import socket
import struct
import threading

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
VIRUS = "Eicar-Test-Signature"


class Clamd:
    """
    Listens on a port of its own. way: "scan" (looks, then answers, once gate is set), "error", "nonsense", "hang" (takes all, says
    nothing), "close" (ends the connection in the middle), "limit" (refuses after 1000 bytes and closes, as clamd does).
    """

    def __init__(self, way="scan", port=0):
        self.way = way
        self.gate = threading.Event()
        self.gate.set()
        self.seen = []  # the files, whole, of calls that came to their end
        self.pieces = []  # the lengths of all pieces
        self.calls = 0
        self.news = threading.Condition()
        self._held = []
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self.news:
                self.calls += 1
                self.news.notify_all()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def wait_calls(self, n, timeout=20):
        with self.news:
            assert self.news.wait_for(lambda: self.calls >= n, timeout), f"{self.calls} calls"

    def _talk(self, connection):
        try:
            self._serve(connection)
        except (OSError, EOFError):
            pass
        if self.way == "hang":
            self._held.append(connection)
        else:
            connection.close()

    def _serve(self, connection):
        stream = connection.makefile("rb")
        assert read(stream, 10) == b"zINSTREAM\0"
        content = b""
        while True:
            (length,) = struct.unpack(">I", read(stream, 4))
            if not length:
                break
            self.pieces.append(length)
            if self.way == "close":
                return
            content += read(stream, length)
            if self.way == "limit" and len(content) > 1000:
                connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                return
        self._answer(connection, content)

    def _answer(self, connection, content):
        self.seen.append(content)
        if self.way == "hang":
            return
        self.gate.wait(60)
        text = {"error": "Can't allocate memory ERROR", "nonsense": "HTTP/1.1 400 Bad Request"}.get(
            self.way, f"stream: {VIRUS} FOUND" if EICAR in content else "stream: OK")
        connection.sendall(text.encode() + b"\0")

    def close(self):
        self.gate.set()
        self._socket.close()
        for connection in self._held:
            connection.close()


def read(stream, n):
    got = stream.read(n)
    if len(got) < n:
        raise EOFError
    return got
