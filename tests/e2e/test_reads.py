"""The public reads, on both engines: shape, order, pages, negotiation, conditional requests, errors."""

import decimal

import pytest

from lib import wait
from lib.database import NOW, hours_ago

PROJECT_KEYS = ["id", "impact_4p", "titre", "description", "categorie", "impact_score", "image", "embedding", "coordinates_3d", "funding_type",
                "donation_goal", "investment_goal", "share_price", "total_shares", "valuation_pre_money", "created_at", "saka_score",
                "saka_supporters_count", "active_oracles", "community"]
CONTENT_KEYS = ["id", "title", "slug", "type", "status", "description", "external_url", "file", "created_at", "likes_count", "comments_count"]


@pytest.fixture
def serve(start_server, database):
    """serve(**settings): a server on the database of the test, whose rows must be there already when they are cached."""
    return lambda **settings: start_server(database.url, **settings)


# --- projects ---


def test_a_project_has_its_keys_in_order(serve, database):
    community = database.insert("core_community", name="Vallée", slug="vallee")
    full = database.insert("core_projet", titre="Un été à vélo", description="<b>brut</b> & « guillemets »", categorie="transport", impact_score=7,
                           image="projets/été 1.png", embedding={"model": "m", "vector": [0.5]}, funding_type="HYBRID",
                           donation_goal=decimal.Decimal("1234.50"), share_price=decimal.Decimal("9.99"), total_shares=10,
                           valuation_pre_money=decimal.Decimal("1000000.00"), saka_score=3, saka_supporters_count=2,
                           active_oracles=["co2_avoided"], community_id=community, created_at=NOW)
    database.insert("project_impact_4p", project_id=full, financial_score=decimal.Decimal("850.50"), saka_score=3, social_score=12, purpose_score=25)
    server = serve()
    answer = server.get(f"/api/projets/{full}/")
    assert answer.status == 200 and answer.headers["Content-Type"].split(";")[0] == "application/json"
    project = answer.json
    assert list(project) == PROJECT_KEYS
    assert project["titre"] == "Un été à vélo" and project["description"] == "<b>brut</b> & « guillemets »"
    assert "été" in answer.text  # not escaped
    assert project["image"] == f"{server.base}/media/projets/%C3%A9t%C3%A9%201.png"
    assert project["donation_goal"] == "1234.50" and project["investment_goal"] == "0.00" and project["share_price"] == "9.99"
    assert project["valuation_pre_money"] == "1000000.00" and project["total_shares"] == 10
    assert project["embedding"] == {"model": "m", "vector": [0.5]} and project["coordinates_3d"] is None
    assert project["active_oracles"] == ["co2_avoided"] and project["community"] == community
    assert project["created_at"] == "2026-03-01T12:00:00+00:00"
    scores = project["impact_4p"]
    assert list(scores) == ["p1_financier", "p2_saka", "p3_social", "p4_sens", "updated_at", "meta"]
    assert (scores["p1_financier"], scores["p2_saka"], scores["p3_social"], scores["p4_sens"]) == (850.5, 3, 12, 25)
    assert scores["meta"]["p1"]["label"] == "Performance financière" and scores["meta"]["p1"]["is_measured"] is True
    assert scores["meta"]["p3"]["label"] == scores["meta"]["p4"]["label"] == "PROXY V1 INTERNE"
    assert scores["meta"]["p3"]["is_measured"] is False and scores["meta"]["p4"]["disclaimer"]
    assert server.get("/api/projets/").json == [project]


def test_a_project_without_scores_has_zeros(serve, database):
    project = database.insert("core_projet")
    scores = serve().get(f"/api/projets/{project}/").json["impact_4p"]
    assert (scores["p1_financier"], scores["p2_saka"], scores["p3_social"], scores["p4_sens"], scores["updated_at"]) == (0, 0, 0, 0, None)


def seed_ordered_projects(database):
    database.insert("core_projet", titre="ancien", created_at=hours_ago(2), saka_score=50)
    database.insert("core_projet", titre="jumeau 1", created_at=hours_ago(1), saka_score=5)
    database.insert("core_projet", titre="jumeau 2", created_at=hours_ago(1), saka_score=5)
    database.insert("core_projet", titre="nouveau", created_at=NOW.replace(microsecond=250000), saka_score=0)


def test_projects_come_newest_first_all_of_them(serve, database):
    seed_ordered_projects(database)
    server = serve(API_PAGE_SIZE=2)
    projects = server.get("/api/projets/?page=2&limit=1").json
    assert [p["titre"] for p in projects][0] == "nouveau" and [p["titre"] for p in projects][3] == "ancien"
    assert {p["titre"] for p in projects[1:3]} == {"jumeau 1", "jumeau 2"}
    assert projects[0]["created_at"] == "2026-03-01T12:00:00.250000+00:00"


@pytest.mark.parametrize("boost, first", [("True", "ancien"), ("False", "nouveau")])
def test_the_saka_score_orders_when_saka_and_boost_are_on(serve, database, boost, first):
    seed_ordered_projects(database)
    server = serve(ENABLE_SAKA="True", SAKA_PROJECT_BOOST_ENABLED=boost)
    assert server.get("/api/projets/").json[0]["titre"] == first


@pytest.mark.parametrize("id", ["0", "999999", "9223372036854775807", "99999999999999999999999", "abc", "-1", "1.0", "%31%32%33%34"])
def test_an_unknown_project_is_404(serve, id):
    answer = serve().get(f"/api/projets/{id}/")
    assert answer.status == 404 and list(answer.json) == ["detail"]


def test_a_detail_is_never_stale(serve, database):
    project = database.insert("core_projet", titre="avant")
    server = serve()
    assert server.get(f"/api/projets/{project}/").json["titre"] == "avant"
    database.execute("UPDATE core_projet SET titre = %s WHERE id = %s", "après", project)
    assert server.get(f"/api/projets/{project}/").json["titre"] == "après"


@pytest.mark.parametrize("query", ["", "?q=", "?q=a", "?q=%20a%20", "?q=%F0%9F%8C%B1", "?Q=projet"])
def test_a_search_needs_two_characters(serve, query):
    answer = serve().get(f"/api/projets/search/{query}")
    assert answer.status == 400 and list(answer.json) == ["error"]


def test_a_search_looks_into_title_and_description(serve, database):
    database.insert("core_projet", titre="Le Marais", description="eau", created_at=hours_ago(2))
    database.insert("core_projet", titre="Autre", description="au bord du marais", created_at=hours_ago(1))
    database.insert("core_projet", titre="Rien", description="sec", categorie="marais")
    answer = serve().get("/api/projets/search/?q=%20marais%20").json
    assert [p["titre"] for p in answer["results"]] == ["Autre", "Le Marais"]
    assert answer["count"] == 2 and answer["query"] == "marais" and answer["max_results"] == 100
    assert answer["warning"] and list(answer["results"][0]) == PROJECT_KEYS


def test_a_search_takes_wildcards_literally(serve, database):
    database.insert("core_projet", titre="100% local", description="a_b c\\d")
    database.insert("core_projet", titre="1000 local", description="axb cxd")
    server = serve()
    for text in ("0%25", "a_b", "c%5Cd"):
        assert [p["titre"] for p in server.get(f"/api/projets/search/?q={text}").json["results"]] == ["100% local"], text


def test_a_search_gives_at_most_a_hundred(serve, database):
    for i in range(105):
        database.insert("core_projet", titre=f"semence {i}")
    answer = serve().get("/api/projets/search/?q=semence").json
    assert answer["count"] == len(answer["results"]) == 100


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_search_by_similarity(serve, database):
    database.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    database.insert("core_projet", titre="Energie solaire", description="panneaux")
    database.insert("core_projet", titre="Compost", description="terre")
    answer = serve().get("/api/projets/search/?q=energi+solair").json
    assert [p["titre"] for p in answer["results"]] == ["Energie solaire"]
    assert "warning" not in answer


# --- contents ---


def seed_contents(database):
    user = database.insert("auth_user")
    rows = [("publié 1", "published", 3, "guides"), ("publié 2", "published", 2, "autres"), ("brouillon", "draft", 1, "guides"),
            ("en attente", "pending", 1, "guides"), ("refusé", "rejected", 1, "guides"), ("archivé", "archived", 1, "guides")]
    ids = {}
    for i, (title, status, age, category) in enumerate(rows):
        ids[title] = database.insert("core_educationalcontent", title=title, slug=f"contenu-{i}", status=status, created_at=hours_ago(age),
                                     category=category)
    database.insert("core_contentlike", content_id=ids["publié 1"], user_id=user)
    database.insert("core_contentcomment", content_id=ids["publié 1"])
    database.insert("core_contentcomment", content_id=ids["publié 1"])
    database.execute("UPDATE core_educationalcontent SET file = %s WHERE id = %s", "educational_contents/a.pdf", ids["publié 1"])
    return ids


def test_the_contents_of_everybody_are_an_array_of_the_published(serve, database):
    seed_contents(database)
    server = serve()
    contents = server.get("/api/contents/").json
    assert [c["title"] for c in contents] == ["publié 2", "publié 1"]
    assert list(contents[1]) == CONTENT_KEYS
    assert (contents[1]["likes_count"], contents[1]["comments_count"]) == (1, 2)
    assert contents[1]["file"] == f"{server.base}/media/educational_contents/a.pdf" and contents[0]["file"] is None
    for same in ("?status=published", "?page=&page_size=", "?unknown=1"):
        assert server.get(f"/api/contents/{same}").json == contents, same


@pytest.mark.parametrize("query, titles", [
    ("?page=1", ["publié 2", "publié 1"]),
    ("?status=", ["publié 2", "publié 1"]),
    ("?status=draft", []),
    ("?status=unknown", []),
    ("?category=guides", ["publié 1"]),
    ("?category=guides&page=1", ["publié 1"]),
    ("?page_size=1", ["publié 2"]),
    ("?page_size=1&page=2", ["publié 1"]),
    ("?page_size=100000", ["publié 2", "publié 1"]),
    ("?page_size=many", ["publié 2", "publié 1"]),
])
def test_contents_are_filtered_and_paged_and_hidden(serve, database, query, titles):
    seed_contents(database)
    answer = serve().get(f"/api/contents/{query}").json
    results = answer if isinstance(answer, list) else answer["results"]
    assert [c["title"] for c in results] == titles
    assert isinstance(answer, list) == (query == "?category=guides")


def test_only_published_contents_have_a_detail(serve, database):
    ids = seed_contents(database)
    server = serve()
    assert server.get(f"/api/contents/{ids['publié 1']}/").json["comments_count"] == 2
    for title in ("brouillon", "en attente", "refusé", "archivé"):
        assert server.get(f"/api/contents/{ids[title]}/").status == 404, title
    for other in ("0", "abc", "99999999999999999999999", "%C3%A9"):
        answer = server.get(f"/api/contents/{other}/")
        assert answer.status == 404 and list(answer.json) == ["detail"]


# --- communities, cagnottes, help requests, engagements ---


def test_communities(serve, database):
    active = database.insert("core_community", name="Active", slug="Active", created_at=hours_ago(1))
    database.insert("core_community", name="Neuve", slug="neuve", description="née hier")
    database.insert("core_community", name="Close", slug="close", is_active=False)
    for i in range(22):
        database.insert("core_projet", titre=f"projet {i}", community_id=active, created_at=hours_ago(i))
    server = serve()
    listed = server.get("/api/communities/").json
    assert [c["name"] for c in listed] == ["Neuve", "Active"]
    assert list(listed[0]) == ["id", "name", "slug", "description", "is_active", "created_at", "members_count", "projects_count"]
    assert listed[0]["description"] == "née hier" and listed[1]["description"] is None
    assert (listed[1]["projects_count"], listed[1]["members_count"]) == (22, 0)
    detail = server.get("/api/communities/Active/").json
    assert {k: detail[k] for k in listed[1]} == listed[1] and "updated_at" in detail
    assert [p["titre"] for p in detail["projects"]] == [f"projet {i}" for i in range(20)]
    assert list(detail["projects"][0]) == ["id", "titre"]
    for unknown in ("active", "close", "nulle-part", "a.b"):
        assert server.get(f"/api/communities/{unknown}/").status == 404, unknown


def test_cagnottes(serve, database):
    project = database.insert("core_projet")
    database.insert("core_cagnotte", titre="Ancienne", created_at=hours_ago(1), montant_cible=250, projet_id=project)
    database.insert("core_cagnotte", titre="Nouvelle", montant_cible=99.5, montant_collecte=12.25)
    results = serve().get("/api/cagnottes/").json["results"]
    assert [list(c) for c in results] == [["id", "titre", "description", "montant_cible", "montant_collecte", "created_at", "projet"]] * 2
    assert [(c["titre"], c["montant_cible"], c["montant_collecte"], c["projet"]) for c in results] == [
        ("Nouvelle", 99.5, 12.25, None), ("Ancienne", 250.0, 0.0, project)]


def test_help_requests(serve, database):
    project = database.insert("core_projet")
    database.insert("core_helprequest", title="ouverte", project_id=project, is_linked_to_project=True, created_at=hours_ago(1))
    database.insert("core_helprequest", title="acceptée", status="accepted")
    database.insert("core_helprequest", title="réservée", anonymity="team_only")
    server = serve()
    answer = server.get("/api/help-requests/").json
    assert answer["count"] == 2 and [h["title"] for h in answer["results"]] == ["acceptée", "ouverte"]
    assert list(answer["results"][1]) == ["id", "title", "description", "help_type", "urgency", "is_linked_to_project", "project", "anonymity",
                                          "status", "created_at"]
    assert answer["results"][1]["project"] == project and answer["results"][1]["is_linked_to_project"] is True
    assert [h["title"] for h in server.get("/api/help-requests/?status=accepted").json["results"]] == ["acceptée"]
    assert server.get("/api/help-requests/?status=unknown").json["results"] == []
    assert server.get("/api/help-requests/?mine=1").json["count"] == 2  # nobody is logged in: ignored


def test_engagements(serve, database):
    request = database.insert("core_helprequest")
    database.insert("core_engagement", help_types=["temps", "outils"], domains=[], help_request_id=request, availability="le soir")
    database.insert("core_engagement", scope="local", created_at=hours_ago(1))
    database.insert("core_engagement", anonymity="team_only")
    server = serve()
    answer = server.get("/api/engagements/").json
    assert answer["count"] == 2
    assert list(answer["results"][0]) == ["id", "help_types", "domains", "availability", "scope", "anonymity", "notes", "help_request", "status",
                                          "created_at"]
    assert answer["results"][0]["help_types"] == ["temps", "outils"] and answer["results"][0]["help_request"] == request
    assert server.get(f"/api/engagements/?help_request={request}").json["count"] == 1
    assert server.get("/api/engagements/?help_request=999999").json["count"] == 0
    wrong = server.get("/api/engagements/?help_request=abc")
    assert wrong.status == 400 and list(wrong.json) == ["help_request"] and isinstance(wrong.json["help_request"], list)


# --- pages ---


@pytest.fixture
def paged(serve, database):
    for i in range(5):
        database.insert("core_cagnotte", titre=f"cagnotte {i}", created_at=hours_ago(i))
    return serve(API_PAGE_SIZE=2)


@pytest.mark.parametrize("page, titles", [
    ("", [0, 1]), ("?page=", [0, 1]), ("?page=1", [0, 1]), ("?page=2", [2, 3]), ("?page=3", [4]), ("?page=last", [4]), ("?page=002", [2, 3]),
    ("?page=+2+", [2, 3]), ("?page=1&page=2", [2, 3]), ("?page_size=5", [0, 1]), ("?limit=1&offset=3", [0, 1]),
])
def test_pages(paged, page, titles):
    answer = paged.get(f"/api/cagnottes/{page}").json
    assert list(answer) == ["count", "next", "previous", "results"] and answer["count"] == 5
    assert [c["titre"] for c in answer["results"]] == [f"cagnotte {i}" for i in titles]


@pytest.mark.parametrize("page", ["0", "-1", "4", "abc", "1.5", "LAST", "99999999999999999999"])
def test_a_page_that_is_none_is_404(paged, page):
    answer = paged.get(f"/api/cagnottes/?page={page}")
    assert answer.status == 404 and list(answer.json) == ["detail"]


def test_links_keep_the_other_parameters_sorted(paged):
    answer = paged.get("/api/cagnottes/?z=%C3%A9t%C3%A9&page=2&a=1").json
    assert answer["next"] == f"{paged.base}/api/cagnottes/?a=1&page=3&z=%C3%A9t%C3%A9"
    assert answer["previous"] == f"{paged.base}/api/cagnottes/?a=1&z=%C3%A9t%C3%A9"
    assert paged.get("/api/cagnottes/?page=3").json["next"] is None
    assert paged.get("/api/cagnottes/").json["previous"] is None


def test_links_are_https_when_the_client_used_it(paged):
    answer = paged.get("/api/cagnottes/", {"X-Forwarded-Proto": "https"}).json
    assert answer["next"] == f"https://127.0.0.1:{paged.port}/api/cagnottes/?page=2"


def test_the_first_page_of_nothing_is_empty(serve):
    assert serve().get("/api/engagements/").json == {"count": 0, "next": None, "previous": None, "results": []}


# --- conditional requests, codings ---


@pytest.mark.parametrize("path", ["/api/projets/", "/api/contents/"])
def test_a_cached_list_is_revalidated(serve, database, path):
    database.insert("core_projet")
    database.insert("core_educationalcontent")
    server = serve()
    first = server.get(path)
    etag = first.headers["ETag"]
    assert first.status == 200 and etag.startswith('W/"')
    for value in (etag, f'"other", {etag}', "*", etag.removeprefix("W/")):
        again = server.get(path, {"If-None-Match": value})
        assert again.status == 304 and again.raw == b"" and again.headers["ETag"] == etag, value
    assert server.get(path, {"If-None-Match": '"other"'}).status == 200
    assert server.get(path).headers["ETag"] == etag


@pytest.mark.parametrize("path", ["/api/projets/", "/api/contents/", "/api/cagnottes/", "/api/config/features/", "/", "/api/", "/api/health/",
                                  "/api/communities/", "/readyz", "/api/nowhere/"])
def test_head_is_get_without_the_body(serve, path):
    server = serve()
    get, head = server.get(path), server.request("HEAD", path)
    assert head.status == get.status and head.raw == b""
    names = {n.lower() for n in get.headers} - {"date"}
    assert {n.lower() for n in head.headers} - {"date"} == names
    assert head.headers["Content-Length"] == str(len(get.raw))


@pytest.mark.parametrize("accepts, coding", [
    ("gzip", "gzip"), ("br", "br"), ("gzip, br", "br"), ("gzip, deflate, br;q=0", "gzip"), ("*", None), ("identity", None), ("gzip;q=0", None),
    (None, None), ("br;q=0.1, gzip;q=0.9", "gzip"),
])
def test_a_long_list_is_compressed_as_the_client_likes(serve, database, accepts, coding):
    for i in range(30):
        database.insert("core_projet", titre=f"Projet {i}")
    server = serve()
    plain = server.get("/api/projets/")
    assert plain.headers["Content-Encoding"] is None
    answer = server.get("/api/projets/", {"Accept-Encoding": accepts} if accepts else {})
    if accepts == "*":  # any coding would do
        assert answer.headers["Content-Encoding"] in (None, "gzip", "br")
    else:
        assert answer.headers["Content-Encoding"] == coding
    assert answer.body == plain.body
    assert "accept-encoding" in answer.header_set("Vary")
    if coding:
        assert len(answer.raw) < len(plain.raw) / 3


def test_each_origin_gets_its_own_absolute_addresses(serve, database):
    database.insert("core_projet", image="projets/a.png")
    server = serve(ALLOWED_HOSTS="localhost,127.0.0.1,egoejo.example")
    for _ in range(2):
        for host, proto in (("egoejo.example", "https"), ("egoejo.example", "http"), (f"localhost:{server.port}", "http")):
            answer = server.get("/api/projets/", {"Host": host, "X-Forwarded-Proto": proto})
            assert answer.json[0]["image"] == f"{proto}://{host}/media/projets/a.png"


# --- what all answers share ---


@pytest.fixture
def plain(start_server):
    return start_server()


ANSWERS = [("GET", "/", 200), ("GET", "/api/projets/", 200), ("GET", "/api/projets/7/", 404), ("GET", "/api/nowhere/", 404),
           ("GET", "/api/projets", 301), ("POST", "/api/projets/", 403), ("DELETE", "/api/cagnottes/", 403), ("GET", "/api/health/", 200),
           ("GET", "/readyz", 200), ("OPTIONS", "/api/projets/", 200)]


@pytest.mark.parametrize("method, path, status", ANSWERS)
def test_every_answer_carries_the_protective_headers(plain, method, path, status):
    answer = plain.request(method, path)
    assert answer.status == status
    h = answer.headers
    assert h["X-Content-Type-Options"] == "nosniff" and h["X-Frame-Options"] == "DENY" and h["X-XSS-Protection"] == "1; mode=block"
    assert h["Referrer-Policy"] == "strict-origin-when-cross-origin" and h["Cross-Origin-Opener-Policy"] == "same-origin"
    assert h["Permissions-Policy"].startswith("geolocation=(), microphone=()") and "frame-ancestors 'none'" in h["Content-Security-Policy"]
    assert "origin" in answer.header_set("Vary")
    assert h["Strict-Transport-Security"] is None  # development
    assert h["Content-Length"] is not None


@pytest.mark.parametrize("path, allow", [
    ("/api/projets/", "get, post, head, options"), ("/api/projets/1/", "get, put, patch, delete, head, options"),
    ("/api/contents/", "get, post, head, options"), ("/api/contents/1/", "get, head, options"), ("/api/communities/", "get, options"),
    ("/api/cagnottes/", "get, post, head, options"), ("/api/help-requests/", "get, post, head, options"), ("/api/projets/search/", "get, head, options"),
])
def test_allow_names_the_methods_of_the_resource(plain, path, allow):
    expected = set(allow.split(", "))
    for method in ("GET", "PROPFIND", "OPTIONS", "PUT"):
        assert plain.request(method, path).header_set("Allow") == expected, method


@pytest.mark.parametrize("method, path, status", [
    ("POST", "/api/projets/", 403), ("DELETE", "/api/projets/1/", 403), ("PATCH", "/api/projets/", 403), ("PUT", "/api/contents/", 403),
    ("POST", "/api/communities/", 405), ("DELETE", "/api/help-requests/", 405), ("TRACE", "/api/cagnottes/", 403), ("POST", "/api/health/", 405),
    ("OPTIONS", "/api/health/", 405), ("POST", "/", 405),
])
def test_a_method_that_is_not_allowed(plain, method, path, status):
    answer = plain.request(method, path)
    assert answer.status == status
    if status == 403:
        assert list(answer.json) == ["detail"]
    else:
        assert answer.headers["Allow"]


@pytest.mark.parametrize("path, to", [
    ("/api/projets", "/api/projets/"), ("/api/projets?q=%C3%A9&b", "/api/projets/?q=%C3%A9&b"), ("/api/contents/1", "/api/contents/1/"),
    ("/api/health", "/api/health/"), ("/api", "/api/"),
])
def test_a_missing_slash_is_redirected(plain, path, to):
    for method in ("GET", "POST", "DELETE"):
        answer = plain.request(method, path)
        assert answer.status == 301 and answer.headers["Location"] == to and answer.raw == b"", method


@pytest.mark.parametrize("path", ["/api/nowhere/", "/nowhere", "//api/projets/", "/api//projets/", "/API/projets/", "/api/Projets/", "/api/projets/1/2/",
                                  "/api/cagnottes/1/", "/favicon.ico"])
def test_an_unknown_path_is_404_in_json(plain, path):
    answer = plain.get(path)
    assert answer.status == 404 and list(answer.json) == ["detail"]


def test_the_clients_habit_of_saying_api_twice(plain):
    assert plain.get("/api/api/contents/").status == 200
    assert plain.get("/api/api/projets/").json == []


@pytest.mark.parametrize("accept, status", [
    (None, 200), ("*/*", 200), ("application/json", 200), ("application/json; indent=2", 200), ("application/*", 200), ("text/html", 200),
    ("text/html, application/json;q=0.9", 200), ("application/xml", 406), ("image/png, text/css", 406),
])
def test_negotiation(plain, accept, status):
    answer = plain.get("/api/cagnottes/", {"Accept": accept} if accept else {})
    assert answer.status == status and answer.headers["Content-Type"].startswith("application/json")
    assert status == 200 or list(answer.json) == ["detail"]


def test_the_format_parameter(plain):
    assert plain.get("/api/projets/?format=json").status == 200
    assert plain.get("/api/projets/?format=xml").status == 404


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("LOCALHOST.:80", 200), ("app.localhost", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200),
    ("evil.example", 400), ("localhost:http", 400), ("local host", 400), ("", 400),
])
def test_hosts_of_development(plain, host, status):
    assert plain.get("/api/projets/", {"Host": host}).status == status
    assert plain.get("/api/health/", {"Host": host}).status == status


def test_configured_hosts(start_server):
    server = start_server(ALLOWED_HOSTS="egoejo.org, .example.org")
    for host, status in (("egoejo.org", 200), ("EGOEJO.ORG:443", 200), ("www.egoejo.org", 400), ("example.org", 200), ("a.b.example.org", 200),
                         ("badexample.org", 400), ("localhost", 400)):
        answer = server.get("/api/projets/", {"Host": host, "X-Forwarded-Host": "egoejo.org"})
        assert answer.status == status, host
        if status == 400:
            assert list(answer.json) == ["detail"]
    assert server.get("/readyz", {"Host": "10.0.0.7"}).status == 200


# --- CORS ---


def test_cors_of_development(plain):
    for origin, allowed in (("http://localhost:5173", True), ("http://127.0.0.1:3000", True), ("http://localhost:4000", False),
                            ("https://localhost:5173", False), ("null", False), ("http://evil.example", False)):
        for path in ("/api/projets/", "/api/nowhere/", "/api/projets"):
            answer = plain.get(path, {"Origin": origin})
            assert answer.headers["Access-Control-Allow-Origin"] == (origin if allowed else None), (origin, path)
            assert answer.headers["Access-Control-Allow-Credentials"] is None


def test_preflight(start_server):
    server = start_server(CORS_ALLOWED_ORIGINS="https://app.egoejo.org")
    ask = {"Origin": "https://app.egoejo.org", "Access-Control-Request-Method": "POST"}
    for path in ("/api/projets/", "/no/such/path"):
        answer = server.request("OPTIONS", path, ask)
        assert answer.status == 200 and answer.raw == b""
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.egoejo.org"
        assert answer.header_set("Access-Control-Allow-Methods") == {"delete", "get", "options", "patch", "post", "put"}
        assert "authorization" in answer.header_set("Access-Control-Allow-Headers") and answer.headers["Access-Control-Max-Age"] == "86400"
        foreign = server.request("OPTIONS", path, {**ask, "Origin": "https://evil.example"})
        assert foreign.status == 200 and foreign.headers["Access-Control-Allow-Origin"] is None


# --- production ---


@pytest.fixture
def production(start_server):
    return start_server(DEBUG="0", ENABLE_SAKA="True", SAKA_COMPOST_ENABLED="True", SAKA_SILO_REDIS_ENABLED="True", ALLOWED_HOSTS="egoejo.org")


def test_production_redirects_to_https(production):
    answer = production.get("/api/projets/?a=%20b", {"Host": "egoejo.org:8443"})
    assert answer.status == 301 and answer.headers["Location"] == "https://egoejo.org:8443/api/projets/?a=%20b" and answer.raw == b""
    assert production.request("POST", "/api/health/", {"Host": "egoejo.org"}).status == 301
    assert production.get("/api/projets/", {"Host": "evil.example"}).status == 400
    preflight = {"Host": "egoejo.org", "Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
    assert production.request("OPTIONS", "/api/projets/", preflight).status == 200


def test_production_over_https(production):
    answer = production.get("/api/projets/", {"Host": "egoejo.org", "X-Forwarded-Proto": "https, http"})
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


def test_production_lets_probes_in_over_http(production):
    for path in ("/health", "/health/", "/livez", "/readyz", "/metrics"):
        assert production.get(path, {"Host": "10.0.0.7:8000"}).status == 200, path


# --- the fixed answers and the probes ---


def test_root(plain):
    answer = plain.get("/").json
    assert answer["service"] == "egoejo-backend" and answer["status"] == "running" and answer["version"] == "1.0.0"
    assert answer["endpoints"]["projets"] == "/api/projets/" and answer["endpoints"]["chat"]["threads"] == "/api/chat/threads/"


def test_index(plain):
    answer = plain.get("/api/").json
    assert answer["contents"] == f"{plain.base}/api/contents/" and answer["help-requests"] == f"{plain.base}/api/help-requests/"
    assert len(answer) == 10


def test_features(start_server):
    off = start_server().get("/api/config/features/").json
    assert off["saka_enabled"] is False and off["saka_vote_enabled"] is False and off["saka_project_boost_enabled"] is False
    on = start_server(ENABLE_SAKA="TRUE", SAKA_VOTE_ENABLED="true", SAKA_PROJECT_BOOST_ENABLED="1").get("/api/config/features/").json
    assert on["saka_enabled"] is True and on["saka_vote_enabled"] is True and on["saka_project_boost_enabled"] is False
    assert set(on) == set(off)


@pytest.mark.parametrize("path", ["/api/health/", "/health", "/health/"])
def test_health_without_redis(plain, path):
    answer = plain.get(path).json
    assert answer["status"] == "ok" and answer["database"] == "connected" and answer["service"] == "egoejo-backend" and answer["degraded"] is False
    assert list(answer["redis"]) == ["channels", "cache", "tasks"]
    for usage, backend in (("channels", "InMemoryChannelLayer"), ("cache", "LocMemCache"), ("tasks", "InProcess")):
        status = answer["redis"][usage]
        assert (status["available"], status["backend"], status["error"], status["state"]) == (True, backend, None, "off"), usage
        assert status["fallback"] is None
    assert answer["redis"]["channels"]["canary_ms"] is None


def test_health_in_one_word(plain):
    answer = plain.get("/health", {"Accept": "text/plain"})
    assert answer.text == "ok" and answer.headers["Content-Type"].startswith("text/plain")


def test_probes_list_their_checks(plain):
    ready, alive = plain.get("/readyz?verbose"), plain.get("/livez?verbose")
    assert ready.status == alive.status == 200
    assert "[+]database ok" in ready.text and "[+]schema ok" in ready.text
    assert "[+]database-monitor ok" in alive.text and "[-]" not in alive.text


def test_metrics_are_for_this_machine_or_the_token(start_server):
    server = start_server(METRICS_TOKEN="a-token-of-the-operator")
    answer = server.get("/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE egoejo_build_info gauge" in answer.text and 'egoejo_build_info{version="' in answer.text
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"):
        assert server.get("/metrics", {name: "1.2.3.4"}).status == 404, name
        good = {name: "1.2.3.4", "Authorization": "Bearer a-token-of-the-operator"}
        assert server.get("/metrics", good).status == 200
        assert server.get("/metrics", {**good, "Authorization": "Bearer a-token-of-the-operatos"}).status == 404


def test_requests_are_counted_by_route(server):
    for _ in range(3):
        server.get("/api/projets/")
    server.get("/api/projets/12/")
    wait.until(lambda: server.answered()["/api/projets/"] == 3, 2, "three of the list")
    wait.until(lambda: server.answered()["/api/projets/{int}/"] == 1, 2, "one of the detail")
