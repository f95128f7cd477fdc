"""Faults of Kratos, the network and clients; after each of them the guard works as before."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from support.clock import AdjustableClock
from support.memory_store import SOON
from support.raw_kratos import (
    RawKratos,
    RawRequest,
    error_body,
    hang,
    raw_response,
    reset,
    respond,
    respond_and_reset,
    respond_slowly,
)

from ory_guard import Authenticated, OryGuard

from .bench import Bench, settings_for, token
from .harness import Monitor
from .users import ALICE, BOB, kratos_with_users, session

pytestmark = pytest.mark.anyio

DEADLINE: Final = 0.5
_SLOTS: Final = 5

waits_for_the_deadline = pytest.mark.parametrize("seconds", [DEADLINE])


@pytest.fixture
def seconds() -> float:
    """Return the timeout of the guard, which is long unless a test is about it."""
    return 60.0


@pytest.fixture
async def bench(kratos: RawKratos, seconds: float) -> AsyncIterator[Bench]:
    """Return a guard with few connections; afterwards no check, connection or task is left."""
    before = len(asyncio.all_tasks())
    made = Bench(kratos, timeout=seconds, max_upstream_concurrency=_SLOTS)
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
    reply = await bench.get(token(value))
    took = time.monotonic() - started
    assert reply.status == 503
    assert 1 <= int(reply.one(b"retry-after")) <= 60
    return took


@waits_for_the_deadline
async def test_slow_response_is_denied_at_the_deadline(bench: Bench) -> None:
    bench.kratos.handler = hang

    assert DEADLINE <= await _denied(bench) < SOON


@waits_for_the_deadline
async def test_single_bytes_do_not_extend_the_deadline(bench: Bench) -> None:
    bench.kratos.handler = respond_slowly(raw_response(session()), 0.1)

    assert DEADLINE <= await _denied(bench) < SOON


async def test_response_in_parts_before_the_deadline_is_accepted(bench: Bench) -> None:
    bench.kratos.handler = respond_slowly(raw_response(session()), 0, size=20)

    assert await bench.who() == ALICE


_RESPONSE: Final = raw_response(session())


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Ty", _RESPONSE[:300]], ids=["no-byte", "headers", "body"]
)
async def test_connection_reset_is_denied(bench: Bench, sent: bytes) -> None:
    """A request on a new connection is not retried."""
    bench.kratos.handler = respond_and_reset(sent)

    assert await _denied(bench) < SOON
    assert len(bench.kratos.requests) == 1


async def test_request_is_retried_once_if_a_reused_connection_is_lost(bench: Bench) -> None:
    assert await bench.who("tok-B") == BOB

    async def reset_once(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        if len(bench.kratos.requests) == 2:
            reset(writer)
        else:
            writer.write(bench.kratos.responses[request.credential])

    bench.kratos.handler = reset_once
    assert await bench.who() == ALICE
    assert len(bench.kratos.requests) == 3


async def test_retry_is_not_retried(bench: Bench) -> None:
    """One check sends at most two requests."""
    await bench.who("tok-B")
    bench.kratos.handler = respond_and_reset()

    await _denied(bench)
    assert len(bench.kratos.requests) == 3


async def test_server_may_close_the_connection_after_each_response(bench: Bench) -> None:
    """It sends a FIN without `Connection: close`."""
    bench.kratos.handler = respond(raw_response(session()), then_close=True)
    for _ in range(20):
        assert await bench.who() == ALICE
        await bench.guard.invalidate(identity_id=ALICE)
        await asyncio.sleep(0)


async def test_deadline_includes_connecting(bench: Bench) -> None:
    """The backlog of the server is full, so no connection is accepted."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        other = Bench(bench.kratos, timeout=DEADLINE, kratos_public_url=f"http://127.0.0.1:{address[1]}")

        assert DEADLINE <= await _denied(other) < SOON
        await other.guard.aclose()
        for filler in fillers:
            filler.close()


async def test_refused_connection_is_denied_before_the_deadline(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        other = Bench(bench.kratos, timeout=60, kratos_public_url=f"http://127.0.0.1:{taken.getsockname()[1]}")

        assert await _denied(other) < SOON
        await other.guard.aclose()


@pytest.fixture
async def tripped(bench: Bench) -> AsyncIterator[Bench]:
    """Return a guard with an open circuit breaker, and a stopped clock so that it stays open."""
    made = Bench(bench.kratos, AdjustableClock(datetime.now(UTC)), timeout=60)
    await made.who("tok-A")
    bench.kratos.handler = respond(raw_response(error_body(500), 500))
    for number in range(5):
        await _denied(made, f"tok-{number}")
    yield made
    await made.guard.aclose()


async def test_open_breaker_denies_without_calling_kratos(tripped: Bench) -> None:
    tripped.kratos.handler = hang
    calls = len(tripped.kratos.requests)
    replies = []
    for number in range(100):
        replies.append(await tripped.get(token(f"tok-{number}")))
        await asyncio.sleep(0)  # no request suspends, so together they would look like a blocked event loop

    assert {reply.status for reply in replies} == {503}
    assert len(tripped.kratos.requests) == calls
    assert await tripped.who("tok-1") == "Unavailable:breaker"


async def test_cached_sessions_survive_an_outage(tripped: Bench) -> None:
    """Other credentials get 503."""
    assert await tripped.who() == ALICE
    assert await tripped.who("tok-B") == "Unavailable:breaker"


async def test_breaker_counts_consecutive_failures(bench: Bench) -> None:

    async def alternate(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        failing = len(bench.kratos.requests) % 2
        writer.write(raw_response(error_body(500), 500) if failing else raw_response(error_body(401), 401))

    bench.kratos.handler = alternate
    outcomes = [await bench.who(f"tok-{number}") for number in range(20)]

    assert outcomes == ["Unavailable:unreachable", "Rejected:inactive"] * 10


async def test_failures_of_one_credential_do_not_open_the_breaker(bench: Bench) -> None:
    responses = bench.kratos.responses

    async def fail_for_alice(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(
            raw_response(error_body(500), 500) if request.credential == b"tok-A" else responses[request.credential]
        )

    bench.kratos.handler = fail_for_alice
    for _ in range(100):
        await _denied(bench, "tok-A")

    assert await bench.who("tok-B") == BOB


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


async def test_unresolvable_name_is_denied_before_the_deadline(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail() -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    _resolve_with(monkeypatch, fail)
    other = Bench(bench.kratos, timeout=60, kratos_public_url="http://kratos.test:4433")

    assert await _denied(other) < SOON
    await other.guard.aclose()


async def test_deadline_includes_name_resolution(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver runs in a thread and does not block the event loop."""
    released, resolved = threading.Event(), threading.Event()

    def slow() -> str:
        released.wait(SOON)
        resolved.set()
        return "127.0.0.1"

    _resolve_with(monkeypatch, slow)
    other = Bench(bench.kratos, timeout=DEADLINE, kratos_public_url="http://kratos.test:4433")

    assert DEADLINE <= await _denied(other) < SOON
    await other.guard.aclose()
    released.set()
    assert await asyncio.to_thread(resolved.wait, SOON)


async def test_name_is_resolved_again_for_a_new_connection(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard finds a Kratos with a new address without a restart."""
    address = "127.0.0.1"
    _resolve_with(monkeypatch, lambda: address)
    port = bench.kratos.url.rpartition(":")[2]
    async with kratos_with_users(host="127.0.0.2", port=int(port)) as moved:
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


async def test_request_can_be_cancelled_at_any_time(bench: Bench) -> None:
    """Fifty requests, each cancelled a little later than the one before, lose no slot, task or connection."""

    async def slowly(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        reply = bench.kratos.responses[request.credential]
        for start in range(0, len(reply), 100):
            writer.write(reply[start : start + 100])
            await asyncio.sleep(0.001)

    bench.kratos.handler = slowly
    for moment in range(50):
        request = asyncio.create_task(bench.get(token()))
        await asyncio.sleep(moment * 0.0004)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await bench.guard.invalidate(identity_id=ALICE)
    await bench.is_settled(_SLOTS)


async def test_request_can_be_cancelled_at_any_iteration_of_the_event_loop(bench: Bench) -> None:
    """The check goes on without a waiting request."""
    for turns in range(50):
        request = asyncio.create_task(bench.get(token()))
        for _ in range(turns):
            await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await bench.guard.invalidate(identity_id=ALICE)
    await bench.is_settled(_SLOTS)


@waits_for_the_deadline
async def test_deadline_includes_waiting_for_a_connection(bench: Bench) -> None:
    """Sixty requests share five connections to a server that hangs."""
    bench.kratos.handler = hang
    seconds = await asyncio.gather(*(_denied(bench, f"tok-{number}") for number in range(60)))

    assert max(seconds) < SOON
    assert bench.kratos.connections < 60 / 2  # a slot that is free after a deadline may be used again


async def test_aclose_denies_waiting_requests(bench: Bench) -> None:
    """It does not wait for responses."""
    bench.kratos.handler = hang
    bench = Bench(bench.kratos, timeout=60)
    waiting = asyncio.create_task(_denied(bench))
    await bench.kratos.received.wait()
    started = time.monotonic()
    await bench.guard.aclose()

    assert time.monotonic() - started < SOON
    await waiting


def _authenticate_in_new_event_loop(guard: OryGuard) -> bool:
    async def authenticate() -> bool:
        outcome = await guard.authenticate(token("tok-B").scope())
        return isinstance(outcome, Authenticated) and outcome.session.identity.id == BOB

    return asyncio.run(authenticate())


async def test_each_event_loop_has_its_own_connections(kratos: RawKratos) -> None:
    guard = OryGuard(settings_for(kratos, cache_ttl=0))
    for _ in range(3):
        assert await asyncio.to_thread(_authenticate_in_new_event_loop, guard)
    assert kratos.connections == 3


async def test_guard_works_in_parent_and_child_after_a_fork(kratos: RawKratos) -> None:
    """The child opens its own connections."""
    bench = Bench(kratos, cache_ttl=0)
    assert await bench.who("tok-B") == BOB
    child = os.fork()
    if child == 0:
        os._exit(_run_child(bench.guard))
    status = await asyncio.to_thread(os.waitpid, child, 0)

    assert os.waitstatus_to_exitcode(status[1]) == 0
    assert await bench.who("tok-B") == BOB
    assert kratos.connections == 2
    await bench.guard.aclose()


def _run_child(guard: OryGuard) -> int:
    asyncio._set_running_loop(None)
    try:
        return 0 if _authenticate_in_new_event_loop(guard) else 1
    except BaseException:  # noqa: BLE001 - the child must not run the other tests
        return 2
