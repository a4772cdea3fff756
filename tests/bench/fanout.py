"""
Fan-out: one group, one message to all. The hub beside bare_lws.c, a libwebsockets broadcast with nothing around it, under the same
client (fan_client.c), in turn and in one run.

What is measured is what an event of another process goes through, since that needs no commit for each message: Redis, the
subscription's thread, JSON, the inbox, the group's list, libwebsockets. The bare program has none of that, and reads lines. Queue
limits are the defaults; only the limit of sockets for one account is raised, for all sockets are one account's.
"""

import json
import os
import subprocess

from lib import tokens
from lib.database import Database
from subjects import USER, fail

SIZES = (1, 100, 1000, 5000)
BURST = 200  # messages in one write
INTERVAL_MS = 50
SETTINGS = {"REALTIME_MAX_PER_USER": "100000", "REALTIME_PING_SECONDS": "3600", "REALTIME_DRAIN_SECONDS": "0"}


class BareLws:
    """tests/bench/bare_lws.c"""

    path, token, channel = "/", "-", "-"

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.port, self.feed = map(int, (self.process.stdout.readline() or fail("bare_lws does not start")).split())

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def _thread(url):
    """A thread with one message: (its id, who takes part)."""
    database = Database(url)
    user = database.execute("SELECT id FROM auth_user WHERE username = %s", USER)[0][0]
    thread = database.insert("core_chatthread", created_by_id=user)
    database.insert("core_chatmembership", thread_id=thread, user_id=user)
    database.insert("core_chatmessage", id=1, thread_id=thread, author_id=user)
    database.close()
    return thread, user


def _run(bench, subject, sessions):
    client = os.path.join(os.path.dirname(bench.bare_binary), "fan_client")
    rounds = 3 if sessions > 1000 else 10 * bench.seconds
    paced = bench.seconds * 1000 // INTERVAL_MS
    done = subprocess.run([client, *map(str, (subject.port, subject.path, subject.token, sessions, subject.feed, subject.channel, subject.pid,
                                              BURST, rounds, paced, INTERVAL_MS))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def fanout(bench, sizes=SIZES):
    """{sessions: [(ours, bare), …]}; each a dictionary of fan_client's."""
    found = {}
    thread, user = _thread(bench.url)
    with bench.redis() as redis, bench.egoejo(REDIS_URL=redis.url, **SETTINGS) as ours:
        bare = BareLws(os.path.join(os.path.dirname(bench.bare_binary), "bare_lws"))
        ours.path, ours.channel, ours.token, ours.feed = f"/ws/chat/{thread}/", f"egoejo:ws:chat_thread_{thread}", tokens.access(user), redis.port
        try:
            for sessions in sizes:
                found[sessions] = bench.in_turn(ours, bare, lambda subject, n=sessions: _run(bench, subject, n))
        finally:
            bare.stop()
    return found
