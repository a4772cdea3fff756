"""Handshakes of WebSockets by hand: what is sent and what comes back, byte for byte."""

import os
from base64 import b64encode

from lib import raw


def handshake(path, *fields, host="localhost"):
    """The head of a good request, with further lines."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def knock(server, path, *fields, host="localhost"):
    """The answer to a handshake on a connection of its own, which is closed."""
    with raw.Peer(server.port) as peer:
        return peer.ask(handshake(path, *fields, host=host))


def text_frame(text):
    """A short text from a client, masked by nothing."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
