"""The connection pool: which connection carries a request, how long, and what closes it; over real sockets."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest
from pool_calls import CUT, REQUEST, SESSION, SLOW, occupy, open_pool, result_of, send, set_timeout, until
from support.raw_kratos import RawKratos, RawRequest, hang, hang_up, raw_response, respond, respond_without_end

from ory_guard.kratos import connection_pool
from ory_guard.kratos.exchange import Exchange
from ory_guard.kratos.http1_parser import HTTP1Parser
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.pooled_connection import PooledConnection
from ory_guard.kratos.server_address import ServerAddress

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run each test on both event loops: servers commonly use uvloop."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (SESSION, 1),
        (CHUNKED, 1),
        (EMPTY, 1),
        (raw_response({}, 401, ("Connection", "close")), 3),
        (SESSION + b"HTTP/1.1 200 OK\r\n", 3),
        (respond(SESSION, then_close=True), 3),
        (respond(b"HTTP/1.1 200 OK\r\n\r\n{}", then_close=True), 3),
    ],
)
async def test_reuses_a_connection_if_the_response_permits_it(reply: Any, connections: int) -> None:
    async with RawKratos(reply) as kratos, open_pool(kratos) as pool:
        results = [await result_of(pool) for _ in range(3)]

        assert set(results) <= {200, 204, 401}
        assert kratos.connections == connections
        assert [request.head for request in kratos.requests] == [REQUEST] * 3


async def test_opens_no_more_connections_than_allowed() -> None:
    """One of the four is reserved for known credentials."""
    async with RawKratos(SESSION) as kratos, open_pool(kratos, max_connections=4) as pool:
        assert await asyncio.gather(*(result_of(pool) for _ in range(100))) == [200] * 100

        assert kratos.connections == 3


async def test_uses_the_last_connection_first() -> None:
    """Connections that a smaller load does not need become idle, and are closed."""
    async with RawKratos(SESSION) as kratos, open_pool(kratos) as pool:
        await asyncio.gather(*(result_of(pool) for _ in range(5)))
        order = list(pool._idle)

        await result_of(pool)

        assert list(pool._idle) == order


async def test_keeps_no_connection_if_keep_alive_is_off() -> None:
    async with RawKratos(SESSION) as kratos, open_pool(kratos, keep_alive=False, max_connections=1) as pool:
        assert await asyncio.gather(*(result_of(pool) for _ in range(2))) == [200, 200]

        assert kratos.connections == 2


async def test_does_not_use_a_connection_that_was_idle_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load balancers drop idle connections without notice."""
    monkeypatch.setattr(connection_pool, "_MAX_IDLE_SECONDS", 0.0)
    async with RawKratos(SESSION) as kratos, open_pool(kratos) as pool:
        await result_of(pool)

        assert await result_of(pool) == 200
        assert kratos.connections == 2


async def test_needs_no_task_for_a_request() -> None:
    async with RawKratos(SESSION) as kratos, open_pool(kratos) as pool:
        await result_of(pool)
        tasks = asyncio.all_tasks()

        response = send(pool)

        assert asyncio.all_tasks() == tasks
        assert isinstance(await response, HTTPResponse)


@pytest.mark.parametrize("reply", [hang, SLOW], ids=["silent", "byte by byte"])
async def test_the_timeout_covers_the_whole_exchange(reply: Any) -> None:
    async with RawKratos(SESSION, reply, SESSION) as kratos, open_pool(kratos) as pool:
        assert await result_of(pool) == 200
        set_timeout(pool, 0.05)
        assert await result_of(pool) == "TimeoutError"

        await until(lambda: not pool._open)
        set_timeout(pool, 30.0)
        assert await result_of(pool) == 200
        assert kratos.connections == 2


async def test_an_expired_request_is_not_sent_later() -> None:
    async with RawKratos(SESSION) as kratos, open_pool(kratos, max_connections=1, timeout=0.05) as pool:
        occupying = occupy(pool)
        assert await asyncio.gather(*(result_of(pool) for _ in range(2))) == ["PoolTimeout"] * 2
        occupying.finish(TimeoutError())
        set_timeout(pool, 30.0)

        assert await result_of(pool) == 200
        assert len(kratos.requests) == 1


async def test_each_request_has_a_deadline_of_its_own() -> None:
    """Requests that start later end later, although all share one timer."""
    loop = asyncio.get_running_loop()
    async with RawKratos(hang) as kratos, open_pool(kratos, timeout=0.05) as pool:
        started, ended = [], []
        for _ in range(3):
            started.append(loop.time())
            send(pool).add_done_callback(lambda _: ended.append(loop.time()))
            await asyncio.sleep(0.01)
        await until(lambda: len(ended) == 3)

        assert all(end - start >= 0.049 for start, end in zip(started, ended, strict=True))
        assert pool._timer is None
        assert not pool._deadlines


@pytest.mark.parametrize(
    ("replies", "results", "requests"),
    [
        ([SESSION, hang_up, SESSION], [200, 200], 3),
        ([SESSION, hang_up, hang_up], [200, "ConnectionError"], 3),
        ([SESSION, CUT, SESSION], [200, "ConnectionError"], 2),
        ([hang_up], ["ConnectionError"], 1),
        ([CUT], ["ConnectionError"], 1),
    ],
)
async def test_retries_once_if_a_reused_connection_had_no_response(
    replies: list[Any], results: list[int | str], requests: int
) -> None:
    async with RawKratos(*replies) as kratos, open_pool(kratos) as pool:
        assert [await result_of(pool) for _ in results] == results

        assert len(kratos.requests) == requests


async def test_replaces_all_connections_that_the_server_closed() -> None:
    """As after a restart of Kratos: none of the requests fails."""
    restarted: list[asyncio.StreamWriter] = []

    async def reply(_request: RawRequest, writer: asyncio.StreamWriter) -> None:
        if writer in restarted[:3]:
            writer.close()
        else:
            restarted.append(writer)
            writer.write(SESSION)

    async with RawKratos(reply) as kratos, open_pool(kratos, max_connections=4) as pool:
        await asyncio.gather(*(result_of(pool) for _ in range(3)))

        assert await asyncio.gather(*(result_of(pool) for _ in range(9))) == [200] * 9
        assert kratos.connections == 6


@contextmanager
def raw_listener() -> Iterator[tuple[socket.socket, ServerAddress]]:
    """Return a listening socket, whose connections the test reads and writes itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener, ServerAddress("127.0.0.1", listener.getsockname()[1])


@asynccontextmanager
async def accepted(listener: socket.socket) -> AsyncIterator[socket.socket]:
    """Return the server's side of the next connection, after the first bytes of a request."""
    loop = asyncio.get_running_loop()
    server, _ = await loop.sock_accept(listener)
    with closing(server):
        await loop.sock_recv(server, 1_024)
        yield server


@pytest.mark.parametrize("is_read", [True, False], ids=["read by the event loop", "not yet read"])
async def test_bytes_that_no_request_waits_for_close_an_idle_connection(*, is_read: bool) -> None:
    """Even at the moment of the next request: it would get a response that belongs to another user."""
    with raw_listener() as (listener, address):
        async with open_pool(address) as pool:
            first = send(pool)
            async with accepted(listener) as server:
                server.send(SESSION)
                assert isinstance(await first, HTTPResponse)
                (connection,) = pool._idle
                server.send(raw_response(b"OTHER"))
                if is_read:
                    await until(lambda: connection not in pool._open)

                second = send(pool)
                async with accepted(listener) as other_server:
                    other_server.send(raw_response(b"SECOND"))
                    result = await second

    assert isinstance(result, HTTPResponse)
    assert result.body == b"SECOND"


async def test_unread_bytes_after_a_response_are_not_the_next_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits for a connection is sent as soon as one is free."""
    with raw_listener() as (listener, address):
        async with open_pool(address) as pool:
            first = send(pool)
            async with accepted(listener) as server:
                unreachable: Any = SimpleNamespace(connect=lambda _protocol: asyncio.Event().wait())
                pool._address = unreachable
                second = send(pool)
                await asyncio.sleep(0)
                feed = HTTP1Parser.feed

                def feed_and_send(parser: HTTP1Parser, data: bytes) -> HTTPResponse | None:
                    response = feed(parser, data)
                    monkeypatch.undo()
                    server.send(raw_response(b"OTHER"))
                    return response

                monkeypatch.setattr(HTTP1Parser, "feed", feed_and_send)
                server.send(SESSION)

                assert isinstance(await first, HTTPResponse)
                await until(lambda: second.done() or not pool._open)
                assert not second.done()


@pytest.mark.parametrize("is_full", [False, True])
async def test_a_response_that_fills_the_buffer_closes_the_connection(*, is_full: bool) -> None:
    """TLS may have decrypted more bytes than the buffer holds, which a poll of the socket does not show."""
    with raw_listener() as (listener, address):
        async with open_pool(address, max_response_bytes=32_768) as pool:
            response = send(pool)
            async with accepted(listener):
                (connection,) = pool._open
                buffer = connection.get_buffer(-1)
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %05d\r\n\r\n"
                size = len(buffer) - len(head % 0) - (not is_full)
                data = head % size + bytes(size)
                buffer[: len(data)] = data
                connection.buffer_updated(len(data))

                assert isinstance(await response, HTTPResponse)
                assert connection.is_closing() is is_full


async def test_a_response_before_the_end_of_the_request_closes_the_connection() -> None:
    """The rest of the request would be read as the beginning of the next one."""
    with raw_listener() as (listener, address):
        async with open_pool(address) as pool:
            response = send(pool, REQUEST + b"x" * 30_000_000)
            async with accepted(listener) as server:
                server.send(SESSION)

                assert isinstance(await response, HTTPResponse)

                await until(lambda: not pool._open)


async def test_a_connection_that_closes_at_once_is_an_error() -> None:
    async def connect(_protocol: Callable[[], Any]) -> Any:
        connection = PooledConnection(pool)
        transport: Any = SimpleNamespace(is_closing=lambda: True)
        connection._transport = transport
        return connection

    address: Any = SimpleNamespace(connect=connect)
    async with open_pool(ServerAddress("kratos.invalid", 80)) as pool:
        pool._address = address

        assert await result_of(pool) == "ConnectionError"


async def test_uses_idle_connections_where_the_system_has_no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ory_guard.kratos.pooled_connection._new_poll", None)
    async with RawKratos(SESSION) as kratos, open_pool(kratos) as pool:
        assert [await result_of(pool), await result_of(pool)] == [200, 200]

        assert kratos.connections == 1


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "InvalidResponse"),
        (raw_response(b"x" * 4_097), "ResponseTooLarge"),
        (respond(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", then_close=True), "ConnectionError"),
    ],
)
async def test_a_response_without_a_valid_end_is_an_error_and_closes_the_connection(
    reply: Any, result: str
) -> None:
    async with RawKratos(reply, SESSION) as kratos, open_pool(kratos) as pool:
        assert await result_of(pool) == result

        assert await result_of(pool) == 200
        assert kratos.connections == 2


async def test_each_request_fails_if_the_connection_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with open_pool(ServerAddress("127.0.0.1", port), max_connections=2) as pool:
        results = await asyncio.gather(*(result_of(pool) for _ in range(5)))

        assert results == ["ConnectionRefusedError"] * 5


async def test_a_request_does_not_fail_with_an_attempt_to_connect_that_timed_out() -> None:
    timed_out = asyncio.Event()

    async def connect(_protocol: Callable[[], Any]) -> Any:
        await timed_out.wait()
        raise TimeoutError

    async with RawKratos(SESSION) as kratos, open_pool(kratos, max_connections=1) as pool:
        address = pool._address
        unreachable: Any = SimpleNamespace(connect=connect)
        pool._address = unreachable
        sent = [send(pool), send(pool)]
        await asyncio.sleep(0)
        pool._address = address
        timed_out.set()

        assert [getattr(await response, "status", None) for response in sent] == [200, 200]


async def test_closing_ends_all_requests() -> None:
    async with RawKratos(hang) as kratos, open_pool(kratos, max_connections=3) as pool:
        sent = [send(pool), send(pool)]
        await until(lambda: len(kratos.requests) == 2)
        waiting = send(pool)

        await pool.aclose()

        results = await asyncio.gather(*sent, waiting, send(pool))
        assert [type(result) for result in results] == [ConnectionError] * 4
        assert len(kratos.requests) == 2


async def test_closes_a_connection_that_opens_after_the_close() -> None:
    async with RawKratos(SESSION) as kratos, open_pool(kratos) as pool:
        waiting = send(pool)
        (connecting,) = pool._connecting
        pool._connecting.clear()  # as if its cancellation came too late

        await pool.aclose()
        await connecting
        await until(lambda: kratos.connections == 1 and kratos.open == 0 and not pool._open)

        assert isinstance(await waiting, ConnectionError)
        assert kratos.requests == []


USER = ContextVar("user", default="nobody")


@pytest.mark.parametrize("reply", [SESSION, hang, hang_up, respond_without_end])
async def test_results_are_delivered_outside_of_the_context_of_any_request(reply: Any) -> None:
    """A variable of one user's request must not be visible while another user's response is handled."""
    seen: list[str] = []
    async with RawKratos(SESSION, reply) as kratos, open_pool(kratos, timeout=0.5, max_connections=1) as pool:
        USER.set("the first user")
        done = asyncio.Event()

        def on_result(result: object) -> None:
            seen.append(USER.get())
            if len(seen) == 3:
                done.set()

        for _ in range(3):
            pool.send(REQUEST, on_result)
        await done.wait()
        pool.send(REQUEST, on_result)
        await pool.aclose()
        pool.send(REQUEST, on_result)
        await until(lambda: len(seen) == 5)

    assert seen == ["nobody"] * 5


async def test_a_request_leaves_nothing_for_the_garbage_collector() -> None:
    """An exchange or a response in a reference cycle would make each cache miss garbage."""
    async with RawKratos(SESSION) as kratos, open_pool(kratos) as pool:
        await result_of(pool)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await result_of(pool)
            gc.collect()
            # Other parts of the process may leave garbage at the same time.
            assert [entry for entry in gc.garbage if isinstance(entry, Exchange | HTTPResponse)] == []
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
