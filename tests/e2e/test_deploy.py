"""deploy/ names only what the program and ./dev have."""

import asyncio
import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from http.client import HTTPSConnection

import pytest
import yaml
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lib import outbox, wait
from lib.chat import PATIENCE, Chat
from lib.database import Database
from lib.net import answers, free_port
from lib.server import BINARY, ROOT, environment, run

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def known_series():
    """Every series name that /metrics can show."""
    for name, kind in re.findall(r'^METRIC\(\w+, "(\w+)", (\w+),', read("base", "metrics.def"), re.M):
        yield name
        if kind.startswith("HISTOGRAM"):
            yield from (name + suffix for suffix in ("_bucket", "_count", "_sum"))


def expressions():
    """Of the dashboard and of the alerts."""
    dashboard = json.loads(read("deploy", "grafana-dashboard.json"))
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return found + re.findall(r"expr: (.*(?:\n {10,}.*)*)", read("deploy", "egoejo.rules.yml"))


def test_alerts_and_dashboard_use_metrics_that_exist():
    used = {name for text in expressions() for name in re.findall(r"egoejo_\w+", text)}
    assert len(used) > 10
    assert used <= set(known_series()), used - set(known_series())


def test_the_figures_of_sockets_are_all_watched_and_have_the_labels_that_are_asked_for(server):
    shown = server.get("/metrics").text
    for text in expressions():
        for name, label in re.findall(r'(egoejo_websocket_\w+)\{(\w+="\w+")\}', text):
            assert re.search(rf"^{name}{{[^}}]*{label}", shown, re.M), (name, label)
    shown = {name for name in re.findall(r"^# TYPE (egoejo_websocket_\w+)", shown, re.M)}
    assert len(shown) > 10 and shown <= {name for text in expressions() for name in re.findall(r"egoejo_\w+", text)} | {"egoejo_websocket_queue_bytes_max"}


def test_the_figures_of_tasks_are_all_watched_and_have_the_labels_that_are_asked_for(database, start_server, start_worker, redis_server):
    """Each is in the dashboard or has an alert; what is asked for by label comes from a server that has done all of it."""
    mine = re.compile(r"egoejo_(?:tasks?|beat)_\w+")
    all_of_them = {name for name in known_series() if mine.fullmatch(name) and not name.endswith(("_count", "_sum"))} - {"egoejo_task_seconds"}
    watched = {name for text in expressions() for name in mine.findall(text)}
    assert all_of_them - watched == {"egoejo_beat_total", "egoejo_tasks_sync_total"}  # events: the log has a line for each
    server = start_server(database.url, redis_server, TASKS_LOCAL_WORKERS=2, BEAT="on")
    redis_server.kill()
    server.wait_event("redis.unavailable", usage="tasks")
    outbox.put(database, "interop.add", 1)
    server.wait_event("task.failed", timeout=30)
    redis_server.start()
    server.wait_event("redis.available", timeout=30, usage="tasks")
    wait.until(lambda: "egoejo_tasks_queue{" in server.get("/metrics").text, 30, "Redis is measured")
    shown = server.get("/metrics").text
    for text in expressions():
        for name, label in re.findall(r'(egoejo_(?:tasks?|beat)_\w+)\{(\w+="\w+")\}', text):
            assert re.search(rf"^{name}{{[^}}]*{label}", shown, re.M), (name, label)
        for name, labels in re.findall(r"by \(([\w, ]+)\) \((?:rate|increase)?\(?(egoejo_(?:tasks?|beat)_\w+)", text):
            for label in set(name.split(", ")) - {"instance", "le"}:
                assert re.search(rf'^{labels}{{[^}}]*{label}="', shown, re.M), (labels, label)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not there")
def test_the_rules_are_prometheus_rules():
    done = subprocess.run(["promtool", "check", "rules", os.path.join(ROOT, "deploy", "egoejo.rules.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_have_what_a_rule_needs():
    (group,) = yaml.safe_load(read("deploy", "egoejo.rules.yml"))["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) > 20 and len(set(names)) == len(names)
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"} and rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"} and rule["expr"].count("(") == rule["expr"].count(")")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))


def test_panels_of_the_dashboard_do_not_overlap():
    panels = json.loads(read("deploy", "grafana-dashboard.json"))["panels"]
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}
    assert len(places) == len(panels) == len({p["id"] for p in panels}) == len({p["title"] for p in panels})


def test_the_image_is_built_with_what_dev_builds_with():
    needs = re.search(r"^needs_to_build='\n(.*?)^'", read("dev"), re.M | re.S).group(1)
    packages = {line.split()[0] for line in needs.splitlines()}
    stages = read("deploy", "Dockerfile").partition("AS build\n")[2]  # what is loaded at run time stands in the second
    assert len(packages) > 10
    assert packages <= set(re.findall(r"[\w.+-]+", stages)), "deploy/Dockerfile: add the packages of ./dev"
    assert "-dev" not in read("deploy", "Dockerfile").rpartition("\nFROM")[2], "no compiler's files in the image that runs"


def compose():
    return yaml.safe_load(read("deploy", "docker-compose.yml"))["services"]


def our_services():
    return {name: service for name, service in compose().items() if service["image"] == "egoejo"}


def units():
    """{name: {setting: [values]}} of the three services."""
    found = {}
    for path in glob.glob(os.path.join(ROOT, "deploy", "*.service")):
        lines = [line.split("=", 1) for line in read(path).splitlines() if "=" in line and not line.startswith("#")]
        found[os.path.basename(path)] = {name: [value for other, value in lines if other == name] for name, _ in lines}
    return found


def test_the_units_and_the_image_run_commands_that_exist():
    commands = set(re.findall(r"^COMMAND\((\w+),", read("app", "commands.def"), re.M))
    used = {unit["ExecStart"][0].split()[1] for unit in units().values()}
    used |= set(re.findall(r'CMD \[(?:"egoejo", )?"(\w+)"\]', read("deploy", "Dockerfile")))
    used |= {service["command"][0] for service in our_services().values() if "command" in service}
    assert used == {"serve", "worker", "beat", "healthcheck"}
    assert used <= commands


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_what_compose_starts_is_understood(name):
    done = run(*our_services()[name]["command"], DATABASE_URL="sqlite:////nowhere/at/all.sqlite3", REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode not in (0, 64) and "unknown" not in done.stderr, done.stderr


def test_every_service_has_no_more_rights_than_the_others():
    services = our_services()
    assert set(services) == {"web", "worker", "beat"}
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert "ports" not in service or name == "web"
        assert int(service["stop_grace_period"].rstrip("s")) > 10, "more than SHUTDOWN_GRACE_S"
    assert services["beat"]["networks"] == ["data"]
    assert services["worker"]["volumes"] == services["web"]["volumes"], "its jobs work on the files that were uploaded"
    hardening = {"CapabilityBoundingSet", "DynamicUser", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "ProtectSystem",
                 "PrivateDevices", "PrivateTmp", "PrivateUsers", "RestrictAddressFamilies", "SystemCallFilter", "StateDirectory", "UMask"}
    found = units()
    assert set(found) == {"egoejo.service", "egoejo-worker.service", "egoejo-beat.service"}
    for name, unit in found.items():
        assert {key: unit.get(key) for key in hardening} == {key: found["egoejo.service"][key] for key in hardening}, name
        assert unit["Type"] == ["notify"] and unit["RestartPreventExitStatus"] == ["78"]
        # With DynamicUser the folder is that user's: units that share it share the user, by default named after the unit.
        assert unit.get("User", [name.removesuffix(".service")]) == ["egoejo"]


def test_the_worker_in_its_container_answers_for_itself(redis_server, start_worker, folder):
    """The check of compose, with a shell, the program in the PATH and a host's name of the test's own."""
    check = our_services()["worker"]["healthcheck"]["test"]
    assert check[0] == "CMD-SHELL"
    os.symlink(BINARY, f"{folder}/egoejo")
    settings = environment(REDIS_URL=redis_server.url)
    settings["PATH"] = f"{folder}:{settings['PATH']}"
    script = check[1].replace("$$", "$").replace("/etc/hostname", f"{folder}/hostname")

    def status(host):
        with open(f"{folder}/hostname", "w", encoding="utf-8") as f:
            f.write(host + "\n")
        return subprocess.run(["sh", "-c", script], env=settings, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30).returncode

    assert status(socket.gethostname()) != 0
    start_worker(redis_server, "-c", "1")
    assert status(socket.gethostname()) == 0
    assert status("somebody-else") != 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not there")
def test_systemd_understands_the_units(folder):
    for name in units():
        text = read("deploy", name).replace("/usr/bin/egoejo", BINARY).replace("file:/usr/share/doc/egoejo/README.md", "man:true(1)")
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", os.path.join(folder, name)], capture_output=True, text=True)
        assert folder not in done.stderr and name not in done.stderr, done.stderr


def test_every_setting_named_in_deploy_exists():
    settings = set(re.findall(r"^SETTING\((\w+),", read("base", "settings.def"), re.M))
    example = set(re.findall(r"^#?([A-Z_]+)=", read("deploy", "env.example"), re.M)) - {"POSTGRES_PASSWORD"}
    services = {name for service in our_services().values() for name in service["environment"]}
    image = re.search(r"^ENV (.*)$", read("deploy", "Dockerfile"), re.M).group(1)
    named = example | services | set(re.findall(r"([A-Z_]+)=", image))
    assert {"DJANGO_SECRET_KEY", "REDIS_URL", "HOST"} <= named
    assert named <= settings, named - settings


class Nginx:
    """deploy/nginx.conf with ports, certificate and logs of the test's own."""

    def __init__(self, folder, upstream):
        self.folder, self.port = folder, free_port()
        site = read("deploy", "nginx.conf").replace("127.0.0.1:8000", f"127.0.0.1:{upstream}").replace("/etc/nginx/tls", folder)
        site = re.sub(r"listen \[::\].*;\n", "", site).replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
        site = site.replace("listen 443 ", f"listen 127.0.0.1:{self.port} ").replace("/var/log/nginx", folder)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as f:
            f.write(f"daemon off;\n{'user root;' if os.geteuid() == 0 else ''}\npid {folder}/pid;\nevents {{}}\nerror_log {folder}/error.log;\n"
                    f"http {{\n{temporary}access_log {folder}/access.log;\n{site}}}\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                        "-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"], check=True, capture_output=True)
        self.command = [NGINX, "-p", folder, "-c", "nginx.conf", "-e", f"{folder}/error.log"]

    def check(self):
        done = subprocess.run([*self.command, "-t"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + read(self.folder, "error.log")

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait.until(lambda: answers(self.port), 10, "nginx")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)

    @property
    def logs(self):
        return "".join(read(self.folder, name) for name in ("access.log", "error.log"))


async def hear_a_message(chat, address, **options):
    """
    A message and a pong come through the socket at this address.

    Not by the client of two threads, of which one writes while the other reads: before 3.13 Python's ssl does not keep them
    apart, and what the one writes is lost at times.
    """
    async with connect(address, **options) as socket:
        number = chat.post("par nginx")
        assert json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))["payload"]["id"] == number
        await socket.send('{"type": "ping"}')
        assert json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)) == {"type": "pong"}


@pytest.mark.skipif(not NGINX, reason="nginx is not there")
def test_chats_go_through_nginx(new_database, start_server, folder):
    database = Database(new_database("empty"))
    chat = Chat(database, start_server, ALLOWED_HOSTS="localhost,127.0.0.1")
    nginx = Nginx(folder, chat.server.port)
    nginx.check()
    trust = ssl.create_default_context(cafile=f"{folder}/fullchain.pem")
    options = {"ssl": trust, "origin": "https://localhost"}
    with nginx:
        token = chat.bob.headers["Authorization"].split()[1]
        address = f"wss://localhost:{nginx.port}{chat.path}?token={token}"
        for _ in range(3):  # what went before must not leave a used connection to the next
            https = HTTPSConnection("localhost", nginx.port, context=trust, timeout=10)
            https.request("GET", f"/api/chat/threads/{chat.thread}/", headers=chat.bob.headers)
            assert https.getresponse().read()
            https.close()
            asyncio.run(hear_a_message(chat, address, **options))
        chat.server.stop()
        with pytest.raises(InvalidStatus) as refused:
            asyncio.run(hear_a_message(chat, address, **options))
        assert refused.value.response.status_code == 502
    assert f"/api/chat/threads/{chat.thread}/" in nginx.logs and token not in nginx.logs
    database.close()
