"""Session checks over the connection pool: their start, and a chain of callbacks that belongs to no request."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
from support.clock import AdjustableClock
from support.guard_bench import by, request, settings_of
from support.memory_store import eventually
from support.raw_kratos import RawKratos, RawRequest, hang, hang_up, raw_response
from support.scripted_kratos import TOKEN, session_body

from ory_guard import Authenticated, OryGuard, Outcome, Unavailable
from ory_guard._event_loop import TurnLimit
from ory_guard.cache.single_flight import InFlight, SingleFlight
from ory_guard.events import CheckFailed, Event
from ory_guard.guard.pooled_calls import PendingCall
from ory_guard.kratos import admission
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio

SESSION = raw_response(session_body(), 200, ("Set-Cookie", "ory_kratos_session=new-secret; Path=/"))


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run each test on both event loops: servers commonly use uvloop."""
    return "asyncio", {"use_uvloop": request.param}


class Release:
    """A handler that sends the response when the test says so."""

    def __init__(self, response: bytes = SESSION) -> None:
        self.released = asyncio.Event()
        self._response = response

    async def __call__(self, _request: RawRequest, writer: asyncio.StreamWriter) -> None:
        """Wait, then respond."""
        await self.released.wait()
        writer.write(self._response)


@asynccontextmanager
async def warm_guard(*replies: Any, **options: Any) -> AsyncIterator[tuple[OryGuard, RawKratos]]:
    """Return a guard with an open connection, whose Kratos gives these replies from now on."""
    async with RawKratos(SESSION, *replies) as kratos:
        listeners = options.pop("listeners", ())
        settings = settings_of(**{"kratos_public_url": kratos.url, "timeout": 60, "cache_ttl": 60, **options})
        guard = OryGuard(settings, listeners=listeners, clock=AdjustableClock())
        await guard.authenticate(request((b"x-session-token", b"first")))
        try:
            yield guard, kratos
        finally:
            await guard.aclose()


async def start(guard: OryGuard, kratos: RawKratos, count: int) -> list[asyncio.Task[Outcome]]:
    """Start requests with one credential and wait until Kratos has received the call."""
    before = len(kratos.requests)
    tasks = [asyncio.create_task(guard.authenticate(request())) for _ in range(count)]
    await eventually(lambda: len(kratos.requests) == before + 1)
    return tasks


@pytest.mark.parametrize("left", [0, 1], ids=["of all requests", "of all but one"])
async def test_cancellation_does_not_end_the_check(left: int) -> None:
    """A check is not a task. Its response is cached, and the connection is reused."""
    release = Release()
    async with warm_guard(release) as (guard, kratos):
        others = asyncio.all_tasks()
        tasks = await start(guard, kratos, 500)
        assert asyncio.all_tasks() - others == {*tasks}
        for task in tasks[left:]:
            task.cancel()
        await asyncio.gather(*tasks[left:], return_exceptions=True)

        release.released.set()
        await eventually(lambda: guard.stats().entries == 2)

        assert [by(await task)[0] for task in tasks[:left]] == ["upstream"] * left
        assert by(await guard.authenticate(request()))[0] == "cache"
        assert (kratos.connections, len(kratos.requests)) == (1, 2)


@pytest.mark.parametrize(
    "error", [LookupError, StopIteration, RecursionError, asyncio.CancelledError, GeneratorExit]
)
async def test_an_error_in_the_callback_gives_unavailable_to_all_requests(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    """The text of the error, which may contain the credential, is not logged."""
    release = Release()
    async with warm_guard(release) as (guard, kratos):

        def fail(*_args: object) -> None:
            raise error(TOKEN.decode())

        monkeypatch.setattr(guard.authentication.checker.calls._parser, "parse", fail)
        tasks = await start(guard, kratos, 20)
        release.released.set()

        assert await asyncio.gather(*tasks) == [Unavailable("protocol")] * 20
        assert f"check.internal_error error={error.__name__}" in caplog.text
        assert TOKEN.decode() not in caplog.text


@pytest.mark.parametrize("step", ["before the call", "in the callback"])
async def test_an_interrupt_resolves_all_requests_and_is_raised(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The event loop ends the process for it, and its other callbacks may still run before."""

    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    async with warm_guard() as (guard, _kratos):
        checker = guard.authentication.checker
        pool = await checker._whoami.pool()
        assert pool is not None
        flights, running = SingleFlight(), InFlight(b"slot", 0.0)
        waiting = running.wait()
        credential = Credential("x_session_token", b"", TOKEN)
        caller = checker.calls.policy.caller(b"key", credential)
        call = checker.calls.start(caller, credential, keeps_claims=False)
        monkeypatch.setattr(checker.calls, "start", interrupt)
        monkeypatch.setattr(checker.calls, "conclude", interrupt)

        pending = PendingCall(pool, flights, running, caller, credential, False, False)
        steps: dict[str, Any] = {
            "before the call": lambda: checker._pooled_calls.start(pending),
            "in the callback": lambda: checker._pooled_calls._on_response(flights, running, call, OSError()),
        }

        with pytest.raises(KeyboardInterrupt):
            steps[step]()

        assert (await waiting).outcome == Unavailable("unreachable")


async def test_closing_the_guard_ends_a_check_without_a_failure_of_kratos() -> None:
    events: list[Event] = []
    async with warm_guard(hang, listeners=[events.append]) as (guard, kratos):
        tasks = await start(guard, kratos, 3)

        await guard.aclose()

        assert await asyncio.gather(*tasks) == [Unavailable("unreachable")] * 3
        assert not [event for event in events if isinstance(event, CheckFailed)]


async def test_a_credential_that_cannot_be_sent_does_not_leave_a_check_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with warm_guard() as (guard, kratos):
        monkeypatch.setattr(guard.authentication.extractor, "is_valid", lambda _credential: True)

        for _ in range(2):
            outcome = await guard.authenticate(request((b"x-session-token", b"a\r\nCookie: b")))
            assert outcome == Unavailable("protocol")

        assert len(kratos.requests) == 1


USER = ContextVar("user", default="nobody")


@pytest.mark.parametrize("reply", [SESSION, hang, hang_up])
async def test_listeners_do_not_see_the_variables_of_a_request(reply: Any) -> None:
    """The result is for all requests of the credential, and the connection is for all users."""
    seen: set[str] = set()

    def listen(event: Event) -> None:
        if event.name in ("whoami.answered", "check.failed"):
            seen.add(USER.get())

    USER.set("the first user")
    async with warm_guard(reply, timeout=0.5, listeners=[listen]) as (guard, _kratos):
        await asyncio.gather(guard.authenticate(request()), guard.authenticate(request()))

    assert seen == {"nobody"}


@pytest.mark.parametrize("reply", [SESSION, hang, hang_up, TOKEN, raw_response(TOKEN * 9_999)])
async def test_no_log_contains_a_credential(caplog: pytest.LogCaptureFixture, reply: Any) -> None:
    """Not even in the debug mode of asyncio, which logs slow callbacks with their arguments."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    try:
        with caplog.at_level(logging.DEBUG):
            async with warm_guard(reply, timeout=0.2) as (guard, _kratos):
                await asyncio.gather(guard.authenticate(request()), guard.authenticate(request()))
    finally:
        loop.set_debug(False)

    assert TOKEN.decode() not in caplog.text
    assert "new-secret" not in caplog.text


async def check_all(guard: OryGuard, count: int) -> list[Outcome]:
    tokens = (b"token-%d" % number for number in range(count))
    return await asyncio.gather(*(guard.authenticate(request((b"x-session-token", token))) for token in tokens))


async def test_checks_beyond_the_limit_start_in_later_turns() -> None:
    async with RawKratos(raw_response(session_body())) as kratos:
        guard = OryGuard(settings_of(kratos_public_url=kratos.url, timeout=60), clock=AdjustableClock())
        checks = asyncio.ensure_future(check_all(guard, 200))
        started = []
        while guard.stats().upstream_calls < 200:
            await asyncio.sleep(0)
            started.append(guard.stats().upstream_calls)

        assert all(isinstance(outcome, Authenticated) for outcome in await checks)
        await guard.aclose()

    assert max(later - earlier for earlier, later in zip([0, *started], started, strict=False)) <= 64


async def test_requests_that_find_the_queue_full_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their outcome is there before they would wait for it."""
    monkeypatch.setattr(admission, "_MAX_WAITING", 10)
    async with RawKratos(hang) as kratos:
        guard = OryGuard(settings_of(kratos_public_url=kratos.url, timeout=60, max_upstream_concurrency=1))
        checks = [
            asyncio.ensure_future(guard.authenticate(request((b"x-session-token", b"%d" % n)))) for n in range(80)
        ]

        while sum(check.done() for check in checks) < 69:  # noqa: ASYNC110 - turns of the event loop are counted
            await asyncio.sleep(0)
        outcomes = Counter(check.result() for check in checks if check.done())
        await guard.aclose()
        await asyncio.gather(*checks)

    assert outcomes == {Unavailable("overloaded"): 69}


async def test_closing_the_guard_ends_checks_that_have_not_started() -> None:
    async with RawKratos(hang) as kratos:
        guard = OryGuard(settings_of(kratos_public_url=kratos.url, timeout=60))
        checks = asyncio.ensure_future(check_all(guard, 200))
        while not guard.stats().upstream_calls:  # noqa: ASYNC110 - turns of the event loop are counted
            await asyncio.sleep(0)

        await guard.aclose()

        assert set(await checks) == {Unavailable("unreachable")}
        assert guard.stats().upstream_calls < 200


async def test_deferred_functions_run_in_order_with_the_limit_in_each_turn() -> None:
    limit, ran = TurnLimit(2), list[int]()
    turns = []
    for number in range(5):
        if limit.take():
            ran.append(number)
        else:
            limit.defer(partial(ran.append, number))
    for _ in range(4):
        turns.append(list(ran))
        await asyncio.sleep(0)

    assert turns == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert limit.take()
