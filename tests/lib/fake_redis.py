"""A server that speaks just enough of the Redis protocol to give every command the same error."""

import socket
import threading


class FakeRedis:
    def __init__(self, answer):
        self.answer = answer.encode() + b"\r\n"
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        """One answer for each command; a command is an array, so its '*' at the start of a line counts it."""
        try:
            while data := peer.recv(65536):
                commands = data.count(b"\n*") + data.startswith(b"*")
                peer.sendall(self.answer * commands)
        except OSError:
            pass

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for peer in self.connections:
            peer.close()
