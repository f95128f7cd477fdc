"""Requests with two session cookies: responses, revalidation, revocation, open connections and the breaker."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from support.applications import gated, public
from support.asgi_calls import NAVIGATE, call
from support.scripted_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    STEP_UP,
    KratosResponse,
    refused,
    session_body,
    signed_in,
)
from two_cookies_bench import TwoCookiesBench, scope_of

from ory_guard import Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable
from ory_guard.exceptions import EnrollmentRequired, Refusal, SessionRequired
from ory_guard.guard.session_watch_revalidation import SessionRevalidator
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio

OTHER_ID = "5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a99"
GOOD = signed_in()
OTHER = signed_in(session_body(id=OTHER_ID))
REFUSED, DOWN = refused(401), refused(500)
INACTIVE, AMBIGUOUS = Rejected("inactive", "cookie"), Rejected("ambiguous", "cookie")
BOTH = b"s=a; s=b"


def renewing(response: KratosResponse, *values: str) -> KratosResponse:
    for value in values:
        response = response.with_header("set-cookie", f"{value}; Path=/")
    return response


def is_about(outcome: Outcome, session_id: str) -> bool:
    return isinstance(outcome, Authenticated) and outcome.session.id == session_id


@pytest.mark.parametrize(
    ("cookies", "first", "second", "expected"),
    [
        (BOTH, GOOD, REFUSED, [b"s=anew-a; Path=/"]),
        (BOTH, REFUSED, GOOD, [b"s=anew-b; Path=/"]),
        (BOTH, GOOD, OTHER, []),
        (BOTH, GOOD, DOWN, []),
        (BOTH, REFUSED, REFUSED, []),
        (b"token=b; s=a", GOOD, GOOD, [b"s=anew-a; Path=/"]),
        (b"token=b; s=a", REFUSED, GOOD, []),
        (b"token=a; token=b", REFUSED, GOOD, []),
    ],
)
@pytest.mark.parametrize("headers", [(), (NAVIGATE,)], ids=["API", "navigation"])
async def test_only_the_cookie_that_counts_is_renewed(
    cookies: bytes, first: KratosResponse, second: KratosResponse, expected: list[bytes], headers: Any
) -> None:
    """No cookie is expired, because a 401 of Kratos is not a logout."""
    bench = TwoCookiesBench(
        a=renewing(first, "s=anew-a", "token=anew"), b=renewing(second, "s=anew-b", "token=anew")
    )

    for app in (public(bench.guard), gated(bench.guard)):
        response = await call(app, headers=[(b"cookie", cookies), *headers])
        found = [value for value in response.all(b"set-cookie") if not value.startswith(b"ory_guard_redirects=")]
        assert found == (expected if bench.take_asked() else [])
        assert response.status not in (200, 503) or b"no-store" in (
            response.header(b"cache-control") or b"no-store"
        )
        bench.guard.authentication.cache.clear()
        bench.clock.advance(60)


@pytest.mark.parametrize(
    ("cookies", "before", "asked", "after", "expected"),
    [
        (BOTH, (GOOD, REFUSED), ["a"], {}, SESSION_ID),
        (b"s=b; s=a", (GOOD, REFUSED), ["a"], {}, SESSION_ID),
        (BOTH, (GOOD, REFUSED), ["a"], {"a": REFUSED}, INACTIVE),
        (BOTH, (GOOD, REFUSED), ["a"], {"a": STEP_UP}, SecondFactorRequired("cookie", enrolled=True)),
        (BOTH, (GOOD, GOOD), ["a", "b"], {"a": REFUSED}, SESSION_ID),
        (BOTH, (GOOD, GOOD), ["a", "b"], {"b": OTHER}, AMBIGUOUS),
        (BOTH, (GOOD, GOOD), ["a", "b"], {"b": DOWN}, Unavailable("unreachable")),
        (BOTH, (REFUSED, REFUSED), ["a", "b"], {"a": GOOD}, SESSION_ID),
        (b's=a; s="b', (REFUSED, REFUSED), ["a"], {"a": GOOD}, SESSION_ID),
    ],
)
async def test_revalidation_checks_every_cookie_that_was_good(
    cookies: bytes, before: Any, asked: list[str], after: dict[str, KratosResponse], expected: object
) -> None:
    """Or both, if both were rejected. A cached session does not replace the ended one of the other cookie."""
    bench = TwoCookiesBench(a=before[0], b=before[1])
    await bench.outcome(cookies)
    bench.take_asked()
    bench.answers.update(after)
    scope = scope_of(cookies)

    try:
        await bench.guard.require(scope, revalidate=True)
    except Refusal:
        assert not isinstance(expected, str)
    outcome = scope["state"]["auth"]
    assert outcome.session.id == expected if isinstance(expected, str) else outcome == expected
    assert bench.take_asked() == asked


@pytest.mark.parametrize("are_known", [True, False])
async def test_two_cookies_count_as_one_credential_for_the_breaker(*, are_known: bool) -> None:
    """Also in another order, and if they belong to two identities. A single client does not open it."""
    other = signed_in(session_body(id=OTHER_ID, identity={"id": "c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b799"}))
    bench = TwoCookiesBench({"cache_ttl": 0}, a=GOOD, b=other, c=DOWN)
    if are_known:
        assert await bench.outcome(BOTH) == AMBIGUOUS
    bench.answers |= {"a": DOWN, "b": DOWN}

    for number in range(10):
        assert await bench.outcome(BOTH if number % 2 else b"s=b; s=a") == Unavailable("unreachable")
    assert bench.guard.stats().breaker == "closed"
    await bench.outcome(b"s=c")
    assert bench.guard.stats().breaker == "open"


async def test_failing_client_with_two_cookies_stops_no_login_of_others() -> None:
    bench = TwoCookiesBench(a=GOOD, b=REFUSED)
    bench.answers.update({f"p{number}": OSError() for number in range(10)})
    for number in range(5):
        await bench.outcome(b"s=p%d; s=p%d" % (number, number + 5), client=("192.0.2.1", 1))

    assert await bench.outcome(BOTH, client=("192.0.2.1", 1)) == Unavailable("breaker", 1)
    assert is_about(await bench.outcome(BOTH, client=("192.0.2.9", 1)), SESSION_ID)


async def test_revalidation_neither_joins_a_check_nor_accepts_a_cached_response() -> None:
    bench = TwoCookiesBench(a=GOOD, b=GOOD)
    bench.kratos.hold()
    tasks = [asyncio.ensure_future(bench.guard.require(scope_of(BOTH), revalidate=True)) for _ in range(2)]
    for _ in range(10):
        await asyncio.sleep(0)
    bench.kratos.release()
    await asyncio.gather(*tasks)

    first, *others = [request.header("cache-control") for request in bench.kratos.requests[::2]]
    assert (first, others) == (None, ["max-age=0"] * 2)


async def test_429_of_one_cookie_holds_requests_with_both() -> None:
    """A request with the other one alone is not held."""
    bench = TwoCookiesBench({"cache_ttl": 0}, a=refused(429).with_header("retry-after", "30"), b=GOOD)

    for _ in range(3):
        assert await bench.outcome(BOTH) == Unavailable("rate_limited", 30)
    assert bench.take_asked() == ["a", "b"]
    assert is_about(await bench.outcome(b"s=b"), SESSION_ID)
    assert await bench.outcome(b"s=a") == Unavailable("rate_limited", 30)
    assert bench.take_asked() == ["b"]


async def invalidate_session(bench: TwoCookiesBench) -> None:
    await bench.guard.invalidate(session_id=SESSION_ID)


async def invalidate_cookie(bench: TwoCookiesBench) -> None:
    """Invalidate a cookie whose session is unknown, as after a logout during an outage."""
    cookie, authentication = Credential("cookie", b"s", b"a"), bench.guard.authentication
    await authentication.invalidate_credential(authentication.cache_key(cookie), cookie)


async def test_revoked_cookie_ends_a_request_with_both() -> None:
    """As after a logout whose session is unknown, because Kratos could not be asked for it."""
    bench = TwoCookiesBench(a=GOOD, b=REFUSED)
    scope = scope_of(BOTH)
    await bench.guard.require(scope)
    bench.answers["a"] = REFUSED

    await invalidate_cookie(bench)

    with pytest.raises(SessionRequired):
        await bench.guard.require(scope)


async def test_other_cookies_do_not_extend_the_budget_of_revalidations() -> None:
    """A client can send any number of unknown cookies beside a good one."""
    bench = TwoCookiesBench(a=GOOD)
    bench.answers.update({f"b{number}": REFUSED for number in range(20)})
    await bench.outcome(b"s=a")
    for number in range(20):
        with pytest.raises(EnrollmentRequired):
            await bench.guard.require(scope_of(b"s=a; s=b%d" % number), aal="aal2")

    assert len(bench.asked) == 1 + 20 + 4
    assert bench.asked.count("a") == 5


@pytest.mark.parametrize("ids", [{"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}], ids=list)
async def test_invalidated_session_is_not_used(ids: dict[str, str]) -> None:
    """Its cookie is checked again; then the other one counts."""
    bench = TwoCookiesBench(a=GOOD, b=OTHER)
    assert await bench.outcome(BOTH) == AMBIGUOUS
    bench.answers["a"] = REFUSED

    await bench.guard.invalidate(**ids)

    bench.take_asked()
    assert is_about(await bench.outcome(BOTH), OTHER_ID)
    assert bench.take_asked() == (["a"] if "session_id" in ids else ["a", "b"])


@pytest.mark.parametrize("revoke", [invalidate_session, invalidate_cookie])
@pytest.mark.parametrize("cache_ttl", [30, 0])
async def test_session_that_is_revoked_during_the_check_of_the_other_cookie_is_not_used(
    cache_ttl: float, revoke: Callable[[TwoCookiesBench], Awaitable[None]]
) -> None:
    bench = TwoCookiesBench({"cache_ttl": cache_ttl}, a=GOOD, b=REFUSED)
    await bench.outcome(b"s=a")
    bench.kratos.hold()
    waiting = asyncio.ensure_future(bench.outcome(BOTH))
    for _ in range(10):
        await asyncio.sleep(0)
    bench.answers["a"] = REFUSED
    await revoke(bench)
    bench.kratos.release()

    assert await waiting == INACTIVE


async def test_session_that_is_revoked_during_each_check_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = TwoCookiesBench(a=GOOD, b=REFUSED)
    authenticator = bench.guard.authentication
    always_revoked = SimpleNamespace(check=authenticator.checker.check, is_revoked=lambda *_: True)
    monkeypatch.setattr(authenticator._pairs, "_checker", always_revoked)

    assert await bench.outcome(BOTH) == Unavailable("unreachable")
    assert bench.take_asked() == ["a", "b"]


def connection(bench: TwoCookiesBench, scope: dict[str, Any]) -> SessionRevalidator:
    return bench.guard._watches.revalidator(scope, 10.0)


async def test_open_connection_with_two_cookies_has_a_state_of_its_own() -> None:
    """It ends when the other cookie becomes good for another session; a connection with one cookie does not.

    When its session is invalidated, it ends at once.
    """
    bench = TwoCookiesBench(a=GOOD, b=REFUSED)
    scopes = scope_of(BOTH), scope_of(b"s=b; s=a"), scope_of(b"s=a")
    for scope in scopes:
        await bench.guard.require(scope)
    pair, same_pair, single = (connection(bench, scope) for scope in scopes)
    bench.answers["b"] = OTHER
    bench.clock.advance(11)
    bench.take_asked()

    assert isinstance(await pair.revalidate(), SessionRequired)
    assert bench.take_asked() == ["a", "b"]
    assert isinstance(await same_pair.revalidate(), SessionRequired)
    assert await single.revalidate() == pytest.approx(10.0)
    assert bench.take_asked() == []
    bench.answers["a"] = REFUSED
    await bench.guard.invalidate(session_id=SESSION_ID)
    assert isinstance(await single.revalidate(), SessionRequired)
