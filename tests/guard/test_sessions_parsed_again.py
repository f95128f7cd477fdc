"""A cached session that was not used recently is kept as JSON and parsed again on its next request."""

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_validator
from support.guard_bench import SESSION_TOKEN, Bench
from support.minting import token_of
from support.scripted_kratos import KratosRequest, KratosResponse, refused, session_body, signed_in
from support.token_bench import KEY, TokenBench

from ory_guard import Authenticated, Outcome, Rejected, Unavailable
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
    """Return the session of a token, or 401 for the token `revoked`."""
    name = request.header("x-session-token")
    if name == "revoked":
        return refused()
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


async def test_requests_after_one_another_share_the_session() -> None:
    """It is parsed only once."""
    bench = Bench(respond)
    for name in ("one", "two"):
        await ask(bench, name)

    first, second = [await ask(bench, "one") for _ in range(2)]

    assert isinstance(first, Authenticated)
    assert isinstance(second, Authenticated)
    assert first.session is second.session


async def test_rejection_is_not_asked_again() -> None:
    """Rejections are kept the same way."""
    bench = Bench(respond)
    for name in ("revoked", "one", "two"):
        await ask(bench, name)

    assert await ask(bench, "revoked") == Rejected("inactive", "x_session_token")
    assert bench.calls == 3


@pytest.mark.parametrize("revoked", [{"session_id": "session-one"}, {"identity_id": "one"}])
async def test_revoked_session_is_asked_again(revoked: dict[str, str]) -> None:
    """The others stay cached."""
    bench = Bench(respond)
    for name in ("one", "two", "three"):
        await ask(bench, name)

    await bench.guard.invalidate(**revoked)

    assert [name_of(await ask(bench, name)) for name in ("one", "two", "three")] == ["one", "two", "three"]
    assert bench.calls == 4


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


_rejects = False


class ChangingTraits(Traits):
    """Traits whose validator rejects them at some time."""

    @field_validator("born")
    @classmethod
    def _validate(cls, value: date) -> date:
        if _rejects:
            raise ValueError
        return value


async def test_session_that_the_traits_model_rejects_now_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kratos' next response decides."""
    bench = Bench(respond, traits=ChangingTraits)
    for name in ("one", "two"):
        await ask(bench, name)

    monkeypatch.setattr(f"{__name__}._rejects", True)

    assert await ask(bench, "one") == Unavailable("protocol")
    assert bench.calls == 3
