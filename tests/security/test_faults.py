"""Every way in which Kratos, the network or a client can fail; after each, all is as it was."""

import asyncio
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
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

from .bench import Bench, TurnedClock, settings_for, token
from .harness import Vigil
from .users import ALICE, BOB, kratos_with_users, session

pytestmark = pytest.mark.anyio

DEADLINE: Final = 0.5
_SLOTS: Final = 5

waits_for_the_deadline = pytest.mark.parametrize("seconds", [DEADLINE])


@pytest.fixture
def seconds() -> float:
    """The guard's timeout: long, unless a test is about it."""
    return 60.0


@pytest.fixture
async def bench(kratos: RawKratos, tried: Counter[str], seconds: float) -> AsyncIterator[Bench]:
    """A guard with few connections; at the end nothing is left of what the test did."""
    tried["faults"] += 1
    before = len(asyncio.all_tasks())
    made = Bench(kratos, timeout=seconds, max_upstream_concurrency=_SLOTS)
    async with Vigil():
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
async def test_a_slow_answer_is_waited_for_to_the_deadline(bench: Bench) -> None:
    """Latency beyond the deadline costs the deadline, and the endpoint does not run."""
    bench.kratos.handler = hang

    assert DEADLINE <= await _denied(bench) < SOON


@waits_for_the_deadline
async def test_a_dripping_answer_is_waited_for_to_the_deadline(bench: Bench) -> None:
    """The deadline is one for all: a byte now and then does not prolong it."""
    bench.kratos.handler = respond_slowly(raw_response(session()), 0.1)

    assert DEADLINE <= await _denied(bench) < SOON


async def test_an_answer_in_slices_within_the_deadline_is_an_answer(bench: Bench) -> None:
    """Slow is not broken."""
    bench.kratos.handler = respond_slowly(raw_response(session()), 0, size=20)

    assert await bench.who() == ALICE


_BEGUN: Final = raw_response(session())


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Ty", _BEGUN[:300]], ids=["no-byte", "headers", "body"]
)
async def test_a_reset_is_denied(bench: Bench, sent: bytes) -> None:
    """RST before the answer, in its headers or in its body; a new connection is not tried twice."""
    bench.kratos.handler = respond_and_reset(sent)

    assert await _denied(bench) < SOON
    assert len(bench.kratos.requests) == 1


async def test_a_connection_that_died_while_idle_is_replaced_once(bench: Bench) -> None:
    """A kept connection that turns out dead is retried on a new one, and the client does not notice."""
    assert await bench.who("tok-B") == BOB

    async def die_once(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        if len(bench.kratos.requests) == 2:
            reset(writer)
        else:
            writer.write(bench.kratos.responses[request.credential])

    bench.kratos.handler = die_once
    assert await bench.who() == ALICE
    assert len(bench.kratos.requests) == 3


async def test_a_connection_that_dies_again_is_not_retried_again(bench: Bench) -> None:
    """Two questions are the most that one check sends."""
    await bench.who("tok-B")
    bench.kratos.handler = respond_and_reset()

    await _denied(bench)
    assert len(bench.kratos.requests) == 3


async def test_a_server_that_closes_after_each_answer_costs_nothing(bench: Bench) -> None:
    """No `Connection: close`, only FIN: every check still gets its answer."""
    bench.kratos.handler = respond(raw_response(session()), then_close=True)
    for _ in range(20):
        assert await bench.who() == ALICE
        await bench.guard.invalidate(identity_id=ALICE)
        await asyncio.sleep(0)


async def test_a_full_backlog_is_waited_for_to_the_deadline(bench: Bench) -> None:
    """Nobody accepts the connection: the deadline holds for connecting, too."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        deaf = Bench(bench.kratos, timeout=DEADLINE, kratos_public_url=f"http://127.0.0.1:{address[1]}")

        assert DEADLINE <= await _denied(deaf) < SOON
        await deaf.guard.aclose()
        for filler in fillers:
            filler.close()


async def test_nobody_listening_is_denied_at_once(bench: Bench) -> None:
    """A refused connection does not wait for the deadline."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        alone = Bench(bench.kratos, timeout=60, kratos_public_url=f"http://127.0.0.1:{taken.getsockname()[1]}")

        assert await _denied(alone) < SOON
        await alone.guard.aclose()


@pytest.fixture
async def dead(bench: Bench) -> AsyncIterator[Bench]:
    """A guard whose breaker is open, on a clock that stands still, so that it stays open."""
    made = Bench(bench.kratos, TurnedClock(datetime.now(UTC).timestamp()), timeout=60)
    await made.who("tok-A")
    bench.kratos.handler = respond(raw_response(error_body(500), 500))
    for number in range(5):
        await _denied(made, f"tok-{number}")
    yield made
    await made.guard.aclose()


async def test_an_open_breaker_answers_without_kratos(dead: Bench) -> None:
    """After five failures of two credentials Kratos sees none of a hundred requests."""
    dead.kratos.handler = hang
    asked = len(dead.kratos.requests)
    replies = []
    for number in range(100):
        replies.append(await dead.get(token(f"tok-{number}")))
        await asyncio.sleep(0)  # none of them waits for anything, so together they would look like a blocked loop

    assert {reply.status for reply in replies} == {503}
    assert len(dead.kratos.requests) == asked
    assert await dead.who("tok-1") == "Unavailable:breaker"


async def test_who_is_known_stays_while_kratos_is_down(dead: Bench) -> None:
    """An outage is 503 for strangers, and nothing for sessions that are kept and for public routes."""
    assert await dead.who() == ALICE
    assert await dead.who("tok-B") == "Unavailable:breaker"


async def test_every_other_answer_a_500_keeps_the_breaker_closed(bench: Bench) -> None:
    """Failures count in a row only."""

    async def alternate(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        failing = len(bench.kratos.requests) % 2
        writer.write(raw_response(error_body(500), 500) if failing else raw_response(error_body(401), 401))

    bench.kratos.handler = alternate
    outcomes = [await bench.who(f"tok-{number}") for number in range(20)]

    assert outcomes == ["Unavailable:unreachable", "Rejected:inactive"] * 10


async def test_one_identity_whose_check_fails_shuts_out_nobody(bench: Bench) -> None:
    """A hundred failures of one credential are that credential's own."""
    healthy = bench.kratos.responses

    async def fail_for_alice(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(
            raw_response(error_body(500), 500) if request.credential == b"tok-A" else healthy[request.credential]
        )

    bench.kratos.handler = fail_for_alice
    for _ in range(100):
        await _denied(bench, "tok-A")

    assert await bench.who("tok-B") == BOB


@pytest.mark.parametrize("kind", ["length", "chunked"])
async def test_an_answer_cut_at_any_byte_is_no_answer(bench: Bench, kind: str, tried: Counter[str]) -> None:
    """Whatever the offset at which the connection ends: 503, and nothing is kept."""
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
    tried["faults"] += len(whole)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(bench: Bench, status: int) -> None:
    """The place it names sees no connection, and a loop is asked once."""
    async with kratos_with_users() as elsewhere:
        for target in (elsewhere.url, bench.kratos.url):
            bench.kratos.requests.clear()
            bench.kratos.handler = respond(raw_response(b"", status, ("Location", f"{target}/sessions/whoami")))
            await _denied(bench)
            assert len(bench.kratos.requests) == 1
        assert elsewhere.connections == 0


async def test_a_proxy_of_the_environment_is_not_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials go to Kratos and nowhere else, whatever the environment says."""
    async with kratos_with_users() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        another = Bench(bench.kratos)
        assert await another.who() == ALICE
        assert proxy.connections == 0
        await another.guard.aclose()


class _Names:
    """A resolver of the test's own: `kratos.test` has the addresses that `answers` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, resolve: Callable[[], str]) -> None:
        real = socket.getaddrinfo

        def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
            ours = host in ("kratos.test", b"kratos.test")
            return real(resolve() if ours else host, *rest, **named)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


async def test_a_name_that_does_not_resolve_is_denied(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that fails costs no deadline."""

    def fail() -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    _Names(monkeypatch, fail)
    lost = Bench(bench.kratos, timeout=60, kratos_public_url="http://kratos.test:4433")

    assert await _denied(lost) < SOON
    await lost.guard.aclose()


async def test_a_slow_resolver_is_waited_for_to_the_deadline(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in a thread of its own, so neither the deadline nor the event loop waits for it."""
    over, resolved = threading.Event(), threading.Event()

    def slow() -> str:
        over.wait(SOON)
        resolved.set()
        return "127.0.0.1"

    _Names(monkeypatch, slow)
    lost = Bench(bench.kratos, timeout=DEADLINE, kratos_public_url="http://kratos.test:4433")

    assert DEADLINE <= await _denied(lost) < SOON
    await lost.guard.aclose()
    over.set()
    assert await asyncio.to_thread(resolved.wait, SOON)


async def test_a_new_address_is_used_when_the_old_connection_is_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Kratos that moved is found under its name, without a restart."""
    address = "127.0.0.1"
    _Names(monkeypatch, lambda: address)
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


async def test_an_endless_body_is_hung_up_on(bench: Bench) -> None:
    """What is larger than is read is not read to its end: the connection is closed."""
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


async def test_a_client_may_go_at_any_moment(bench: Bench) -> None:
    """Fifty requests, each cancelled a little later than the one before: no slot, no task, no answer is lost."""

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


async def test_a_client_may_go_at_any_turn_of_the_loop(bench: Bench) -> None:
    """The same in turns of the event loop instead of time, with a check that nobody waits for any more."""
    for turns in range(50):
        request = asyncio.create_task(bench.get(token()))
        for _ in range(turns):
            await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await bench.guard.invalidate(identity_id=ALICE)
    await bench.is_settled(_SLOTS)


@waits_for_the_deadline
async def test_more_clients_than_connections_are_turned_away_in_time(bench: Bench) -> None:
    """Sixty wait for five connections to a server that hangs: each gets its 503 at its deadline."""
    bench.kratos.handler = hang
    took = await asyncio.gather(*(_denied(bench, f"tok-{number}") for number in range(60)))

    assert max(took) < SOON
    assert bench.kratos.connections < 60 / 2  # a slot that is given back at a deadline may be taken once more


async def test_closing_ends_what_is_under_way(bench: Bench) -> None:
    """`aclose()` waits for no answer: whoever waits gets 503, and the next use opens anew."""
    bench.kratos.handler = hang
    bench = Bench(bench.kratos, timeout=60)
    waiting = asyncio.create_task(_denied(bench))
    await bench.kratos.received.wait()
    started = time.monotonic()
    await bench.guard.aclose()

    assert time.monotonic() - started < SOON
    await waiting


def _ask_in_a_loop_of_its_own(guard: OryGuard) -> bool:
    async def ask() -> bool:
        outcome = await guard.authenticate(token("tok-B").scope())
        return isinstance(outcome, Authenticated) and outcome.session.identity.id == BOB

    return asyncio.run(ask())


async def test_a_second_event_loop_has_its_own_connections(kratos: RawKratos, tried: Counter[str]) -> None:
    """One guard serves loops one after the other: nothing of a loop that is gone is used again."""
    tried["faults"] += 1
    guard = OryGuard(settings_for(kratos, cache_ttl=0))
    for _ in range(3):
        assert await asyncio.to_thread(_ask_in_a_loop_of_its_own, guard)
    assert kratos.connections == 3


async def test_parent_and_child_of_a_fork_both_serve(kratos: RawKratos, tried: Counter[str]) -> None:
    """A guard that was used before a fork opens connections of its own in the child, and goes on in the parent."""
    tried["faults"] += 1
    bench = Bench(kratos, cache_ttl=0)
    assert await bench.who("tok-B") == BOB
    child = os.fork()
    if child == 0:
        os._exit(_in_the_child(bench.guard))
    status = await asyncio.to_thread(os.waitpid, child, 0)

    assert os.waitstatus_to_exitcode(status[1]) == 0
    assert await bench.who("tok-B") == BOB
    assert kratos.connections == 2
    await bench.guard.aclose()


def _in_the_child(guard: OryGuard) -> int:
    asyncio._set_running_loop(None)
    try:
        return 0 if _ask_in_a_loop_of_its_own(guard) else 1
    except BaseException:  # noqa: BLE001 - a child that fails may not run the rest of the tests
        return 2
