"""Revalidation of open connections: when Kratos is called, and when a connection ends."""

import gc
from typing import Any

import pytest
from support.guard_bench import SESSION_COOKIE, Bench, request
from support.minting import token_of
from support.scripted_kratos import IDENTITY_ID, aal2_session, refused, session_body, signed_in, timestamp
from support.token_bench import KEY, TokenBench, bearer_scope

from ory_guard import Authenticated, Rejected, Session, Unavailable
from ory_guard.exceptions import (
    EnrollmentRequired,
    Refusal,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
)
from ory_guard.guard.session_watch_revalidation import SessionRevalidator, SharedState, SharedStates

pytestmark = pytest.mark.anyio

EVERY = 10.0
DOWN = refused(500)


class OpenConnection:
    """A connection whose session is revalidated."""

    def __init__(self, bench: Bench, scope: dict[str, Any]) -> None:
        self.bench = bench
        self.scope = scope
        self.revalidators: dict[float, SessionRevalidator] = {}

    async def revalidate(self, every: float = EVERY) -> float | Refusal:
        """Revalidate the session."""
        if every not in self.revalidators:
            self.revalidators[every] = self.bench.guard._watches.revalidator(self.scope, every)
        return await self.revalidators[every].revalidate()


async def open_connection(bench: Bench, scope: dict[str, Any] | None = None, **conditions: Any) -> OpenConnection:
    connection = OpenConnection(bench, request() if scope is None else scope)
    await bench.guard.require(connection.scope, **conditions)
    return connection


async def test_session_is_revalidated_after_the_interval() -> None:
    """Before, the result is the remaining time. Intermediate caches are bypassed."""
    bench = Bench()
    connection = await open_connection(bench)

    assert await connection.revalidate() == pytest.approx(EVERY)
    bench.clock.advance(4)
    assert await connection.revalidate() == pytest.approx(6)
    bench.clock.advance(5.9)
    await connection.revalidate()
    assert bench.calls == 1
    bench.clock.advance(0.1)

    assert await connection.revalidate() == pytest.approx(EVERY)
    assert [sent.header("cache-control") for sent in bench.kratos.requests] == [None, "max-age=0"]


async def test_adopted_outcome_is_published() -> None:
    bench = Bench(signed_in(), signed_in(aal2_session()), cache_ttl=0)
    first, second = await open_connection(bench), await open_connection(bench)
    bench.clock.advance(EVERY)
    await first.revalidate()
    await second.revalidate()

    assert second.scope["state"]["session"].authenticator_assurance_level == "aal2"
    assert second.scope["auth"].scopes == ("authenticated", "aal1", "aal2")


async def test_connections_of_a_credential_share_a_failure() -> None:
    """One of them retries each second."""
    bench = Bench(signed_in(), DOWN)
    connections = [await open_connection(bench) for _ in range(10)]
    bench.clock.advance(EVERY)
    assert [await connection.revalidate() for connection in connections] == [1] * 10
    bench.clock.advance(0.5)
    assert [await connection.revalidate() for connection in connections] == [0.5] * 10
    assert bench.calls == 2

    bench.clock.advance(0.5)
    assert [await connection.revalidate() for connection in connections] == [1] * 10
    assert bench.calls == 3


async def test_connection_that_was_never_authenticated_ends_alone() -> None:
    bench = Bench(signed_in(), DOWN, cache_ttl=0)
    connection = await open_connection(bench)
    await connection.revalidate()
    bench.clock.advance(1)
    late = OpenConnection(bench, request())
    assert isinstance(await late.revalidate(), SessionCheckUnavailable)

    assert await connection.revalidate() == pytest.approx(EVERY - 1)


async def test_failed_revalidation_does_not_make_the_session_newer() -> None:
    bench = Bench(signed_in(), DOWN, timeout=2)
    connection = await open_connection(bench)
    bench.clock.advance(31)
    await connection.revalidate()

    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(connection.scope)


@pytest.mark.parametrize(("state", "count"), [("websocket_accepted", 0), ("response_started", 0), (None, 1)])
async def test_cookies_are_dropped_after_the_response_has_started(state: str | None, count: int) -> None:
    renewed = signed_in().with_header("set-cookie", "ory_kratos_session=renewed; Path=/")
    bench = Bench(signed_in(), renewed)
    connection = await open_connection(bench, request(SESSION_COOKIE))
    if state is not None:
        setattr(connection.scope["ory_guard"], state, True)
    bench.clock.advance(EVERY)
    await connection.revalidate()

    assert len(connection.scope["ory_guard"].set_cookies) == count


async def test_repeated_requirement_is_stored_once() -> None:
    """A handler may require a session for each message."""
    bench = Bench()
    connection = await open_connection(bench, max_age=3_600)
    for _ in range(5):
        await bench.guard.require(connection.scope, max_age=3_600)

    assert len(connection.scope["ory_guard"].requirements) == 1


async def test_connections_of_two_credentials_share_nothing() -> None:
    other = signed_in(session_body(id="other"))
    bench = Bench(signed_in(), other, refused(), other)
    first, second = (
        await open_connection(bench),
        await open_connection(bench, request((b"x-session-token", b"another"))),
    )
    bench.clock.advance(EVERY)

    assert isinstance(await first.revalidate(), SessionRequired)
    assert await second.revalidate() == pytest.approx(EVERY)
    assert second.scope["state"]["session"].id == "other"


async def test_connection_adopts_the_outcome_of_a_request() -> None:
    bench = Bench(cache_ttl=5)
    connection = await open_connection(bench)
    bench.clock.advance(6)
    await bench.outcome()
    bench.clock.advance(4.5)

    assert await connection.revalidate() == pytest.approx(5.5)
    assert bench.calls == 2


async def test_all_requirements_that_were_met_must_still_be_met() -> None:
    bench = Bench(signed_in(aal2_session()), signed_in())
    connection = await open_connection(bench, aal="aal2")
    await bench.guard.require(connection.scope, verified=True)
    bench.clock.advance(EVERY)

    assert isinstance(await connection.revalidate(), EnrollmentRequired)


async def test_max_age_ends_the_connection_without_a_call() -> None:
    bench = Bench()
    connection = await open_connection(bench, max_age=15)
    bench.clock.advance(6)

    assert isinstance(await connection.revalidate(), Refusal)
    assert bench.calls == 1


async def test_connection_survives_an_outage_for_interval_plus_cache_ttl() -> None:
    bench = Bench(signed_in(), DOWN, cache_ttl=20)
    connection = await open_connection(bench)
    bench.clock.advance(EVERY)
    assert await connection.revalidate() == 1
    bench.clock.advance(19.9)
    assert await connection.revalidate() == 1
    bench.clock.advance(0.1)

    refusal = await connection.revalidate()
    assert isinstance(refusal, SessionCheckUnavailable)
    assert refusal.retry_after == 1


async def test_revoked_session_is_revalidated_at_once() -> None:
    """If Kratos is unavailable, the connection ends."""
    bench = Bench(signed_in(), signed_in(), DOWN)
    connection = await open_connection(bench)
    await bench.guard.invalidate(identity_id=IDENTITY_ID)
    assert await connection.revalidate() == pytest.approx(EVERY)

    await bench.guard.invalidate(identity_id=IDENTITY_ID)
    assert isinstance(await connection.revalidate(), SessionCheckUnavailable)


@pytest.mark.parametrize(
    ("answer", "result"),
    [(refused(), SessionRequired), (DOWN, SessionCheckUnavailable), (signed_in(), float)],
    ids=["ended", "Kratos is down", "extended"],
)
async def test_session_is_revalidated_when_it_expires(answer: Any, result: type[Any]) -> None:
    """And not before."""
    bench = Bench(signed_in(session_body(expires_at=timestamp(5))), answer, clock_skew=2)
    connection = await open_connection(bench)
    bench.clock.advance(6.5)
    assert await connection.revalidate(every=3_600) == pytest.approx(0.5, abs=0.01)
    assert bench.calls == 1
    bench.clock.advance(0.6)

    assert isinstance(await connection.revalidate(every=3_600), result)


async def test_expired_jwt_within_the_skew_of_its_verifier_is_checked_each_second() -> None:
    bench = TokenBench(clock_skew=5)
    scope = bearer_scope(token_of(KEY))
    session = await bench.guard.require(scope)
    bench.clock.advance(session.expires_at.timestamp() - bench.clock.time() + 7)

    assert await bench.guard._watches.revalidator(scope, EVERY).revalidate() == 1.0


async def test_override_is_not_revalidated() -> None:
    bench = Bench(refused())
    with bench.guard.override(Session.model_validate(session_body())):
        connection = await open_connection(bench)
        bench.clock.advance(3_600)
        assert await connection.revalidate() == pytest.approx(EVERY)
    assert bench.calls == 0


async def test_connection_without_session_ends() -> None:
    bench = Bench()

    assert isinstance(await OpenConnection(bench, request((b"accept", b"*/*"))).revalidate(), SessionRequired)


async def test_when_is_called_again() -> None:
    bench = Bench()
    results = [True, False]
    connection = await open_connection(bench, when=lambda _session: results.pop(0))

    assert isinstance(await connection.revalidate(), RequirementNotMet)


# --- the state that connections of a credential share

AUTHENTICATED = Authenticated(Session.model_validate(session_body()), "cookie", "upstream", 0.0)
REJECTED = Rejected("inactive", "cookie")


def test_newest_outcome_is_kept() -> None:
    """Older outcomes, outcomes of the same time, failures and None are ignored."""
    state = SharedState()
    state.update(AUTHENTICATED, 5.0)
    for outcome, asked_at in ((REJECTED, 4.0), (REJECTED, 5.0), (Unavailable("timeout"), 6.0), (None, 7.0)):
        state.update(outcome, asked_at)
    assert (state.outcome, state.request_time) == (AUTHENTICATED, 5.0)

    state.update(REJECTED, 5.1)
    assert (state.outcome, state.request_time) == (REJECTED, 5.1)


def test_state_is_shared_while_a_connection_holds_it() -> None:
    states = SharedStates()
    first, same, other = states.for_key(b"a"), states.for_key(b"a"), states.for_key(b"b")
    assert first is same
    assert first is not other
    first.update(AUTHENTICATED, 1.0)

    del first, same
    gc.collect()
    assert states.for_key(b"a").outcome is None
