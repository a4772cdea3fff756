"""The page of the WebSockets, and its document: all that the tables of realtime/ have is there, and leads somewhere."""

import html
import json
import os
import re

import pytest

from lib.server import ROOT

PAGE = "/api/docs/realtime/"
DOCUMENT = PAGE + "asyncapi.json"


def read_table(name):
    with open(os.path.join(ROOT, "realtime", name), encoding="utf-8") as f:
        return f.read()


MESSAGES = re.findall(r'^(RECEIVED|SENT)\(\w+, "(\w+)", (ON_\w+),', read_table("messages.def"), re.M)
CLOSES = re.findall(r'^CLOSE\(\w+, (\d+), "(\w+)", "((?:[^"\\]|\\.)*)"\)', read_table("closes.def"), re.M)


@pytest.fixture
def page(server):
    answer = server.get(PAGE)
    assert answer.status == 200
    return answer


@pytest.fixture
def document(server):
    answer = server.get(DOCUMENT)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    return json.loads(answer.text)


def resolve(document, reference):
    at = document
    for name in reference.removeprefix("#/").split("/"):
        at = at[name]
    return at


def test_every_message_and_every_close_is_on_the_page(page):
    assert len(MESSAGES) >= 9 and len(CLOSES) >= 12
    text = html.unescape(page.text)
    for _, kind, _ in MESSAGES:
        assert f'"type": "{kind}"' in text, kind
    for code, reason, meaning in CLOSES:
        assert f"<td>{code}</td><td><code>{reason}</code></td><td>{meaning}</td>" in text, (code, reason)


def test_the_page_tells_each_message_where_it_is_understood(page):
    chat, polls = (section.partition("<h3>Du serveur</h3>") for section in page.text.split("<h2>")[2:4])
    for direction, kind, targets in MESSAGES:
        for name, (received, _, sent) in (("ON_CHAT", chat), ("ON_POLLS", polls)):
            there = f'"type": "{kind}"' in html.unescape(received if direction == "RECEIVED" else sent)
            assert there == (targets in (name, "ON_BOTH")), (kind, name)


def test_the_page_is_as_safe_as_that_of_the_api(server, page):
    api = server.get("/api/docs/")
    for name in ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Cache-Control"):
        assert page.headers[name] == api.headers[name], name
    links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert "<script" not in page.text and all(link.startswith(("/api/", "data:,")) for link in links), links
    assert all(server.get(link).status == 200 for link in links if link.startswith("/api/"))
    assert f'href="{PAGE}"' in api.text


def test_the_document_leads_somewhere(server, document):
    assert document["asyncapi"] == "3.0.0"
    for operation in document["operations"].values():
        channel = resolve(document, operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
            assert resolve(document, message["$ref"]) in channel["messages"].values()
    for channel in document["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
        for name, message in channel["messages"].items():
            assert resolve(document, message["$ref"])["payload"]["properties"]["type"] == {"const": name}
    schemas = server.get("/api/schema/").json["components"]["schemas"]
    named = re.findall(r'"/api/schema/#/components/schemas/(\w+)"', json.dumps(document))
    assert named and set(named) <= set(schemas)


def test_the_limits_are_those_in_force(start_server):
    server = start_server(REALTIME_RATE=7, REALTIME_MAX_MESSAGE_BYTES=2048)
    limits = {limit["setting"]: limit["value"] for limit in server.get(DOCUMENT).json["x-limits"]}
    assert (limits["REALTIME_RATE"], limits["REALTIME_MAX_MESSAGE_BYTES"]) == (7, 2048)
    assert "<code>REALTIME_RATE</code></td><td>7</td>" in server.get(PAGE).text
