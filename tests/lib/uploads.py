"""Forms with files, and a site with somebody who sends them."""

import base64
import os
from urllib.parse import urlsplit

BOUNDARY = "----a-boundary-of-the-tests"
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xdb"
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


def form(fields, files):
    """(Content-Type, body). files: a list of (field, file name, bytes)."""
    parts = []
    for name, value in fields.items():
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, filename, content in files:
        if isinstance(filename, str):
            filename = filename.encode()
        quoted = filename.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        parts.append(b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: image/gif\r\n\r\n%s\r\n'
                     % (BOUNDARY.encode(), name.encode(), quoted, content))
    parts.append(f"--{BOUNDARY}--\r\n".encode())
    return f"multipart/form-data; boundary={BOUNDARY}", b"".join(parts)


class Site:
    def __init__(self, server, database, media, person):
        self.server, self.database, self.media, self.person = server, database, media, person

    def send(self, method, target, fields, files, timeout=30):
        kind, body = form(fields, files)
        return self.server.request(method, target, {**self.person.headers, "Content-Type": kind}, body, timeout)

    def project(self, *files, **fields):
        return self.send("POST", "/api/projets/", {"titre": "Un verger", "description": "Des pommiers", **fields}, files)

    def content(self, *files, slug="poeme", **fields):
        return self.send("POST", "/api/contents/", {"title": "Un poème", "slug": slug, **fields}, files)

    def files(self):
        found = []
        for folder, _, names in os.walk(self.media):
            found += [os.path.relpath(os.path.join(folder, name), self.media) for name in names]
        return sorted(found)

    def fetch(self, url):
        return self.server.get(urlsplit(url).path)
