"""Rows put straight into a database, on either engine, as Django would have written them."""

import datetime
import decimal
import json
import sqlite3

import psycopg
from psycopg.types.json import Jsonb

NOW = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.timezone.utc)

# What a row needs besides what a test says: no column has a default in the database.
DEFAULTS = {
    "core_projet": dict(titre="Projet", description="Un projet", created_at=NOW, donation_goal=decimal.Decimal("0.00"), funding_type="DONATION",
                        investment_goal=decimal.Decimal("0.00"), saka_score=0, saka_supporters_count=0, active_oracles=[]),
    "project_impact_4p": dict(financial_score=decimal.Decimal("0.00"), saka_score=0, social_score=0, purpose_score=0, updated_at=NOW,
                              created_at=NOW),
    "core_educationalcontent": dict(title="Contenu", slug="contenu", type="article", status="published", anonymous_display_name="",
                                    description="", external_url="", created_at=NOW, updated_at=NOW, category="autres", tags=[],
                                    audio_source_hash="", embedding_source_hash=""),
    "core_contentlike": dict(created_at=NOW),
    "core_contentcomment": dict(text="Merci", created_at=NOW, display_name="Ana"),
    "core_community": dict(name="Communauté", slug="communaute", is_active=True, created_at=NOW, updated_at=NOW),
    "core_cagnotte": dict(titre="Cagnotte", description="", montant_cible=100.0, montant_collecte=0.0, created_at=NOW),
    "core_helprequest": dict(title="Aide", description="De l'aide", help_type="financier", urgency="medium", is_linked_to_project=False,
                             anonymity="pseudo", status="new", created_at=NOW, updated_at=NOW),
    "core_engagement": dict(help_types=[], domains=[], availability="", scope="both", anonymity="pseudo", notes="", status="new",
                            created_at=NOW, updated_at=NOW),
    "core_poll": dict(title="Scrutin", question="Que faire ?", description="", status="open", is_anonymous=True, allow_multiple=False, created_at=NOW,
                      updated_at=NOW, voting_method="binary", is_shareholder_vote=False),
    "core_polloption": dict(label="Oui", position=0),
    "core_pollballot": dict(voter_hash="0" * 64, metadata={}, submitted_at=NOW, points=1, saka_spent=0),
    "core_chatthread": dict(title="Fil", is_private=True, created_at=NOW, updated_at=NOW, last_message_at=NOW, thread_type="GENERAL"),
    "core_chatmembership": dict(role="member", joined_at=NOW),
    "core_chatmessage": dict(content="Bonjour", metadata={}, is_deleted=False, created_at=NOW),
    "core_chatmessagereport": dict(reason="", status="pending", created_at=NOW, updated_at=NOW),
    "core_moderationreport": dict(report_type="user", target_id="1", status="pending", reason="Insultes", resolution="", created_at=NOW, updated_at=NOW),
    "core_contribution": dict(montant=10.0, created_at=NOW),
    "finance_userwallet": dict(balance=decimal.Decimal("0.00"), created_at=NOW, updated_at=NOW),
    "finance_wallettransaction": dict(amount=decimal.Decimal("10.00"), transaction_type="PLEDGE_DONATION", description="", created_at=NOW),
    "investment_shareholderregister": dict(number_of_shares=1, amount_invested=decimal.Decimal("100.00"), is_signed=True, created_at=NOW, updated_at=NOW),
    "auth_user": dict(password="!", is_superuser=False, username="ana", last_name="", email="ana@example.org", is_staff=False, is_active=True,
                      date_joined=NOW, first_name=""),
    "auth_group": {},
    "auth_user_groups": {},
    "core_profile": dict(display_name="", bio="", created_at=NOW, updated_at=NOW),
    "core_sakawallet": dict(balance=0, total_harvested=0, total_planted=0, total_composted=0, created_at=NOW, updated_at=NOW),
    "core_sakatransaction": dict(direction="EARN", amount=10, reason="content_read", metadata={}, created_at=NOW, transaction_type="HARVEST"),
    "core_auditlog": dict(action="content_create", target_type="educational_content", target_id="1", metadata={}, created_at=NOW),
    "core_intent": dict(nom="Ana", email="ana@example.org", profil="curieux", created_at=NOW),
    "monitoring_alert": dict(level="error", message="Alerte", metadata={}, timestamp=NOW, resolved=False),
    "monitoring_performance_metric": dict(metric_type="LCP", value=1.5, metadata={}, timestamp=NOW),
}


def hours_ago(hours):
    return NOW - datetime.timedelta(hours=hours)


class Database:
    """A connection of the test's own to the database that a server uses."""

    def __init__(self, url):
        self.url = url
        self.sqlite = not url.startswith("postgres")
        if self.sqlite:
            self.path = url.removeprefix("sqlite:///")
            self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=20)
        else:
            self.connection = psycopg.connect(url, autocommit=True, connect_timeout=10)

    def _value(self, value):
        if not self.sqlite:
            return Jsonb(value) if isinstance(value, (list, dict)) else value
        if isinstance(value, datetime.datetime):
            text = value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
            return text.removesuffix(".000000")
        if isinstance(value, (list, dict)):
            return json.dumps(value)
        if isinstance(value, decimal.Decimal):
            return int(value) if value == int(value) else float(value)
        return value

    def execute(self, sql, *values):
        """One statement with %s parameters; its rows, when it returns any."""
        if self.sqlite:
            sql = sql.replace("%s", "?")
        cursor = self.connection.execute(sql, [self._value(v) for v in values])
        rows = cursor.fetchall() if cursor.description else []
        cursor.close()
        return rows

    def insert(self, table, **values):
        """A row with the defaults above; returns its id."""
        row = {**DEFAULTS[table], **values}
        columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
        return self.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id", *row.values())[0][0]

    def count(self, table):
        return self.execute(f"SELECT COUNT(*) FROM {table}")[0][0]

    def tables(self):
        if self.sqlite:
            return {r[0] for r in self.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {r[0] for r in self.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}

    def close(self):
        self.connection.close()
