"""What is measured: our server, the bare libmicrohttpd, nginx; each in a folder of its own, on a free port."""

import datetime
import os
import shutil
import signal
import socket
import subprocess

from lib import server
from lib.database import NOW, Database
from lib.http import Client
from lib.net import answers, free_port
from lib.wait import until

HTTP_THREADS = 4 * os.cpu_count()
LIST = "/api/projets/"
DETAIL = "/api/projets/1/"

# A production server behind a proxy that speaks https: all gates are passed. Without its access log, as the others are;
# what the log costs is a line of its own.
HEADERS = {"X-Forwarded-Proto": "https"}
PRODUCTION = {"DEBUG": "0", "ALLOWED_HOSTS": "127.0.0.1", "ENABLE_SAKA": "true", "SAKA_COMPOST_ENABLED": "true",
              "SAKA_SILO_REDIS_ENABLED": "true", "HTTP_THREADS": str(HTTP_THREADS), "LOG_LEVEL": "WARNING"}

# An account and its password; the hash is as the program writes it, recorded from Django.
USER, PASSWORD = "ana", "Egoejo-Passw0rd!"
HASH = "argon2$argon2id$v=19$m=102400,t=2,p=8$SXlxQzR3VlF5VG5oeFJLTnZXMTljdQ$YQeC7EldI0c4lU+KR8xJ6jp4vMGOHFIphqQ8wMYZYU8"

DESCRIPTION = ("Un verger partagé, planté et entretenu par les habitants du quartier : des pommiers de variétés anciennes, des haies "
               "de petits fruits, une mare pour les oiseaux. Les récoltes sont partagées à la fin de l'été, et un atelier de taille "
               "a lieu chaque hiver avec l'école. ")


def fill(url, projects=8):
    """Tables, and as many projects as make a list of about 12 KB."""
    done = server.run("migrate", DATABASE_URL=url)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    database = Database(url)
    for i in range(1, projects + 1):
        project = database.insert("core_projet", titre=f"Verger partagé numéro {i}", description=DESCRIPTION, categorie="Environnement",
                                  impact_score=40 + i, donation_goal=1500 * i, saka_score=10 * i, saka_supporters_count=i,
                                  created_at=NOW - datetime.timedelta(days=i), active_oracles=["co2"])
        database.insert("project_impact_4p", project_id=project, financial_score=125 * i, saka_score=10 * i, social_score=3 * i, purpose_score=2 * i)
    database.insert("auth_user", username=USER, password=HASH, email="ana@example.org", is_staff=True)
    database.close()


class Egoejo:
    """Our server as in production; its log goes to a file, and nobody reads it meanwhile."""

    def __init__(self, folder, url, wrapper=(), **settings):
        self.port = free_port()
        self.log_path = os.path.join(folder, f"server-{self.port}.log")
        settings = server.environment(**{**PRODUCTION, "DATABASE_URL": url, "PORT": self.port, **settings})
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*wrapper, server.BINARY, "serve"], env=settings, cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.pid = self.process.pid
        until(self._is_ready, 60, "the server")

    def _is_ready(self):
        if self.process.poll() is not None:
            with open(self.log_path, encoding="utf-8") as log:
                fail(f"the server ended: {log.read()}")
        return answers(self.port) and self.get("/readyz").status == 200

    def get(self, path, headers=None):
        with Client(self.port) as client:
            return client.get(path, headers)

    def metrics(self):
        """/metrics as a dictionary: 'name{labels}' → number."""
        lines = [line.rpartition(" ") for line in self.get("/metrics").text.splitlines() if line and not line.startswith("#")]
        return {series: float(value) for series, _, value in lines}

    def stop(self):
        self.process.terminate()
        if self.process.wait(30) != 0:
            fail(f"the server ended with status {self.process.returncode}")


def capture(port, path, headers):
    """The bytes of one answer, head and body, as they come over the wire."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall("\r\n".join(lines).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += s.recv(65536) or fail(f"{path}: the answer is cut")
        head, _, body = received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(fields[b"content-length"]):
            body += s.recv(65536) or fail(f"{path}: the answer is cut")
    if not head.startswith(b"HTTP/1.1 200 "):
        fail(f"{path}: {head.splitlines()[0].decode()}")
    return head + b"\r\n\r\n" + body


def fail(what):
    raise RuntimeError(what)


class Bare:
    """tests/bench/bare_mhd.c, giving the answer that our server has just given."""

    def __init__(self, binary, folder, answer, database=None):
        path = os.path.join(folder, f"answer-{len(os.listdir(folder))}")
        with open(path, "wb") as f:
            f.write(answer)
        self.process = subprocess.Popen([binary, path, str(HTTP_THREADS), *([database] if database else [])], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.port = int(self.process.stdout.readline() or fail("bare_mhd does not start"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.process.stdout.close()


class Nginx:
    """The same body as a file, with the same headers: what a program made for nothing else does on this machine."""

    path = "/body.json"

    def __init__(self, binary, folder, answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        self.folder = folder
        self.port = free_port()
        with open(os.path.join(folder, "body.json"), "wb") as f:
            f.write(body)
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as f:
            f.write(self._configuration(head.decode()))
        self.process = subprocess.Popen([binary, "-p", folder, "-c", "nginx.conf", "-e", "stderr"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        until(lambda: answers(self.port), 10, "nginx")

    def _configuration(self, head):
        added = ""
        for line in head.split("\r\n")[1:]:
            name, value = line.split(": ", 1)
            if name.lower() not in ("date", "content-length", "connection", "content-type", "etag", "server"):
                added += f'      add_header {name} "{value.translate(str.maketrans({chr(34): chr(92) + chr(34)}))}";\n'
        temporary = "".join(f"  {kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return (f"daemon off;\n{'user root;' if os.geteuid() == 0 else ''}\nworker_processes {os.cpu_count()};\npid {self.folder}/pid;\n"
                "events { worker_connections 1024; }\n"
                f"http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  open_file_cache max=10;\n  keepalive_requests 1000000000;\n{temporary}"
                f"  server {{\n    listen 127.0.0.1:{self.port} reuseport;\n    root {self.folder};\n"
                f"    location = {self.path} {{\n      default_type application/json;\n{added}    }}\n  }}\n}}\n")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def find_nginx():
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
