"""WebSockets of the hub: any number of them on one loop in a thread of its own; tests wait on what has come."""

import asyncio
import json
import threading
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from lib import tokens


class Sockets:
    """The loop, and all sockets that were opened on it."""

    def __init__(self):
        self.news = threading.Condition()  # told at each frame and each close
        self.opened = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine, timeout=20):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def open(self, server, path, user=None, last_message_id=None):
        """An open socket of the user with this id, or of nobody."""
        return self.open_all([(server, path, user, last_message_id)])[0]

    def open_all(self, wanted):
        """The same for many at once: (server, path, user, last_message_id)."""
        sockets = [Socket(self, *w) for w in wanted]

        async def begin():
            await asyncio.gather(*(s.begin() for s in sockets))

        self.run(begin())
        self.opened += sockets
        return sockets

    def wait(self, condition, timeout=10.0, what="the sockets"):
        """Until the condition, looked at with each frame and each close, holds; returns what it gave."""
        deadline = time.monotonic() + timeout
        with self.news:
            while not (value := condition()):
                left = deadline - time.monotonic()
                assert left > 0, f"{what}: not within {timeout} s"
                self.news.wait(left)
        return value

    def close(self):
        async def end():
            await asyncio.gather(*(s.end() for s in self.opened), return_exceptions=True)

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Socket:
    def __init__(self, sockets, server, path, user=None, last_message_id=None):
        self.sockets, self.path, self.user = sockets, path, user
        self.frames = []  # all that came, as (time, object)
        self.code = None  # of the close, once it is closed
        query = [f"token={tokens.access(user)}"] if user else []
        query += [f"last_message_id={last_message_id}"] if last_message_id is not None else []
        self.url = f"ws://127.0.0.1:{server.port}/ws/{path}?{'&'.join(query)}"

    async def begin(self):
        self._connection = await connect(self.url, open_timeout=10, close_timeout=2, ping_interval=None, max_queue=None, compression=None)
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        try:
            async for text in self._connection:
                self._note(text)
        except ConnectionClosed:
            pass
        with self.sockets.news:
            self.code = self._connection.close_code
            self.sockets.news.notify_all()

    def _note(self, text):
        with self.sockets.news:
            self.frames.append((time.monotonic(), json.loads(text)))
            self.sockets.news.notify_all()

    async def end(self):
        await self._connection.close()
        await self._reader

    def send(self, **message):
        self.sockets.run(self._connection.send(json.dumps(message)))

    def close(self):
        self.sockets.run(self.end())

    # --- what has come ---

    def payloads(self, kind, since=0):
        return [f["payload"] for _, f in self.frames[since:] if f["type"] == kind]

    def messages(self):
        """The ids of the messages that were told, in the order in which they came; each time one was told."""
        return [m["id"] for m in self.payloads("chat_message")]

    def wait(self, kind, condition=lambda payload: True, timeout=10.0, since=0):
        """The first such payload that came after `since` frames."""
        def find():
            return [p for p in self.payloads(kind, since) if condition(p)] or (self.code is not None and [None])

        found = self.sockets.wait(find, timeout, f"{kind} on {self.path}")[0]
        assert found is not None, f"{self.path} closed with {self.code}"
        return found

    def wait_message(self, number, timeout=10.0):
        return self.wait("chat_message", lambda m: m["id"] == number, timeout)

    def wait_closed(self, timeout=10.0):
        self.sockets.wait(lambda: self.code is not None, timeout, f"the close of {self.path}")
        return self.code
