"""deploy/ names only what the program and ./dev have."""

import json
import os
import re

from lib.server import ROOT


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def known_series():
    """Every series name that /metrics can show."""
    for name, kind in re.findall(r'^METRIC\(\w+, "(\w+)", (\w+),', read("base", "metrics.def"), re.M):
        yield name
        if kind.startswith("HISTOGRAM"):
            yield from (name + suffix for suffix in ("_bucket", "_count", "_sum"))


def test_alerts_and_dashboard_use_metrics_that_exist():
    dashboard = json.loads(read("deploy", "grafana-dashboard.json"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += re.findall(r"expr: (.*(?:\n {10,}.*)*)", read("deploy", "egoejo.rules.yml"))
    used = {name for text in expressions for name in re.findall(r"egoejo_\w+", text)}
    assert len(used) > 10
    assert used <= set(known_series()), used - set(known_series())


def test_the_image_is_built_with_what_dev_builds_with():
    needs = re.search(r"^needs_to_build='\n(.*?)^'", read("dev"), re.M | re.S).group(1)
    packages = {line.split()[0] for line in needs.splitlines()}
    build_stage = read("deploy", "Dockerfile").partition("AS build\n")[2].partition("\nFROM")[0]
    assert len(packages) > 10
    assert packages <= set(re.findall(r"[\w.+-]+", build_stage)), "deploy/Dockerfile: add the packages of ./dev"
    assert "-dev" not in read("deploy", "Dockerfile").rpartition("\nFROM")[2], "no compiler's files in the image that runs"


def test_the_units_and_the_image_run_commands_that_exist():
    commands = set(re.findall(r"^COMMAND\((\w+),", read("app", "commands.def"), re.M))
    used = set(re.findall(r"^ExecStart=/usr/bin/egoejo (\w+)", read("deploy", "egoejo.service"), re.M))
    used |= set(re.findall(r'CMD \[(?:"egoejo", )?"(\w+)"\]', read("deploy", "Dockerfile")))
    assert used == {"serve", "healthcheck"}
    assert used <= commands


def test_every_setting_named_in_deploy_exists():
    settings = set(re.findall(r"^SETTING\((\w+),", read("base", "settings.def"), re.M))
    example = set(re.findall(r"^#?([A-Z_]+)=", read("deploy", "env.example"), re.M)) - {"POSTGRES_PASSWORD"}
    service = read("deploy", "docker-compose.yml").partition("  redis:\n")[0].partition("environment:\n")[2].partition("ports:")[0]
    image = re.search(r"^ENV (.*)$", read("deploy", "Dockerfile"), re.M).group(1)
    named = example | set(re.findall(r"^ +([A-Z_]+): ", service, re.M)) | set(re.findall(r"([A-Z_]+)=", image))
    assert {"DJANGO_SECRET_KEY", "REDIS_URL", "HOST"} <= named
    assert named <= settings, named - settings
