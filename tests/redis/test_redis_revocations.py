"""Revocations in a real Redis server."""

import asyncio
import signal
from dataclasses import replace

import pytest
from redis.asyncio import Connection
from support.memory_store import SOON, eventually
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import KEY, OLD_SECRET, SECRET, STORED, Subscriber, put
from support.scripted_kratos import IDENTITY_ID, SESSION_ID

from ory_guard.cache import RevokedIds
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.encryption import Encryptor
from ory_guard.redis.node import Node
from ory_guard.redis.revocation_stream import Stream
from ory_guard.redis.serialization import dump_message
from ory_guard.redis.stream_subscription import iter_messages

pytestmark = REDIS_MARKS


@pytest.mark.parametrize("id_", [SESSION_ID, IDENTITY_ID])
async def test_revoke_deletes_the_sessions_of_an_id_and_records_the_time(
    redis_store: RedisSessionStore, other_redis_store: RedisSessionStore, id_: str
) -> None:
    """Sessions under other credentials of the same id are deleted, too."""
    await put(redis_store, KEY, STORED)
    await put(redis_store, b"2" * 32, STORED)
    await put(redis_store, b"3" * 32, replace(STORED, session_id="another", identity_id="other"))
    assert await other_redis_store.revoked_at([SESSION_ID, IDENTITY_ID]) is None

    await other_redis_store.revoke([id_], 1_234.5, 60.0)

    assert await redis_store.get([KEY]) is None
    assert await redis_store.get([b"2" * 32]) is None
    assert await redis_store.get([b"3" * 32]) is not None
    assert await redis_store.revoked_at([SESSION_ID, IDENTITY_ID]) == 1_234.5
    assert await redis_store.revoked_at(["another"]) is None


@pytest.mark.parametrize(
    ("known", "seconds", "recorded"),
    [
        ("2000.5", 1_000, 2_000.5),
        ("2000.5", 10_000, 2_000.5),
        ("500", 10_000, 1_000.0),
        ("garbage", 10_000, 1_000.0),
        ("nan", 10_000, 1_000.0),
    ],
)
async def test_later_revocation_is_kept(
    redis_server: RedisServer, redis_store: RedisSessionStore, known: str, seconds: int, recorded: float
) -> None:
    """A revocation can be repeated after a later one. A later one is kept for the longer time of both."""
    name = f"ory_guard:revoked:{{0}}:{Encryptor(SECRET).hash_name(SESSION_ID)}"
    redis_server.cli("SET", name, known, "EX", str(seconds))

    await redis_store.revoke([SESSION_ID], 1_000.0, 6_000.0)

    assert await redis_store.revoked_at([SESSION_ID]) == recorded
    expected = max(seconds, 6_000) if recorded > 1_000.0 else 6_000
    assert int(redis_server.cli("TTL", name)) == pytest.approx(expected, abs=500)


async def test_revocation_is_published_to_other_subscribers(
    redis_store: RedisSessionStore, other_redis_store: RedisSessionStore
) -> None:
    """The only subscriber of a store does not receive its messages; guards with one store receive each other's."""
    first, second, other = Subscriber(redis_store), Subscriber(redis_store), Subscriber(other_redis_store)
    await eventually(lambda: first.messages and second.messages and other.messages)

    await other_redis_store.revoke([SESSION_ID, IDENTITY_ID], 1_000.0, 60.0)
    await eventually(lambda: len(first.messages) == len(second.messages) == 2)
    await redis_store.revoke(["shared"], 1_000.0, 60.0)
    await eventually(lambda: len(first.messages) == len(second.messages) == 3)
    await second.aclose()
    await redis_store.revoke(["own"], 1_000.0, 60.0)
    await eventually(lambda: len(other.messages) == 3)
    await other_redis_store.revoke(["last"], 1_000.0, 60.0)
    await eventually(lambda: len(first.messages) == 4)

    assert first.messages == [(), (SESSION_ID, IDENTITY_ID), ("shared",), ("last",)]
    assert other.messages == [(), ("shared",), ("own",)]
    assert isinstance(first.messages[1], RevokedIds)
    assert first.messages[1].at == 1_000.0
    await first.aclose()
    await other.aclose()


async def test_invalid_message_is_yielded_as_none(
    redis_server: RedisServer, redis_store: RedisSessionStore
) -> None:
    """Any id may have been revoked: a client that can publish must not be able to suppress a revocation."""
    subscriber = Subscriber(redis_store)
    await eventually(lambda: subscriber.messages)

    channel = b"ory_guard:revocations:{0}"
    forged = Encryptor(OLD_SECRET).encrypt(channel, dump_message("x", ["s"], 0.0))
    invalid = Encryptor(SECRET).encrypt(channel, b'{"from": "x", "ids": [5]}')
    announcements = [b"garbage", b"x 1\nt", b"1\n", b"1 2\nt"]
    announcements += [b"0 %d\n%b" % (len(text), text) for text in (forged, invalid)]
    node = await redis_store._router.get()
    assert isinstance(node, Node)
    for announcement in announcements:
        await node.client.publish(channel.decode(), announcement)

    await eventually(lambda: len(subscriber.messages) == 7)
    assert subscriber.messages == [(), *[None] * 6]
    await subscriber.aclose()


async def test_lost_subscription_raises_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once if the server ends, and after a timeout if it does not respond."""
    with RedisServer() as server:
        store = RedisSessionStore(server.url, secrets=[SECRET])
        subscriber = Subscriber(store)
        await eventually(lambda: subscriber.messages)
        server.signal(signal.SIGSTOP)
        monkeypatch.setattr("ory_guard.redis.stream_subscription._CONNECT_TIMEOUT", 0.1)
        await eventually(lambda: subscriber.error)
        assert isinstance(subscriber.error, TimeoutError)
        frozen = Subscriber(store)
        await eventually(lambda: frozen.error)
        server.signal(signal.SIGCONT)
        monkeypatch.setattr("ory_guard.redis.stream_subscription._CONNECT_TIMEOUT", SOON)

        again = Subscriber(store)
        await eventually(lambda: again.messages)
        server.kill()
        await eventually(lambda: again.error)
        assert isinstance(again.error, Exception)
        await store.aclose()


@pytest.mark.parametrize("iterations", range(12))
async def test_canceled_subscription_ends(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, iterations: int
) -> None:
    """In whatever iteration of the event loop: while it connects, subscribes or reads the stream."""
    monkeypatch.setattr("ory_guard.redis.stream_subscription._CHECK_INTERVAL", 0.0)
    connection, reader = (Connection(port=redis_server.port, protocol=2) for _ in range(2))

    async def receive() -> None:
        async for _ in iter_messages(connection, reader, [Stream("stream", "state")], {}):
            pass

    receiving = asyncio.create_task(receive())
    while not (connection.is_connected or receiving.done()):  # noqa: ASYNC110 - iterations are counted from the first one in which it is
        await asyncio.sleep(0)
    for _ in range(iterations):
        await asyncio.sleep(0)
    cancelled = receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)

    assert receiving.cancelled() == cancelled, "unless it has raised an exception before"


@pytest.mark.parametrize("id_", [SESSION_ID, IDENTITY_ID])
async def test_put_does_not_store_a_revoked_session(
    redis_server: RedisServer, redis_store: RedisSessionStore, other_redis_store: RedisSessionStore, id_: str
) -> None:
    """Unless it was requested after the revocation. The lists of its ids stay empty, too."""
    await other_redis_store.revoke([id_], 1_000.5, 60.0)

    await put(redis_store, KEY, STORED, since=999.0)
    await put(redis_store, KEY, STORED, since=1_000.5)
    assert await redis_store.get([KEY]) is None
    assert redis_server.cli("KEYS", "*:of:*").split() == []

    await put(redis_store, KEY, STORED, since=1_000.6)
    assert await redis_store.get([KEY]) is not None


@pytest.mark.parametrize("command", [("SET", "garbage"), ("RPUSH", "a list")], ids=str)
async def test_put_stores_nothing_if_the_record_of_a_revocation_is_invalid(
    redis_server: RedisServer, redis_store: RedisSessionStore, command: tuple[str, str]
) -> None:
    """The revocation may be recent."""
    await redis_store.revoke([SESSION_ID], 0.0, 60.0)
    await put(redis_store, KEY, STORED, since=1.0)
    assert await redis_store.get([KEY]) is not None
    await redis_store.delete([KEY])
    (name,) = redis_server.cli("KEYS", "*:revoked:*").split()
    redis_server.cli("DEL", name)
    redis_server.cli(command[0], name, command[1])

    await put(redis_store, KEY, STORED, since=1.0)

    assert await redis_store.get([KEY]) is None


async def test_message_before_the_last_confirmation_is_received(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the one before it was missed, the stream is read.

    A server of a cluster also reports that it no longer has a channel, which ends the subscription.
    """
    streams = [Stream("first", "1"), Stream("second", "2")]
    channels, reader = (Connection(port=redis_server.port, protocol=2) for _ in range(2))
    replies = [
        [b"ssubscribe", b"first", 1],
        [b"smessage", b"first", b"0 4\ntext"],
        [b"smessage", b"first", b"9999999999999 4\nlost"],
        [b"ssubscribe", b"second", 2],
        [b"pong", b""],
        [b"sunsubscribe", b"second", 1],
    ]

    async def read(**_options: object) -> object:
        return replies.pop(0)

    monkeypatch.setattr(channels, "read_response", read)
    monkeypatch.setattr(channels, "on_connect", read)
    replies.insert(0, [])
    messages = iter_messages(channels, reader, streams, {})

    received = [await anext(messages) for _ in range(4)]
    with pytest.raises(ConnectionError, match="another server has the channel"):
        await anext(messages)
    texts = [(each.stream, each.texts) for each in received]
    assert texts == [("first", None), ("second", None), ("first", [b"text"]), ("first", [])]
