"""The revocations that a subscriber missed while it was disconnected from a real Redis server."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Connection
from support.memory_store import eventually
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import SECRET, Subscriber

from ory_guard.cache.store_protocol import RevocationPosition, RevokedIds
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.revocation_stream import Announcer, Stream
from ory_guard.redis.stream_subscription import Received, iter_messages

pytestmark = REDIS_MARKS

STREAM = "ory_guard:revocations:{0}"
STATE = "ory_guard:announced:{0}"


@pytest.fixture(autouse=True)
def _frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the stream often."""
    monkeypatch.setattr("ory_guard.redis.stream_subscription._CHECK_INTERVAL", 0.01)
    monkeypatch.setattr("ory_guard.redis.stream_subscription._CHECKS_PER_PING", 1)


async def missed(store: RedisSessionStore, position: RevocationPosition) -> tuple[tuple[str, ...] | None, bool]:
    """Resume at a position, and return the first value and whether it has all missed revocations.

    The subscription ends at a later position.
    """
    async with aclosing(store.resume(position)) as messages:
        first = await anext(messages)
        previous = position.heard_at
        receiving = asyncio.ensure_future(anext(messages))
        await eventually(lambda: position.heard_at > previous)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
    return first, isinstance(first, RevokedIds)


async def revoke(store: RedisSessionStore, *ids: str) -> None:
    """Revoke ids, each with a call of its own."""
    for id_ in ids:
        await store.revoke([id_], 1_000.0, 60.0)


@pytest.mark.parametrize("ids", [(), ("a",), tuple("abcdefgh")], ids=len)
@pytest.mark.parametrize("page", [1, 3, 1_000])
async def test_missed_revocations_are_the_first_value(
    redis_store: RedisSessionStore,
    other_redis_store: RedisSessionStore,
    monkeypatch: pytest.MonkeyPatch,
    ids: tuple[str, ...],
    page: int,
) -> None:
    """Once; also if the server had no revocations before."""
    monkeypatch.setattr("ory_guard.redis.stream_subscription._PAGE", page + 1)
    position = RevocationPosition()
    assert await missed(redis_store, position) == ((), False)

    await revoke(other_redis_store, *ids)
    assert await missed(redis_store, position) == (ids, True)

    assert await missed(redis_store, position) == ((), True)


async def test_unknown_gap_is_an_empty_tuple(
    redis_server: RedisServer, redis_store: RedisSessionStore, other_redis_store: RedisSessionStore
) -> None:
    """The server lost its data, was trimmed, was replaced, or has a message that can't be decrypted."""
    with RedisServer("--replicaof", "127.0.0.1", str(redis_server.port)) as other:
        await eventually(lambda: "master_link_status:up" in other.cli("INFO", "replication"))
        replacement = RedisSessionStore(other.url, secrets=[SECRET])

        async def fail_over() -> None:
            await revoke(redis_store, "replicated")
            await eventually(lambda: "replicated" and other.cli("XLEN", STREAM) == redis_server.cli("XLEN", STREAM))
            other.cli("REPLICAOF", "NO", "ONE")

        changes: list[tuple[Callable[[], object], RedisSessionStore]] = [
            (lambda: redis_server.cli("FLUSHALL"), redis_store),
            (lambda: redis_server.cli("XTRIM", STREAM, "MAXLEN", "0"), redis_store),
            (lambda: redis_server.cli("XTRIM", STREAM, "MAXLEN", "1"), redis_store),
            (lambda: redis_server.cli("SET", STREAM, "x"), redis_store),
            (lambda: redis_server.cli("EVAL", ADD_GARBAGE, "1", STREAM), redis_store),
            (fail_over, replacement),
        ]
        for change, store in changes:
            position = RevocationPosition()
            await missed(redis_store, position)
            await revoke(other_redis_store, "a", "b")
            result = change()
            if asyncio.iscoroutine(result):
                await result

            assert await missed(store, position) == ((), False)

            assert await missed(store, position) == ((), True)
        await replacement.aclose()


ADD_GARBAGE = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][1]
return redis.call('XADD', KEYS[1], string.format('%.0f-0', tonumber(string.match(last, '^%d+')) + 1), 'm', 'x')
"""


async def test_gap_during_a_subscription(redis_server: RedisServer, redis_store: RedisSessionStore) -> None:
    """Missed announcements are read from the stream. If that is lost, any id may have been revoked."""
    other = RedisSessionStore(redis_server.url, secrets=[SECRET])
    subscriber = Subscriber(redis_store)
    await eventually(lambda: subscriber.messages)
    # A process that ends has not announced its message.
    redis_server.cli("EVAL", OPEN_WINDOW, "2", STREAM, STATE)
    await revoke(other, "a")
    await other.aclose()
    assert redis_server.cli("GET", STATE).split()[0] != newest(redis_server)
    await eventually(lambda: subscriber.messages == [(), ("a",)])

    redis_server.cli("FLUSHALL")
    await eventually(lambda: subscriber.messages[2:] == [None])
    await revoke(other, "b")
    await eventually(lambda: subscriber.messages[3:] == [("b",)])
    await subscriber.aclose()
    await other.aclose()


@pytest.mark.parametrize(
    ("change", "heard"),
    [
        pytest.param(("DEL", STATE), ("b",), id="no state"),
        pytest.param(("SET", STATE, "1 2"), ("b",), id="invalid state"),
        pytest.param(("SET", STATE, "1 1 0"), ("b",), id="old state"),
        pytest.param(("SET", STATE, f"{10**14} {10**14} 0"), ("b",), id="state of another stream"),
        pytest.param(("DEL", STREAM), None, id="no stream"),
        pytest.param(("XTRIM", STREAM, "MAXLEN", "0"), ("b",), id="empty stream"),
    ],
)
async def test_message_after_the_loss_of_the_state_or_the_stream(
    redis_server: RedisServer,
    redis_store: RedisSessionStore,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, ...],
    heard: tuple[str, ...] | None,
) -> None:
    """No message gets a number that was used before, so a subscriber receives it, or finds that some were lost."""
    monkeypatch.setattr("ory_guard.redis.stream_subscription._CHECK_INTERVAL", 60.0)
    other = RedisSessionStore(redis_server.url, secrets=[SECRET])
    subscriber = Subscriber(redis_store)
    await eventually(lambda: subscriber.messages)
    await revoke(other, "a")
    await eventually(lambda: subscriber.messages[1:] == [("a",)])

    redis_server.cli(*change)
    await revoke(other, "b")
    await eventually(lambda: subscriber.messages[2:] == [heard])
    await revoke(other, "c")
    await eventually(lambda: subscriber.messages[3:] == [("c",)])
    await subscriber.aclose()
    await other.aclose()


async def test_revocation_is_one_command_that_announces_it_to_few_subscribers(
    redis_server: RedisServer, redis_store: RedisSessionStore
) -> None:
    """Without a window, and without reading the stream."""
    other = RedisSessionStore(redis_server.url, secrets=[SECRET])
    subscribers = [Subscriber(redis_store) for _ in range(7)]
    await eventually(lambda: all(each.messages for each in subscribers))
    await revoke(other, "first")
    for each in subscribers[1:]:
        await each.aclose()
    await eventually(lambda: len(subscribers[0].messages) == 2)
    redis_server.cli("CONFIG", "RESETSTAT")
    await revoke(other, *"abcde")

    await eventually(lambda: len(subscribers[0].messages) == 7)
    calls = redis_server.calls()
    assert [calls.get(name) for name in ("evalsha", "xadd", "publish", "xrevrange")] == [5, 5, 5, None]
    await subscribers[0].aclose()
    await other.aclose()


OPEN_WINDOW = """
local last = string.match(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][1], '^%d+')
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + 400
return redis.call('SET', KEYS[2], last .. ' ' .. last .. ' ' .. string.format('%.0f', ends))
"""


def newest(server: RedisServer) -> str:
    return server.cli("XREVRANGE", STREAM, "+", "-", "COUNT", "1").split("-")[0]


async def test_server_without_a_stream_that_rejects_writes() -> None:
    """No gap is reported as long as nothing can be added."""
    with RedisServer("--replicaof", "127.0.0.1", "1") as server:
        store = RedisSessionStore(server.url, secrets=[SECRET])
        position = RevocationPosition()
        await missed(store, position)

        assert await missed(store, position) == ((), True)
        await store.aclose()


async def receive_all(messages: AsyncGenerator[Received, None]) -> None:
    async for _ in messages:
        pass


async def test_channel_that_does_not_respond(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error, although the stream can be read."""
    subscriber, reader = (Connection(port=redis_server.port, protocol=2) for _ in range(2))
    send = subscriber.send_command

    async def send_unless_ping(command: str, *arguments: str, **options: Any) -> None:
        if command != "PING":
            await send(command, *arguments, **options)

    monkeypatch.setattr(subscriber, "send_command", send_unless_ping)

    messages = iter_messages(subscriber, reader, [Stream(STREAM, STATE)], {})
    with pytest.raises(TimeoutError):
        await receive_all(messages)


async def test_revocations_within_a_window_are_announced_together(
    redis_server: RedisServer, redis_store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, without a check of the stream."""
    monkeypatch.setattr("ory_guard.redis.stream_subscription._CHECK_INTERVAL", 60.0)
    other = RedisSessionStore(redis_server.url, secrets=[SECRET])
    subscribers = [Subscriber(redis_store) for _ in range(60)]
    await eventually(lambda: all(each.messages for each in subscribers))
    redis_server.cli("CONFIG", "RESETSTAT")
    ids = [f"id-{number}" for number in range(100)]
    await asyncio.gather(*(revoke(other, id_) for id_ in ids))

    await eventually(lambda: all(len(each.messages) == 101 for each in subscribers))
    assert sorted(str(each) for each in subscribers[0].messages[1:]) == sorted(str((id_,)) for id_ in ids)
    assert redis_server.calls()["publish"] < 50
    for each in subscribers:
        await each.aclose()
    await other.aclose()


class ScriptedReplies:
    """A client whose script gets the replies that a test sets."""

    def __init__(self) -> None:
        self.replies: list[asyncio.Future[int]] = []

    def has(self, position: int) -> bool:
        """Return whether the script was called for the reply at this position."""
        return len(self.replies) > position

    def register_script(self, _script: str) -> Callable[..., asyncio.Future[int]]:
        """Return a function that returns the next reply."""

        def run(**_arguments: object) -> asyncio.Future[int]:
            self.replies.append(asyncio.get_running_loop().create_future())
            return self.replies[-1]

        return run


async def test_message_that_is_added_at_the_end_of_the_last_announcement_is_announced() -> None:
    """The reply that nothing is left may be older than the message, and be read after it was added."""
    client: Any = ScriptedReplies()
    announcer = Announcer(client)
    stream = Stream("stream", "state")
    first = asyncio.ensure_future(announcer.add(stream, b"first"))
    await eventually(lambda: len(client.replies) == 1)
    client.replies[0].set_result(1)
    await eventually(lambda: len(client.replies) == 2)
    second = asyncio.ensure_future(announcer.add(stream, b"second"))
    await eventually(lambda: len(client.replies) == 3)

    client.replies[2].set_result(1)
    client.replies[1].set_result(0)

    await eventually(lambda: len(client.replies) == 4)
    client.replies[3].set_result(1)
    await eventually(lambda: len(client.replies) == 5)
    client.replies[4].set_result(0)
    await asyncio.gather(first, second)

    for last, end in ((5, ConnectionError()), (7, None)):  # the subscribers find the message in the stream
        following = asyncio.ensure_future(announcer.add(stream, b"following"))
        await eventually(partial(client.has, last))
        client.replies[last].set_result(1)
        await eventually(partial(client.has, last + 1))
        await following
        if end is not None:
            client.replies[last + 1].set_exception(end)
    await announcer.aclose()
