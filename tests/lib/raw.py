"""Raw HTTP/1.1: bytes out, and what comes back taken apart no further than needed."""

import socket

HOST = b"Host: localhost\r\n"


def get(target=b"/livez", fields=b""):
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


class Answer:
    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields  # lower-case name → list of values
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.body[:60]!r}>"


class Peer:
    """A connection; answers are read one by one."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, data):
        """Sends all; a server that has closed meanwhile is not an error here."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def send_bytewise(self, data):
        for i in range(len(data)):
            self.send(data[i:i + 1])

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.rest += data
        return bool(data)

    def answer(self, head_only=False):
        """The next answer, 1xx included; None when the connection ends instead."""
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                assert self.rest == b"", f"half an answer: {self.rest!r}"
                return None
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields.setdefault(name.lower(), []).append(value.strip())
        status = int(lines[0].split(" ")[1])
        length = 0 if head_only or status < 200 or status in (204, 304) else int(fields["content-length"][0])
        while len(self.rest) < length:
            assert self._more(), "half a body"
        body, self.rest = self.rest[:length], self.rest[length:]
        return Answer(status, fields, body)

    def ask(self, data, head_only=False):
        self.send(data)
        return self.answer(head_only)

    def ends(self):
        """True when nothing more comes and the connection is closed (else the socket's timeout is raised)."""
        while self._more():
            pass
        return self.rest == b""

    def read(self, n):
        """The next n bytes."""
        while len(self.rest) < n:
            assert self._more(), "the end came before"
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def read_to_end(self):
        while self._more():
            pass
        return self.rest

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
