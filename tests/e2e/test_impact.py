"""Routes of meaning and impact: semantic search and suggestions, mycelium, the dashboard."""

import base64
import json

import pytest

from lib.world import World

PLACED = {"model": "m", "dimension": 2, "vector": [1, 0], "coordinates_3d": {"x": 1.5, "y": -2, "z": 0}}


@pytest.fixture
def world(database, start_server):
    made = World(database, start_server)
    database.insert("core_projet", id=4, titre="Sol vivant", description="d" * 250, embedding=PLACED)
    database.insert("core_educationalcontent", id=5, title="Le sol", slug="le-sol", description="é" * 250, embedding=PLACED)
    yield made
    made.close()


def call(world, method, target, caller="anonymous", body=None):
    headers = {**world.headers_of(caller), "Content-Type": "application/json"}
    return world.client.request(method, target, headers, body)


def test_search_finds_projects_and_contents(world):
    answer = call(world, "GET", "/api/projets/semantic-search/?q=%20sol%20")
    assert answer.status == 200
    assert answer.json == {
        "query": "sol",
        "type": "both",
        "results": [
            {"type": "projet", "id": 4, "titre": "Sol vivant", "description": "d" * 200, "similarity": 0.5, "url": "/projets/4"},
            {"type": "content", "id": 5, "title": "Le sol", "description": "é" * 200, "similarity": 0.5, "url": "/contenus/le-sol"},
        ],
    }
    assert [hit["type"] for hit in call(world, "GET", "/api/projets/semantic-search/?q=sol&type=content").json["results"]] == ["content"]
    assert call(world, "GET", "/api/projets/semantic-search/?q=sol&type=").json["results"] == []
    assert call(world, "GET", "/api/projets/semantic-search/?q=s").status == 400


def test_suggestions(world):
    near = call(world, "GET", "/api/projets/semantic-suggestions/?projet_id=4&content_id=99").json["suggestions"]
    assert near == [{"type": "content", "id": 5, "title": "Le sol", "similarity": 1.0, "url": "/contenus/le-sol"}]
    near = call(world, "GET", "/api/projets/semantic-suggestions/?content_id=5&limit=60").json["suggestions"]
    assert near == [{"type": "projet", "id": 4, "titre": "Sol vivant", "similarity": 1.0, "url": "/projets/4"}]


@pytest.mark.parametrize("query", ["", "?projet_id=", "?projet_id=x", "?content_id=1.5", "?projet_id=1&limit=0", "?projet_id=1&limit=-3", "?projet_id=1&limit=a"])
def test_suggestions_of_nothing_are_refused(world, query):
    answer = call(world, "GET", "/api/projets/semantic-suggestions/" + query)
    assert answer.status == 400 and list(answer.json) == ["error"]


def test_ids_beyond_all_rows_are_unknown(world):
    for number in ("99999999999999999999999", "-99999999999999999999999", "9223372036854775807"):
        assert call(world, "GET", f"/api/projets/semantic-suggestions/?projet_id={number}&limit={number.lstrip('-')}").json == {"suggestions": []}


def test_mycelium_shows_what_has_a_place(world):
    assert call(world, "GET", "/api/mycelium/data/").json == {
        "projets": [{"id": 4, "titre": "Sol vivant", "description": "d" * 200, "x": 1.5, "y": -2.0, "z": 0.0, "url": "/projets/4"}],
        "contenus": [
            {"id": 5, "title": "Le sol", "description": "é" * 200, "type": "article", "x": 1.5, "y": -2.0, "z": 0.0, "url": "/contenus/le-sol"}
        ],
    }


def test_new_coordinates_are_asked_by_staff(world):
    path = "/api/mycelium/reduce/"
    assert call(world, "POST", path, "anonymous", b"{}").status == 403
    assert call(world, "POST", path, "ordinary", b"{}").status == 403
    answer = call(world, "POST", path, "staff", b'{"content_type": "projet"}')
    assert answer.status == 200
    rows = world.database.execute("SELECT name, envelope FROM egoejo_outbox")
    envelope = json.loads(rows[0][1])
    assert answer.json == {"success": True, "task_id": envelope["headers"]["id"], "content_type": "projet", "method": "umap"}
    assert [name for name, _ in rows] == ["core.tasks_mycelium.reduce_embeddings_to_3d"]
    assert json.loads(base64.b64decode(envelope["body"]))[0] == ["projet", "umap"]
    assert call(world, "POST", path, "staff", b"{").status == 400


def test_the_dashboard_is_ones_own(world):
    path = "/api/impact/dashboard/"
    assert call(world, "GET", path).status == 403
    answer = call(world, "GET", path, "ordinary").json
    assert list(answer) == ["total_contributions", "projects_supported", "cagnottes_contributed", "intentions_submitted", "impact_message", "last_updated"]
    assert (answer["total_contributions"], answer["projects_supported"], answer["cagnottes_contributed"]) == (500.0, 1, 1)
    assert call(world, "GET", path, "ordinary").json == answer
    assert world.database.count("impact_dashboard") == 1
    assert call(world, "GET", path, "other").json["total_contributions"] == 500.0
    assert world.database.count("impact_dashboard") == 2
