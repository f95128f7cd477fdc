"""A cached session that was not used recently is kept as JSON and parsed again on its next request."""

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from support.guard_bench import SESSION_TOKEN, Bench
from support.minting import token_of
from support.scripted_kratos import KratosRequest, KratosResponse, session_body, signed_in
from support.token_bench import KEY, TokenBench

from ory_guard import Authenticated, Outcome
from ory_guard.cache import session_cache
from ory_guard.guard.jwt import VerifiedToken

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
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
