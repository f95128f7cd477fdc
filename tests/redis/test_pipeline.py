"""The shared connection for lookups: a reply must never reach another command than its own.

See CVE-2023-28858. Each test sends commands and replies in a certain order, and then checks that a later command
gets its own reply, or that the connection is closed.
"""

import asyncio
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from redis.exceptions import ResponseError
from scripted_redis import ScriptedRedis, scripted_redis
from support.memory_store import eventually

from ory_guard.cache.store_timeout import ResponsiveClock
from ory_guard.redis.pipeline import PipelinedConnection
from ory_guard.redis.resp import ProtocolError

pytestmark = pytest.mark.anyio


async def ended(*futures: "asyncio.Future[Any]") -> list[object]:
    return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 30)


async def connected(redis: ScriptedRedis) -> None:
    await redis.pipeline.connect()
    await redis.pipeline.connect()
    await eventually(lambda: len(redis.clients) == 1)


async def assert_works(redis: ScriptedRedis, client: int) -> None:
    """Send a command over the connection with this number, and assert that it gets its reply."""
    following = redis.send(b"GET", b"following")
    (await redis.received(1, client=client)).reply(b"+following\r\n")
    assert await following == b"following"


async def test_replies_belong_to_commands_in_their_order() -> None:
    """However they are divided into packets. An error belongs to its command, too."""
    async with scripted_redis() as redis:
        futures = [redis.send(b"GET", b"%d" % number) for number in range(4)]
        client = await redis.received(4)
        client.reply(b":0\r\n:1")
        assert await futures[0] == 0
        assert not futures[1].done()
        client.reply(b"\r\n-ERR no\r\n$-1\r\n")

        with pytest.raises(ResponseError, match="ERR no"):
            await futures[2]
        assert await ended(*futures[:2], futures[3]) == [0, 1, None]
        assert len(redis.clients) == 1


@pytest.mark.parametrize("replied", [0, 1, 2])
@pytest.mark.parametrize("is_connected", [False, True])
async def test_canceled_command_keeps_its_place(replied: int, *, is_connected: bool) -> None:
    """Before the connection is open, before the reply, and with the reply of an earlier command."""
    async with scripted_redis() as redis:
        if is_connected:
            await connected(redis)
        first, canceled, last = (redis.send(b"GET", name) for name in (b"a", b"b", b"c"))
        if replied == 0:
            canceled.cancel()
        client = await redis.received(3)
        client.reply(b":1\r\n" if replied < 2 else b":1\r\n:2\r\n")
        assert await first == 1
        canceled.cancel()
        client.reply(b":2\r\n:3\r\n" if replied < 2 else b":3\r\n")

        assert await last == 3
        assert len(redis.clients) == 1


async def test_late_reply_is_discarded() -> None:
    """A command whose deadline has passed keeps its place, too."""
    async with scripted_redis() as redis:
        await connected(redis)
        late = redis.send(b"GET", b"late", seconds=0.0)
        client = await redis.received(1)
        with pytest.raises(TimeoutError):
            await late
        following = redis.send(b"GET", b"following")
        await redis.received(2)
        client.reply(b"+late\r\n")
        client.reply(b"+following\r\n")

        assert await following == b"following"


async def test_deadline_includes_the_connection() -> None:
    """The command is sent nevertheless, because another one may follow it."""
    async with scripted_redis() as redis:
        with pytest.raises(TimeoutError):
            await redis.send(b"GET", b"a", seconds=-1.0)


@pytest.mark.parametrize(
    ("commands", "data", "kind"),
    [
        pytest.param(0, b"+unexpected\r\n", None, id="reply without a command"),
        pytest.param(2, b"+1\r\n+2\r\n+3\r\n", ProtocolError, id="more replies than commands"),
        pytest.param(2, b">2\r\n+message\r\n+x\r\n", ProtocolError, id="push message"),
        pytest.param(2, b"+1\r\nHTTP/1.1 200 OK\r\n", ProtocolError, id="invalid reply after a valid one"),
        pytest.param(2, b"$100\r\npart", ConnectionError, id="part of a reply, and the end of the connection"),
        pytest.param(2, b"", ConnectionError, id="end of the connection"),
    ],
)
async def test_any_doubt_closes_the_connection_with_all_commands(
    commands: int, data: bytes, kind: type[Exception] | None
) -> None:
    """Valid replies in the same packet are discarded. The next command opens a connection."""
    async with scripted_redis() as redis:
        await connected(redis)
        waiting = [redis.send(b"GET", b"a") for _ in range(commands)]
        client = await redis.received(commands)
        client.reply(data)
        if kind is ConnectionError:
            client.close()

        assert [type(error) for error in await ended(*waiting)] == [kind] * commands
        await eventually(lambda: not client.is_open)
        await assert_works(redis, 1)


async def test_reset_discards_the_replies_that_follow_in_the_same_packet() -> None:
    """The caller has found that a reply was not that of its command."""
    async with scripted_redis() as redis:
        redis.pipeline.reset()
        wrong, following = redis.send(b"GET", b"a"), redis.send(b"GET", b"b")
        client = await redis.received(2)
        connection = redis.pipeline._connection
        assert connection is not None
        connection._commands[0]._on_result = lambda _result, _latency: redis.pipeline.reset()
        client.reply(b"+b\r\n+c\r\n")

        assert [type(error) for error in await ended(following)] == [ConnectionError]
        assert not wrong.done()


async def test_connection_that_can_not_be_opened_fails_all_commands() -> None:
    """The next command tries again."""
    async with scripted_redis() as redis:
        redis.fails = True
        errors = await ended(redis.send(b"GET", b"a"), redis.send(b"GET", b"b"))
        assert [type(error) for error in errors] == [ConnectionRefusedError] * 2
        with pytest.raises(ConnectionRefusedError):
            await redis.pipeline.connect()

        redis.fails = False
        await assert_works(redis, 0)


async def test_connection_without_a_reply_for_a_second_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has lost its power does not close its connections."""
    async with scripted_redis() as redis:
        await connected(redis)
        with pytest.raises(TimeoutError):
            await redis.send(b"GET", b"a", seconds=0.0)
        monkeypatch.setattr("ory_guard.redis.pipeline._MAX_AGE", -1.0)
        await assert_works(redis, 1)
        assert not redis.clients[0].is_open


@pytest.mark.parametrize("when", ["connecting", "connected", "closed"])
async def test_aclose_ends_all_commands(when: str) -> None:
    """Later ones fail, too."""
    async with scripted_redis() as redis:
        if when != "connecting":
            await connected(redis)
        waiting = [] if when == "closed" else [redis.send(b"GET", b"a")]
        await redis.pipeline.aclose()

        assert all(isinstance(error, ConnectionError) for error in await ended(*waiting))
        assert [type(error) for error in await ended(redis.send(b"GET", b"b"))] == [ConnectionError]


async def test_connection_that_is_closed_as_soon_as_it_is_open() -> None:
    """The waiting command fails at once, and not at its deadline; later ones are not sent."""
    async with scripted_redis() as redis:
        opened: list[PipelinedConnection] = []

        def lose(connection: PipelinedConnection) -> None:
            opened.append(connection)
            connection.abort()

        redis.on_open = lose
        assert [type(error) for error in await ended(redis.send(b"GET", b"a"))] == [ConnectionError]
        with pytest.raises(ConnectionError):
            await opened[0].request(b"PING\r\n", ResponsiveClock())

        closing: list[asyncio.Task[None]] = []

        def close(connection: PipelinedConnection) -> None:
            opened.append(connection)
            closing.append(asyncio.create_task(redis.pipeline.aclose()))

        redis.on_open = close
        (error,) = await ended(redis.send(b"GET", b"a"))
        await closing[0]

        assert isinstance(error, ConnectionError)
        assert not opened[1].is_usable
        with pytest.raises(ConnectionError, match="the store was closed"):
            await redis.pipeline.connect()


async def test_callbacks_do_not_see_the_context_of_another_request() -> None:
    """The first request opens the connection for all of them."""
    variable: ContextVar[str] = ContextVar("variable", default="default")
    seen: list[str] = []

    async with scripted_redis() as redis:

        def send(value: str) -> None:
            variable.set(value)
            redis.pipeline.send(b"*1\r\n$4\r\nPING\r\n", 60.0, lambda _reply, _latency: seen.append(variable.get()))

        copy_context().run(send, "of the first request")
        (await redis.received(1)).reply(b"+PONG\r\n")
        copy_context().run(send, "of the second request")
        (await redis.received(2)).reply(b"+PONG\r\n")
        await eventually(lambda: len(seen) == 2)

    assert seen == ["default", "default"]


async def test_random_cancellations_mix_up_no_replies() -> None:
    """Each reply contains the name of its command; a third of the commands is canceled, another third expires."""
    async with scripted_redis() as redis:
        await connected(redis)
        client, sent = redis.clients[0], 0
        for turn in range(60):
            names = [b"%d-%d" % (turn, number) for number in range(9)]
            futures = [redis.send(b"GET", name, seconds=0.0 if turn % 3 == 1 else 60.0) for name in names]
            sent += len(names)
            if turn % 3 == 0:
                futures[turn % 9].cancel()
            await redis.received(sent)
            for name in names[: turn % 9]:
                client.reply(b"+" + name + b"\r\n")
            await asyncio.sleep(0)
            for future in futures[:: 2 + turn % 3]:
                future.cancel()
            for name in names[turn % 9 :]:
                client.reply(b"+" + name + b"\r\n")
            results = await ended(*futures)

            for name, result in zip(names, results, strict=True):
                assert isinstance(result, asyncio.CancelledError | TimeoutError) or result == name
        assert len(redis.clients) == 1
