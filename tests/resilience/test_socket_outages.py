"""
Chat and polls over several processes that share a database and a Redis, whatever becomes of the latter: nothing is lost, doubled
or out of order, and no socket is closed because of Redis.
"""

import threading
import time

import pytest

from lib import wait
from lib.hubs import LIMIT, World

SWEEP = 2.0  # seconds within which a process learns from the database what Redis did not tell
MENDED = 3.0  # seconds after which nothing is wrong any more with a subscription that went deaf


@pytest.fixture
def pair(start_server, database, redis_server, watch, sockets):
    """Two processes."""
    world = World(database.url, lambda: start_server(database.url, redis=redis_server), sockets)
    for _ in range(2):
        watch(world.add_server()).wait_up(5)
    yield world
    world.database.close()


@pytest.fixture
def chat(pair):
    """The pair, a thread, and a socket on each process."""
    pair.thread = pair.add_thread()
    pair.here, pair.there = (pair.open(server, pair.thread) for server in pair.servers)
    warm_up(pair)
    return pair


def warm_up(world):
    """A message from each to each has arrived: both are subscribed."""
    for server in world.servers:
        number = world.post(server, world.thread)
        for socket in (world.here, world.there):
            socket.wait_message(number)


def assert_complete(world, *watchers, thread=None, timeout=10.0):
    """Each socket has been told each message of the thread once, in order, and is open."""
    expected = world.ids(thread or world.thread)
    for socket in watchers:
        world.sockets.wait(lambda s=socket: s.code is not None or expected[-1] in s.messages(), timeout, "the last message")
        assert socket.messages() == expected
        assert socket.code is None


# --- in peace ---


def test_what_one_process_does_the_sockets_of_the_other_hear(chat):
    one, other = chat.servers
    number = chat.post(one, chat.thread, "Salut é < 😀")
    told = [s.wait_message(number) for s in (chat.here, chat.there)]
    assert told[0] == told[1] and told[0]["content"] == "Salut é < 😀"
    chat.call(other, "PATCH", f"chat/messages/{number}/", {"content": "autre"})
    for socket in (chat.here, chat.there):
        assert socket.wait("chat_message", lambda m: m["id"] == number and m["content"] == "autre")["edited_at"]
    chat.call(one, "DELETE", f"chat/messages/{number}/", status=204)
    for socket in (chat.here, chat.there):
        assert socket.wait("chat_message", lambda m: m["id"] == number and m["is_deleted"])["content"] == ""
    chat.here.send(type="typing", is_typing=True)
    for socket in (chat.here, chat.there):
        assert socket.wait("chat_typing") == {"user_id": chat.people[1].id, "is_typing": True}
    chat.here.close()
    assert chat.there.wait("chat_typing", lambda t: not t["is_typing"])["user_id"] == chat.people[1].id


def test_what_redis_tells_twice_is_heard_once(chat, redis_server):
    """New messages are known by their ids; edits only by their envelope's."""
    one, _ = chat.servers
    number = chat.ids(chat.thread)[-1]
    listener = redis_server.client().pubsub(ignore_subscribe_messages=True)
    channel = f"egoejo:ws:chat_thread_{chat.thread}"
    listener.subscribe(channel)
    wait.until(lambda: redis_server.command("PUBSUB", "NUMSUB", channel)[1] == 3, 5, "three subscribers")
    chat.call(one, "PATCH", f"chat/messages/{number}/", {"content": "autre"})
    envelope = wait.until(listener.get_message, 5, "the envelope")["data"]
    for _ in range(3):
        assert redis_server.client().publish(channel, envelope) == 3
    chat.there.wait_message(chat.post(one, chat.thread))
    assert [m["content"] for m in chat.there.payloads("chat_message") if m["id"] == number].count("autre") == 1


def test_polls_cross_over(pair):
    one, other = pair.servers
    poll = pair.make_poll(one)
    here, there = (pair.sockets.open(server, f"polls/{poll['id']}/") for server in pair.servers)
    pair.call(other, "POST", f"polls/{poll['id']}/vote/", {"options": [poll["options"][0]["id"]]}, person=2)
    told = [s.wait("poll_update", lambda p: p["options"][0]["votes"] == 1) for s in (here, there)]
    assert told[0] == told[1]
    pair.call(one, "DELETE", f"polls/{poll['id']}/", status=204)
    assert here.wait_closed() == there.wait_closed() == 4404


def test_who_is_removed_is_closed_everywhere(chat):
    one, _ = chat.servers
    gone = [chat.open(server, chat.thread, person=2) for server in chat.servers]
    keep = [chat.people[n].id for n in (0, 1)]
    chat.call(one, "PATCH", f"chat/threads/{chat.thread}/", {"participant_ids": keep})
    assert [s.wait_closed() for s in gone] == [4403, 4403]
    number = chat.post(one, chat.thread)
    chat.there.wait_message(number)
    assert all(number not in s.messages() for s in gone)
    chat.call(one, "DELETE", f"chat/threads/{chat.thread}/", status=204)
    assert chat.here.wait_closed() == chat.there.wait_closed() == 4404


def test_a_socket_misses_nothing_while_its_process_subscribes(pair):
    """The first socket on a thread: what is published before Redis has the subscription is found all the same, soon."""
    one, other = pair.servers
    for _ in range(8):
        thread = pair.add_thread()
        posted = []
        poster = threading.Thread(target=lambda t=thread: [posted.append(pair.post(one, t)) for _ in range(6)])
        poster.start()
        wait.until(lambda: posted, 10, "a message", 0.001)
        socket = pair.open(other, thread, last_message_id=0)
        poster.join()
        socket.wait_message(posted[-1], SWEEP)
        assert socket.messages() == posted


# --- without Redis ---


def test_channels_fallback_on_redis_failure(chat, redis_server, watch):
    one, other = chat.servers
    looks = [watch(s) for s in chat.servers]
    for _ in range(2):
        redis_server.kill()
        for look in looks:
            look.wait_down(timeout=3)
        for server in (one, other, one):
            number, posted = chat.post_promptly(server, chat.thread), time.monotonic()
            own, foreign = (chat.here, chat.there) if server is one else (chat.there, chat.here)
            own.wait_message(number, 0.9)  # before any sweep could have told it
            foreign.wait_message(number, SWEEP + posted - time.monotonic())
        assert one.events("channels.send_failed")[0]["group"] == f"chat_thread_{chat.thread}"
        redis_server.start()
        for look in looks:
            look.wait_up(5)
        number = chat.post(one, chat.thread)
        chat.there.wait_message(number, SWEEP)
    assert_complete(chat, chat.here, chat.there)


def test_what_an_outage_hid_is_told(chat, redis_server, watch):
    """Edits, votes, removals and deletions that no process was told of."""
    one, other = chat.servers
    poll = chat.make_poll(one)
    voters = chat.sockets.open(other, f"polls/{poll['id']}/")
    second = chat.add_thread()
    doomed, left = chat.open(other, second), chat.open(other, chat.thread, person=2)
    number = chat.post(one, chat.thread)
    chat.there.wait_message(number)
    redis_server.kill()
    for server in chat.servers:
        watch(server).wait_down(timeout=3)
    late = chat.open(other, chat.thread)  # opened in the outage
    later = chat.open(other, chat.add_thread())
    chat.call(one, "PATCH", f"chat/messages/{number}/", {"content": "autre"})
    chat.there.wait("chat_message", lambda m: m["content"] == "autre", SWEEP)
    chat.call(one, "POST", f"polls/{poll['id']}/vote/", {"options": [poll["options"][1]["id"]]})
    voters.wait("poll_update", lambda p: p["options"][1]["votes"] == 1, SWEEP)
    chat.call(one, "DELETE", f"chat/threads/{second}/", status=204)
    assert doomed.wait_closed(SWEEP) == 4404
    chat.call(one, "PATCH", f"chat/threads/{chat.thread}/", {"participant_ids": [chat.people[n].id for n in (0, 1)]})
    assert left.wait_closed(SWEEP) == 4403
    number = chat.post(one, chat.thread)
    late.wait_message(number, SWEEP)
    number = chat.post(one, int(later.path.split("/")[1]))
    later.wait_message(number, SWEEP)


def test_who_left_hears_nothing_though_the_word_about_it_is_lost(chat, redis_server, watch):
    """He is removed on one process, and the message that follows is posted on his own, which has not heard of it."""
    one, other = chat.servers
    gone = chat.open(other, chat.thread, person=2)
    gone.wait_message(chat.post(other, chat.thread))
    redis_server.kill()
    for server in chat.servers:
        watch(server).wait_down(timeout=4)
    for _ in range(3):
        chat.call(one, "PATCH", f"chat/threads/{chat.thread}/", {"participant_ids": [chat.people[n].id for n in (0, 1)]})
        number = chat.post(other, chat.thread)
        chat.there.wait_message(number)
        assert gone.wait_closed(SWEEP) == 4403
        assert number not in gone.messages()
        chat.call(one, "PATCH", f"chat/threads/{chat.thread}/", {"participant_ids": [p.id for p in chat.people]})
        gone = chat.open(other, chat.thread, person=2)
        told = chat.post(other, chat.thread)
        gone.wait_message(told)


def test_a_redis_that_hangs_and_one_that_comes_back_empty(chat, redis_server, watch):
    one, other = chat.servers
    redis_server.pause()
    numbers = [chat.post_promptly(server, chat.thread) for server in (one, other) * 3]
    for socket in (chat.here, chat.there):
        socket.wait_message(numbers[-1], SWEEP)
    for server in chat.servers:
        watch(server).wait_down(timeout=3)
    chat.there.wait_message(chat.post_promptly(one, chat.thread), SWEEP)
    redis_server.resume()
    for server in chat.servers:
        watch(server).wait_up(5)
    warm_up(chat)
    redis_server.restart()  # so fast that perhaps nobody saw it away
    numbers = [chat.post_promptly(server, chat.thread) for server in (one, other) * 3]
    for socket in (chat.here, chat.there):
        socket.wait_message(numbers[-1], SWEEP + 1)
    assert_complete(chat, chat.here, chat.there)


def test_only_one_process_has_lost_redis(start_server, new_database, redis_server, start_proxy, watch, sockets):
    """The others do not know that they are not told: they must hear of it when it is back, not at the next sweep in half a minute."""
    url = new_database("empty")
    proxy = start_proxy(redis_server.port)
    urls = [proxy.url(), redis_server.url]
    world = World(url, lambda: start_server(url, redis=urls[len(world.servers)]), sockets)
    one, other = world.add_server(), world.add_server()
    for server in (one, other):
        watch(server).wait_up(5)
    world.thread = world.add_thread()
    world.here, world.there = (world.open(s, world.thread) for s in (one, other))
    warm_up(world)
    proxy.set_mode("refuse")
    watch(one).wait_down(timeout=3)
    number = world.post(one, world.thread)
    world.here.wait_message(number, 1)
    proxy.set_mode("pass")
    watch(one).wait_up(5)
    world.there.wait_message(number, SWEEP)
    assert_complete(world, world.here, world.there)
    world.database.close()


def test_a_deaf_subscription_is_mended(start_server, new_database, redis_server, start_proxy, watch, sockets):
    """PING answers, commands work, and nothing that is published comes to this connection any more."""
    url = new_database("empty")
    proxy = start_proxy(redis_server.port)
    urls = [redis_server.url, proxy.url()]
    world = World(url, lambda: start_server(url, redis=urls[len(world.servers)]), sockets)
    one, other = world.add_server(), world.add_server()
    look = watch(other)
    for server in (one, other):
        watch(server).wait_up(5)
    world.thread = world.add_thread()
    world.here, world.there = (world.open(s, world.thread) for s in (one, other))
    warm_up(world)
    for _ in range(2):
        wait.until(lambda: (look.health()["redis"]["channels"]["canary_ms"] or 0) < 900, 5, "a canary")
        proxy.deafen()
        began = time.monotonic()
        number = world.post(one, world.thread)
        world.there.wait_message(number, MENDED)
        told = time.monotonic() - began
        # From now on what is published arrives, and not only what a sweep finds.
        wait.until(lambda: _hears(world), MENDED, "a frame that only Redis can have brought", 0.05)
        print(f"deaf: told after {told:.2f} s, mended after {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < MENDED + 0.3
    assert_complete(world, world.here, world.there)
    world.database.close()


def _hears(world):
    """Typing frames are not repaired: one that comes from the other process came by way of Redis."""
    seen = len(world.there.frames)
    world.here.send(type="typing", is_typing=True)
    try:
        world.there.wait("chat_typing", lambda t: t["user_id"] == world.here.user, 0.1, seen)
        return True
    except AssertionError:
        return False
