"""Revocations in Redis, against a real server: who hears of them, and what they leave behind."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

import pytest
from redis.asyncio import Connection
from redis.exceptions import RedisError
from support.memory_store import eventually
from support.redis_bench import KEY, OLD_SECRET, SECRET, STORED, Listening, put
from support.redis_server import BINARY, WHY_NOT, RedisServer
from support.scripted_kratos import IDENTITY_ID, SESSION_ID

from ory_guard.redis import RedisSessionStore
from ory_guard.redis.encryption import Encryptor
from ory_guard.redis.pubsub import iter_messages

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=WHY_NOT)]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server for all tests here."""
    with RedisServer() as running:
        yield running


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisSessionStore]:
    """A store in the empty server."""
    server.cli("FLUSHALL")
    made = RedisSessionStore(server.url, secrets=[SECRET])
    yield made
    await made.aclose()


@pytest.fixture
async def other(server: RedisServer) -> AsyncIterator[RedisSessionStore]:
    """The store of another process."""
    made = RedisSessionStore(server.url, secrets=[SECRET])
    yield made
    await made.aclose()


@pytest.mark.parametrize("one", [SESSION_ID, IDENTITY_ID])
async def test_revoked_is_gone_and_known(store: RedisSessionStore, other: RedisSessionStore, one: str) -> None:
    """Every credential of the session, or of the identity; others stay."""
    await put(store, KEY, STORED)
    await put(store, b"2" * 32, STORED)
    await put(store, b"3" * 32, replace(STORED, session_id="another", identity_id="other"))
    assert await other.revoked_at([SESSION_ID, IDENTITY_ID]) is None

    await other.revoke([one], 1_234.5, 60.0)

    assert await store.get([KEY]) is None
    assert await store.get([b"2" * 32]) is None
    assert await store.get([b"3" * 32]) is not None
    assert await store.revoked_at([SESSION_ID, IDENTITY_ID]) == 1_234.5
    assert await store.revoked_at(["another"]) is None


async def test_a_revocation_is_heard_by_every_other_process(
    store: RedisSessionStore, other: RedisSessionStore
) -> None:
    """Who sent it need not hear it."""
    heard, heard_by_sender = Listening(store), Listening(other)
    await eventually(lambda: heard.items and heard_by_sender.items)

    await other.revoke([SESSION_ID, IDENTITY_ID], 1_000.0, 60.0)
    await store.revoke(["another"], 1_000.0, 60.0)
    await eventually(lambda: len(heard.items) == len(heard_by_sender.items) == 2)

    assert heard.items == [(), (SESSION_ID, IDENTITY_ID)]
    assert heard_by_sender.items == [(), ("another",)]
    await heard.end()
    await heard_by_sender.end()


async def test_a_message_that_can_not_be_read_may_be_any_revocation(
    server: RedisServer, store: RedisSessionStore
) -> None:
    """Somebody who may write in Redis can't make us forget one."""
    heard = Listening(store)
    await eventually(lambda: heard.items)

    server.cli("PUBLISH", "ory_guard:revocations", "garbage")
    forged = Encryptor(OLD_SECRET).encrypt("ory_guard:revocations", {"from": "x", "ids": ["s"]})
    connections = await store._connections.get()
    await connections.client.publish("ory_guard:revocations", forged)
    odd = Encryptor(SECRET).encrypt("ory_guard:revocations", {"from": "x", "ids": [5]})
    await connections.client.publish("ory_guard:revocations", odd)

    await eventually(lambda: len(heard.items) == 4)
    assert heard.items == [(), None, None, None]
    await heard.end()


async def test_a_subscription_says_that_it_is_gone() -> None:
    """At once where the server ends, and within seconds where it no longer moves."""
    with RedisServer() as server:
        store = RedisSessionStore(server.url, secrets=[SECRET])
        heard = Listening(store)
        await eventually(lambda: heard.items)
        server.signal(signal.SIGSTOP)
        await eventually(lambda: heard.error)
        assert isinstance(heard.error, TimeoutError)
        frozen = Listening(store)
        await eventually(lambda: frozen.error)
        server.signal(signal.SIGCONT)

        again = Listening(store)
        await eventually(lambda: again.items)
        server.kill()
        await eventually(lambda: again.error)
        assert isinstance(again.error, Exception)
        await store.aclose()


@pytest.mark.parametrize("turns", range(12))
async def test_a_subscription_that_is_cancelled_ends(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """At whatever turn of the event loop: while it connects, subscribes or asks for a sign of life."""
    monkeypatch.setattr("ory_guard.redis.pubsub._HEARTBEAT", 0.0)
    connection = Connection(port=server.port, protocol=2)

    async def listen() -> None:
        async for _ in iter_messages(connection, "channel"):
            pass

    listening = asyncio.create_task(listen())
    while not connection.is_connected:  # noqa: ASYNC110 - turns are counted from the very one in which it is
        await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    cancelled = listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)

    assert listening.cancelled() == cancelled, "it may have said before that it hears nothing"


class ScriptedConnection:
    """A connection to a quiet server, which answers each PING at once.

    Attributes:
        pings: How many were answered.
    """

    def __init__(self) -> None:
        self.pings = 0
        self._replies: asyncio.Queue[list[bytes]] = asyncio.Queue()

    async def connect(self) -> None:
        """Connect."""

    async def send_command(self, command: str, *_arguments: str) -> None:
        """Answer SUBSCRIBE and two PINGs, then publish a message."""
        kind = b"subscribe" if command == "SUBSCRIBE" else b"pong"
        self.pings += command == "PING"
        self._replies.put_nowait([kind, b"channel", b""])
        if self.pings == 3:
            self._replies.put_nowait([b"message", b"channel", b"text"])

    async def read_response(self, *, timeout: float) -> list[bytes]:  # noqa: ASYNC109 - as in redis-py
        """Return the next reply."""
        assert timeout > 0
        return await self._replies.get()

    async def disconnect(self, *, nowait: bool) -> None:
        """Disconnect."""
        assert nowait


async def test_a_quiet_subscription_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats are sent and answered, and are not messages."""
    monkeypatch.setattr("ory_guard.redis.pubsub._HEARTBEAT", 0.01)
    connection = ScriptedConnection()

    async with aclosing(iter_messages(connection, "channel")) as messages:
        assert await anext(messages) is None
        assert await anext(messages) == b"text"

    assert connection.pings == 3


@pytest.mark.parametrize("one", [SESSION_ID, IDENTITY_ID])
async def test_what_is_put_after_its_revocation_is_not_kept(
    server: RedisServer, store: RedisSessionStore, other: RedisSessionStore, one: str
) -> None:
    """Unless it was asked for later; not even its name is noted."""
    await other.revoke([one], 1_000.5, 60.0)

    await put(store, KEY, STORED, since=999.0)
    await put(store, KEY, STORED, since=1_000.5)
    assert await store.get([KEY]) is None
    assert server.cli("KEYS", "*:of:*").split() == []

    await put(store, KEY, STORED, since=1_000.6)
    assert await store.get([KEY]) is not None


@pytest.mark.parametrize("command", [("SET", "garbage"), ("RPUSH", "a list")], ids=str)
async def test_a_note_that_can_not_be_read_may_be_of_now(
    server: RedisServer, store: RedisSessionStore, command: tuple[str, str]
) -> None:
    """So nothing is kept beside it."""
    await store.revoke([SESSION_ID], 0.0, 60.0)
    await put(store, KEY, STORED, since=1.0)
    assert await store.get([KEY]) is not None
    await store.delete([KEY])
    (name,) = server.cli("KEYS", "*:revoked:*").split()
    server.cli("DEL", name)
    server.cli(command[0], name, command[1])

    await put(store, KEY, STORED, since=1.0)

    assert await store.get([KEY]) is None


async def test_a_revocation_under_an_older_secret_stops_a_late_write_too(
    server: RedisServer, store: RedisSessionStore
) -> None:
    """While the secret is changed, processes of both kinds revoke."""
    old = RedisSessionStore(server.url, secrets=[OLD_SECRET])
    both = RedisSessionStore(server.url, secrets=[SECRET, OLD_SECRET])
    await old.revoke([SESSION_ID], 1_000.0, 60.0)

    await put(both, KEY, STORED, since=999.0)

    assert await both.get([KEY]) is None
    for one in (old, both):
        await one.aclose()


async def test_guards_that_have_one_store_hear_each_other(
    store: RedisSessionStore, other: RedisSessionStore
) -> None:
    """In one process, on one loop, with one object: each has a cache of its own."""
    heard, also_heard = Listening(store), Listening(store)
    await eventually(lambda: heard.items and also_heard.items)

    await store.revoke([SESSION_ID], 1_000.0, 60.0)
    await eventually(lambda: len(heard.items) == len(also_heard.items) == 2)
    assert heard.items == also_heard.items == [(), (SESSION_ID,)]

    await also_heard.end()
    await store.revoke(["alone"], 1_000.0, 60.0)
    await other.revoke(["by another"], 1_000.0, 60.0)
    await eventually(lambda: len(heard.items) == 3)
    assert heard.items[2] == ("by another",)
    await heard.end()


@pytest.mark.parametrize("command", [("CONFIG", "SET", "maxmemory", "1"), ("REPLICAOF", "127.0.0.1", "1")], ids=str)
async def test_a_server_that_takes_no_writes_spreads_revocations(command: tuple[str, ...]) -> None:
    """Full, or read-only: everybody hears of it, and the caller, who has to note it later, of the failure."""
    with RedisServer() as server:
        store, other = (RedisSessionStore(server.url, secrets=[SECRET]) for _ in range(2))
        await put(store, KEY, STORED)
        heard = Listening(other)
        await eventually(lambda: heard.items)
        server.cli(*command)

        with pytest.raises(RedisError):
            await store.revoke([SESSION_ID], 1_000.0, 60.0)

        await eventually(lambda: len(heard.items) == 2)
        assert heard.items == [(), (SESSION_ID,)]
        await heard.end()
        for one in (store, other):
            await one.aclose()
