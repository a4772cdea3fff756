"""WebSockets byte for byte: clients that do what no library would do."""

import base64
import os
import socket
import struct

from lib import tokens

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def head(length, opcode=TEXT, fin=True, reserved=0, mask=MASK):
    """The head of a client's frame with a payload of so many bytes; mask None: not masked."""
    flag = 0x80 if mask is not None else 0
    if length < 126:
        size = bytes([flag | length])
    elif length < 65536:
        size = bytes([flag | 126]) + struct.pack("!H", length)
    else:
        size = bytes([flag | 127]) + struct.pack("!Q", length)
    return bytes([(0x80 if fin else 0) | reserved << 4 | opcode]) + size + (mask or b"")


def masked(payload, mask=MASK):
    n = len(payload)
    return (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (n // 4 + 1))[:n], "big")).to_bytes(n, "big")


def frame(payload=b"", opcode=TEXT, fin=True, reserved=0, mask=MASK):
    payload = payload.encode() if isinstance(payload, str) else payload
    return head(len(payload), opcode, fin, reserved, mask) + (masked(payload, mask) if mask else payload)


def fragments(pieces, opcode=TEXT, between=b""):
    """One message in these pieces, with other frames between them."""
    last = len(pieces) - 1
    return between.join(frame(piece, opcode if n == 0 else 0, n == last) for n, piece in enumerate(pieces))


def close(code=None, reason=b""):
    return frame(b"" if code is None else struct.pack("!H", code) + reason, CLOSE)


def upgrade(path, *fields, token=None):
    """The request of a handshake; fields: further lines."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *fields]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def connect(port, small=False, timeout=20):
    """A TCP connection; small: with a receive buffer that is full at once."""
    made = socket.socket()
    made.settimeout(timeout)
    if small:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class Closed(Exception):
    """The close frame that came, or the end without one (code None)."""

    def __init__(self, code, reason=b""):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Client:
    """An open WebSocket; small as for connect."""

    def __init__(self, port, path, user=None, fields=(), small=False, timeout=20):
        self.socket = connect(port, small, timeout)
        self.send(upgrade(path, *fields, token=tokens.access(user) if user else None))
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        self.answer, _, self.rest = self.rest.partition(b"\r\n\r\n")
        assert self.answer.startswith(b"HTTP/1.1 101 "), self.answer

    def send(self, data):
        """All of it; False when the server has had enough before."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def send_bytewise(self, data):
        for n in range(len(data)):
            self.send(data[n:n + 1])

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(None)
        self.rest += data

    def _take(self, n):
        while len(self.rest) < n:
            self._more()
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def receive(self):
        """The next frame of the server: (opcode, payload). Raises Closed."""
        first, second = self._take(2)
        assert first & 0x70 == 0 and second & 0x80 == 0 and first & 0x80, f"no frame of a server: {first:02x} {second:02x}"
        length = second
        if second == 126:
            length, = struct.unpack("!H", self._take(2))
        elif second == 127:
            length, = struct.unpack("!Q", self._take(8))
        payload = self._take(length)
        if first & 15 == CLOSE:
            raise Closed(struct.unpack("!H", payload[:2])[0] if payload else None, payload[2:])
        return first & 15, payload

    def text(self):
        opcode, payload = self.receive()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def closed(self):
        """Passes over frames until the close frame: (code, reason)."""
        try:
            while True:
                self.receive()
        except Closed as end:
            assert end.code is not None, "the end came without a close frame"
            return end.code, end.reason.decode()

    def ends(self):
        """Whether nothing follows but the end of the stream."""
        try:
            self._more()
            return False
        except Closed:
            return self.rest == b""
        except ConnectionResetError:
            return True

    def finish(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()
