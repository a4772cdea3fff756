"""A real HTTP server that stands for a service the program calls: it keeps what it is asked and answers what a test tells it to."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        status, headers, text = self.server.service.take(asked)
        if status is None:
            self.server.service.closing.wait()
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a caller that gives up in the middle is what some tests are about


class Service:
    """
    answer(asked) → (status, headers, body); a status of None: never. Without one: 200 {"id": "re_1"}, "re_2" …, as Resend.
    asked: all that came, in order.
    """

    def __init__(self, answer=None):
        self.asked, self.answer, self.closing = [], answer, threading.Event()
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.service = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, asked):
        with self._lock:
            self.asked.append(asked)
            n = len(self.asked)
        status, headers, body = self.answer(asked) if self.answer else (200, {}, {"id": f"re_{n}"})
        return status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
