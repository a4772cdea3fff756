"""Projects as people write, boost and delete them, and what shows of it: oracles, scores, tasks, journal, grains, assets."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import people
from lib.database import NOW
from lib.world import World

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
OTHER_ORIGIN = {"Origin": "http://localhost:5173"}


@pytest.fixture
def world(database, start_server):
    made = World(database, start_server)
    yield made
    made.close()


def call(world, method, target, caller="ordinary", body=None, headers=None, client=None):
    """A request with a JSON body."""
    headers = {**world.headers_of(caller), **(headers or {})}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    return (client or world.client).request(method, target, headers, body)


def create(world, caller="ordinary", **fields):
    answer = call(world, "POST", "/api/projets/", caller, {"titre": "Jardin", "description": "Un jardin", **fields})
    assert answer.status == 201, answer.text
    return answer.json


def detail(world, number):
    return world.client.get(f"/api/projets/{number}/").json


def scores(project):
    return [project["impact_4p"][name] for name in ("p1_financier", "p2_saka", "p3_social", "p4_sens")]


def tasks(world):
    """(name, arguments) of the outbox, oldest first."""
    rows = world.database.execute("SELECT name, envelope FROM egoejo_outbox ORDER BY id")
    return [(name, json.loads(base64.b64decode(json.loads(envelope)["body"]))[0]) for name, envelope in rows]


def listed(world):
    return [project["titre"] for project in world.client.get("/api/projets/").json]


# ---- writing ----


def test_a_new_project_is_in_the_list_at_once(world):
    assert listed(world) == []
    for titre in ("Un", "Deux", "Trois"):
        create(world, titre=titre)
        assert listed(world)[0] == titre


def test_a_new_project_asks_for_its_embedding(world):
    project = create(world, impact_score=30)
    assert scores(project) == [0.0, 0, 30, 0]
    assert tasks(world) == [("core.tasks_embeddings.generate_embedding_task", ["sentence-transformers", project["id"], "projet"])]
    assert detail(world, project["id"]) == project
    assert world.database.count("core_auditlog") == 0


def test_a_refused_project_leaves_nothing(world):
    for body in ({}, {"titre": "x"}, {"titre": "x", "description": "d", "community": 99}, [], "x"):
        assert call(world, "POST", "/api/projets/", body=body).status == 400
    for table in ("core_projet", "project_impact_4p", "egoejo_outbox"):
        assert world.database.count(table) == 0


REFUSED = [
    ("impact_score", 2147483648), ("impact_score", -2147483649), ("total_shares", 2147483648), ("total_shares", -1),
    ("donation_goal", "-0.01"), ("investment_goal", -5), ("share_price", "-1"), ("valuation_pre_money", "-1.00"),
    ("donation_goal", "10000000000"), ("share_price", "100000000"), ("donation_goal", "Infinity"), ("community", "abc"),
    ("image", "photo.png"), ("funding_type", None),
]


def test_what_a_field_does_not_take(world):
    for field, value in REFUSED:
        answer = call(world, "POST", "/api/projets/", body={"titre": "t", "description": "d", field: value})
        assert (answer.status, list(answer.json)) == (400, [field]), (field, value)


def test_a_blank_price_is_none(world):
    project = create(world, share_price="12.50", valuation_pre_money=" ")
    assert (project["share_price"], project["valuation_pre_money"]) == ("12.50", None)
    answer = call(world, "PATCH", f"/api/projets/{project['id']}/", body={"share_price": ""})
    assert (answer.status, answer.json["share_price"]) == (200, None)
    assert call(world, "PATCH", f"/api/projets/{project['id']}/", body={"donation_goal": ""}).status == 400


def test_fields_of_staff_are_ignored_from_everybody_else(world):
    given = {"saka_score": 500, "saka_supporters_count": 7, "embedding": {"vector": [1.0]}, "coordinates_3d": {"x": 1}, "active_oracles": ["co2_avoided"]}
    for caller in ("ordinary", "founder", "superuser"):
        project = create(world, caller, **given)
        assert [project[name] for name in given] == [0, 0, None, None, []]
        call(world, "PATCH", f"/api/projets/{project['id']}/", caller, given)
        assert [detail(world, project["id"])[name] for name in given] == [0, 0, None, None, []]
        assert call(world, "PATCH", f"/api/projets/{project['id']}/", caller, {"active_oracles": 5}).status == 200
    project = create(world, "staff", **given)
    assert [project[name] for name in given] == list(given.values())
    assert world.database.count("core_auditlog") == 0


def test_active_oracles_are_a_list_of_texts(world):
    for value in ("co2_avoided", {"a": 1}, [1], [None], [["a"]], None, 3, True):
        answer = call(world, "POST", "/api/projets/", "staff", {"titre": "t", "description": "d", "active_oracles": value})
        assert (answer.status, list(answer.json)) == (400, ["active_oracles"]), value


def test_a_patch_changes_what_it_names_and_the_scores(world):
    project = create(world, impact_score=30, categorie="eau")
    changed = call(world, "PATCH", f"/api/projets/{project['id']}/", "other", {"impact_score": -4, "categorie": None}).json
    assert scores(changed) == [0.0, 0, 0, 0]
    assert changed["categorie"] is None and changed["titre"] == "Jardin"
    assert detail(world, project["id"]) == changed
    assert world.client.get("/api/projets/").json == [changed]


def test_a_patch_of_nothing_changes_nothing(world):
    project = create(world)
    for body in ({}, {"id": 99, "created_at": "2020-01-01"}, {"saka_score": 4}):
        answer = call(world, "PATCH", f"/api/projets/{project['id']}/", body=body)
        assert (answer.status, answer.json) == (200, project)
    assert world.database.count("core_auditlog") == 0


def test_a_put_keeps_what_it_does_not_name(world):
    project = create(world, categorie="eau", impact_score=9)
    answer = call(world, "PUT", f"/api/projets/{project['id']}/", body={"titre": "Verger", "description": "Des arbres"})
    assert answer.status == 200
    assert [answer.json[name] for name in ("titre", "description", "categorie", "impact_score")] == ["Verger", "Des arbres", "eau", 9]
    assert call(world, "PUT", f"/api/projets/{project['id']}/", body={"titre": "Verger"}).json.keys() == {"description"}


def test_a_project_that_is_not_there_is_404_before_its_body_is_looked_at(world):
    for method, body in (("PATCH", {"titre": ""}), ("PUT", {}), ("DELETE", None)):
        for number in (424242, 99999999999999999999):
            assert call(world, method, f"/api/projets/{number}/", body=body).status == 404


def test_edits_of_different_fields_at_once_all_stand(world):
    fields = ["titre", "description", "categorie", "impact_score", "donation_goal", "share_price", "total_shares", "valuation_pre_money"]
    project = create(world)
    barrier = threading.Barrier(len(fields))

    def edit(number, field):
        value = {"impact_score": number, "total_shares": number}.get(field, str(number))
        with world.server.client(timeout=30) as client:
            barrier.wait()
            return call(world, "PATCH", f"/api/projets/{project['id']}/", body={field: value}, client=client).status

    for round_number in range(1, 6):
        with ThreadPoolExecutor(len(fields)) as pool:
            assert list(pool.map(edit, [round_number] * len(fields), fields)) == [200] * len(fields)
        found = detail(world, project["id"])
        assert [float(found[field]) for field in fields] == [round_number] * len(fields)


def test_an_image_is_stored_served_and_scanned(world):
    body = (b'--x\r\nContent-Disposition: form-data; name="titre"\r\n\r\nAvec image\r\n'
            b'--x\r\nContent-Disposition: form-data; name="description"\r\n\r\nMultipart\r\n'
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="vue.gif"\r\nContent-Type: image/gif\r\n\r\n' + GIF + b"\r\n--x--\r\n")
    headers = {**world.headers_of("ordinary"), "Content-Type": "multipart/form-data; boundary=x"}
    answer = world.client.request("POST", "/api/projets/", headers, body)
    assert answer.status == 201, answer.text
    path = answer.json["image"].partition("/media/")[2]
    assert path.startswith("projets/vue")
    assert ("core.tasks_security.scan_file_antivirus", [path]) in tasks(world)
    assert world.client.get(f"/media/{path}").body == GIF
    number = answer.json["id"]
    assert call(world, "PATCH", f"/api/projets/{number}/", body={"image": None}).json["image"] is None
    assert len(tasks(world)) == 2


# ---- deleting ----


def test_a_deleted_project_takes_its_own_and_frees_the_others(world):
    db = world.database
    project, other = create(world, titre="Va")["id"], create(world, titre="Reste")["id"]
    cagnotte = db.insert("core_cagnotte", projet_id=project)
    content = db.insert("core_educationalcontent", project_id=project)
    call(world, "POST", f"/api/projets/{project}/boost/", body={"amount": 5})
    answer = call(world, "DELETE", f"/api/projets/{project}/", "other")
    assert (answer.status, answer.raw, answer.headers.get("Content-Type")) == (204, b"", None)
    assert listed(world) == ["Reste"]
    assert db.execute("SELECT project_id FROM project_impact_4p") == [(other,)]
    assert db.count("core_sakaprojectsupport") == 0
    assert db.execute("SELECT projet_id FROM core_cagnotte WHERE id = %s", cagnotte) == [(None,)]
    assert db.execute("SELECT project_id FROM core_educationalcontent WHERE id = %s", content) == [(None,)]
    assert db.execute("SELECT direction, amount FROM core_sakatransaction") == [("SPEND", 5)]
    assert call(world, "DELETE", f"/api/projets/{project}/").status == 404


def add_escrow(db, project, user):
    wallet = db.execute("INSERT INTO finance_userwallet (balance, created_at, updated_at, user_id) VALUES (0, %s, %s, %s) RETURNING id", NOW, NOW, user)[0][0]
    pledge = db.execute("INSERT INTO finance_wallettransaction (amount, transaction_type, description, created_at, related_project_id, wallet_id) "
                        "VALUES (10, 'PLEDGE_DONATION', '', %s, %s, %s) RETURNING id", NOW, project, wallet)[0][0]
    db.execute("INSERT INTO finance_escrowcontract (amount, created_at, project_id, user_id, pledge_transaction_id, status) "
               "VALUES (10, %s, %s, %s, %s, 'LOCKED')", NOW, project, user, pledge)


def test_a_project_that_an_escrow_holds_stays_whole(world):
    project = create(world)["id"]
    add_escrow(world.database, project, world.cast["other"].id)
    answer = call(world, "DELETE", f"/api/projets/{project}/", "staff")
    assert (answer.status, list(answer.json)) == (409, ["detail"])
    assert world.client.get(f"/api/projets/{project}/").status == 200
    assert world.database.count("project_impact_4p") == 1
    assert world.database.count("core_auditlog") == 0
    # its money counts, once somebody changes it
    assert scores(call(world, "PATCH", f"/api/projets/{project}/", body={"titre": "x"}).json)[0] == 10.0


def test_the_journal_knows_who_changed_and_deleted(world):
    project = create(world)["id"]
    call(world, "PATCH", f"/api/projets/{project}/", "other", {"titre": "y"})
    call(world, "DELETE", f"/api/projets/{project}/", "editor")
    assert world.database.execute("SELECT actor_id, action, target_type, target_id FROM core_auditlog ORDER BY id") == [
        (world.cast["other"].id, "project_update", "projet", str(project)),
        (world.cast["editor"].id, "project_delete", "projet", str(project)),
    ]


# ---- boost ----


def set_balance(world, caller, balance):
    world.database.execute("UPDATE core_sakawallet SET balance = %s, total_harvested = %s, total_planted = 0 WHERE user_id = %s",
                           balance, balance, world.cast[caller].id)


def wallet(world, caller):
    return world.database.execute("SELECT balance, total_harvested, total_planted FROM core_sakawallet WHERE user_id = %s",
                                  world.cast[caller].id)[0]


def boost(world, project, caller="ordinary", client=None, **body):
    return call(world, "POST", f"/api/projets/{project}/boost/", caller, body, client=client)


def test_a_boost_plants_grains(world):
    project = create(world)["id"]
    first, second = boost(world, project), boost(world, project, amount=5)
    assert first.json == {"ok": True, "message": first.json["message"], "saka_spent": 10, "saka_score": 10, "saka_supporters_count": 1}
    assert second.json["saka_score"] == 15 and second.json["saka_supporters_count"] == 1
    assert wallet(world, "ordinary") == (85, 100, 15)
    assert boost(world, project, "other", amount=1).json["saka_supporters_count"] == 2
    assert scores(detail(world, project)) == [0.0, 16, 0, 20]
    assert world.client.get("/api/projets/").json[0]["saka_score"] == 16
    assert world.database.count("core_auditlog") == 0


def test_a_browser_is_told_the_names_that_the_client_reads(world):
    project = create(world)["id"]
    answer = call(world, "POST", f"/api/projets/{project}/boost/", body={"amount": 3}, headers=OTHER_ORIGIN).json
    assert (answer["new_saka_score"], answer["new_saka_supporters_count"]) == (3, 1)


# None: refused
AMOUNTS = [
    (7, 7), ("7", 7), (" 7 ", 7), (2.9, 2), ("2.9", 2), ("1e1", 10), (0.5, None), (0, None), (-3, None), ("-0", None), ("abc", None), ("", None),
    (None, None), (True, None), ([], None), ({}, None), ("0x10", None), ("NaN", None), ("Infinity", None), (10**30, None), (1e300, None), (-1e300, None),
]


def test_what_counts_as_an_amount(world):
    project = create(world)["id"]
    for amount, spent in AMOUNTS:
        set_balance(world, "ordinary", 100)
        answer = boost(world, project, amount=amount)
        found = (answer.status, answer.json.get("saka_spent"), wallet(world, "ordinary")[0])
        assert found == ((400, None, 100) if spent is None else (200, spent, 100 - spent)), amount


def test_a_form_and_an_empty_body_boost_too(world):
    project = create(world)["id"]
    target, headers = f"/api/projets/{project}/boost/", world.headers_of("ordinary")
    assert world.client.request("POST", target, headers, b"").json["saka_spent"] == 10
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    assert world.client.request("POST", target, form, b"amount=4&amount=6").json["saka_spent"] == 6
    for body in (b"[]", b'"x"', b"3"):
        answer = world.client.request("POST", target, {**headers, "Content-Type": "application/json"}, body)
        assert (answer.status, list(answer.json)) == (400, ["detail"])


def test_the_checks_of_a_boost_come_in_their_order(world):
    project = create(world)["id"]
    set_balance(world, "ordinary", 9)
    assert call(world, "POST", f"/api/projets/{project}/boost/", "anonymous", {"amount": 0}).status == 403
    assert boost(world, 424242, amount=0).status == 400
    assert boost(world, 424242, amount=1000).status == 404
    poor = boost(world, project)
    assert poor.status == 400 and "insuffisant" in poor.json["detail"]
    world.database.execute("DELETE FROM core_sakawallet WHERE user_id = %s", world.cast["ordinary"].id)
    assert boost(world, project, amount=1).status == 400
    assert wallet(world, "ordinary") == (0, 0, 0)
    assert call(world, "GET", f"/api/projets/{project}/boost/").status == 405


@pytest.mark.parametrize("settings", [{"ENABLE_SAKA": "false"}, {"SAKA_PROJECT_BOOST_ENABLED": "false"}, {"ENABLE_SAKA": "1"}])
def test_a_boost_that_is_switched_off(database, start_server, settings):
    world = World(database, start_server, **settings)
    project = create(world)["id"]
    for number, body in ((project, {"amount": 1}), (424242, {}), (project, {"amount": "abc"})):
        answer = call(world, "POST", f"/api/projets/{number}/boost/", body=body)
        assert (answer.status, list(answer.json)) == (403, ["detail"])
    assert wallet(world, "ordinary") == (100, 100, 0)
    world.close()


def test_the_cost_of_a_boost_is_a_setting(database, start_server):
    world = World(database, start_server, SAKA_PROJECT_BOOST_COST=33)
    assert boost(world, create(world)["id"]).json["saka_spent"] == 33
    world.close()


def at_once(world, n, act):
    """Calls act(client, i) n times, each on a connection of its own, all at the same moment."""
    barrier = threading.Barrier(n)

    def run(i):
        with world.server.client(timeout=60) as client:
            client.get("/livez")
            barrier.wait()
            return act(client, i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


def test_fifty_boosts_at_once_spend_what_is_there(world):
    """saka.md 11: 120 grains, 50 boosts of 10: 12 succeed, 38 are too poor."""
    project = create(world)["id"]
    set_balance(world, "ordinary", 120)
    statuses = at_once(world, 50, lambda client, i: boost(world, project, client=client, amount=10).status)
    assert (statuses.count(200), statuses.count(400)) == (12, 38)
    assert wallet(world, "ordinary") == (0, 120, 120)
    found = detail(world, project)
    assert (found["saka_score"], found["saka_supporters_count"], found["impact_4p"]["p2_saka"]) == (120, 1, 120)
    assert world.database.execute("SELECT COUNT(*), SUM(amount) FROM core_sakatransaction WHERE direction = 'SPEND'")[0] == (12, 120)
    assert world.database.execute("SELECT total_saka_spent FROM core_sakaprojectsupport") == [(120,)]


def test_sixty_four_people_boost_the_same_project_at_once(world):
    project = create(world)["id"]
    crowd = [people.add_person(world.database, "ordinary", f"crowd-{i}") for i in range(64)]

    def act(client, i):
        body = json.dumps({"amount": 1 + i % 3}).encode()
        return client.request("POST", f"/api/projets/{project}/boost/", {**crowd[i].headers, "Content-Type": "application/json"}, body).status

    assert at_once(world, 64, act) == [200] * 64
    total = sum(1 + i % 3 for i in range(64))
    found = detail(world, project)
    assert (found["saka_score"], found["saka_supporters_count"]) == (total, 64)
    assert scores(found) == [0.0, total, 0, 640]
    assert world.database.execute("SELECT SUM(balance) FROM core_sakawallet WHERE user_id >= %s", crowd[0].id)[0][0] == 6400 - total


def test_two_processes_boost_the_same_wallet(database, start_server, redis_server):
    world = World(database, start_server, REDIS_URL=redis_server.url)
    second = start_server(database.url, DISABLE_THROTTLE_FOR_TESTS=1, ENABLE_SAKA="true", SAKA_PROJECT_BOOST_ENABLED="true", REDIS_URL=redis_server.url)
    project = create(world)["id"]
    set_balance(world, "ordinary", 120)

    def act(_, i):
        server = (world.server, second)[i % 2]
        with server.client(timeout=60) as client:
            return boost(world, project, client=client, amount=10).status

    statuses = at_once(world, 40, act)
    assert (statuses.count(200), statuses.count(400)) == (12, 28)
    assert detail(world, project)["saka_score"] == 120
    world.close()


# ---- oracles ----


def oracles(world, project):
    return world.client.get(f"/api/projets/{project}/oracles/").json


def test_oracles_count_in_the_scores_and_are_kept(world):
    project = create(world, "staff", impact_score=10, description="d" * 250, active_oracles=["social_impact", "co2_avoided", "inconnu"])
    report = oracles(world, project["id"])
    assert report["metadata"] | {"last_updated": None} == {"last_updated": None, "oracles_count": 3, "success_count": 2}
    assert report["oracles"]["inconnu"]["status"] == "error"
    kg = report["oracles"]["co2_avoided"]["data"]["raw_data"]["co2_avoided_kg"]
    assert scores(project) == [0.0, 0, int(10 + 6 + kg / 100), 1]
    assert oracles(world, project["id"]) == report
    boost(world, project["id"], amount=1)
    assert oracles(world, project["id"]) == report
    assert scores(detail(world, project["id"])) == [0.0, 1, int(10 + 6 + kg / 100), 11]


def test_an_edit_drops_what_oracles_said(world):
    project = create(world, "staff", description="d" * 250, active_oracles=["social_impact"])["id"]
    assert oracles(world, project)["oracles"]["social_impact"]["metrics"]["p3_contributions"]["people_impacted"] == 25
    changed = call(world, "PATCH", f"/api/projets/{project}/", body={"description": "d" * 1000}).json
    assert oracles(world, project)["oracles"]["social_impact"]["metrics"]["p3_contributions"]["people_impacted"] == 100
    assert scores(changed)[2:] == [30, 7]
    call(world, "PATCH", f"/api/projets/{project}/", "staff", {"active_oracles": []})
    assert oracles(world, project)["oracles"] == {}
    assert scores(detail(world, project))[2:] == [0, 0]


def test_redis_away_is_no_matter_of_the_writer(database, start_server, redis_server):
    world = World(database, start_server, REDIS_URL=redis_server.url)
    project = create(world, "staff", active_oracles=["co2_avoided"])["id"]
    redis_server.close()
    assert create(world, "staff", titre="Sans", active_oracles=["social_impact"])["titre"] == "Sans"
    assert boost(world, project, amount=2).json["saka_score"] == 2
    assert oracles(world, project)["metadata"]["success_count"] == 1
    assert sorted(listed(world)) == ["Jardin", "Sans"]
    world.close()


# ---- assets and history ----


def assets(world, caller="ordinary"):
    answer = call(world, "GET", "/api/impact/global-assets/", caller)
    assert answer.status == 200
    return answer.json


def test_reading_ones_assets_makes_the_wallets(world):
    newcomer = world.database.insert("auth_user", username="nouveau")
    world.cast["newcomer"] = people.Person("ordinary", "nouveau", newcomer)
    nothing = assets(world, "newcomer")
    assert nothing == {
        "cash_balance": "0.00", "pockets": [], "donations": {"total_amount": "0.00", "metrics_count": 0},
        "equity_portfolio": {"is_active": False, "positions": [], "valuation": "0.00"}, "social_dividend": {"estimated_value": "0.00"},
        "saka": {"balance": 0, "total_harvested": 0, "total_planted": 0, "total_composted": 0},
    }
    assert assets(world, "newcomer") == nothing
    for table in ("finance_userwallet", "core_sakawallet"):
        assert world.database.execute(f"SELECT COUNT(*) FROM {table} WHERE user_id = %s", newcomer) == [(1,)]


def test_many_first_readings_make_one_wallet(world):
    answers = at_once(world, 16, lambda client, i: call(world, "GET", "/api/impact/global-assets/", client=client).status)
    assert answers == [200] * 16
    assert world.database.count("finance_userwallet") == 1


def test_gifts_are_summed_to_the_cent(world):
    db, user = world.database, world.cast["ordinary"].id
    project = create(world)["id"]
    db.execute("DELETE FROM core_contribution")  # what everybody in this world has given
    add_escrow(db, project, user)  # with a pledge of 10
    with_project, without = db.insert("core_cagnotte", projet_id=project), db.insert("core_cagnotte")
    for montant, cagnotte in ((0.1, with_project), (0.2, with_project), (0.15, without)):
        db.execute("INSERT INTO core_contribution (montant, created_at, cagnotte_id, user_id) VALUES (%s, %s, %s, %s)", montant, NOW, cagnotte, user)
    found = assets(world)
    assert found["donations"] == {"total_amount": "10.45", "metrics_count": 1}
    assert found["social_dividend"] == {"estimated_value": "1.04"}  # half to even
    assert assets(world, "other")["donations"] == {"total_amount": "0.00", "metrics_count": 0}


def test_shares_show_where_investing_is_on(database, start_server):
    world = World(database, start_server, ENABLE_INVESTMENT_FEATURES="true")
    project = create(world, titre="Coopérative")["id"]
    database.execute("INSERT INTO investment_shareholderregister (number_of_shares, amount_invested, is_signed, created_at, updated_at, investor_id, "
                     "project_id) VALUES (3, 150.5, %s, %s, %s, %s, %s)", True, NOW, NOW, world.cast["ordinary"].id, project)
    assert assets(world)["equity_portfolio"] == {
        "is_active": True, "positions": [{"project_id": project, "project_title": "Coopérative", "shares": 3, "valuation": "150.50"}], "valuation": "150.50"}
    world.close()


def test_saka_off_shows_no_grains_and_makes_no_wallet(database, start_server):
    world = World(database, start_server, ENABLE_SAKA="false")
    database.execute("DELETE FROM core_sakawallet WHERE user_id = %s", world.cast["ordinary"].id)
    assert set(assets(world)["saka"].values()) == {0}
    assert database.execute("SELECT COUNT(*) FROM core_sakawallet WHERE user_id = %s", world.cast["ordinary"].id) == [(0,)]
    for query in ("", "?page=zero", "?page=9&page_size=x"):
        answer = call(world, "GET", f"/api/saka/transactions/{query}")
        assert answer.json == {"count": 0, "next": None, "previous": None, "results": []}
    world.close()


def history(world, query=""):
    return call(world, "GET", f"/api/saka/transactions/{query}")


def test_the_history_comes_in_pages(world):
    user = world.cast["ordinary"].id
    for i in range(1, 6):
        world.database.insert("core_sakatransaction", user_id=user, amount=i, direction=("EARN", "SPEND")[i % 2])
    world.database.insert("core_sakatransaction", user_id=world.cast["other"].id, amount=99)
    first = history(world, "?page_size=2&direction=").json
    assert [item["amount"] for item in first["results"]] == [5, 4]
    assert (first["count"], first["previous"]) == (5, None)
    assert first["next"].endswith("/api/saka/transactions/?direction=&page=2&page_size=2")
    second = call(world, "GET", first["next"][first["next"].index("/api/"):]).json
    assert [item["amount"] for item in second["results"]] == [3, 2]
    assert second["previous"].endswith("/api/saka/transactions/?direction=&page_size=2")
    assert [item["amount"] for item in history(world, "?direction=eArn").json["results"]] == [4, 2]
    assert [item["amount"] for item in history(world, "?direction=autre").json["results"]] == [5, 4, 3, 2, 1]
    assert list(first["results"][0]) == ["id", "amount", "direction", "reason", "metadata", "created_at"]


def test_pages_that_are_none(world):
    for query in ("?page=0", "?page=-1", "?page=", "?page=last", "?page=1.5", "?page_size=0", "?page_size=201", "?page_size=", "?page_size=x"):
        assert (history(world, query).status, list(history(world, query).json)) == (400, ["error"]), query
    for query in ("?page=2", "?page=" + "9" * 30):
        assert (history(world, query).status, list(history(world, query).json)) == (404, ["detail"]), query
    for query in ("?page=-" + "9" * 30, "?page_size=" + "9" * 30):
        assert (history(world, query).status, list(history(world, query).json)) == (400, ["error"]), query
    assert history(world, "?page=1&page_size=200").status == 200
