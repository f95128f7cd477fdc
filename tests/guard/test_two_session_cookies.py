"""Two different session cookies: one counts if Kratos rejects the other one, but never one of two users."""

import asyncio
from typing import Any

import pytest
from support.asgi_calls import websocket_scope
from support.guard_bench import by, guard_of
from support.scripted_kratos import (
    ENROLL,
    SESSION_ID,
    STEP_UP,
    KratosResponse,
    aal2_session,
    refused,
    session_body,
    signed_in,
)
from two_cookies_bench import NAMES, TwoCookiesBench, scope_of

from ory_guard import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable
from ory_guard.events import SessionCacheHit, SessionCacheMiss
from ory_guard.exceptions import CsrfViolation
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
        (REFUSED, REFUSED, INACTIVE),
        (REFUSED, MALFORMED, INACTIVE),
        (MALFORMED, MALFORMED, Rejected("malformed", "cookie")),
        (GOOD, DOWN, Unavailable("unreachable")),
        (GOOD, refused(404), Unavailable("protocol")),
        (REFUSED, DOWN, Unavailable("unreachable")),
        (MALFORMED, DOWN, Unavailable("unreachable")),
        (refused(429).with_header("retry-after", "7"), DOWN, Unavailable("rate_limited", 7)),
    ],
)
@pytest.mark.parametrize("cookies", [("s", "s"), ("t", "s"), ("s", "token"), ("token", "token")], ids="+".join)
@pytest.mark.parametrize("reverse", [False, True], ids=["", "reversed"])
async def test_outcome_of_two_cookies(
    first: Answer, second: Answer, expected: object, cookies: tuple[str, str], reverse: bool
) -> None:
    """Whatever their order and their names; each is asked about alone, and invalid ones not at all."""
    bench = TwoCookiesBench(a=first, b=second)
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
    bench = TwoCookiesBench(a=GOOD, b=REFUSED)
    await bench.outcome(b"s=a; s=b")
    bench.take_asked()

    assert await bench.guard.authenticate(scope) == Rejected("origin", "cookie")
    with pytest.raises(CsrfViolation):
        await bench.guard.require(scope)
    assert bench.take_asked() == []


async def test_each_cookie_has_a_cache_entry_of_its_own() -> None:
    """The entries are those of requests with one of the cookies; the outcome of the pair is not cached."""
    bench = TwoCookiesBench(a=GOOD, b=OTHER)

    assert await bench.outcome(b"s=a; s=b") == AMBIGUOUS
    assert bench.take_asked() == ["a", "b"]
    assert summary(await bench.outcome(b"s=a")) == SESSION_ID
    assert summary(await bench.outcome(b"s=b")) == OTHER_ID
    assert summary(await bench.outcome(b't="b"')) == OTHER_ID
    assert bench.take_asked() == ["b"]
    assert len(bench.guard.authentication.cache) == 3


@pytest.mark.parametrize("listens", [True, False])
async def test_pair_counts_as_one_miss_or_one_hit(*, listens: bool) -> None:
    """An uncached cookie is checked alone; two cached ones need no call, no await and no task.

    The age is that of the session that counts.
    """
    bench = TwoCookiesBench(a=GOOD, b=REFUSED)
    if not listens:
        bench.guard = guard_of(bench.kratos, bench.clock, **NAMES)
    await bench.outcome(b"s=a")
    bench.take_asked()
    bench.clock.advance(3.0)

    missed = await bench.outcome(b"s=a; s=b")
    assert bench.take_asked() == ["b"]
    bench.clock.advance(1.0)
    again = await bench.outcome(b"s=a")
    scope = scope_of(b"s=b; s=a")
    hit = bench.guard.authentication.from_cache(scope, AuthContext().start(bench.guard, scope))

    assert (by(missed), by(hit or Anonymous()), by(again)) == (("cache", 3.0), ("cache", 4.0), ("cache", 4.0))
    assert (bench.guard.stats().hits, bench.guard.stats().misses) == (2, 2)
    counted = [event for event in bench.events if isinstance(event, SessionCacheHit | SessionCacheMiss)]
    assert [type(event).__name__ for event in counted] == (
        ["SessionCacheMiss"] * 2 + ["SessionCacheHit"] * 2
    ) * listens
    assert [event.age for event in counted if isinstance(event, SessionCacheHit)] == [4.0] * 2 * listens
    assert [len(event.credential_id) for event in counted] == [8] * 4 * listens


async def test_both_cookies_are_checked_at_the_same_time() -> None:
    """The cancellation of the request does not cancel the check for another request with one of the cookies."""
    bench = TwoCookiesBench(a=GOOD, b=REFUSED)
    bench.kratos.hold()
    request = asyncio.ensure_future(bench.outcome(b"s=a; s=b"))
    other = asyncio.ensure_future(bench.outcome(b"s=a"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(bench.kratos.requests) == 2
    request.cancel()
    bench.kratos.release()

    assert summary(await other) == SESSION_ID
    assert bench.take_asked() == ["a", "b"]


async def test_newer_of_two_cached_sessions_counts() -> None:
    """After a step-up, the entry of the other cookie still has the old assurance level."""
    bench = TwoCookiesBench(a=GOOD, b=signed_in(aal2_session()))
    await bench.outcome(b"s=a")
    bench.clock.advance(1.0)
    await bench.outcome(b"s=b")
    bench.clock.advance(1.0)

    outcome = await bench.outcome(b"s=b; s=a")

    assert isinstance(outcome, Authenticated)
    assert (outcome.session.authenticator_assurance_level, outcome.age) == ("aal2", 1.0)
