"""The API's own document: served, shown, valid for a validator that is not ours."""

import json
import re

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from lib.server import run

PAGE = "/api/docs/"


@pytest.fixture
def document():
    done = run("openapi")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_document_is_valid(document):
    assert document["openapi"].startswith("3.1.")
    validate(document, cls=OpenAPIV31SpecValidator)


def test_yaml_is_the_same_document(document):
    done = run("openapi", "--yaml")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout) == document


def test_every_operation_says_what_it_is(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["operationId"] and operation["tags"] and operation["responses"], (method, path)
            assert operation.get("summary"), f"{method} {path} has no SUMMARY line in api/openapi.def"


def test_what_is_served_is_what_the_command_prints(server, document):
    answer = server.get("/api/schema/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.text) == document
    again = server.get("/api/schema/", {"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    packed = server.get("/api/schema/", {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.body == answer.body  # the client has unpacked it


@pytest.mark.parametrize("target, accept, media_type", [
    ("/api/schema/", "application/yaml", "application/yaml"),
    ("/api/schema/", "application/vnd.oai.openapi;q=0.9", "application/yaml"),
    ("/api/schema/", "application/yaml, */*;q=0.1", "application/yaml"),
    ("/api/schema/", "application/json, application/yaml", "application/json"),
    ("/api/schema/?format=yaml", "*/*", "application/yaml"),
    ("/api/schema/?format=json", "application/yaml", "application/json"),
    ("/api/schema/", "text/html", "application/json"),
])
def test_the_form_that_is_asked_for(server, target, accept, media_type):
    answer = server.get(target, {"Accept": accept})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == media_type
    assert ("openapi" in json.loads(answer.text)) if media_type.endswith("json") else answer.text.startswith("openapi: ")


def test_only_the_document_knows_yaml(server):
    assert server.get("/api/schema/", {"Accept": "image/png"}).status == 406
    assert server.get("/api/schema/?format=xml").status == 404
    assert server.get("/api/projets/?format=yaml").status == 404
    assert server.get("/api/projets/", {"Accept": "application/yaml"}).status == 406


def test_the_page_asks_nobody_else(server):
    answer = server.get(PAGE)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    links = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert links and all(link.startswith(("/api/", "data:,")) for link in links), links
    for link in links:
        if link.startswith("/api/"):
            assert server.get(link).status == 200, link


def test_swagger_ui_is_ours_or_a_list_is_there(server, document):
    page = server.get(PAGE).text
    if "swagger-ui" not in page:
        assert all(f"<code>{path}</code>" in page for path in document["paths"])
        assert server.get(PAGE + "swagger-ui.css").status == 404
        return
    start = server.get(PAGE + "start.js")
    assert start.headers["Content-Type"].startswith("text/javascript")
    assert "validatorUrl: null" in start.text  # else its makers' server is asked for a badge
    style = server.get(PAGE + "swagger-ui.css")
    assert style.headers["Content-Type"].startswith("text/css")
    assert not re.findall(r"url\(['\"]?(?!data:)[a-z]", style.text)
    assert not re.search(r"@import", style.text)
    notice = server.get(PAGE + "LICENSE").text
    assert "SmartBear Software" in notice and "Apache License" in notice
