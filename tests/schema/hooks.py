"""
What schemathesis cannot find out for itself: which rows there are, and what the contract wants where a generic check would
have it otherwise. Loaded by schemathesis; the seeded database and the rows are in the environment.
"""

import json
import os
import re
import sys

import schemathesis
from hypothesis import strategies
from schemathesis.core.jsonschema import make_validator
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lib import people  # noqa: E402
from lib.database import Database  # noqa: E402

ROLE = os.environ["SCHEMA_ROLE"]
ROWS = json.loads(os.environ["SCHEMA_ROWS"])
LATER = [tuple(line) for line in json.loads(os.environ["SCHEMA_LATER"])]


def some(family, number):
    """One of the rows of a family, or, for one number in four, none."""
    rows = ROWS.get(family, [])
    return rows[number % len(rows)] if rows and number % 4 else number


def family_of(path):
    parts = path.removeprefix("/api/").split("/")
    return "/".join(parts[:2]) if parts[0] == "chat" else parts[0]


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Most ids are of rows that are there: else nothing but 404 would be seen."""
    if not path_parameters:
        return path_parameters
    family = family_of(context.operation.path)
    number = path_parameters.get("id")
    if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        path_parameters["id"] = some(family, number)
    slug = path_parameters.get("slug")
    if isinstance(slug, str) and len(slug) % 2 and ROWS.get(family + " slugs"):
        path_parameters["slug"] = ROWS[family + " slugs"][len(slug) % len(ROWS[family + " slugs"])]
    return path_parameters


# Field → the rows that it refers to: a schema cannot say that an id must exist.
REFERENCES = {"community": "communities", "project": "projets", "projet": "projets", "help_request": "help-requests",
              "thread": "chat/threads", "message": "chat/messages", "participant_ids": "users"}


def there(family, value):
    """The id of a row that is there, in place of what could be one, written in the same way."""
    if isinstance(value, str) and re.fullmatch(r"\s*\+?[0-9]+\s*", value):
        return str(ROWS[family][int(value.strip()) % len(ROWS[family])])
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:  # 5.0 is an id as well
        return ROWS[family][int(value) % len(ROWS[family])]
    return value


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict):
        for name, family in REFERENCES.items():
            value = body.get(name)
            if isinstance(value, list):
                body[name] = [there(family, element) for element in value]
            elif name in body:
                body[name] = there(family, value)
    return body


# An upload is judged by name and content (content.md 8), which no schema can say: files that are what they seem.
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc33"
                    "0000000049454e44ae426082")
schemathesis.openapi.format("binary", strategies.sampled_from([PNG]))


def is_valid(case, body):
    """Whether the body is one that the document allows the operation."""
    described = case.operation.get_body_for_media_type(case.media_type)
    validator = make_validator(described.optimized_schema, case.operation.schema.adapter.jsonschema_validator_cls)
    return validator.is_valid({name: value for name, value in body.items() if type(value).__name__ != "Binary"})


def without_staff_fields(case):
    """The body without the members that are ignored unless the caller is staff (projects.md 2)."""
    document = case.operation.schema.raw_schema
    schema = document["paths"][case.operation.path][case.operation.method.lower()]["requestBody"]["content"][case.media_type]["schema"]
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for_staff = {name for name, member in schema["properties"].items() if isinstance(member, dict) and member.get("x-staff-only")}
    return {name: value for name, value in case.body.items() if name not in for_staff}


# Refusals of bodies that the document allows, because of the rows there are or of rules over several fields: by detail or error.
RULES = re.compile("Solde SAKA insuffisant|La même option est nommée deux fois|Un message ne change pas de fil|Un message supprimé|déjà signalé|n'existe pas")


def is_known_rule(path, answer):
    """Refusals of values that no schema can tell from good ones: what is taken already, and passwords by their weakness (accounts.md 2)."""
    if path == "/api/contents/":
        return list(answer) == ["slug"] and answer["slug"] == ["Un contenu avec ce slug existe déjà."]
    if path == "/api/auth/register/":
        taken = answer.get("username") in (None, ["Un utilisateur avec ce nom existe déjà."])
        return taken and set(answer) <= {"username", "password"} and all("mot de passe" in text for text in answer.get("password", []))
    return False


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """False: the failure is what the contract wants."""
    path = case.operation.path
    # A method that comes with a later milestone is named in Allow already, and answers 501 (design 9.17).
    if response.status_code == 501 and (response.request.method, path) in LATER:
        return False
    undocumented = getattr(failure, "undocumented_methods", None)
    if undocumented and not failure.missing_methods and all((method, path) in LATER for method in undocumented):
        return False
    # What a vote must have depends on the poll: its state, its options, its method, which reads one list and not the others.
    if path.endswith("/vote/") and isinstance(failure, (AcceptedNegativeData, RejectedPositiveData)):
        return False
    if isinstance(failure, AcceptedNegativeData) and ROLE != "staff" and isinstance(case.body, dict):
        return not is_valid(case, without_staff_fields(case))
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        # Unknown members are ignored, but a part of a multipart body must have a name that is one (RFC 7578 4.2).
        if case.media_type == "multipart/form-data" and not all(re.fullmatch(r"[ !#-\[\]-~]+", name) for name in case.body):
            return False
        return not RULES.search(response.text) and not is_known_rule(path, response.json())
    return True
