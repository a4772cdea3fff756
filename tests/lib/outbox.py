"""Rows of the outbox: tasks as the program itself would have asked for them."""

import base64
import datetime
import json
import uuid


def envelope(name, args, task_id, queue="celery", **headers):
    """A finished Celery message (tasks.md 7.2)."""
    body = base64.b64encode(json.dumps([args, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()).decode()
    return json.dumps({
        "body": body, "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {"lang": "py", "task": name, "id": task_id, "retries": 0, "eta": None, "expires": None, "root_id": task_id,
                    "parent_id": None, "group": None, "timelimit": [None, None], **headers},
        "properties": {"correlation_id": task_id, "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": queue},
                       "priority": 0, "body_encoding": "base64", "delivery_tag": str(uuid.uuid4())}})


def put(database, name, *args, queue="celery", durable=False):
    """Writes the row, due now; the task's id."""
    task_id = str(uuid.uuid4())
    now = datetime.datetime.now(datetime.timezone.utc)
    database.execute("INSERT INTO egoejo_outbox (task_id, name, queue, priority, envelope, durable, state, due_at, attempts, created_at) "
                     "VALUES (%s, %s, %s, 0, %s, %s, 'new', %s, 0, %s)",
                     task_id.replace("-", "") if database.sqlite else task_id, name, queue, envelope(name, list(args), task_id, queue),
                     durable, now, now)
    return task_id


def states(database):
    """state → how many rows."""
    return dict(database.execute("SELECT state, count(*) FROM egoejo_outbox GROUP BY state"))
