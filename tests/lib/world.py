"""A database with a cast of accounts and rows of every kind, and a server on it: what tests that walk the table of routes ask."""

from lib import people
from lib.database import NOW

SETTINGS = dict(DISABLE_THROTTLE_FOR_TESTS=1, ENABLE_SAKA="true", SAKA_PROJECT_BOOST_ENABLED="true", ADMIN_TOKEN="the-token-of-the-tools")

# What stands before the first parameter of a path → the table whose row it names.
OBJECTS = {
    "/api/projets/": "core_projet",
    "/api/contents/": "core_educationalcontent",
    "/api/help-requests/": "core_helprequest",
    "/api/audit/logs/": "core_auditlog",
    "/api/monitoring/alerts/": "monitoring_alert",
    "/api/communities/": "core_community",
    "/api/polls/": "core_poll",
    "/api/chat/threads/": "core_chatthread",
    "/api/chat/messages/": "core_chatmessage",
    "/api/chat/reports/": "core_chatmessagereport",
    "/api/moderation/reports/": "core_moderationreport",
}
WITH_SLUG = ("core_educationalcontent", "core_community")


class World:
    def __init__(self, database, start_server, **settings):
        self.database = database
        self.made = 0
        self.cast = people.add_cast(database)
        self.thread = self.make_object("/api/chat/threads/")
        self.message = self.make_object("/api/chat/messages/")
        self.give_all(500)
        self.server = start_server(database.url, **{**SETTINGS, **settings})
        self.client = self.server.client(timeout=30)

    def make_object(self, pattern, **columns):
        """A new row for the parameter of a path, and what stands for it there."""
        table = OBJECTS.get(pattern.partition("{")[0])
        if not table:
            return 1
        self.made += 1
        if table in WITH_SLUG:
            columns = {"slug": f"ligne-{self.made}", **columns}
        if table == "core_chatmessage":
            columns = {"thread_id": self.thread, **columns}
        if table == "core_chatmessagereport":
            columns = {"message_id": self.message, **columns}
        number = self.database.insert(table, **columns)
        if table == "core_chatthread":
            self.join_all(number)
        return columns["slug"] if "{slug}" in pattern else number

    def give_all(self, euros):
        """Everybody has contributed so much: with 500 he has a concierge."""
        pot = self.database.insert("core_cagnotte")
        for person in self.cast.values():
            self.database.insert("core_contribution", cagnotte_id=pot, user_id=person.id, montant=float(euros))

    def join_all(self, thread):
        """Everybody takes part in the thread, and nobody has more rights in it than the others."""
        self.database.execute("INSERT INTO core_chatmembership (role, joined_at, thread_id, user_id) SELECT 'member', %s, CAST(%s AS bigint), id FROM auth_user",
                              NOW, thread)

    def path(self, route):
        return route.path(self.make_object(route.pattern))

    def headers_of(self, caller):
        return {} if caller == "anonymous" else self.cast[caller].headers

    def request(self, method, target, headers=None, body=None):
        return self.client.request(method, target, headers, body)

    def close(self):
        self.client.close()
