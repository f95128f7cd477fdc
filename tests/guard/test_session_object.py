"""Session objects: one per request, and one that is parsed again if the cached session was not used recently."""

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from support.guard_bench import SESSION_TOKEN, Bench, by, optional_session, request
from support.minting import token_of
from support.scripted_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    KratosRequest,
    KratosResponse,
    aal2_session,
    refused,
    session_body,
    signed_in,
)
from support.token_bench import KEY, TokenBench

from ory_guard import Authenticated, Outcome, Rejected, Session
from ory_guard.cache import session_cache
from ory_guard.exceptions import Refusal, RequirementNotMet
from ory_guard.guard.jwt import VerifiedToken

pytestmark = pytest.mark.anyio

RENAMED = signed_in(session_body(identity={"traits": {"email": "countess@example.com"}}))
MEMBER = signed_in(session_body(identity={"organization_id": "acme"}))


def held(scope: dict[str, Any]) -> list[Session[Any] | None]:
    state = scope["state"]
    auth = state["auth"].session if isinstance(state["auth"], Authenticated) else None
    return [state["ory_session"], state["session"], auth, scope["user"].session, scope["auth"].session]


def is_held(scope: dict[str, Any], session: Session[Any]) -> bool:
    return all(place is session for place in held(scope))


async def begun(*answers: KratosResponse, **changes: Any) -> tuple[Bench, dict[str, Any], Session[Any]]:
    """Start a request with a session that was cached a while ago; return the published object."""
    bench = Bench(*answers, **changes)
    await bench.outcome()
    bench.clock.advance(5)
    scope = request()
    assert by(await bench.guard.authenticate(scope)) == ("cache", 5)
    session = scope["state"]["ory_session"]
    return bench, scope, session


async def test_equal_session_keeps_the_published_object() -> None:
    """`require` returns it, too."""
    bench, scope, session = await begun(signed_in())

    assert await bench.guard.require(scope, revalidate=True) is session
    assert is_held(scope, session)
    outcome = await bench.guard.authenticate(scope)
    assert isinstance(outcome, Authenticated)
    assert outcome.session is session
    assert by(outcome) == ("upstream", 0)
    assert bench.calls == 2


@pytest.mark.parametrize("conditions", [{}, {"max_age": 3600}], ids=str)
async def test_require_returns_a_changed_session_without_publishing_it(conditions: dict[str, Any]) -> None:
    """The decision uses the newest session; the request keeps its object."""
    bench, scope, session = await begun(signed_in(), RENAMED)

    newer = await bench.guard.require(scope, revalidate=True, **conditions)

    assert newer.identity.traits["email"] == "countess@example.com"
    assert is_held(scope, session)


@pytest.mark.parametrize("seconds", [0, 20])
async def test_slow_request_body_keeps_the_object(seconds: float) -> None:
    """Whether the session was invalidated in the meantime or only became stale."""
    bench, scope, session = await begun(signed_in(), RENAMED)
    bench.clock.advance(seconds)
    if not seconds:
        await bench.guard.invalidate(identity_id=IDENTITY_ID)

    await bench.guard.require(scope)

    assert is_held(scope, session)
    assert bench.calls == (1 if seconds else 2)


@pytest.mark.parametrize("seconds", [0, 40])
async def test_session_that_ends_during_a_slow_body_is_not_an_optional_session(seconds: float) -> None:
    """It was invalidated, or is stale and has ended at Kratos."""
    bench, scope, _ = await begun(signed_in(), refused())
    bench.clock.advance(seconds)
    if not seconds:
        await bench.guard.invalidate(session_id=SESSION_ID)

    assert await optional_session(bench.guard, scope) is None


@pytest.mark.parametrize(
    ("newer", "conditions"),
    [
        (signed_in(aal2_session()), {"aal": "aal2"}),
        (signed_in(aal2_session()), {"aal": "aal2", "revalidate": True}),
        (MEMBER, {"organization": "acme", "revalidate": True}),
        (signed_in(session_body(id=SESSION_ID[::-1])), {"revalidate": True}),
        (signed_in(session_body(identity={"id": IDENTITY_ID[::-1]})), {"revalidate": True}),
    ],
    ids=["step-up", "step-up, always asked", "another condition", "another session", "another identity"],
)
async def test_refused_session_is_replaced(newer: KratosResponse, conditions: dict[str, Any]) -> None:
    """Also if the newer outcome is another session."""
    bench, scope, session = await begun(signed_in(), newer)

    returned = await bench.guard.require(scope, **conditions)

    assert returned is not session
    assert is_held(scope, returned)


@pytest.mark.parametrize(
    ("newer", "published"), [(refused(), None), (signed_in(session_body(identity={"state": "x"})), "newer")]
)
async def test_refused_newer_outcome_is_published(newer: KratosResponse, published: str | None) -> None:
    """An application that handles the refusal must not continue with the older session."""
    bench, scope, session = await begun(MEMBER, newer)

    with pytest.raises(Refusal) as caught:
        await bench.guard.require(scope, organization="acme", revalidate=True)

    assert session not in held(scope)
    assert isinstance(scope["state"]["auth"], Rejected) is (published is None)
    assert isinstance(caught.value, RequirementNotMet) is (published is not None)


async def test_watch_publishes_only_a_changed_session() -> None:
    """A connection outlives requests, so it shows the newest session."""
    bench, scope, session = await begun(signed_in(), signed_in(), RENAMED)
    for equal in (True, False):
        bench.clock.advance(10)
        await bench.guard._watches.revalidator(scope, 10.0).revalidate()
        assert is_held(scope, session) is equal
    assert scope["user"].session.identity.traits["email"] == "countess@example.com"
    assert bench.calls == 3


# --- sessions that were not used recently


@pytest.fixture
def _one_recent_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_cache, "_MIN_RECENT", 1)
    monkeypatch.setattr(session_cache, "_MAX_RECENT", 1)


class Traits(BaseModel):
    """Traits of an application."""

    model_config = ConfigDict(frozen=True)

    born: date


def respond(request: KratosRequest) -> KratosResponse:
    """Return the session of a token."""
    name = request.header("x-session-token")
    return signed_in(session_body(id=f"session-{name}", identity={"id": name, "traits": {"born": "1815-12-10"}}))


def name_of(outcome: Outcome) -> str:
    assert isinstance(outcome, Authenticated)
    return outcome.session.identity.id


async def ask(bench: Bench, name: str, **more: Any) -> Outcome:
    return await bench.outcome((SESSION_TOKEN[0], name.encode()), **more)


NAMES = [f"user-{number}" for number in range(20)]


@pytest.mark.usefixtures("_one_recent_session")
async def test_each_credential_gets_its_own_session_again() -> None:
    """Without another call to Kratos, and with the traits of the application."""
    bench = Bench(respond, traits=Traits)
    first = [await ask(bench, name) for name in NAMES]
    bench.clock.advance(5)

    again = [await ask(bench, name) for name in NAMES]

    assert [name_of(outcome) for outcome in again] == NAMES
    assert bench.calls == len(NAMES)
    for old, new in zip(first, again, strict=True):
        assert isinstance(old, Authenticated)
        assert isinstance(new, Authenticated)
        assert new == (old.session, "x_session_token", "cache", 5)
        assert new.session is not old.session
        assert new.session.identity.traits == Traits(born=date(1815, 12, 10))


@pytest.mark.usefixtures("_one_recent_session")
async def test_token_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session of a JWT is kept as the JSON of its claims."""
    bench = TokenBench(traits=Traits)
    tokens = [token_of(KEY, sid=f"session-{name}", sub=name, traits={"born": "1815-12-10"}) for name in NAMES]
    first = [await bench.ask(token) for token in tokens]

    async def fail(*_arguments: Any) -> VerifiedToken:
        raise AssertionError

    monkeypatch.setattr("ory_guard.tokens.TokenVerifier.verify", fail)
    again = [await bench.ask(token) for token in tokens]

    assert [name_of(outcome) for outcome in again] == NAMES
    assert again == first
