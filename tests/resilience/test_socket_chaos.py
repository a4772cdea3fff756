"""
Everything at once: processes that share a database and a Redis, clients that follow threads, people who post all the time.
Redis is killed, hangs, and comes back empty, and processes are killed; whoever follows a thread has all of it, once and in order.

Its size is small, as it runs beside all the other tests; EGOEJO_CHAOS=full makes it large.
"""

import os
import threading
import time
from collections import namedtuple
from itertools import islice, cycle

from lib import wait
from lib.hubs import LIMIT, World

Size = namedtuple("Size", "clients threads writers pause outages")
STRAYS = 0.01  # of the posts: a busy machine's own; what Redis held up would be all of an outage
BESIDE = 2.0  # seconds around a post in which another one had the same machine
SIZE = Size(300, 20, 30, 0.3, 20) if os.environ.get("EGOEJO_CHAOS") == "full" else Size(60, 6, 10, 0.05, 6)


class Follower:
    """A client that stays on a thread, whatever becomes of its connections."""

    def __init__(self, thread, person):
        self.thread, self.person = thread, person
        self.sockets = []

    def messages(self):
        return [number for s in self.sockets for number in s.messages()]

    def story(self, expected):
        """What each of its sockets was told, and what was wrong with it."""
        told = self.messages()
        return {"twice": sorted({n for n in told if told.count(n) > 1}), "never": sorted(set(expected) - set(told)),
                "sockets": [(s.url.partition("&")[2], s.messages()) for s in self.sockets]}

    def wanted(self, server):
        seen = self.messages()
        return server, f"chat/{self.thread}/", self.person.id, seen[-1] if seen else None


class Crowd:
    """Followers spread over processes; those whose process dies go to the others and resume."""

    def __init__(self, world, followers):
        self.world, self.followers = world, followers
        self.server_of = {}

    def spread(self, followers, servers):
        wanted = [f.wanted(servers[n % len(servers)]) for n, f in enumerate(followers)]
        for n, (follower, socket) in enumerate(zip(followers, self.world.sockets.open_all(wanted))):
            follower.sockets.append(socket)
            self.server_of[follower] = servers[n % len(servers)]

    def flee(self, server, others):
        """The process was killed."""
        lost = [f for f, s in self.server_of.items() if s is server]
        self.world.sockets.wait(lambda: all(f.sockets[-1].code is not None for f in lost), 5, "the sockets of the dead process")
        self.spread(lost, others)
        return len(lost)

    def closed(self):
        return [f.sockets[-1].code for f in self.followers if f.sockets[-1].code is not None]


class Writers:
    """People who post all the time, each on any process that lives."""

    def __init__(self, world, threads, servers, n):
        self.world, self.threads = world, threads
        self.servers = list(servers)
        self.failures, self.posted = [], 0
        self.took = []  # (when it began, seconds)
        self._stop = threading.Event()
        self._writers = [threading.Thread(target=self._write, args=(i,)) for i in range(n)]

    def _write(self, number):
        clients, turn = {}, number
        while not self._stop.wait(SIZE.pause):
            turn += 1
            server = self.servers[turn % len(self.servers)]
            began = time.monotonic()
            try:
                if server not in clients:
                    clients[server] = server.client()
                self.world.post(server, self.threads[turn % len(self.threads)], f"message {turn} de {number}", number, clients[server])
                self.took.append((began, time.monotonic() - began))
                self.posted += 1
            except Exception as problem:  # of a process that is being killed; of any other it is a failure
                clients.pop(server, None)
                if server in self.servers and server.process.poll() is None:
                    self.failures.append(repr(problem))

    def go_on(self, n):
        """So many more messages are posted."""
        reached = self.posted + n
        wait.until(lambda: self.posted >= reached, 30, f"{n} more messages")

    def __enter__(self):
        for w in self._writers:
            w.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for w in self._writers:
            w.join()


OUTAGES = [
    ("killed", lambda redis: redis.kill(), lambda redis: redis.start()),
    ("stopped", lambda redis: redis.pause(), lambda redis: redis.resume()),
    ("restarted", lambda redis: redis.restart(), lambda redis: None),
]


def excess(post, control):
    """The seconds by which a post took longer than those that a process without Redis took at that time: what is left is Redis's."""
    began, took = post
    beside = [t for b, t in control if b < began + took + BESIDE and b + t > began - BESIDE]
    return took - max(beside, default=0)


def kill_one(world, crowd, writers, watch):
    """Nobody expects it: the oldest process dies, and another takes its place a little later."""
    victim = writers.servers[0]
    writers.servers = writers.servers[1:]
    victim.kill()
    assert crowd.flee(victim, writers.servers)
    writers.go_on(20)
    writers.servers = writers.servers + [world.add_server()]


def test_chaos(start_server, postgres, postgres_template, redis_server, watch, sockets):
    """Three processes; Redis fails again and again, and at every second time a process is killed in the middle of it."""
    url = postgres.create_database(postgres_template)
    limits = {"DISABLE_THROTTLE_FOR_TESTS": "0", "THROTTLE_USER": "100000/minute"}  # each post asks Redis whether it may
    world = World(url, lambda: start_server(url, redis=redis_server, **limits), sockets, members=SIZE.writers)
    for _ in range(3):
        watch(world.add_server()).wait_up(5)
    alone = start_server(url, **limits)  # on the same machine and database, and with no Redis
    threads = [world.add_thread() for _ in range(SIZE.threads)]
    crowd = Crowd(world, [Follower(threads[n % len(threads)], world.people[n % SIZE.writers]) for n in range(SIZE.clients)])
    crowd.spread(crowd.followers, world.servers)
    with Writers(world, threads, world.servers, SIZE.writers) as writers, Writers(world, [world.add_thread()], [alone], 3) as control:
        writers.go_on(200)
        for n, (name, fail, mend) in enumerate(islice(cycle(OUTAGES), SIZE.outages)):
            fail(redis_server)
            if name != "restarted":
                for server in writers.servers:
                    watch(server).wait_down(timeout=4)
            writers.go_on(40)
            if n % 2:
                kill_one(world, crowd, writers, watch)
            mend(redis_server)
            for server in writers.servers:
                watch(server).wait_up(5)
            writers.go_on(40)
            assert crowd.closed() == [], name
    slowest, late = max(t for _, t in writers.took), [e for post in writers.took if (e := excess(post, control.took)) > LIMIT]
    print(f"\n{writers.posted} messages; slowest post {slowest * 1000:.0f} ms; {len(late)} beyond the limit {[round(e, 2) for e in late]}")
    assert control.failures == []
    assert writers.failures == []
    expected = {thread: world.ids(thread) for thread in threads}
    for follower in crowd.followers:
        sockets.wait(lambda f=follower: expected[f.thread][-1] in f.messages(), 35, "the last message")
        assert follower.messages() == expected[follower.thread], follower.story(expected[follower.thread])
    assert crowd.closed() == []
    assert sum(map(len, expected.values())) >= writers.posted
    assert len(late) <= len(writers.took) * STRAYS, late
    world.database.close()
