"""A good body for every route that reads one: what tests start from when they spoil one field of it."""

import itertools

_numbers = itertools.count(1)

PROJECT = {"titre": "Un verger", "description": "Des pommiers", "categorie": "agriculture", "impact_score": 5, "embedding": {"vector": [0.5]},
           "coordinates_3d": {"x": 1}, "funding_type": "HYBRID", "donation_goal": "10.50", "investment_goal": "5.00", "share_price": "1.00",
           "total_shares": 5, "valuation_pre_money": "100.00", "active_oracles": ["co2_avoided"], "community": None, "image": None}
MEASURE = {"metric": "LCP", "value": 1.5, "metadata": {"a": 1}, "timestamp": "2026-03-01T12:00:00Z", "url": "https://egoejo.example/"}
ALERT = {"message": "Une erreur", "level": "error", "metadata": {"a": 1}, "timestamp": "2026-03-01T12:00:00Z", "url": "https://egoejo.example/"}
HELP = {"title": "Un toit", "description": "Pour l'hiver", "help_type": "humain", "urgency": "high", "is_linked_to_project": True, "project": None,
        "anonymity": "pseudo"}
ENGAGEMENT = {"help_types": ["humain"], "domains": ["eau"], "availability": "le soir", "scope": "local", "anonymity": "pseudo", "notes": "rien",
              "help_request": None}

POLL = {"title": "Le verger", "question": "Où ?", "description": "À choisir", "status": "draft", "is_anonymous": False, "allow_multiple": True, "quorum": 2,
        "opens_at": "2026-03-01T12:00:00Z", "closes_at": None, "project": None, "options": [{"label": "Ici", "position": 1}], "voting_method": "quadratic",
        "max_points": 50}
THREAD = {"title": "Le verger", "project": None, "is_private": False, "participant_ids": [1, 2]}
MESSAGE = {"thread": 1, "content": "Bonjour à toutes", "attachment": None}  # lib/world.py makes thread and message 1
REPORT = {"status": "reviewed", "reason": "Insultes"}

MODERATION = {"report_type": "project", "target_id": "1", "reason": "Hors sujet", "status": "accepted", "resolution": "C'est vu"}

CONTACT = {"name": "Ana", "email": "ana@example.org", "message": "Une question"}


def _content():
    return {"title": "Un poème", "slug": f"poeme-{next(_numbers)}", "type": "poeme", "description": "Des vers", "external_url": "https://egoejo.example/",
            "file": None}


def _account():
    return {"username": f"nouveau-{next(_numbers)}", "password": "Un-mot-assez-long-7", "email": "n@example.org", "first_name": "N", "last_name": "O"}


# "METHOD pattern" → a function that makes a good body; {} where the body is optional and empty.
GOOD = {
    "POST /api/auth/login/": lambda: {"username": "ordinary", "password": "nothing-of-the-sort"},
    "POST /api/auth/refresh/": lambda: {"refresh": "not.a.token"},
    "POST /api/auth/register/": _account,
    "POST /api/analytics/metrics/": MEASURE.copy,
    "POST /api/monitoring/alerts/": ALERT.copy,
    "PATCH /api/monitoring/alerts/{id}/": dict,
    "PATCH /api/monitoring/alerts/list/": dict,
    "POST /api/projets/": PROJECT.copy,
    "PUT /api/projets/{int}/": PROJECT.copy,
    "PATCH /api/projets/{int}/": PROJECT.copy,
    "DELETE /api/projets/{int}/": dict,
    "POST /api/projets/{int}/boost/": lambda: {"amount": 1},
    "POST /api/contents/": _content,
    "POST /api/contents/{id}/publish/": dict,
    "POST /api/contents/{id}/reject/": lambda: {"rejection_reason": "Hors sujet"},
    "POST /api/contents/{id}/archive/": dict,
    "POST /api/contents/{id}/unpublish/": dict,
    "POST /api/contents/{id}/mark-consumed/": lambda: {"progress": 100},
    "POST /api/help-requests/": HELP.copy,
    "POST /api/help-requests/{id}/mark-as-project/": dict,
    "POST /api/engagements/": ENGAGEMENT.copy,
    "POST /api/polls/": POLL.copy,
    "PUT /api/polls/{id}/": POLL.copy,
    "PATCH /api/polls/{id}/": POLL.copy,
    "DELETE /api/polls/{id}/": dict,
    "POST /api/polls/{id}/open/": dict,
    "POST /api/polls/{id}/close/": dict,
    "POST /api/polls/{id}/vote/": lambda: {"options": [1], "votes": [{"option_id": 1, "points": 1}], "rankings": [], "intensity": 1},
    "POST /api/chat/threads/": THREAD.copy,
    "PUT /api/chat/threads/{id}/": THREAD.copy,
    "PATCH /api/chat/threads/{id}/": THREAD.copy,
    "DELETE /api/chat/threads/{id}/": dict,
    "POST /api/chat/messages/": MESSAGE.copy,
    "PUT /api/chat/messages/{id}/": MESSAGE.copy,
    "PATCH /api/chat/messages/{id}/": MESSAGE.copy,
    "DELETE /api/chat/messages/{id}/": dict,
    "POST /api/chat/reports/": lambda: {"message": 1, "reason": "Insultes"},
    "PUT /api/chat/reports/{id}/": REPORT.copy,
    "PATCH /api/chat/reports/{id}/": REPORT.copy,
    "DELETE /api/chat/reports/{id}/": dict,
    "POST /api/chat/reports/{id}/review/": dict,
    "POST /api/chat/reports/{id}/dismiss/": dict,
    "POST /api/moderation/reports/": MODERATION.copy,
    "PUT /api/moderation/reports/{id}/": MODERATION.copy,
    "PATCH /api/moderation/reports/{id}/": MODERATION.copy,
    "DELETE /api/moderation/reports/{id}/": dict,
    "POST /api/support/contact/": CONTACT.copy,
    "DELETE /api/user/data-delete/": dict,
}
# Lines that come with a later milestone: gates, then 501.
LATER = ("POST /api/cagnottes/",)
# What hashes a password on the way: a tenth of a second for each good name.
HASHING = ("POST /api/auth/login/", "POST /api/auth/register/")
