"""Faults of Kratos, the network and clients; after each of them the guard works as before."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
from support.memory_store import SOON
from support.raw_kratos import (
    RawKratos,
    RawRequest,
    error_body,
    raw_response,
    respond,
    respond_slowly,
)

from .bench import ALICE, Bench, kratos_with_users, session, token
from .monitor import Monitor

pytestmark = pytest.mark.anyio

DEADLINE: Final = 0.5
_SLOTS: Final = 5


@pytest.fixture
async def bench(kratos: RawKratos) -> AsyncIterator[Bench]:
    """Return a guard with few connections; afterwards no check, connection or task is left."""
    before = len(asyncio.all_tasks())
    made = Bench(kratos, max_upstream_concurrency=_SLOTS)
    async with Monitor():
        yield made
        await made.is_settled(_SLOTS)
        kratos.handler = None
        await made.heals()
    await made.guard.aclose()
    await kratos.drop_connections()
    assert len(asyncio.all_tasks()) <= before


async def _denied(bench: Bench, value: str = "tok-A") -> float:
    started = time.monotonic()
    response = await bench.get(token(value))
    took = time.monotonic() - started
    assert response.status == 503
    assert 1 <= int(response.header(b"retry-after") or b"") <= 60
    return took


async def _denied_at_the_deadline(kratos: RawKratos, **changes: Any) -> None:
    bench = Bench(kratos, timeout=DEADLINE, **changes)
    assert DEADLINE <= await _denied(bench) < SOON
    await bench.guard.aclose()


async def test_single_bytes_do_not_extend_the_deadline(bench: Bench) -> None:
    bench.kratos.handler = respond_slowly(raw_response(session()), 0.1)

    await _denied_at_the_deadline(bench.kratos)


async def test_cached_sessions_survive_an_outage(bench: Bench) -> None:
    """Other credentials get 503, without a call once the circuit breaker is open."""
    await bench.who("tok-A")
    bench.kratos.handler = respond(raw_response(error_body(500), 500))
    for number in range(5):
        await _denied(bench, f"tok-{number}")
    calls = len(bench.kratos.requests)

    assert await bench.who() == ALICE
    assert await bench.who("tok-B") == "Unavailable:breaker"
    assert len(bench.kratos.requests) == calls


@pytest.mark.parametrize("kind", ["length", "chunked"])
async def test_truncated_response_is_denied(bench: Bench, kind: str) -> None:
    """At each offset, and without being cached."""
    whole = raw_response(session())
    if kind == "chunked":
        body = whole.partition(b"\r\n\r\n")[2]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        whole = head + b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (200, body[:200], len(body) - 200, body[200:])
    bench.kratos.handler = respond(whole, then_close=True)
    assert await bench.who() == ALICE
    await bench.guard.invalidate(identity_id=ALICE)
    for offset in range(len(whole)):
        bench.clock.advance(60)
        bench.kratos.handler = respond(whole[:offset], then_close=True)
        assert (await bench.who()).startswith("Unavailable"), whole[:offset]


async def test_proxies_of_the_environment_are_not_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kratos_with_users() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        other = Bench(bench.kratos)
        assert await other.who() == ALICE
        assert proxy.connections == 0
        await other.guard.aclose()


def _resolve_with(monkeypatch: pytest.MonkeyPatch, resolve: Callable[[], str]) -> None:
    """Resolve `kratos.test` with a function that returns its address."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        is_kratos = host in ("kratos.test", b"kratos.test")
        return original(resolve() if is_kratos else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


async def test_deadline_includes_name_resolution(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver runs in a thread and does not block the event loop."""
    released, resolved = threading.Event(), threading.Event()

    def slow() -> str:
        released.wait(SOON)
        resolved.set()
        return "127.0.0.1"

    _resolve_with(monkeypatch, slow)

    await _denied_at_the_deadline(bench.kratos, kratos_public_url="http://kratos.test:4433")
    released.set()
    assert await asyncio.to_thread(resolved.wait, SOON)


async def test_name_is_resolved_again_for_a_new_connection(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard finds a Kratos with a new address without a restart."""
    address = "127.0.0.1"
    _resolve_with(monkeypatch, lambda: address)
    port = bench.kratos.port
    async with kratos_with_users(host="127.0.0.2", port=port) as moved:
        following = Bench(bench.kratos, kratos_public_url=f"http://kratos.test:{port}")
        assert await following.who() == ALICE
        address = "127.0.0.2"
        await bench.kratos.drop_connections()
        await following.guard.invalidate(identity_id=ALICE)
        assert await following.who() == ALICE
        assert len(moved.requests) == 1
        await following.guard.aclose()


async def test_connection_is_closed_during_an_endless_body(bench: Bench) -> None:
    written = 0

    async def pour(_request: RawRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
            written += 0x4000
            await writer.drain()

    bench.kratos.handler = pour

    assert await _denied(bench) < SOON
    await bench.kratos.all_closed()
    assert written < 64 * 262_144


async def test_request_can_be_cancelled_at_any_iteration_of_the_event_loop(bench: Bench) -> None:
    """The check goes on without a waiting request, and loses no slot, task or connection."""
    for turns in range(50):
        running = asyncio.create_task(bench.get(token()))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await bench.guard.invalidate(identity_id=ALICE)
    await bench.is_settled(_SLOTS)
