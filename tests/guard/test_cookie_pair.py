"""Two different session cookies: one counts if Kratos rejects the other one, but never one of two users."""

import asyncio
from typing import Any

import httpx2
import pytest
from cookie_pair_bench import NAMES, CookiePairBench, scope_of
from support.asgi_calls import websocket_scope
from support.guard_bench import guard_of
from support.scripted_kratos import (
    APP,
    ENROLL,
    SESSION_ID,
    STEP_UP,
    KratosResponse,
    ScriptedKratos,
    aal2_session,
    refused,
    session_body,
    signed_in,
)

from ory_guard import (
    Anonymous,
    Authenticated,
    Outcome,
    Rejected,
    SecondFactorRequired,
    Unavailable,
)
from ory_guard.events import SessionCacheHit, SessionCacheMiss
from ory_guard.exceptions import CsrfViolation, SessionRequired
from ory_guard.guard.context import AuthContext

pytestmark = pytest.mark.anyio

OTHER_ID = "5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a99"
GOOD = signed_in()
OTHER = signed_in(session_body(id=OTHER_ID))
STOLEN_ID = signed_in(session_body(identity={"id": "c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b799"}))
REFUSED, DOWN = refused(401), refused(500)
MALFORMED = "malformed"
INACTIVE, AMBIGUOUS = Rejected("inactive", "cookie"), Rejected("ambiguous", "cookie")
ENROLLED = SecondFactorRequired("cookie", enrolled=True)

Answer = KratosResponse | Exception | str


def summary(outcome: Outcome) -> Outcome | str:
    """Return the session id of an authenticated outcome, which must be about a cookie; or the outcome."""
    if not isinstance(outcome, Authenticated):
        return outcome
    assert outcome.credential == "cookie"
    return outcome.session.id


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (GOOD, REFUSED, SESSION_ID),
        (GOOD, refused(403, "session_credential_required"), SESSION_ID),
        (GOOD, signed_in(session_body(active=False)), SESSION_ID),
        (GOOD, MALFORMED, SESSION_ID),
        (GOOD, GOOD, SESSION_ID),
        (GOOD, OTHER, AMBIGUOUS),
        (GOOD, STOLEN_ID, AMBIGUOUS),
        (GOOD, STEP_UP, AMBIGUOUS),
        (GOOD, ENROLL, AMBIGUOUS),
        (STEP_UP, STEP_UP, AMBIGUOUS),
        (STEP_UP, ENROLL, AMBIGUOUS),
        (STEP_UP, REFUSED, ENROLLED),
        (STEP_UP, MALFORMED, ENROLLED),
        (ENROLL, REFUSED, SecondFactorRequired("cookie", enrolled=False)),
        (REFUSED, REFUSED, INACTIVE),
        (REFUSED, MALFORMED, INACTIVE),
        (MALFORMED, MALFORMED, Rejected("malformed", "cookie")),
        (GOOD, DOWN, Unavailable("unreachable")),
        (GOOD, httpx2.ReadError("gone"), Unavailable("unreachable")),
        (GOOD, refused(404), Unavailable("protocol")),
        (STEP_UP, DOWN, Unavailable("unreachable")),
        (REFUSED, DOWN, Unavailable("unreachable")),
        (MALFORMED, DOWN, Unavailable("unreachable")),
        (DOWN, DOWN, Unavailable("unreachable")),
        (refused(429).with_header("retry-after", "7"), DOWN, Unavailable("rate_limited", 7)),
    ],
)
@pytest.mark.parametrize("cookies", [("s", "s"), ("t", "s"), ("s", "token"), ("token", "token")], ids="+".join)
@pytest.mark.parametrize("reverse", [False, True], ids=["", "reversed"])
async def test_outcome_of_two_cookies(
    first: Answer, second: Answer, expected: object, cookies: tuple[str, str], reverse: bool
) -> None:
    """Whatever their order and their names; each is asked about alone, and invalid ones not at all."""
    bench = CookiePairBench(a=first, b=second)
    values = ["a," if first is MALFORMED else "a", "b," if second is MALFORMED else "b"]
    pairs = [f"{name}={value}".encode() for name, value in zip(cookies, values, strict=True)]
    if reverse:
        pairs.reverse()

    assert summary(await bench.outcome(b"; ".join(pairs))) == expected
    sent = bench.take_asked()
    assert sent == [value for value in values if "," not in value]

    again = await bench.outcome(*reversed(pairs))
    if isinstance(expected, Unavailable):
        assert isinstance(again, Unavailable)
    else:
        assert (summary(again), bench.take_asked()) == (expected, [])


@pytest.mark.parametrize("cookies", [b"s=a; s=b; s=c", b"s=a; t=a; token=a"])
async def test_three_cookies_are_rejected_without_a_call(cookies: bytes) -> None:
    bench = CookiePairBench()

    assert await bench.outcome(cookies) == AMBIGUOUS
    with pytest.raises(SessionRequired) as caught:
        await bench.guard.require(scope_of(cookies))
    assert caught.value.credential_sent


@pytest.mark.parametrize(
    "scope",
    [
        scope_of(b"s=a; s=b", method="POST", headers=((b"origin", b"https://evil.test"),)),
        scope_of(b"s=a; token=b", method="DELETE", headers=((b"sec-fetch-site", b"same-site"),)),
        scope_of(b"token=a", method="POST", headers=((b"sec-fetch-site", b"cross-site"),)),
        websocket_scope(headers=[(b"cookie", b"s=a; s=b")]),
        websocket_scope(headers=[(b"cookie", b"token=a"), (b"origin", b"https://evil.test")]),
        websocket_scope(headers=[(b"cookie", b"s=a, ; token=b, ; t=c")]),
    ],
)
async def test_cross_site_request_is_rejected_without_a_call(scope: dict[str, Any]) -> None:
    """Before the cookies are validated or looked up in the cache."""
    bench = CookiePairBench(a=GOOD, b=REFUSED)
    await bench.outcome(b"s=a; s=b")
    bench.take_asked()

    assert await bench.guard.authenticate(scope) == Rejected("origin", "cookie")
    with pytest.raises(CsrfViolation):
        await bench.guard.require(scope)
    assert bench.take_asked() == []


@pytest.mark.parametrize("cookies", [b"s=a; s=b", b"s=b; token=a"])
async def test_websocket_of_the_application_is_authenticated(cookies: bytes) -> None:
    bench = CookiePairBench(a=GOOD, b=REFUSED)
    scope = websocket_scope(headers=[(b"cookie", cookies), (b"origin", APP.encode())])

    assert summary(await bench.guard.authenticate(scope)) == SESSION_ID


async def test_header_credential_hides_both_cookies() -> None:
    """And two cookies hide a bearer token, whatever their outcome."""
    bench = CookiePairBench(a=REFUSED, b=REFUSED, t=GOOD)

    outcome = await bench.outcome(b"s=a; s=b", headers=((b"x-session-token", b"t"),))
    assert isinstance(outcome, Authenticated)
    assert outcome.credential == "x_session_token"
    assert bench.take_asked() == ["t"]
    assert await bench.outcome(b"s=a; s=b", headers=((b"authorization", b"Bearer t"),)) == INACTIVE
    assert await bench.outcome(b"s=; token=") == Anonymous()


async def test_each_cookie_has_a_cache_entry_of_its_own() -> None:
    """The entries are those of requests with one of the cookies; the outcome of the pair is not cached."""
    bench = CookiePairBench(a=GOOD, b=OTHER)

    assert await bench.outcome(b"s=a; s=b") == AMBIGUOUS
    assert bench.take_asked() == ["a", "b"]
    assert summary(await bench.outcome(b"s=a")) == SESSION_ID
    assert summary(await bench.outcome(b"s=b")) == OTHER_ID
    assert summary(await bench.outcome(b't="b"')) == OTHER_ID
    assert bench.take_asked() == ["b"]
    assert len(bench.guard.authentication.cache) == 3


async def test_two_cached_cookies_need_no_task() -> None:
    """They are answered like one: without a call, an await or a task, and counted as one hit."""
    bench = CookiePairBench(a=GOOD, b=REFUSED)
    await bench.outcome(b"s=a; s=b")
    bench.events.clear()
    bench.clock.advance(1.0)
    scope = scope_of(b"s=b; s=a")

    outcome = bench.guard.authentication.from_cache(scope, AuthContext().start(bench.guard, scope))

    assert isinstance(outcome, Authenticated)
    assert (outcome.source, outcome.age) == ("cache", 1.0)
    assert (bench.guard.stats().hits, bench.guard.stats().misses) == (1, 1)
    (hit,) = bench.events
    assert isinstance(hit, SessionCacheHit)
    assert hit.age == 1.0


async def test_pairs_are_counted_without_a_listener() -> None:
    guard = guard_of(ScriptedKratos(GOOD), **NAMES)
    for _ in range(2):
        assert isinstance(await guard.authenticate(scope_of(b"s=a; s=b")), Authenticated)

    assert (guard.stats().hits, guard.stats().misses, guard.stats().upstream_calls) == (1, 1, 2)


async def test_one_uncached_cookie_is_checked_alone() -> None:
    """The request counts as one miss, and the age is that of the session that counts."""
    bench = CookiePairBench(a=GOOD, b=REFUSED)
    await bench.outcome(b"s=a")
    bench.take_asked()
    bench.clock.advance(3.0)

    outcome = await bench.outcome(b"s=a; s=b")

    assert isinstance(outcome, Authenticated)
    assert (outcome.source, outcome.age) == ("cache", 3.0)
    assert bench.take_asked() == ["b"]
    assert len([event for event in bench.events if isinstance(event, SessionCacheMiss)]) == 2


async def test_both_cookies_are_checked_at_the_same_time() -> None:
    bench = CookiePairBench(a=GOOD, b=REFUSED)
    bench.kratos.hold()
    request = asyncio.ensure_future(bench.outcome(b"s=a; s=b"))
    for _ in range(10):
        await asyncio.sleep(0)

    assert len(bench.kratos.requests) == 2
    bench.kratos.release()
    assert summary(await request) == SESSION_ID


async def test_cancelled_request_does_not_cancel_the_checks() -> None:
    """Another request with one of the cookies waits for the same check."""
    bench = CookiePairBench(a=GOOD, b=REFUSED)
    bench.kratos.hold()
    request = asyncio.ensure_future(bench.outcome(b"s=a; s=b"))
    other = asyncio.ensure_future(bench.outcome(b"s=a"))
    for _ in range(10):
        await asyncio.sleep(0)
    request.cancel()
    bench.kratos.release()

    assert summary(await other) == SESSION_ID
    assert bench.take_asked() == ["a", "b"]


async def test_newer_of_two_cached_sessions_counts() -> None:
    """After a step-up, the entry of the other cookie still has the old assurance level."""
    bench = CookiePairBench(a=GOOD, b=signed_in(aal2_session()))
    await bench.outcome(b"s=a")
    bench.clock.advance(1.0)
    await bench.outcome(b"s=b")
    bench.clock.advance(1.0)

    outcome = await bench.outcome(b"s=b; s=a")

    assert isinstance(outcome, Authenticated)
    assert (outcome.session.authenticator_assurance_level, outcome.age) == ("aal2", 1.0)
