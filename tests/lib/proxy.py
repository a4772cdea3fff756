"""
A TCP proxy that fails on command, between the program and a server.

Modes: pass; silent (accepts, swallows, never answers); reset (cuts the answer after its first bytes with RST);
drip (one byte of the answer every 100 ms); deaf (a connection that has subscribed gets nothing any more, the others do; and
so one that waits in BRPOP);
refuse (no listener, and what was open is reset). A change counts at once, for connections that are open too.
deafen() makes those deaf that have subscribed by now, and no others.
"""

import socket
import struct
import threading
import time

MODES = ("pass", "silent", "reset", "drip", "deaf", "refuse")


class Proxy:
    def __init__(self, target_port, mode="pass"):
        self.target_port = target_port
        self.mode = mode
        self.accepted = 0
        self._lock = threading.Lock()
        self._connections = set()
        self._subscribed = set()
        self._deafened = set()
        self._listener = None
        self._closed = False
        self.port = 0
        self._listen()
        if mode == "refuse":
            self.set_mode("refuse")

    def _listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
            except OSError:
                self._reset(client)
                continue
            server.settimeout(None)
            pair = (client, server)
            with self._lock:
                self._connections.add(pair)
            threading.Thread(target=self._to_server, args=(pair,), daemon=True).start()
            threading.Thread(target=self._to_client, args=(pair,), daemon=True).start()

    @staticmethod
    def _reset(s):
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        except OSError:
            pass

    def _end(self, pair, reset=False):
        with self._lock:
            self._connections.discard(pair)
            self._subscribed.discard(pair)
            self._deafened.discard(pair)
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            except OSError:
                pass
        if reset:
            self._reset(pair[0])
        for s in pair:
            s.close()

    def _to_server(self, pair):
        client, server = pair
        try:
            while data := client.recv(65536):
                if b"SUBSCRIBE" in data.upper() or b"BRPOP" in data:
                    self._subscribed.add(pair)
                if self.mode != "silent":
                    server.sendall(data)
        except OSError:
            pass
        self._end(pair)

    def _to_client(self, pair):
        client, server = pair
        try:
            while data := server.recv(65536):
                self._forward(pair, client, data)
        except OSError:
            pass
        self._end(pair)

    def _forward(self, pair, client, data):
        if self.mode == "silent" or pair in self._deafened or (self.mode == "deaf" and pair in self._subscribed):
            return
        if self.mode == "reset":
            client.sendall(data[:max(1, len(data) // 2)])
            self._end(pair, reset=True)
            return
        while data and self.mode == "drip":
            client.sendall(data[:1])
            data = data[1:]
            time.sleep(0.1)  # the fault itself, not a wait for something
        if self.mode in ("pass", "deaf"):
            client.sendall(data)

    def set_mode(self, mode):
        assert mode in MODES
        previous, self.mode = self.mode, mode
        if mode == "refuse":
            self._stop_listening()
            self.cut()
        elif self._listener is None:
            self._listen()
        return previous

    def deafen(self):
        with self._lock:
            self._deafened |= self._subscribed

    def _stop_listening(self):
        if self._listener:
            listener, self._listener = self._listener, None
            try:
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            except OSError:
                pass
            listener.close()

    def cut(self):
        """Resets every open connection."""
        with self._lock:
            pairs = list(self._connections)
        for pair in pairs:
            self._end(pair, reset=True)

    def url(self, password=None):
        user = f":{password}@" if password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def close(self):
        self._stop_listening()
        self.cut()
