"""An HTTP server of the test's own that answers as OpenAI and ElevenLabs do, or as they do on a bad day."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OPENAI_KEY, ELEVENLABS_KEY = "sk-canary-openai-7402", "canary-elevenlabs-7403"
SOUND = b"ID3\x04" + bytes(range(256)) * 40
DIMENSIONS = 1536


def vector_of(text):
    """Some vector, the same for the same text, of length 1."""
    numbers = [math.sin(1 + index * sum(text.encode())) for index in range(DIMENSIONS)]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


def embedding(numbers):
    return json.dumps({"object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 5, "total_tokens": 5},
                       "data": [{"object": "embedding", "index": 0, "embedding": numbers}]})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        speakers = self.server.speakers
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        speakers.asked.append((self.path, body))
        assert self.headers["Content-Type"] == "application/json"
        speakers.mood(self, body)

    def reply(self, status, body, content_type="application/json", **headers):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)


# --- moods ---


def fine(ask, body):
    key = ask.headers.get("Authorization"), ask.headers.get("xi-api-key")
    if key not in ((f"Bearer {OPENAI_KEY}", None), (None, ELEVENLABS_KEY)):
        refusing(ask, body)
    elif ask.path == "/v1/embeddings":
        assert body["model"] == "text-embedding-3-small"
        ask.reply(200, embedding(vector_of(body["input"])))
    else:
        assert ask.path == "/v1/audio/speech" or ask.path.startswith("/v1/text-to-speech/")
        ask.reply(200, SOUND, "audio/mpeg")


def refusing(ask, body):
    ask.reply(401, json.dumps({"error": {"message": f"Incorrect API key provided: {OPENAI_KEY}", "code": "invalid_api_key"}}))


def busy(ask, body):
    ask.reply(429, "{}", Retry_After=200)


def broken(ask, body):
    ask.reply(500, "<html>")


def half_json(ask, body):
    ask.reply(200, embedding([1.0] * DIMENSIONS)[:-7])


def shorter(ask, body):
    ask.reply(200, embedding([1.0] * (DIMENSIONS - 1)))


def not_a_number(ask, body):
    ask.reply(200, embedding([math.nan] * DIMENSIONS))


def huge(ask, body):
    try:
        ask.reply(200, b" " * (17 * 1024 * 1024))
    except OSError:  # the caller has had enough
        pass


def silent(ask, body):
    ask.server.speakers.closed.wait(60)


class Speakers:
    def __init__(self, mood=fine):
        self.mood = mood
        self.asked = []  # (path, body)
        self.closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.speakers = True, self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def settings(self):
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return dict(OPENAI_API_KEY=OPENAI_KEY, OPENAI_BASE_URL=url, ELEVENLABS_API_KEY=ELEVENLABS_KEY, ELEVENLABS_BASE_URL=url + "/")

    def inputs(self):
        return [body.get("input") for _, body in self.asked]

    def close(self):
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
