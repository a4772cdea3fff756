"""
Tasks with an effect in the database that can be counted. The route is /api/impact/dashboard/: for a row that is some minutes old it
enqueues the task that works it out anew, in a transaction of its own. Triggers of the test's own database note each task that is asked
for and each effect, in the transactions in which they happen: an effect that is rolled back is none, and one that happens twice is two.
"""

import datetime
from collections import Counter

from lib import tokens

TASK = "core.tasks.update_impact_dashboard_metrics"
PATH = "/api/impact/dashboard/"

TABLES = ("CREATE TABLE noted_effects (user_id integer)", "CREATE TABLE noted_tasks (task_id varchar(36))")
FOR_TASK = f"WHEN (NEW.name = '{TASK}')"

SQLITE = (
    *TABLES,
    "CREATE TRIGGER note_effect AFTER UPDATE ON impact_dashboard BEGIN INSERT INTO noted_effects VALUES (NEW.user_id); END",
    f"CREATE TRIGGER note_task AFTER INSERT ON egoejo_outbox {FOR_TASK} BEGIN INSERT INTO noted_tasks VALUES (NEW.task_id); END",
)

POSTGRESQL = (
    *TABLES,
    "CREATE FUNCTION note_effect() RETURNS trigger AS 'BEGIN INSERT INTO noted_effects VALUES (NEW.user_id); RETURN NULL; END' LANGUAGE plpgsql",
    "CREATE FUNCTION note_task() RETURNS trigger AS 'BEGIN INSERT INTO noted_tasks VALUES (NEW.task_id); RETURN NULL; END' LANGUAGE plpgsql",
    "CREATE TRIGGER note_effect AFTER UPDATE ON impact_dashboard FOR EACH ROW EXECUTE FUNCTION note_effect()",
    f"CREATE TRIGGER note_task AFTER INSERT ON egoejo_outbox FOR EACH ROW {FOR_TASK} EXECUTE FUNCTION note_task()",
)


class Effects:
    """n people; each may ask once."""

    def __init__(self, database, n):
        self.database, self.n = database, n
        self.made = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)
        for statement in SQLITE if database.sqlite else POSTGRESQL:
            database.execute(statement)
        database.execute("BEGIN")
        for number in range(1, n + 1):
            user = database.insert("auth_user", id=number, username=f"u{number}", email=f"u{number}@example.org")
            database.execute("INSERT INTO impact_dashboard (user_id, total_contributions, projects_supported, cagnottes_contributed, "
                             "intentions_submitted, last_updated) VALUES (%s, 0, 0, 0, 0, %s)", user, self.made)
        database.execute("COMMIT")

    def ask(self, client, number):
        """The request of one of them, which enqueues his task."""
        answer = client.get(PATH, tokens.bearer(tokens.access(number)))
        assert answer.status == 200, (answer.status, answer.text)

    def ask_all(self, server, numbers):
        with server.client() as client:
            for number in numbers:
                self.ask(client, number)

    def done(self):
        """How many of them have their effect."""
        return self.database.execute("SELECT COUNT(DISTINCT user_id) FROM noted_effects")[0][0]

    def asked(self):
        return self.database.count("noted_tasks")

    def wrong(self, numbers):
        """What is not as it must be: person → how many effects instead of one."""
        effects = Counter(user for (user,) in self.database.execute("SELECT user_id FROM noted_effects"))
        return {n: effects[n] for n in {*numbers, *effects} if effects[n] != (n in numbers)}
