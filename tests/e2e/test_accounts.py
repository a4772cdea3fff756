"""Accounts on both engines: sessions and their races, registration, Basic, one's own data, and the end of an account."""

import base64
import hashlib
import json
import os
import threading
import time

import pytest

from lib import people, tokens
from lib.database import NOW, hours_ago

PASSWORD = "Une-Phrase-2-Passe"
# Of PASSWORD: cheap to check, so that a test that signs in once takes no time; replaced when it has been checked.
CHEAP = "pbkdf2_sha256$1000$seasalt0123456789abcde$"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def cheap_hash(password=PASSWORD):
    salt = CHEAP.split("$")[2]
    return CHEAP + base64.b64encode(hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 1000)).decode()


@pytest.fixture
def server(start_server, database):
    return start_server(database.url)


@pytest.fixture
def ana(database):
    """A person whose password is PASSWORD."""
    return people.add_person(database, "ordinary", "ana", password=cheap_hash())


def post(server, target, body, headers=None):
    return server.request("POST", target, {**JSON, **(headers or {})}, json.dumps(body).encode(), timeout=60)


def login(server, username="ana", password=PASSWORD):
    return post(server, "/api/auth/login/", {"username": username, "password": password})


def refresh(server, token):
    return post(server, "/api/auth/refresh/", {"refresh": token})


def at_once(number, act):
    """act() by so many threads that start together; what each returned."""
    barrier, results = threading.Barrier(number), [None] * number

    def run(i):
        barrier.wait()
        results[i] = act()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --- login ---


def test_login_gives_a_pair_and_notes_when(server, database, ana):
    answer = login(server)
    assert answer.status == 200 and list(answer.json) == ["refresh", "access"]
    access, token = tokens.decode(answer.json["access"]), tokens.decode(answer.json["refresh"])
    assert list(access) == ["token_type", "exp", "iat", "jti", "user_id"] == list(token)
    assert access["token_type"] == "access" and token["token_type"] == "refresh"
    assert access["user_id"] == token["user_id"] == str(ana.id) and access["jti"] != token["jti"]
    assert access["exp"] - access["iat"] == 3600 and token["exp"] - token["iat"] == 7 * 86400
    assert abs(access["iat"] - time.time()) < 30
    rows = database.execute("SELECT user_id, jti, token FROM token_blacklist_outstandingtoken")
    assert [tuple(r) for r in rows] == [(ana.id, token["jti"], answer.json["refresh"])]
    assert database.execute("SELECT last_login FROM auth_user WHERE id = %s", ana.id)[0][0] is not None
    assert database.count("core_auditlog") == 0


def test_lifetimes_are_settings(start_server, database, ana):
    server = start_server(database.url, ACCESS_TOKEN_MINUTES=5, REFRESH_TOKEN_DAYS=2)
    claims = [tokens.decode(t) for t in login(server).json.values()]
    assert [c["exp"] - c["iat"] for c in claims] == [2 * 86400, 300]


def test_login_replaces_an_old_hash_once(server, database, ana):
    assert login(server).status == 200
    stored = database.execute("SELECT password FROM auth_user WHERE id = %s", ana.id)[0][0]
    assert stored.startswith("argon2$argon2id$v=19$m=102400,t=2,p=8$")
    assert login(server).status == 200
    assert database.execute("SELECT password FROM auth_user WHERE id = %s", ana.id)[0][0] == stored


def test_wrong_credentials_cannot_be_told_apart(server, database, ana):
    people.add_person(database, "inactive", "eve", password=cheap_hash())
    refused = [login(server, *credentials) for credentials in
               [("ana", "autre-chose"), ("nobody", PASSWORD), ("eve", PASSWORD), ("ANA", PASSWORD), ("ana@example.org", PASSWORD)]]
    for answer in refused:
        assert answer.status == 401 and list(answer.json) == ["detail"] and answer.raw == refused[0].raw
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert database.count("token_blacklist_outstandingtoken") == 0


def test_unknown_names_take_as_long_as_wrong_passwords(server, database):
    assert post(server, "/api/auth/register/", {"username": "ana", "password": PASSWORD}).status == 201

    def median(username):
        times = []
        for _ in range(5):
            start = time.monotonic()
            assert login(server, username, "autre-chose").status == 401
            times.append(time.monotonic() - start)
        return sorted(times)[2]

    known, unknown = median("ana"), median("nobody")
    assert known / 3 < unknown < known * 3, (known, unknown)


NO_CREDENTIALS = [
    ({}, {"username", "password"}),
    ({"username": "", "password": "  "}, {"username", "password"}),
    ({"username": None, "password": PASSWORD}, {"username"}),
    ({"username": "ana", "password": ["x"]}, {"password"}),
    ({"username": True, "password": {}}, {"username", "password"}),
    ({"username": "ana", "password": "é" * 2049}, {"password"}),
    ({"username": "a" * 4097, "password": "x" * 4097}, {"username", "password"}),
    ({"username": "a\u0000b", "password": "x"}, {"username"}),
    ([], {"non_field_errors"}),
]


def test_login_refuses_what_is_no_credentials(server):
    for body, fields in NO_CREDENTIALS:
        answer = post(server, "/api/auth/login/", body)
        assert answer.status == 400 and set(answer.json) == fields, body
        assert all(isinstance(texts, list) and texts for texts in answer.json.values())


def test_login_trims_and_takes_forms_and_numbers(server, database):
    people.add_person(database, "ordinary", "42", password=cheap_hash("4242424242"))
    assert post(server, "/api/auth/login/", {"username": 42, "password": 4242424242}).status == 200
    assert server.request("POST", "/api/auth/login/", FORM, b"username=+42+&password=+4242424242%0A", timeout=60).status == 200


def test_a_bad_bearer_does_not_disturb_a_login(server, ana):
    answer = post(server, "/api/auth/login/", {"username": "ana", "password": PASSWORD}, {"Authorization": "Bearer nonsense"})
    assert answer.status == 200


def test_a_hash_that_asks_too_much_is_refused_and_logged(server, database):
    people.add_person(database, "ordinary", "zenobia", password="argon2$argon2id$v=19$m=4194304,t=2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw")
    mark = server.mark()
    assert login(server, "zenobia").status == 401
    event = server.wait_event("auth.hash_refused", since=mark)
    assert event["level"] == "WARNING" and "zenobia" not in json.dumps(event)


def test_passwords_and_tokens_are_not_logged(start_server, database, ana):
    server = start_server(database.url, LOG_LEVEL="DEBUG")
    pair = login(server).json
    refresh(server, pair["refresh"])
    login(server, "ana", "un-autre-secret")
    server.get("/api/auth/me/", tokens.basic("ana", PASSWORD))
    assert not any(secret in server.output for secret in (PASSWORD, "un-autre-secret", pair["refresh"][-20:], pair["access"][-20:]))


def test_passwords_of_one_name_cannot_be_guessed_from_many_addresses(start_server, database, ana):
    server = start_server(database.url, THROTTLE_ANON="4/minute", DISABLE_THROTTLE_FOR_TESTS=0, THROTTLE_USER="1000/minute")
    addresses = iter(f"203.0.113.{n}" for n in range(1, 200))

    def attempt(username, password):
        return post(server, "/api/auth/login/", {"username": username, "password": password}, {"X-Forwarded-For": next(addresses)})

    assert attempt("ana", PASSWORD).status == 200
    assert [attempt("ana", "autre-chose").status for _ in range(7)] == 4 * [401] + 3 * [429]
    refused = attempt("ana", PASSWORD)
    assert refused.status == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60 and list(refused.json) == ["detail"]
    assert attempt("nobody", PASSWORD).status == 401
    people.add_person(database, "ordinary", "bob", password=cheap_hash())
    assert attempt("bob", PASSWORD).status == 200


# --- refresh ---


def test_a_refresh_token_serves_once_and_its_successor_next(server, database, ana):
    first = tokens.refresh(ana.id)
    second = refresh(server, first)
    assert second.status == 200 and list(second.json) == ["access", "refresh"]
    assert server.get("/api/auth/me/", tokens.bearer(second.json["access"])).status == 200
    again = refresh(server, first)
    assert again.status == 401 and list(again.json) == ["error"] and "WWW-Authenticate" not in again.headers
    assert refresh(server, second.json["refresh"]).status == 200
    assert database.execute("SELECT last_login FROM auth_user WHERE id = %s", ana.id)[0][0] is None


def test_extra_claims_are_not_copied(server, ana):
    pair = refresh(server, tokens.refresh(ana.id, role="king")).json
    assert all("role" not in tokens.decode(token) for token in pair.values())


def test_refresh_without_a_token(server):
    bodies = [b"", b"{}", b'{"refresh": null}', b'{"refresh": ""}', b'{"refresh": 0}', b'{"refresh": 0.0}', b'{"refresh": false}', b"[]",
              b'"abc"', b"null", b"12", b'{"refresh": []}', b'{"refresh": {}}']
    for raw, kind in [(raw, JSON) for raw in bodies] + [(b"a=b", FORM), (b"refresh=", FORM)]:
        answer = server.request("POST", "/api/auth/refresh/", kind, raw)
        assert answer.status == 400 and list(answer.json) == ["error"], raw


def refused_tokens(database, person):
    """What is no refresh token of the person, by name."""
    inactive = people.add_person(database, "inactive", "eve")
    good = tokens.refresh(person.id)
    return {
        "access": tokens.access(person.id),
        "spaces": f" {good} ",
        "two parts": good.rpartition(".")[0],
        "other key": tokens.sign(tokens.claims("refresh", person.id), key="another key " * 5),
        "no algorithm": tokens.sign(tokens.claims("refresh", person.id), header={"alg": "none", "typ": "JWT"}),
        "expired": tokens.refresh(person.id, exp=1_700_000_000),
        "far away": tokens.refresh(person.id, exp=10**15),
        "text as exp": tokens.refresh(person.id, exp="4102444800"),
        "no jti": tokens.refresh(person.id, jti=None),
        "long jti": tokens.refresh(person.id, jti="j" * 256),
        "no user": tokens.refresh(person.id, user_id=None),
        "unknown user": tokens.refresh(999_999),
        "huge user": tokens.refresh(9_223_372_036_854_775_807),
        "word as user": tokens.refresh(person.id, user_id="ana"),
        "inactive user": tokens.refresh(inactive.id),
        "number": 12,
        "list": ["x"],
        "true": True,
    }


def test_refresh_refuses_what_is_no_refresh_token(server, database, ana):
    for name, token in refused_tokens(database, ana).items():
        answer = refresh(server, token)
        assert answer.status == 401 and list(answer.json) == ["error"], (name, answer.status, answer.raw)
    assert refresh(server, tokens.refresh(ana.id)).status == 200


def test_the_token_of_an_inactive_account_is_used_up(server, database):
    eve = people.add_person(database, "inactive", "eve")
    token = tokens.refresh(eve.id)
    assert refresh(server, token).status == 401
    database.execute("UPDATE auth_user SET is_active = %s WHERE id = %s", True, eve.id)
    assert refresh(server, token).status == 401


def test_of_64_refreshes_at_once_one_wins(server, database, ana):
    token = tokens.refresh(ana.id)
    answers = at_once(64, lambda: refresh(server, token))
    assert sorted(a.status for a in answers) == [200] + 63 * [401]
    assert database.count("token_blacklist_outstandingtoken") == 2 and database.count("token_blacklist_blacklistedtoken") == 1
    (winner,) = [a.json for a in answers if a.status == 200]
    assert refresh(server, winner["refresh"]).status == 200


# --- registration ---


def register(server, username="zoe", password=PASSWORD, **more):
    return post(server, "/api/auth/register/", {"username": username, "password": password, **more})


def test_registration_makes_all_the_rows(server, database):
    answer = register(server, " zoé ", email="Zoe@Example.org", first_name="Zoé", last_name="")
    number = database.execute("SELECT id FROM auth_user")[0][0]
    assert answer.status == 201
    assert list(answer.json.items()) == [("id", number), ("username", "zoé"), ("email", "Zoe@Example.org"), ("first_name", "Zoé"), ("last_name", "")]
    assert database.execute("SELECT COUNT(*) FROM core_profile WHERE user_id = %s AND display_name = '' AND avatar IS NULL", number)[0][0] == 1
    assert database.execute("SELECT COUNT(*) FROM core_sakawallet WHERE user_id = %s AND balance = 0", number)[0][0] == 1
    assert database.count("token_blacklist_outstandingtoken") == 0 and database.count("core_auditlog") == 0
    assert login(server, "zoé").status == 200


def test_a_weak_password_is_told_rule_by_rule(server):
    weak = {"1": 3, "8301749265": 1, "motdepasse": 1, "password": 2, "QwertyUiop": 1, "xq-vRt9%k": 1}
    for password, rules in weak.items():
        answer = register(server, password=password)
        assert answer.status == 400 and list(answer.json) == ["password"] and len(answer.json["password"]) == rules, password


def test_all_wrong_fields_are_told_at_once(server, database):
    answer = register(server, "deux mots", "court", email="pas-une-adresse", first_name=None, last_name="x" * 151)
    assert answer.status == 400
    assert {name: len(texts) for name, texts in answer.json.items()} == dict(username=1, password=1, email=1, first_name=1, last_name=1)
    assert database.count("auth_user") == 0


def test_all_that_is_wrong_with_a_field_is_told(server):
    answer = register(server, "deux mots" * 20, email="x" * 255)
    assert answer.status == 400 and {name: len(texts) for name, texts in answer.json.items()} == dict(username=2, email=2)
    assert {name: len(texts) for name, texts in register(server, "a\u0000").json.items()} == dict(username=2)


def test_usernames_that_may_and_may_not_be(server):
    for username in ["a" * 151, "deux mots", "point!", "a/b", "😀", "e\u0301", True, ["a"], None, "a\u0000"]:
        answer = register(server, username)
        assert answer.status == 400 and list(answer.json) == ["username"], username
    for username in ["a" * 150, "élodie_ñ.+@-7", "安娜", "½", 42]:
        answer = register(server, username)
        assert answer.status == 201 and answer.json["username"] == str(username)


def test_a_name_that_is_taken_and_one_in_another_case(server, ana):
    answer = register(server, "ana")
    assert answer.status == 400 and list(answer.json) == ["username"]
    assert register(server, "Ana", email="ana@example.org").status == 201


def test_privileges_cannot_be_asked_for(server, database):
    answer = register(server, id=999, is_staff=True, is_superuser=True, is_active=False, groups=[1], last_login="2001-01-01")
    row = database.execute("SELECT is_staff, is_superuser, is_active, last_login FROM auth_user WHERE id = %s", answer.json["id"])[0]
    assert answer.status == 201 and answer.json["id"] != 999 and [bool(v) for v in row] == [False, False, True, False]


def test_of_64_registrations_of_one_name_one_wins(server, database):
    answers = at_once(64, lambda: register(server))
    assert sorted(a.status for a in answers) == [201] + 63 * [400]
    assert all(list(a.json) == ["username"] for a in answers if a.status == 400)
    assert database.count("auth_user") == database.count("core_profile") == database.count("core_sakawallet") == 1


# --- Basic ---


def basic(text):
    return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}


def test_basic_credentials_are_an_account_s(server, database, ana):
    answer = server.get("/api/auth/me/", tokens.basic("ana", PASSWORD), timeout=60)
    assert answer.status == 200 and answer.json["username"] == "ana"
    stored, last_login = database.execute("SELECT password, last_login FROM auth_user WHERE id = %s", ana.id)[0]
    assert stored.startswith("argon2$") and last_login is None  # the hash is replaced, the time of a login is not noted
    assert database.count("token_blacklist_outstandingtoken") == 0
    assert server.get("/api/auth/me/", {"Authorization": tokens.basic("ana", PASSWORD)["Authorization"].replace("Basic", "bAsIc")}).status == 200


def test_basic_passwords_may_hold_colons_and_come_in_latin_1(server, database):
    people.add_person(database, "ordinary", "colon", password=cheap_hash("a:b:c"))
    people.add_person(database, "ordinary", "accentué", password=cheap_hash("Pâte-à-crêpes"))
    assert server.get("/api/auth/me/", basic(b"colon:a:b:c")).status == 200
    assert server.get("/api/auth/me/", basic("accentué:Pâte-à-crêpes".encode())).status == 200
    assert server.get("/api/auth/me/", basic("accentué:Pâte-à-crêpes".encode("latin-1"))).status == 200


def test_broken_basic_headers(server, ana):
    for header in ["Basic", "basic ", "Basic a b", "Basic !!!", "Basic YWxpY2U=", "Basic YW5hOg", "Basic =", "Basic YW5h\t"]:
        for target in ("/api/auth/me/", "/api/config/features/"):
            answer = server.get(target, {"Authorization": header})
            assert answer.status == 403 and list(answer.json) == ["detail"], header


def test_wrong_basic_credentials_are_refused_on_open_routes_too(server, database, ana):
    people.add_person(database, "inactive", "eve", password=cheap_hash())
    for credentials in (tokens.basic("ana", "autre"), tokens.basic("nobody", PASSWORD), tokens.basic("eve", PASSWORD), tokens.basic("ana", ""),
                        basic(b"an\0a:x"), basic(f"ana: {PASSWORD}".encode())):
        answer = server.get("/api/projets/", credentials)
        assert answer.status == 403 and list(answer.json) == ["detail"]
    assert post(server, "/api/auth/login/", {"username": "ana", "password": PASSWORD}, tokens.basic("ana", "autre")).status == 200


# --- one's own data ---


def test_me_shows_the_account_and_its_profile(server, database):
    staff = people.add_person(database, "staff", "carol", first_name="Carol")
    database.execute("UPDATE core_profile SET avatar = %s, bio = %s", "avatars/été 1.png", "Bio")
    profile = database.execute("SELECT id FROM core_profile")[0][0]
    assert list(server.get("/api/auth/me/", staff.headers).json.items()) == [
        ("id", staff.id), ("username", "carol"), ("email", "carol@example.org"), ("first_name", "Carol"), ("last_name", ""),
        ("is_staff", True), ("is_superuser", False),
        ("profile", {"id": profile, "display_name": "profile of carol", "bio": "Bio", "avatar": "/media/avatars/%C3%A9t%C3%A9%201.png"}),
    ]
    database.execute("UPDATE core_profile SET avatar = NULL")
    assert server.get("/api/auth/me/", staff.headers).json["profile"]["avatar"] is None
    database.execute("DELETE FROM core_profile")
    assert server.get("/api/auth/me/", staff.headers).json["profile"] is None


def test_data_export_holds_the_intents_since_the_account(server, database, ana):
    database.insert("core_intent", email=ana.email, nom="Avant", created_at=hours_ago(1))
    late = database.insert("core_intent", email=ana.email, nom="Après", message="Bonjour", created_at=hours_ago(-1).replace(microsecond=5))
    later = database.insert("core_intent", email=ana.email, nom="Plus tard", created_at=hours_ago(-2))
    database.insert("core_intent", email="bob@example.org", created_at=hours_ago(-1))
    export = server.get("/api/user/data-export/", ana.headers).json
    assert list(export) == ["user", "intents", "metadata"]
    assert export["user"] == {"id": ana.id, "username": "ana", "email": ana.email, "date_joined": "2026-03-01T12:00:00+00:00", "last_login": None}
    assert export["intents"] == [
        {"id": later, "name": "Plus tard", "email": ana.email, "message": None, "created_at": "2026-03-01T14:00:00+00:00"},
        {"id": late, "name": "Après", "email": ana.email, "message": "Bonjour", "created_at": "2026-03-01T13:00:00.000005+00:00"},
    ]
    assert export["metadata"]["format_version"] == "1.0" and export["metadata"]["export_date"].endswith("+00:00")


def leave(server, person):
    return server.request("DELETE", "/api/user/data-delete/", person.headers, timeout=60)


def test_who_leaves_is_gone(server, database, ana):
    pair = login(server).json
    content = database.insert("core_educationalcontent", author_id=ana.id, slug="a")
    database.insert("core_contentlike", content_id=content, user_id=ana.id)
    database.insert("core_auditlog", actor_id=ana.id)
    mine = database.insert("core_intent", email=ana.email, nom="Ana", ip="10.0.0.1", created_at=hours_ago(-1))
    assert server.get("/api/contents/").json[0]["likes_count"] == 1
    answer = leave(server, ana)
    assert answer.status == 200 and list(answer.json) == ["message"]
    for table in ("auth_user", "core_profile", "core_sakawallet", "core_contentlike"):
        assert database.count(table) == 0, table
    assert database.execute("SELECT email, nom = 'Ana', ip FROM core_intent WHERE id = %s", mine)[0][0] == f"deleted_{ana.id}@deleted.local"
    assert server.get("/api/contents/").json[0]["likes_count"] == 0
    assert database.execute("SELECT COUNT(*) FROM core_auditlog WHERE action = 'account_delete' AND target_type = 'user' AND target_id = %s "
                            "AND actor_id IS NULL", str(ana.id))[0][0] == 1
    for token in (pair["access"], tokens.access(ana.id)):
        assert server.get("/api/auth/me/", tokens.bearer(token)).json["code"] == "user_not_found"
    assert refresh(server, pair["refresh"]).status == 401
    assert login(server).status == 401
    assert leave(server, ana).json["code"] == "user_not_found"


def test_the_avatar_goes_with_the_account(start_server, database, folder, ana):
    server = start_server(database.url, MEDIA_ROOT=os.path.join(folder, "media"))
    os.makedirs(os.path.join(folder, "media", "avatars"))
    for name in ("ana.png", "bob.png"):
        with open(os.path.join(folder, "media", "avatars", name), "wb") as f:
            f.write(b"x")
    database.execute("UPDATE core_profile SET avatar = %s", "avatars/ana.png")
    assert leave(server, ana).status == 200
    assert os.listdir(os.path.join(folder, "media", "avatars")) == ["bob.png"]
    eve = people.add_person(database, "ordinary", "eve")
    database.execute("UPDATE core_profile SET avatar = %s", "avatars/../../x")  # not what a column should hold
    assert leave(server, eve).status == 200


def test_whom_the_books_name_leaves_an_account_without_a_name(server, database, ana):
    project = database.insert("core_projet")
    database.execute("INSERT INTO investment_shareholderregister (number_of_shares, amount_invested, is_signed, created_at, updated_at, investor_id, "
                     "project_id) VALUES (1, 10, %s, %s, %s, %s, %s)", True, NOW, NOW, ana.id, project)
    pair = login(server).json
    assert leave(server, ana).status == 200
    username, email, active, password = database.execute("SELECT username, email, is_active, password FROM auth_user")[0]
    assert (username, email, bool(active), password[0]) == (f"deleted_{ana.id}", "", False, "!")
    assert server.get("/api/auth/me/", tokens.bearer(pair["access"])).json["code"] == "user_inactive"
    assert refresh(server, pair["refresh"]).status == 401
    assert login(server).status == 401


def test_of_many_deletions_at_once_all_end_well(server, database, ana):
    statuses = [a.status for a in at_once(8, lambda: leave(server, ana))]
    assert 200 in statuses and set(statuses) <= {200, 403, 404}
    assert database.count("auth_user") == 0
    assert database.execute("SELECT COUNT(*) FROM core_auditlog WHERE action = 'account_delete'")[0][0] == 1
