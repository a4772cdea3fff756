"""Tokens that somebody else made: wrong algorithms, keys, times and types, and those of accounts that are gone."""

import hashlib
import json
import time

import pytest

from lib import people, tokens
from lib.database import Database
from lib.server import KEY
from lib.tokens import HEADER, claims, decode, part, sign, signature

# The text of a public key, as an attacker would have it: anybody may know it, so nothing may be signed with it.
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
"""

ME, OPEN = "/api/auth/me/", "/api/config/features/"


class Site:
    """A server and an account whose tokens are good."""

    def __init__(self, database, start_server):
        self.database = database
        self.user = people.add_person(database, "ordinary")
        self.server = start_server(database.url, DISABLE_THROTTLE_FOR_TESTS=1)


@pytest.fixture
def site(new_database, start_server):
    """For what is decided before the database is asked."""
    opened = Database(new_database("empty"))
    yield Site(opened, start_server)
    opened.close()


@pytest.fixture
def site_on_both(database, start_server):
    return Site(database, start_server)


def answers(site, token):
    """What a route for signed-in callers and an open one say to a token."""
    return [site.server.get(path, tokens.bearer(token)) for path in (ME, OPEN)]


def assert_refused(site, token, code="token_not_valid", why=None):
    for answer in answers(site, token):
        assert answer.status == 403 and answer.json["code"] == code, (why, answer.status, answer.raw)
        assert len(token) < 20 or token[:20] not in answer.text, why
        if code == "token_not_valid" and "messages" in answer.json:
            assert [list(message) for message in answer.json["messages"]] == [["token_class", "token_type", "message"]], why


def assert_accepted(site, token, why=None):
    for answer in answers(site, token):
        assert answer.status in (200, 501), (why, answer.status, answer.raw)


def good_headers():
    """Headers whose other members are ignored (accounts.md 3.2)."""
    key = {"kty": "oct", "k": part(b"known to all")}
    return [HEADER, {"alg": "HS256"}, {"typ": "JWT", "alg": "HS256"}, {"alg": "HS256", "typ": "at+jwt"}, {"alg": "HS256", "typ": 7},
            {"alg": "HS256", "kid": "../../../../dev/null"}, {"alg": "HS256", "kid": "' UNION SELECT 'known to all' --"},
            {"alg": "HS256", "jwk": key}, {"alg": "HS256", "jku": "http://127.0.0.1:9/keys"}, {"alg": "HS256", "x5u": "file:///etc/passwd"}]


def test_other_members_of_the_header_are_ignored(site):
    for header in good_headers():
        assert_accepted(site, sign(claims("access", site.user.id), header), header)
        keyed = sign(claims("access", site.user.id), header, key="known to all")
        assert_refused(site, keyed, why=header)  # a key that the token names or brings is never used


ALGORITHMS = ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "hs256", "HS256 ", "RS256", "ES256", "PS256", "EdDSA", "dir", None, 0, True,
              ["HS256"], {"alg": "HS256"}, "HS256\u0000"]


def test_the_algorithm_is_pinned(site):
    body = claims("access", site.user.id)
    for alg in ALGORITHMS:
        digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(str(alg), hashlib.sha256)
        signed = sign(body, {"alg": alg, "typ": "JWT"}, digest=digest)
        unsigned = signed.rpartition(".")[0]
        for token in (signed, unsigned + ".", unsigned, unsigned + "." + part(b"\0" * 32)):
            assert_refused(site, token, why=alg)


def test_a_header_without_algorithm_or_with_crit_is_refused(site):
    body = claims("access", site.user.id)
    for header in ({}, {"typ": "JWT"}, [], "HS256", None, 7, b"", b"{", b"\xff\xfe", b"null", [HEADER], {**HEADER, "crit": ["exp"]},
                   {**HEADER, "crit": []}, {**HEADER, "crit": None}, {**HEADER, "crit": ["b64"], "b64": False}):
        assert_refused(site, sign(body, b"null" if header is None else header), why=header)


def test_keys_of_others_sign_nothing(site):
    """HMAC keyed with a public key's text is the confusion of RS256 with HS256; the others are what a lost setting would give."""
    for key in ("", "\0", PUBLIC_KEY, PUBLIC_KEY.strip(), KEY[:-1], KEY + "\n", KEY.upper(), "secret", "None", "null"):
        for header in (HEADER, {"alg": "RS256", "typ": "JWT"}):
            assert_refused(site, sign(claims("access", site.user.id), header, key=key), why=key)


def test_a_touched_token_is_refused(site):
    """Each character of the three parts counts, but for the last of a part, whose low bits are padding."""
    good = tokens.access(site.user.id)
    head, body, mark = good.split(".")
    assert_accepted(site, good)
    for place in (0, len(mark) // 2, len(mark) - 2):
        other = "A" if mark[place] != "A" else "B"
        assert_refused(site, f"{head}.{body}.{mark[:place]}{other}{mark[place + 1:]}")
    raised = part({**decode(good), "user_id": "1", "is_staff": True})
    assert_refused(site, f"{head}.{raised}.{mark}")
    for token in (f"{head}.{body}.{mark[:-1]}", f"{head}.{body}.{mark}A", f"{head}.{body}.{mark}.{mark}", f"{head}.{body}", f"{head}..{mark}", "..", ".", "a",
                  f".{body}.{mark}", f"{head}.{body}.", f"{body}.{head}.{mark}", good[1:], good[::-1], f"{head}.{body}.{mark}/", f"{head}.{body}+.{mark}",
                  f"{head}.{body}.{mark[:10]}%00", f'"{good}"', "null", "undefined", "[object", "{}"):
        assert_refused(site, token, why=token)


TIMES = {
    "expired a second ago": lambda now: {"exp": now - 1},
    "expires now": lambda now: {"exp": now},
    "expired with a fraction": lambda now: {"exp": now - 0.5},
    "expired long ago": lambda now: {"exp": 0},
    "expired before time began": lambda now: {"exp": -1e18},
    "never expires": lambda now: {"exp": None},
    "exp is text": lambda now: {"exp": str(now + 3600)},
    "exp is true": lambda now: {"exp": True},
    "exp is a list": lambda now: {"exp": [now + 3600]},
    "issued tomorrow": lambda now: {"iat": now + 86400},
    "iat is text": lambda now: {"iat": "now"},
    "not before tomorrow": lambda now: {"nbf": now + 86400},
    "nbf is a list": lambda now: {"nbf": []},
}


def test_times_are_judged_without_leeway(site):
    for why, changes in TIMES.items():
        assert_refused(site, tokens.access(site.user.id, **changes(int(time.time()))), why=why)


def test_times_that_are_good(site):
    now = int(time.time())
    for changes in ({"exp": now + 30.75}, {"iat": None}, {"nbf": now - 1}, {"iat": now - 0.5}, {"aud": "x", "iss": "y", "role": "admin"}, {"sub": "me"}):
        assert_accepted(site, tokens.access(site.user.id, **changes), changes)


def test_numbers_that_json_does_not_know(site):
    """exp beyond every calendar, infinity, not a number: an answer, never a crash; only a plain later time may pass."""
    body = json.dumps(claims("access", site.user.id, exp=12345))
    for number in ("NaN", "Infinity", "-Infinity", "0x7fffffff", "1e", "-", "01795638765", "null", '""'):
        assert_refused(site, sign(body.replace("12345", number).encode()), why=number)
    for number in ("1e400", "-1e400", "9" * 400, "9223372036854775808", "1e18", "253402300800"):
        for answer in answers(site, sign(body.replace("12345", number).encode())):
            assert answer.status in (200, 403), number


OTHER_CLAIMS = [
    {"token_type": "refresh"}, {"token_type": "sliding"}, {"token_type": None}, {"token_type": ["access"]}, {"token_type": "ACCESS"}, {"token_type": "access\u0000"},
    {"jti": None}, {"jti": 7}, {"jti": ["x"]}, {"sub": 7}, {"sub": {}},
]


def test_claims_of_another_type_are_refused(site):
    for changes in OTHER_CLAIMS:
        assert_refused(site, tokens.access(site.user.id, **changes), why=changes)


def test_a_payload_that_is_no_object_is_refused(site):
    for body in (b"", b"null", b"[]", b'"x"', b"7", b"{", b"\xff\xfe{}", b"{}" * 2, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"\0", b'{"token_type":"access"'):
        assert_refused(site, sign(body), why=body[:40])


NOBODY = ["0", "-1", "1 OR 1=1", "1;DROP TABLE auth_user", "1e0", "0x1", " 1", "+1", "1\u0000", "９", "999999999", "9" * 40, 1.5,
          9223372036854775808, -1, True, None, [1], {"id": 1}, ""]


def test_a_user_id_that_names_nobody(site_on_both):
    """The first account has id 1: none of these may be read as that."""
    assert site_on_both.user.id == 1
    for user in NOBODY:
        token = sign({**claims("access", 1), "user_id": user})
        for answer in answers(site_on_both, token):
            assert answer.status == 403 and answer.json["code"] in ("user_not_found", "token_not_valid"), (user, answer.raw)


def test_no_user_id_at_all(site):
    assert_refused(site, tokens.access(1, user_id=None))


def test_an_account_that_goes_takes_its_tokens_along(site_on_both):
    token = tokens.access(site_on_both.user.id)
    assert_accepted(site_on_both, token)
    site_on_both.database.execute("UPDATE auth_user SET is_active = %s WHERE id = %s", False, site_on_both.user.id)
    assert_refused(site_on_both, token, "user_inactive")
    site_on_both.database.execute("UPDATE auth_user SET is_active = %s WHERE id = %s", True, site_on_both.user.id)
    assert_accepted(site_on_both, token)
    people.remove_person(site_on_both.database, site_on_both.user)
    assert_refused(site_on_both, token, "user_not_found")


def test_a_role_that_is_taken_away_is_gone_at_once(site_on_both):
    boss = people.add_person(site_on_both.database, "staff")
    assert site_on_both.server.get("/api/audit/logs/", boss.headers).status in (200, 501)
    site_on_both.database.execute("UPDATE auth_user SET is_staff = %s WHERE id = %s", False, boss.id)
    assert site_on_both.server.get("/api/audit/logs/", boss.headers).status == 403


def test_two_words_two_headers(site):
    token = tokens.access(site.user.id)
    for value in ("Bearer", f"Bearer {token} {token}", f"Bearer {token} x", "Bearer x y z"):
        answer = site.server.get(OPEN, {"Authorization": value})
        assert answer.status == 403 and answer.json["code"] == "bad_authorization_header", value


def test_a_token_as_long_as_a_head_may_be(site):
    for size, statuses in ((4000, (403,)), (12000, (403,)), (60000, (403, 431))):
        answer = site.server.get(OPEN, tokens.bearer("a" * size))
        assert answer.status in statuses, size
    big = sign(claims("access", site.user.id, filler="x" * 8000))
    assert_accepted(site, big)


def test_the_signature_is_compared_as_bytes(site):
    """base64url only: the other alphabet, padding in odd places and white space are no signatures."""
    good = tokens.access(site.user.id)
    signed, _, mark = good.rpartition(".")
    assert mark == signature(signed)
    for other in (mark.replace("-", "+").replace("_", "/") + "=" if set(mark) & set("-_") else mark[:-1] + "*", mark + "==", "=" + mark, mark[:20]):
        for answer in answers(site, f"{signed}.{other}"):
            assert answer.status == 403, other
