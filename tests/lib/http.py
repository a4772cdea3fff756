"""A small HTTP client: it sends exactly what it is told to and shows exactly what came back."""

import gzip
import http.client
import json

import brotli


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # http.client.HTTPMessage: case-insensitive, get_all for repeated ones
        self.raw = body

    @property
    def body(self):
        """The content, decompressed."""
        coding = self.headers.get("Content-Encoding")
        if coding == "gzip":
            return gzip.decompress(self.raw)
        if coding == "br":
            return brotli.decompress(self.raw)
        return self.raw

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def header_set(self, name):
        """The comma-separated values of a header, in lower case."""
        values = ",".join(self.headers.get_all(name, []))
        return {v.strip().lower() for v in values.split(",") if v.strip()}


class Client:
    """A connection that is kept as long as the server keeps it."""

    def __init__(self, port, host="127.0.0.1", timeout=10):
        self.connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def request(self, method, target, headers=None, body=None):
        headers = dict(headers or {})
        c = self.connection
        c.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
        if body is not None:
            headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            c.putheader(name, value)
        c.endheaders(body)
        answer = c.getresponse()
        return Response(answer.status, answer.headers, answer.read())

    def get(self, target, headers=None):
        return self.request("GET", target, headers)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
