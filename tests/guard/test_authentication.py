"""Authentication of a request: one credential, the cache, and failures that fail closed."""

import asyncio
import logging
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_validator
from starlette.requests import Request
from support.clock import AdjustableClock
from support.guard_bench import (
    BEARER,
    SESSION_COOKIE,
    SESSION_TOKEN,
    Bench,
    Pair,
    by,
    context_of,
    guard_of,
    request,
    settings_of,
)
from support.scripted_kratos import (
    COOKIE,
    ENROLL,
    IDENTITY_ID,
    KRATOS,
    SESSION_ID,
    STEP_UP,
    TOKEN,
    KratosResponse,
    ScriptedKratos,
    refused,
    session_body,
    signed_in,
    timestamp,
)
from support.token_bench import verifier_of

from ory_guard import Authenticated, OryGuard, Outcome, Rejected, SecondFactorRequired, Unavailable

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("headers", "kind", "sent"),
    [
        ([BEARER], "bearer", ("authorization", "Bearer " + TOKEN.decode())),
        ([BEARER, SESSION_COOKIE], "cookie", ("cookie", COOKIE.decode())),
        ([BEARER, SESSION_COOKIE, SESSION_TOKEN], "x_session_token", ("x-session-token", TOKEN.decode())),
    ],
)
async def test_only_the_first_kind_of_credential_is_sent(
    headers: list[Pair], kind: str, sent: tuple[str, str]
) -> None:
    """With two credentials, Kratos responds with 500 or renews the cookie of another user."""
    bench = Bench()

    outcome = await bench.outcome(*headers, (b"user-agent", b"x"))

    assert isinstance(outcome, Authenticated)
    assert (outcome.session.id, outcome.credential) == (SESSION_ID, kind)
    (whoami,) = bench.kratos.requests
    assert whoami.credentials() == [sent]
    assert (whoami.method, whoami.url) == ("GET", f"{KRATOS}/sessions/whoami")


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (refused(401), Rejected("inactive", "cookie")),
        (STEP_UP, SecondFactorRequired("cookie", enrolled=True)),
        (ENROLL, SecondFactorRequired("cookie", enrolled=False)),
        (refused(429), Unavailable("rate_limited")),
        (refused(500), Unavailable("unreachable")),
        (refused(404), Unavailable("protocol")),
        (KratosResponse(200, b"ok"), Unavailable("protocol")),
        (OSError(), Unavailable("unreachable")),
        (TimeoutError(), Unavailable("timeout")),
    ],
    ids=lambda value: getattr(value, "status", None) or type(value).__name__,
)
async def test_refusals_are_cached_and_failures_are_not(response: Any, outcome: Outcome) -> None:
    """After a failure, the next request calls Kratos again; after a 429, as soon as it is allowed."""
    bench = Bench(response, signed_in())
    assert await bench.outcome(SESSION_COOKIE) == outcome
    bench.clock.advance(1)

    again = await bench.outcome(SESSION_COOKIE)

    assert isinstance(again, Authenticated) if isinstance(outcome, Unavailable) else again == outcome


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("level", ["aal1", "aal2", "aal3", None])
async def test_outcome_of_a_request_is_published_once(level: str | None, *, cached: bool) -> None:
    """Later calls return it. An unknown assurance level only counts as authenticated."""
    bench = Bench(signed_in(session_body(authenticator_assurance_level=level)))
    if cached:
        await bench.outcome()
        bench.clock.advance(20)
    scope = request()

    outcome = await bench.guard.authenticate(Request(scope))

    bench.guard.authentication.cache.clear()
    assert await bench.guard.authenticate(scope) is outcome is scope["state"]["auth"]
    assert by(outcome) == (("cache", 20.0) if cached else ("upstream", 0.0))
    assert isinstance(outcome, Authenticated)
    assert scope["state"]["session"] is scope["state"]["ory_session"] is outcome.session
    assert (scope["user"].is_authenticated, scope["user"].identity) == (True, IDENTITY_ID)
    more = {"aal1": ("aal1",), "aal2": ("aal1", "aal2")}
    assert scope["auth"].scopes == ("authenticated", *more.get(level or "", ()))
    assert bench.calls == 1


@pytest.mark.parametrize("root_path", ["/prefix", "", None])
async def test_auth_context_keeps_the_original_path(root_path: str | None) -> None:
    """Mounts change it; a server may omit the root path."""
    scope = request(path="/prefix/vault", root_path=root_path)
    if root_path is None:
        del scope["root_path"]

    check = context_of(Bench().guard, scope)

    assert (check.path, check.root_path) == ("/prefix/vault", root_path or "")


@pytest.mark.parametrize(
    ("tokens", "longest"), [(None, 2 + 30), (verifier_of(max_lifetime=600, clock_skew=10), 600 + 2 * 10)]
)
@pytest.mark.parametrize("later", [-0.5, 0.5])
async def test_revocations_are_kept_as_long_as_they_matter(tokens: Any, longest: float, later: float) -> None:
    """Expired ones are removed when others are added."""
    guard = OryGuard(settings_of(timeout=2), clock=(clock := AdjustableClock()), tokens=tokens)
    guard.authentication.invalidate(*(f"session-{number}" for number in range(4_096)))
    clock.advance(longest + later)

    guard.authentication.invalidate("one-more")

    log = guard.authentication.cache.revocations
    assert (log.revoked_at("session-0") > 0) == (later < 0)
    assert log.revoked_at("session-4095", "one-more") == clock.monotonic()


@pytest.mark.parametrize(
    ("told", "changes", "seconds"),
    [
        (signed_in(ory_session_cache_for="7"), {}, 7),
        (signed_in(session_body(expires_at=timestamp(7))), {}, 7),
        (signed_in(), {"cache_ttl": 7}, 7),
        (signed_in(), {}, 30),
        (refused(401), {}, 5),
        (refused(401).with_header("ory-session-cache-for", "60"), {}, 5),
        (refused(401), {"negative_ttl": 2}, 2),
        (STEP_UP, {}, 5),
    ],
)
async def test_lifetime_is_limited(told: KratosResponse, changes: Any, seconds: float) -> None:
    """By the settings, by Kratos, and by the expiry of the session."""
    bench = Bench(told, **changes)
    await bench.outcome()

    bench.clock.advance(seconds * 0.9)
    await bench.outcome()
    assert bench.calls == 1
    bench.clock.advance(seconds * 0.11)
    await bench.outcome()
    assert bench.calls == 2


async def test_zero_ttl_disables_the_cache() -> None:
    """For applications that need revocations at once."""
    bench = Bench(cache_ttl=0)

    assert [by(await bench.outcome()) for _ in range(3)] == [("upstream", 0.0)] * 3
    assert bench.calls == 3


class Broken(BaseModel):
    """Traits whose validation fails with a defect."""

    model_config = ConfigDict(frozen=True)

    email: str

    @field_validator("email")
    @classmethod
    def _break(cls, value: str) -> str:
        raise ZeroDivisionError(f"in the middle of {value}")


async def test_internal_error_fails_closed_and_logs_no_values(caplog: pytest.LogCaptureFixture) -> None:
    """A defect, or a server that violates ASGI, causes neither a 500 nor a logout, and one call a second.

    The log names only the error.
    """
    kratos = ScriptedKratos(signed_in())
    guard = guard_of(kratos, traits=Broken)

    with caplog.at_level(logging.DEBUG, "ory_guard"):
        outcomes = await asyncio.gather(*(guard.authenticate(request()) for _ in range(3)))
        outcomes.append(await guard.authenticate(request()))
        outcomes.append(await guard.authenticate({**request(), "headers": [("x-session-token", "text"), None]}))

    assert outcomes == [Unavailable("protocol")] * 5
    assert len(kratos.requests) == 1
    assert set(caplog.messages) == {
        f"check.internal_error error={error}" for error in ("ZeroDivisionError", "TypeError")
    }


async def test_errors_do_not_contain_the_credential(caplog: pytest.LogCaptureFixture) -> None:
    """Transports quote headers in their errors; logs and outcomes must not."""
    secret = TOKEN.decode()
    wrong = [
        OSError(secret),
        KratosResponse(200, secret.encode()),
        refused(404),
        refused(403, secret),
        TimeoutError(secret),
    ]

    with caplog.at_level(logging.DEBUG, "ory_guard"):
        outcomes = [await Bench(told).outcome() for told in wrong]

    assert len(caplog.records) >= len(wrong)
    assert secret not in caplog.text
    assert secret not in repr(outcomes)
