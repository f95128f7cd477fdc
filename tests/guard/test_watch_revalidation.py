"""Looking again at the session of an open connection: when Kratos is asked, and when the connection must end."""

from typing import Any

import pytest
from support.guard_bench import SESSION_COOKIE, Bench, request
from support.minting import token_of
from support.scripted_kratos import IDENTITY_ID, aal2_session, refused, session_body, signed_in, timestamp
from support.token_bench import KEY, TokenBench, bearer_scope

from ory_guard import Session
from ory_guard.exceptions import (
    EnrollmentRequired,
    Refusal,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
)
from ory_guard.guard.revalidation import SessionRevalidator

pytestmark = pytest.mark.anyio

EVERY = 10.0
DOWN = refused(500)


class Opened:
    """A connection that was let in, and looks at its session again."""

    def __init__(self, bench: Bench, scope: dict[str, Any]) -> None:
        self.bench = bench
        self.scope = scope
        self.revalidators: dict[float, SessionRevalidator] = {}

    async def look(self, every: float = EVERY) -> float | Refusal:
        """Look again."""
        if every not in self.revalidators:
            self.revalidators[every] = self.bench.guard._watches.revalidator(self.scope, every)
        return await self.revalidators[every].revalidate()


async def opened(bench: Bench, scope: dict[str, Any] | None = None, **conditions: Any) -> Opened:
    """Let a connection in."""
    connection = Opened(bench, request() if scope is None else scope)
    await bench.guard.require(connection.scope, **conditions)
    return connection


async def test_until_the_interval_is_over_nobody_is_asked() -> None:
    """A look in between tells how long the next may wait."""
    bench = Bench()
    connection = await opened(bench)

    assert await connection.look() == pytest.approx(EVERY)
    bench.clock.advance(4)
    assert await connection.look() == pytest.approx(6)
    bench.clock.advance(5.9)
    await connection.look()
    assert bench.calls == 1


async def test_after_the_interval_caches_on_the_way_are_passed_by() -> None:
    """The question asks for a fresh answer, which starts the next interval."""
    bench = Bench()
    connection = await opened(bench)
    bench.clock.advance(EVERY)

    assert await connection.look() == pytest.approx(EVERY)
    assert [asked.header("cache-control") for asked in bench.kratos.requests] == [None, "max-age=0"]


async def test_connections_of_one_session_share_what_one_of_them_learns() -> None:
    """The second takes over the newer answer, and counts its interval from there."""
    bench = Bench()
    one, other = await opened(bench), await opened(bench)
    bench.clock.advance(EVERY)
    await one.look()
    bench.clock.advance(3)

    assert await other.look() == pytest.approx(7)
    assert bench.calls == 2
    assert other.scope["ory_guard"].auth is not None


@pytest.mark.parametrize("cache_ttl", [0, 1])
async def test_an_interval_costs_one_question_where_little_is_kept(cache_ttl: float) -> None:
    """However short answers are kept for: ten connections, opened one after the other, ask once in an interval."""
    bench = Bench(cache_ttl=cache_ttl)
    connections = []
    for _ in range(10):
        connections.append(await opened(bench))
        await connections[-1].look()
        bench.clock.advance(0.5)
    asked, due = bench.calls, [5.0] * 10
    for _ in range(200):
        bench.clock.advance(0.25)
        for number, connection in enumerate(connections):
            due[number] -= 0.25
            if due[number] <= 0:
                wait = await connection.look()
                assert isinstance(wait, float)
                due[number] = wait

    assert bench.calls - asked == 5


async def test_what_is_taken_over_is_what_the_handler_sees() -> None:
    """The state of the connection follows."""
    bench = Bench(signed_in(), signed_in(aal2_session()), cache_ttl=0)
    one, other = await opened(bench), await opened(bench)
    bench.clock.advance(EVERY)
    await one.look()
    await other.look()

    assert other.scope["state"]["session"].authenticator_assurance_level == "aal2"
    assert other.scope["auth"].scopes == ("authenticated", "aal1", "aal2")


async def test_a_failure_is_shared_as_well() -> None:
    """While Kratos can't be asked, one connection tries in each second, and nobody is thrown out by another's."""
    bench = Bench(signed_in(), DOWN)
    connections = [await opened(bench) for _ in range(10)]
    bench.clock.advance(EVERY)
    assert [await connection.look() for connection in connections] == [1] * 10
    bench.clock.advance(0.5)
    assert [await connection.look() for connection in connections] == [0.5] * 10
    assert bench.calls == 2

    bench.clock.advance(0.5)
    assert [await connection.look() for connection in connections] == [1] * 10
    assert bench.calls == 3


async def test_who_could_not_be_asked_about_takes_nobody_along() -> None:
    """A connection that was opened while Kratos was down ends alone."""
    bench = Bench(signed_in(), DOWN, cache_ttl=0)
    connection = await opened(bench)
    await connection.look()
    bench.clock.advance(1)
    late = Opened(bench, request())
    assert isinstance(await late.look(), SessionCheckUnavailable)

    assert await connection.look() == pytest.approx(EVERY - 1)


async def test_a_look_that_failed_makes_no_session_newer_for_a_gate() -> None:
    """A handler that asks after it gets no session that nobody could confirm."""
    bench = Bench(signed_in(), DOWN)
    connection = await opened(bench)
    bench.clock.advance(31)
    await connection.look()

    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(connection.scope)


@pytest.mark.parametrize(("begun", "kept"), [("websocket_accepted", 0), ("response_started", 0), (None, 1)])
async def test_cookies_that_come_too_late_do_not_add_up(begun: str | None, kept: int) -> None:
    """A socket that is open can't hand them on; an answer that has not begun can."""
    anew = signed_in().with_header("set-cookie", "ory_kratos_session=anew; Path=/")
    bench = Bench(signed_in(), anew)
    connection = await opened(bench, request(SESSION_COOKIE))
    if begun is not None:
        setattr(connection.scope["ory_guard"], begun, True)
    bench.clock.advance(EVERY)
    await connection.look()

    assert len(connection.scope["ory_guard"].set_cookies) == kept


async def test_a_gate_that_is_passed_again_counts_once() -> None:
    """A handler may ask for each message of a socket that is open for hours."""
    bench = Bench()
    connection = await opened(bench, max_age=3_600)
    for _ in range(5):
        await bench.guard.require(connection.scope, max_age=3_600)

    assert len(connection.scope["ory_guard"].requirements) == 1


async def test_a_refusal_that_another_connection_met_ends_this_one_too() -> None:
    """What is taken over is whatever is newer."""
    bench = Bench(signed_in(), refused())
    one, other = await opened(bench), await opened(bench)
    bench.clock.advance(EVERY)

    assert isinstance(await one.look(), SessionRequired)
    assert isinstance(await other.look(), SessionRequired)
    assert bench.calls == 2


async def test_connections_of_two_credentials_share_nothing() -> None:
    """One ends, and the other goes on with the session that it had."""
    theirs = signed_in(session_body(id="theirs"))
    bench = Bench(signed_in(), theirs, refused(), theirs)
    one, other = await opened(bench), await opened(bench, request((b"x-session-token", b"another")))
    bench.clock.advance(EVERY)

    assert isinstance(await one.look(), SessionRequired)
    assert await other.look() == pytest.approx(EVERY)
    assert other.scope["state"]["session"].id == "theirs"


async def test_what_a_request_learned_meanwhile_counts_too() -> None:
    """The interval starts when anybody asked about the credential."""
    bench = Bench(cache_ttl=5)
    connection = await opened(bench)
    bench.clock.advance(6)
    await bench.outcome()
    bench.clock.advance(4.5)

    assert await connection.look() == pytest.approx(5.5)
    assert bench.calls == 2


async def test_so_does_what_a_later_connection_found_when_it_was_opened() -> None:
    """Also where nothing is kept beyond the connections themselves."""
    bench = Bench(cache_ttl=0)
    one = await opened(bench)
    bench.clock.advance(6)
    later = await opened(bench)
    await later.look()
    bench.clock.advance(4)

    assert await one.look() == pytest.approx(6)
    assert bench.calls == 2


async def test_what_the_route_asked_for_is_asked_for_again() -> None:
    """A session that lost a factor no longer meets a gate for two."""
    bench = Bench(signed_in(aal2_session()), signed_in())
    connection = await opened(bench, aal="aal2")
    bench.clock.advance(EVERY)

    assert isinstance(await connection.look(), EnrollmentRequired)


async def test_every_gate_that_was_passed_counts() -> None:
    """The connection must still meet what the first gate asked for, and what the last one did."""
    bench = Bench(signed_in(aal2_session()), signed_in())
    connection = await opened(bench, aal="aal2")
    await bench.guard.require(connection.scope, verified=True)
    bench.clock.advance(EVERY)

    assert isinstance(await connection.look(), EnrollmentRequired)


async def test_time_alone_can_end_what_a_route_asked_for() -> None:
    """A sign-in that gets too old ends the connection without a question."""
    bench = Bench()
    connection = await opened(bench, max_age=15)
    bench.clock.advance(6)

    assert isinstance(await connection.look(), Refusal)
    assert bench.calls == 1


async def test_the_pages_origin_still_counts() -> None:
    """Looking again decides on the same request, its cookie and its origin included."""
    bench = Bench()
    scope = request(SESSION_COOKIE, (b"sec-fetch-site", b"same-origin"), method="POST")
    connection = await opened(bench, scope)

    assert await connection.look() == pytest.approx(EVERY)


async def test_an_outage_is_sat_out_for_as_long_as_a_session_is_kept() -> None:
    """Every second it is tried again; after interval and `cache_ttl` the connection ends with what Kratos said."""
    bench = Bench(signed_in(), DOWN, cache_ttl=20)
    connection = await opened(bench)
    bench.clock.advance(EVERY)
    assert await connection.look() == 1
    bench.clock.advance(19.9)
    assert await connection.look() == 1
    bench.clock.advance(0.1)

    refusal = await connection.look()
    assert isinstance(refusal, SessionCheckUnavailable)
    assert refusal.retry_after == 1


async def test_a_revoked_session_is_asked_about_at_once() -> None:
    """It lives on if Kratos says so, and ends if Kratos can't say."""
    bench = Bench(signed_in(), signed_in(), DOWN)
    connection = await opened(bench)
    await bench.guard.invalidate(identity_id=IDENTITY_ID)
    assert await connection.look() == pytest.approx(EVERY)

    await bench.guard.invalidate(identity_id=IDENTITY_ID)
    assert isinstance(await connection.look(), SessionCheckUnavailable)


@pytest.mark.parametrize(("told", "ends"), [(refused(), SessionRequired), (DOWN, SessionCheckUnavailable)])
async def test_a_session_that_is_over_is_asked_about_at_once(told: Any, ends: type[Refusal]) -> None:
    """The next look comes when the session ends, however long the interval is, and does not let it live on."""
    bench = Bench(signed_in(session_body(expires_at=timestamp(5))), told, clock_skew=2)
    connection = await opened(bench)
    assert await connection.look(every=3_600) == pytest.approx(7, abs=0.01)
    bench.clock.advance(7.1)

    assert isinstance(await connection.look(every=3_600), ends)


async def test_until_a_session_is_over_nobody_is_asked() -> None:
    """Its last second is one of its own."""
    bench = Bench(signed_in(session_body(expires_at=timestamp(5))), clock_skew=0)
    connection = await opened(bench)
    bench.clock.advance(4.5)

    assert await connection.look(every=60) == pytest.approx(0.5, abs=0.01)
    assert bench.calls == 1


async def test_a_session_that_was_extended_goes_on() -> None:
    """Kratos moved its end meanwhile: the connection learns of it when the old end has come."""
    bench = Bench(signed_in(session_body(expires_at=timestamp(5))), signed_in(), clock_skew=0)
    connection = await opened(bench)
    bench.clock.advance(5.1)

    assert await connection.look(every=60) == pytest.approx(60)


async def test_a_token_that_its_verifier_still_takes_is_looked_at_each_second() -> None:
    """And not all the time, where the verifier allows for more clock skew than the settings do."""
    bench = TokenBench(clock_skew=5)
    scope = bearer_scope(token_of(KEY))
    session = await bench.guard.require(scope)
    bench.clock.advance(session.expires_at.timestamp() - bench.clock.time() + 7)

    assert await bench.guard._watches.revalidator(scope, EVERY).revalidate() == 1.0


async def test_what_stands_in_for_kratos_is_never_asked_about() -> None:
    """A test's session lasts as long as its test."""
    bench = Bench(refused())
    with bench.guard.override(Session.model_validate(session_body())):
        connection = await opened(bench)
        bench.clock.advance(3_600)
        assert await connection.look() == pytest.approx(EVERY)
    assert bench.calls == 0


async def test_a_connection_without_a_session_ends() -> None:
    """Nobody is somebody else than the session that a watch is for."""
    bench = Bench()

    assert isinstance(await Opened(bench, request((b"accept", b"*/*"))).look(), SessionRequired)


async def test_a_condition_of_the_application_is_asked_again() -> None:
    """`when` may change its mind while a connection is open."""
    bench = Bench()
    verdicts = [True, False]
    connection = await opened(bench, when=lambda _session: verdicts.pop(0))

    assert isinstance(await connection.look(), RequirementNotMet)
