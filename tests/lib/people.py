"""A cast: accounts of every role, put straight into a database, who call with tokens that the tests sign themselves."""

from lib import tokens

FOUNDERS = "Founders_V1_Protection"

# name → (columns of auth_user, group)
ROLES = {
    "ordinary": ({}, None),
    "other": ({}, None),
    "contributor": ({}, "Content_Contributors"),
    "editor": ({}, "Content_Editors"),
    "founder": ({}, FOUNDERS),
    "staff": ({"is_staff": True}, None),
    "superuser": ({"is_superuser": True}, None),
    "inactive": ({"is_active": False, "is_staff": True}, None),
}


class Person:
    def __init__(self, role, name, number):
        self.role, self.name, self.id = role, name, number
        self.email = f"{name}@example.org"

    @property
    def headers(self):
        """The header that a request of this person carries."""
        return tokens.bearer(tokens.access(self.id))


def _group(database, name):
    found = database.execute("SELECT id FROM auth_group WHERE name = %s", name)
    return found[0][0] if found else database.insert("auth_group", name=name)


def add_person(database, role, name=None, **columns):
    """An account with this role, its profile and its wallet."""
    name = name or role
    own, group = ROLES[role]
    number = database.insert("auth_user", username=name, email=f"{name}@example.org", **{**own, **columns})
    database.insert("core_profile", user_id=number, display_name=f"profile of {name}")
    database.insert("core_sakawallet", user_id=number, balance=100, total_harvested=100)
    if group:
        database.insert("auth_user_groups", user_id=number, group_id=_group(database, group))
    return Person(role, name, number)


def add_cast(database, prefix=""):
    """role → Person, one of each."""
    return {role: add_person(database, role, prefix + role) for role in ROLES}


def remove_person(database, person):
    """As if the account had never been, but for the tokens that are out."""
    for table in ("core_profile", "core_sakawallet", "auth_user_groups"):
        database.execute(f"DELETE FROM {table} WHERE user_id = %s", person.id)
    database.execute("DELETE FROM auth_user WHERE id = %s", person.id)
