"""The queues of the tasks in Redis, as Celery's producers and clients see them, without Celery: messages, results, control."""

import base64
import json
import time
import uuid

from lib import wait

SEPARATOR = "\x06\x16"
DB = 2  # of the tasks, when REDIS_URL names none


def encode(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def envelope(task, *args, kwargs=None, embed=None, queue="celery", priority=0, task_id=None, **headers):
    """A message as a Celery producer writes it; headers beside the usual ones by name."""
    task_id = task_id or str(uuid.uuid4())
    return {
        "body": encode([list(args), kwargs or {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None, **(embed or {})}]),
        "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "parent_id": None, "retries": 0, "eta": None, "expires": None,
                    "timelimit": [None, None], "group": None, "argsrepr": repr(args), "kwargsrepr": repr(kwargs or {}), "ignore_result": False,
                    **headers},
        "properties": {"correlation_id": task_id, "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": queue},
                       "priority": priority, "body_encoding": "base64", "delivery_tag": str(uuid.uuid4())},
    }


def signature(task, *args, **more):
    return {"task": task, "args": list(args), "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False, **more}


class Queues:
    def __init__(self, redis_server):
        self.redis_server = redis_server

    @property
    def redis(self):
        """A client, made for each use: the server may have been another one since."""
        return self.redis_server.client(DB)

    def push(self, message, queue="celery"):
        self.redis.lpush(queue, message if isinstance(message, (str, bytes)) else json.dumps(message))
        return message["headers"]["id"] if isinstance(message, dict) else None

    def send(self, task, *args, queue="celery", **more):
        return self.push(envelope(task, *args, queue=queue, **more), queue)

    def send_through(self, client, task, *args, resume):
        """Writes the push on a connection that is open while the server hangs, lets the server go on, then reads the answer."""
        message = envelope(task, *args)
        connection = client.connection_pool.get_connection()
        connection.send_command("LPUSH", "celery", json.dumps(message))
        resume()
        connection.read_response()
        client.connection_pool.release(connection)
        return message["headers"]["id"]

    @staticmethod
    def open_events(text):
        body = json.loads(base64.b64decode(json.loads(text)["body"]))
        return body if isinstance(body, list) else [body]

    def result(self, task_id):
        text = self.redis.get(f"celery-task-meta-{task_id}")
        return json.loads(text) if text else None

    def wait_result(self, task_id, status="SUCCESS", timeout=20):
        def ready():
            stored = self.result(task_id)
            return stored if stored and stored["status"] in (status, "SUCCESS", "FAILURE", "REVOKED") else None

        stored = wait.until(ready, timeout, f"result of {task_id}", 0.02)
        assert stored["status"] == status, stored
        return stored

    def held(self):
        return [json.loads(text)[0]["headers"]["id"] for text in self.redis.hvals("unacked")]

    def waiting(self, queue="celery"):
        """The messages of a queue of priority 0, who is served first at the beginning."""
        return [json.loads(text) for text in reversed(self.redis.lrange(queue, 0, -1))]

    def dead(self):
        return [json.loads(text) for text in self.redis.lrange("celery:dead", 0, -1)]

    def wait_idle(self, timeout=10):
        wait.until(lambda: not (self.redis.llen("celery") or self.redis.hlen("unacked") or self.redis.zcard("unacked_index")), timeout,
                   "nothing waits and nothing is held", 0.02)

    def control(self, method, reply=True, timeout=5, **arguments):
        """What the one worker answers."""
        oid, r = str(uuid.uuid4()), self.redis
        inbox = f"{oid}.reply.celery.pidbox"
        body = {"method": method, "arguments": arguments, "destination": None, "pattern": None, "matcher": None, "ticket": oid,
                "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": oid} if reply else None}
        request = {"body": encode(body), "content-encoding": "utf-8", "content-type": "application/json",
                   "headers": {"clock": 1, "expires": time.time() + 10},
                   "properties": {"delivery_mode": 2, "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""}, "priority": 0,
                                  "body_encoding": "base64", "delivery_tag": oid}}
        r.sadd("_kombu.binding.reply.celery.pidbox", f"{oid}{SEPARATOR}{SEPARATOR}{inbox}")
        r.publish(f"/{DB}.celery.pidbox", json.dumps(request))
        if not reply:
            return None
        text = wait.until(lambda: r.rpop(inbox), timeout, f"answer to {method}")
        (answer,) = json.loads(base64.b64decode(json.loads(text)["body"])).values()
        return answer
