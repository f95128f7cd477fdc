"""Tests of guards with a `TokenVerifier`: sessions, requirements and revocation of valid tokens."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict
from support.asgi_calls import http_scope
from support.clock import NOW
from support.guard_bench import settings_of
from support.memory_store import MemoryServer, MemoryStore
from support.minting import AUDIENCE, claims_of, ec_key, token_of
from support.scripted_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    session_body,
    signed_in,
    step,
    timestamp,
)
from support.token_bench import KEY, TokenBench, bearer_scope, verifier_of

from ory_guard import Authenticated, GuardSettings, OryGuard, Rejected, Unavailable
from ory_guard.events import TokenVerified
from ory_guard.exceptions import ConfigurationError, SessionRequired
from ory_guard.testing import FakeKratos, TokenizerTemplate
from ory_guard.tokens import TokenVerifier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench() -> AsyncIterator[TokenBench]:
    """Yield a guard with inline keys."""
    bench = TokenBench()
    yield bench
    await bench.guard.aclose()


async def test_token_is_accepted_as_its_session(bench: TokenBench) -> None:
    outcome = await bench.ask(token_of(KEY))

    assert isinstance(outcome, Authenticated)
    assert (outcome.source, outcome.credential, outcome.age) == ("token", "bearer", 0.0)
    session = outcome.session
    assert (session.id, session.identity.id, session.active) == (SESSION_ID, IDENTITY_ID, True)
    assert session.expires_at.timestamp() == claims_of()["exp"]
    assert session.model_extra is not None
    assert session.model_extra["claims"]["email"] == "ada@example.com"
    assert bench.kratos.requests == []


async def test_missing_claims_are_unknown(bench: TokenBench) -> None:
    session = await bench.guard.require(bearer_scope(token_of(KEY)))

    assert session.authenticator_assurance_level is None
    assert session.authenticated_at is None
    assert session.authentication_methods is None
    assert session.identity.traits == {}
    assert session.identity.state is None


async def test_claims_with_names_of_kratos_become_session_fields(bench: TokenBench) -> None:
    token = token_of(
        KEY,
        authenticated_at=timestamp(-10),
        authenticator_assurance_level="aal2",
        authentication_methods=[step(), step("totp", "aal2")],
        traits={"email": "ada@example.com"},
        metadata_public={"roles": ["reader"]},
        verifiable_addresses=[{"via": "email", "verified": True}],
        organization_id="acme",
        aud=[AUDIENCE, "https://other.example.com"],
    )

    session = await bench.guard.require(
        bearer_scope(token),
        aal="aal2",
        max_age=60,
        authentication_methods=["totp"],
        verified="email",
        organization="acme",
        when=lambda session: "reader" in session.identity.metadata_public["roles"],
    )

    assert session.identity.traits["email"] == "ada@example.com"
    assert bench.kratos.requests == []


async def test_verified_token_is_cached(bench: TokenBench) -> None:
    token = token_of(KEY)
    await bench.ask(token)
    bench.clock.advance(5)

    outcome = await bench.ask(token)

    assert isinstance(outcome, Authenticated)
    assert (outcome.source, outcome.age) == ("token", 5.0)
    stats = bench.guard.stats()
    assert (stats.hits, stats.misses, stats.upstream_calls) == (1, 1, 0)
    assert [event.outcome for event in bench.events if isinstance(event, TokenVerified)] == ["Authenticated"]


async def test_guard_without_cache_verifies_every_request() -> None:
    bench = TokenBench(cache_ttl=0, negative_ttl=0)
    for token, outcome in [(token_of(KEY), Authenticated), (token_of(ec_key("k1")), Rejected)] * 2:
        assert isinstance(await bench.ask(token), outcome)

    assert bench.guard.stats().hits == 0


async def test_other_credentials_are_sent_to_kratos() -> None:
    """Session tokens without dots, and JWTs in other headers, are not verified here."""
    bench = TokenBench(None, signed_in())

    outcome = await bench.ask("ory_st_ivZW9aFsL0lU9MavgfaxGEjqklcAozIZ")
    assert isinstance(outcome, Authenticated)
    assert outcome.source == "upstream"
    await bench.guard.authenticate(http_scope(headers=[(b"x-session-token", token_of(KEY).encode())]))
    assert len(bench.kratos.requests) == 2


async def test_token_is_accepted_while_the_breaker_is_open() -> None:
    bench = TokenBench(None, ConnectionError())
    for number in range(6):
        await bench.ask(f"ory_st_{number}")
    assert bench.guard.stats().breaker == "open"

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)


async def test_unproven_requirement_is_checked_with_kratos() -> None:
    """A Kratos that accepts the JWT as a credential confirms the level."""
    bench = TokenBench(None, signed_in(session_body(authenticator_assurance_level="aal2")))
    scope = bearer_scope(token_of(KEY))

    session = await bench.guard.require(scope, aal="aal2")

    assert session.authenticator_assurance_level == "aal2"
    assert scope["state"]["auth"].source == "upstream"
    outcome = await bench.ask(token_of(KEY))
    assert isinstance(outcome, Authenticated)
    assert outcome.source == "token"


async def test_open_connection_revalidates_its_token(bench: TokenBench) -> None:
    scope = bearer_scope(token_of(KEY))
    await bench.guard.require(scope)
    bench.clock.advance(40)

    assert await bench.guard._watches.revalidator(scope, 30.0).revalidate() == 30.0
    await bench.guard.invalidate(session_id=SESSION_ID)
    assert isinstance(await bench.guard._watches.revalidator(scope, 30.0).revalidate(), SessionRequired)
    assert bench.kratos.requests == []


async def test_earlier_revocation_is_read_from_the_store() -> None:
    memory_server = MemoryServer(revoked={SESSION_ID: NOW.timestamp() - 5})
    bench = TokenBench(store=MemoryStore(memory_server))

    assert await bench.ask(token_of(KEY)) == Rejected("inactive", "bearer")
    memory_server.revoked[SESSION_ID] = NOW.timestamp() - 71
    assert isinstance(await bench.ask(token_of(KEY, jti="two")), Authenticated)
    await bench.guard.aclose()


async def test_newer_token_does_not_read_the_store() -> None:
    """The subscription delivered all revocations since the token was issued."""
    store = MemoryStore(MemoryServer())
    bench = TokenBench(store=store)
    await bench.ask(token_of(KEY))
    bench.clock.advance(120)
    store.calls.clear()
    now = int(bench.clock.time())

    assert isinstance(await bench.ask(token_of(KEY, iat=now, nbf=now, exp=now + 60)), Authenticated)
    assert store.calls == []
    await bench.guard.aclose()


async def test_token_is_accepted_while_the_store_is_down() -> None:
    store = MemoryStore(MemoryServer())
    store.failing |= {"subscribe", "revoked_at"}
    bench = TokenBench(store=store)

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    await bench.guard.invalidate(session_id=SESSION_ID)
    assert isinstance(await bench.ask(token_of(KEY)), Rejected)
    await bench.guard.aclose()


class Traits(BaseModel):
    """Traits that a token may not contain."""

    model_config = ConfigDict(frozen=True)

    email: str


async def test_token_without_required_traits_is_a_protocol_error(caplog: pytest.LogCaptureFixture) -> None:
    """A token whose claims do not match the traits model is unavailable, not rejected."""
    bench = TokenBench(traits=Traits)

    assert await bench.ask(token_of(KEY)) == Unavailable("protocol")
    assert "tokens.unreadable: the session has invalid fields: identity.traits.email; change" in caplog.text
    session = await bench.guard.require(bearer_scope(token_of(KEY, traits={"email": "ada@example.com"})))
    assert session.identity.traits == Traits(email="ada@example.com")


def test_verifier_requires_bearer_credentials() -> None:
    with pytest.raises(ConfigurationError, match="credentials must contain 'bearer'"):
        OryGuard(settings_of(credentials=("x_session_token",)), tokens=verifier_of())


async def test_tokens_of_fake_kratos_are_verified() -> None:
    claims = {"aud": "identity.schema_id", "authenticator_assurance_level": "authenticator_assurance_level"}
    fake = FakeKratos(tokenizer_templates={"api": TokenizerTemplate(ttl=300, claims=claims)})
    url = fake.settings.public_url
    guard = OryGuard(
        GuardSettings(kratos_public_url=url, app_url="http://127.0.0.1:8000"),
        transport=httpx2.ASGITransport(app=fake.app),
        tokens=TokenVerifier(issuer=f"{url}/", audience="default", jwks=fake.jwks),
    )
    signed = fake.sign_in(fake.add_identity(traits={"email": "ada@example.com"}))
    session = await guard.client.to_session(x_session_token=signed.token, tokenize_as="api")
    assert session.tokenized is not None

    verified = await guard.require(bearer_scope(session.tokenized), aal="aal1")
    assert verified.id == session.id
    assert verified.identity.id == session.identity.id
    await guard.aclose()
