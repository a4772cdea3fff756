"""Embeddings, speech and the mycelium from end to end: what is created is embedded, found by its meaning, placed, and read out."""

import datetime
import json
import os

import pytest

from lib import outbox, speakers, wait
from lib.database import Database
from lib.people import add_cast
from lib.queues import Queues
from lib.speakers import DIMENSIONS, ELEVENLABS_KEY, OPENAI_KEY, SOUND, Speakers, vector_of

EMBED, EMBED_ALL = "core.tasks_embeddings.generate_embedding_task", "core.tasks_embeddings.batch_generate_embeddings"
SPEAK = "core.tasks_audio.generate_audio_content"
AWAY = 30


def now():
    return datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture
def services():
    made = Speakers()
    yield made
    made.close()


class Site:
    def __init__(self, database, start_server, **settings):
        self.database = database
        self.people = add_cast(database)
        self.server = start_server(database.url, **{"TASKS_LOCAL_WORKERS": "2", **settings})
        self.server.secrets += [OPENAI_KEY, ELEVENLABS_KEY]

    def ask(self, method, path, who=None, body=None, status=200):
        headers = {"Content-Type": "application/json", **(self.people[who].headers if who else {})}
        answer = self.server.request(method, path, headers, None if body is None else json.dumps(body).encode(), timeout=30)
        assert answer.status == status, answer.raw
        return answer.json

    def done(self):
        wait.until(lambda: self.database.count("egoejo_outbox") == 0, AWAY, "all tasks are done")

    def embedding(self, table, number):
        value = self.database.execute(f"SELECT embedding FROM {table} WHERE id = %s", number)[0][0]
        return json.loads(value) if isinstance(value, str) else value


def test_what_is_created_is_embedded_found_and_placed(database, start_server):
    site = Site(database, start_server, EMBEDDINGS_LOCAL="true")
    garden = {"titre": "Jardin partagé de l'Été", "description": "Permaculture et compost au cœur de la ville"}
    first = site.ask("POST", "/api/projets/", "ordinary", garden, 201)["id"]
    assert site.ask("GET", "/api/projets/")[0]["id"] == first  # and is in the cache from here on
    other = site.ask("POST", "/api/projets/", "ordinary", {"titre": "Monnaie locale", "description": "Une monnaie numérique"}, 201)["id"]
    guide = site.ask("POST", "/api/contents/", "ordinary", {"title": "Guide du jardin", "slug": "guide", "type": "article",
                                                            "description": "La permaculture en ville : l'été du jardin"}, 201)["id"]
    site.done()
    shown = {project["id"]: project["embedding"] for project in site.ask("GET", "/api/projets/")}
    for embedding in (*shown.values(), site.embedding("core_educationalcontent", guide)):
        assert (embedding["model"], embedding["dimension"], len(embedding["vector"])) == ("local-hash-384", 384, 384)
    database.execute("UPDATE core_educationalcontent SET status = 'published' WHERE id = %s", guide)
    found = site.ask("GET", "/api/projets/semantic-search/?q=JARDIN%20permaculture")["results"]
    assert found == []  # nobody's title or description has these two words in a row
    found = site.ask("GET", "/api/projets/semantic-search/?q=jardin")["results"]
    assert {(hit["type"], hit["id"]) for hit in found} == {("projet", first), ("content", guide)}
    assert all(0.1 < hit["similarity"] < 1 and hit["similarity"] != 0.5 for hit in found)
    assert found[0]["similarity"] >= found[1]["similarity"]
    near = site.ask("GET", f"/api/projets/semantic-suggestions/?content_id={guide}")["suggestions"]
    assert [hit["id"] for hit in near] == [first]
    assert site.ask("GET", "/api/mycelium/data/") == {"projets": [], "contenus": []}
    site.ask("POST", "/api/mycelium/reduce/", "staff", {})
    site.done()
    data = site.ask("GET", "/api/mycelium/data/")
    assert [point["id"] for point in data["projets"]] == [other, first] and [point["id"] for point in data["contenus"]] == [guide]
    places = [[point[axis] for axis in "xyz"] for point in data["projets"] + data["contenus"]]
    assert max(abs(number) for place in places for number in place) == 10
    assert len({tuple(place) for place in places}) == 3
    shown = {project["id"]: project["embedding"] for project in site.ask("GET", "/api/projets/")}
    assert shown[other]["coordinates_3d"] == dict(zip("xyz", places[0])) and len(shown[other]["vector"]) == 384


def test_without_a_model_nothing_is_stored(database, start_server):
    site = Site(database, start_server)
    project = site.ask("POST", "/api/projets/", "ordinary", {"titre": "Sol", "description": "vivant"}, 201)["id"]
    site.done()
    assert site.ask("GET", f"/api/projets/{project}/")["embedding"] is None
    assert site.ask("GET", "/api/projets/semantic-search/?q=sol")["results"][0]["similarity"] == 0.5
    site.ask("POST", "/api/mycelium/reduce/", "staff", {})
    site.done()
    assert site.ask("GET", "/api/mycelium/data/") == {"projets": [], "contenus": []}
    assert not site.server.events("task.failed")


def test_a_published_content_is_read_out(database, start_server, services, folder):
    site = Site(database, start_server, MEDIA_ROOT=os.path.join(folder, "media"), **services.settings)
    content = database.insert("core_educationalcontent", title="L&#x27;eau", slug="eau", status="pending", description="Une source.",
                              author_id=site.people["ordinary"].id)
    site.ask("POST", f"/api/contents/{content}/publish/", "staff", {})
    site.done()
    path = f"educational_contents/audio/audio_{content}_openai.mp3"
    assert database.execute("SELECT audio_file FROM core_educationalcontent WHERE id = %s", content) == [(path,)]
    assert services.asked == [("/v1/audio/speech", {"model": "tts-1", "voice": "alloy", "input": "Titre: L'eau\n\nUne source."})]
    served = site.server.get(f"/media/{path}")
    assert served.status == 200 and served.body == SOUND and served.headers["content-type"] == "audio/mpeg"


def test_all_that_have_none_are_embedded(database, start_server, services):
    numbers = [database.insert("core_projet", titre=f"Projet {n}", description="é" * n) for n in range(5)]
    site = Site(database, start_server, **services.settings)
    outbox.put(database, EMBED_ALL, "openai", "projet")
    site.done()
    assert sorted(services.inputs()) == [f"Projet {n} " + "é" * n for n in range(5)]
    for n, number in enumerate(numbers):
        assert site.embedding("core_projet", number)["vector"] == pytest.approx(vector_of(f"Projet {n} " + "é" * n), abs=1e-15)


def test_a_search_is_embedded_by_openai(database, start_server, services):
    project = database.insert("core_projet", titre="Le sol", description="vivant", embedding={"vector": vector_of("le sol")})
    site = Site(database, start_server, **services.settings)
    for _ in range(2):
        found = site.ask("GET", "/api/projets/semantic-search/?q=%20le%20sol%20")["results"]
        assert [hit["id"] for hit in found] == [project] and found[0]["similarity"] == pytest.approx(1)
    assert services.inputs() == ["le sol"]
    services.mood = speakers.broken
    for _ in range(2):
        assert site.ask("GET", "/api/projets/semantic-search/?q=sol")["results"][0]["similarity"] == 0.5
    assert services.inputs() == ["le sol", "sol"]
    assert len(site.server.events("semantic.no_vector", level="WARNING")) == 1


def test_a_service_that_says_nothing_does_not_hold_the_end_up(database, start_server, services):
    project = database.insert("core_projet")
    services.mood = speakers.silent
    site = Site(database, start_server, **services.settings)
    outbox.put(database, EMBED, "openai", project)
    wait.until(lambda: services.asked, AWAY, "it asks")
    site.server.stop()  # well before the service's 30 s
    assert outbox.states(database) == {"new": 1} and len(site.server.events("task.handed_back", level="INFO")) == 1
    assert not site.server.events("task.failed") + site.server.events("task.retried")
    services.mood = speakers.fine
    start_server(database.url, TASKS_LOCAL_WORKERS="2", **services.settings)
    wait.until(lambda: database.count("egoejo_outbox") == 0, AWAY, "another has done it")
    assert len(site.embedding("core_projet", project)["vector"]) == DIMENSIONS


# --- what the services do on a bad day, as a worker tells it ---


@pytest.fixture
def desk(redis_server, start_worker, services, new_database):
    """send(task, *args) → its result; with a project and a content."""

    class Desk(Queues):
        database = Database(new_database("empty"))

        def eta_of(self, task):
            """When the message is due that is to be run again; it may be on its way to the worker, or held by it."""
            messages = self.waiting() + [json.loads(text)[0] for text in self.redis.hvals("unacked")]
            return next((m["headers"]["eta"] for m in messages if m["headers"]["id"] == task and m["headers"]["retries"] == 1), None)

        def start(self, *options, **settings):
            worker = start_worker(redis_server, "-c", "1", *options, database=self.database.url, **{**services.settings, **settings})
            worker.secrets += [OPENAI_KEY, ELEVENLABS_KEY]
            return worker

    made = Desk(redis_server)
    made.project = made.database.insert("core_projet", titre="Le sol", description="vivant")
    made.content = made.database.insert("core_educationalcontent", title="Le sol", description="vivant")
    yield made
    made.database.close()


@pytest.mark.parametrize("mood, error", [
    (speakers.refusing, "OpenAI answered 401 (invalid_api_key)"),
    (speakers.half_json, "OpenAI answered something that is not a vector of 1536 numbers"),
    (speakers.shorter, "OpenAI answered something that is not a vector of 1536 numbers"),
    (speakers.not_a_number, "OpenAI answered something that is not a vector of 1536 numbers"),
    (speakers.huge, "OpenAI: "),
])
def test_what_will_not_be_better_later_is_the_answer(desk, services, mood, error):
    services.mood = mood
    desk.start()
    result = desk.wait_result(desk.send(EMBED, "openai", desk.project))["result"]
    assert result["success"] is False and result["error"].startswith(error), result
    assert desk.database.execute("SELECT embedding FROM core_projet") == [(None,)]
    assert len(services.asked) == 1


@pytest.mark.parametrize("mood, text, seconds", [(speakers.busy, "answered 429", 200), (speakers.broken, "answered 500", 60)])
@pytest.mark.parametrize("task", [EMBED, SPEAK])
def test_what_may_be_better_later_is_tried_again(desk, services, task, mood, text, seconds):
    services.mood = mood
    desk.start()
    before = now()
    sent = desk.send(EMBED, "openai", desk.project) if task == EMBED else desk.send(SPEAK, desk.content, "elevenlabs", "v")
    stored = desk.wait_result(sent, "RETRY")
    assert text in stored["result"]["exc_message"][0] and stored["result"]["exc_type"] == "ConnectionError"
    eta = datetime.datetime.fromisoformat(wait.until(lambda: desk.eta_of(sent), AWAY, "it waits for its time"))
    assert before <= eta - datetime.timedelta(seconds=seconds) <= now()


def test_results(desk, services, folder):
    desk.start(MEDIA_ROOT=os.path.join(folder, "media"))

    def result(task, *args):
        return desk.wait_result(desk.send(task, *args))["result"]

    assert result(EMBED, "openai", desk.content, "educational_content") == {"success": True, "content_id": desk.content, "dimension": DIMENSIONS}
    assert result(EMBED, "openai", desk.content, "educational_content") == {"success": True, "skipped": True, "reason": "hash_unchanged"}
    assert result(SPEAK, desk.content, "elevenlabs", "v/é") == {
        "success": True, "content_id": desk.content, "provider": "elevenlabs",
        "audio_file": f"educational_contents/audio/audio_{desk.content}_elevenlabs.mp3"}
    assert result(SPEAK, desk.content) == {"success": True, "skipped": True, "reason": "hash_unchanged", "content_id": desk.content}
    assert services.asked[-1][0] == "/v1/text-to-speech/v%2F%C3%A9"
    assert result("core.tasks_mycelium.reduce_embeddings_to_3d", "both", "tsne") == {"success": True, "count": 1, "method": "tsne",
                                                                                    "content_type": "both"}
    assert result("core.tasks_audio.batch_generate_audio") == {"success": True, "count": 0}
    assert result(EMBED_ALL, "openai") == {"success": True, "count": 1, "content_type": "projet"}
