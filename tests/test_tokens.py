"""Tokens: what a good one is worth."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from asgi_calls import http_scope
from memory_store import MemoryStore, Shelf
from minting import AUDIENCE, claims_of, ec_key, token_of
from pydantic import BaseModel, ConfigDict
from stub_kratos import (
    IDENTITY_ID,
    NOW,
    SESSION_ID,
    StandingClock,
    StubKratos,
    moment,
    refused,
    session_body,
    settings_of,
    signed_in,
    step,
)
from token_bench import KEY, TokenBench, bearer_scope, verifier_of

from ory_guard import Authenticated, GuardSettings, OryGuard, Rejected, Unavailable
from ory_guard.events import TokenVerified
from ory_guard.exceptions import ConfigurationError, SessionCheckUnavailable, SessionRequired
from ory_guard.testing import FakeKratos, TokenizerTemplate
from ory_guard.tokens import TokenVerifier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench() -> AsyncIterator[TokenBench]:
    """A guard with inline keys."""
    made = TokenBench()
    yield made
    await made.guard.aclose()


async def test_a_token_stands_for_its_session(bench: TokenBench) -> None:
    """By its claims alone: the session's id, the identity's id, and the end."""
    outcome = await bench.ask(token_of(KEY))

    assert isinstance(outcome, Authenticated)
    assert (outcome.source, outcome.credential, outcome.age) == ("token", "bearer", 0.0)
    session = outcome.session
    assert (session.id, session.identity.id, session.active) == (SESSION_ID, IDENTITY_ID, True)
    assert session.expires_at.timestamp() == claims_of()["exp"]
    assert session.model_extra is not None
    assert session.model_extra["claims"]["email"] == "ada@example.com"
    assert bench.kratos.asked == []


async def test_what_no_claim_says_is_unknown(bench: TokenBench) -> None:
    """Neither a level, nor a time, nor traits are made up."""
    session = await bench.guard.require(bearer_scope(token_of(KEY)))

    assert session.authenticator_assurance_level is None
    assert session.authenticated_at is None
    assert session.authentication_methods is None
    assert session.identity.traits == {}
    assert session.identity.state is None


async def test_claims_under_kratos_own_names_count(bench: TokenBench) -> None:
    """A template that maps them makes tokens that pass gates by themselves."""
    token = token_of(
        KEY,
        authenticated_at=moment(-10),
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
    assert bench.kratos.asked == []


async def test_a_token_is_verified_once_for_many_requests(bench: TokenBench) -> None:
    """It keeps its source; the second request finds it in the cache."""
    token = token_of(KEY)
    await bench.ask(token)
    bench.clock.advance(5)

    outcome = await bench.ask(token)

    assert isinstance(outcome, Authenticated)
    assert (outcome.source, outcome.age) == ("token", 5.0)
    stats = bench.guard.stats()
    assert (stats.hits, stats.misses, stats.upstream_calls) == (1, 1, 0)
    assert [event.outcome for event in bench.events if isinstance(event, TokenVerified)] == ["Authenticated"]


async def test_a_guard_that_keeps_nothing_verifies_each_time() -> None:
    """With a ttl of 0, and without listeners."""
    bench = TokenBench(cache_ttl=0, negative_ttl=0)
    for token, outcome in [(token_of(KEY), Authenticated), (token_of(ec_key("k1")), Rejected)] * 2:
        assert isinstance(await bench.ask(token), outcome)

    assert bench.guard.stats().hits == 0


async def test_other_bearers_go_to_kratos() -> None:
    """Kratos' own tokens have no dots, and other headers carry no tokens of ours."""
    bench = TokenBench(None, signed_in())

    outcome = await bench.ask("ory_st_ivZW9aFsL0lU9MavgfaxGEjqklcAozIZ")
    assert isinstance(outcome, Authenticated)
    assert outcome.source == "upstream"
    await bench.guard.authenticate(http_scope(headers=[(b"x-session-token", token_of(KEY).encode())]))
    assert len(bench.kratos.asked) == 2


async def test_tokens_are_off_unless_a_verifier_is_given() -> None:
    """A JWT then goes to Kratos like any other bearer."""
    kratos = StubKratos(refused())
    guard = OryGuard(settings_of(), transport=kratos, clock=StandingClock())

    assert await guard.authenticate(bearer_scope(token_of(KEY))) == Rejected("inactive", "bearer")
    assert len(kratos.asked) == 1


async def test_a_token_works_while_kratos_is_held_off() -> None:
    """The breaker is about questions, and none is asked."""
    bench = TokenBench(None, ConnectionError())
    for number in range(6):
        await bench.ask(f"ory_st_{number}")
    assert bench.guard.stats().breaker == "open"

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)


async def test_what_claims_do_not_prove_kratos_may() -> None:
    """A Kratos that knows tokens as credentials is believed."""
    bench = TokenBench(None, signed_in(session_body(authenticator_assurance_level="aal2")))
    scope = bearer_scope(token_of(KEY))

    session = await bench.guard.require(scope, aal="aal2")

    assert session.authenticator_assurance_level == "aal2"
    assert scope["state"]["auth"].source == "upstream"
    outcome = await bench.ask(token_of(KEY))
    assert isinstance(outcome, Authenticated)
    assert outcome.source == "token"


async def test_a_kratos_that_can_not_be_asked_leaves_the_requirement_open() -> None:
    """That is 503: nobody knows."""
    bench = TokenBench(None, ConnectionError())

    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(bearer_scope(token_of(KEY)), aal="aal2")


async def test_who_asks_for_kratos_own_word_gets_it(bench: TokenBench) -> None:
    """`revalidate` means that no claim will do."""
    with pytest.raises(SessionRequired):
        await bench.guard.require(bearer_scope(token_of(KEY)), revalidate=True)

    assert len(bench.kratos.asked) == 1
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)


async def test_an_open_connection_lasts_as_long_as_its_token(bench: TokenBench) -> None:
    """It is verified again, and Kratos is not asked; once revoked, it ends."""
    scope = bearer_scope(token_of(KEY))
    await bench.guard.require(scope)
    bench.clock.advance(40)

    assert await bench.guard._enforcement.recheck(scope, 30.0) == 30.0
    await bench.guard.invalidate(session_id=SESSION_ID)
    assert isinstance(await bench.guard._enforcement.recheck(scope, 30.0), SessionRequired)
    assert bench.kratos.asked == []


async def test_what_was_revoked_before_this_process_began_is_looked_up() -> None:
    """In the store, for a token that is older than what this process heard."""
    shelf = Shelf(revoked={SESSION_ID: NOW.timestamp() - 5})
    bench = TokenBench(store=MemoryStore(shelf))

    assert await bench.ask(token_of(KEY)) == Rejected("inactive", "bearer")
    shelf.revoked[SESSION_ID] = NOW.timestamp() - 71
    assert isinstance(await bench.ask(token_of(KEY, jti="two")), Authenticated)
    await bench.guard.aclose()


async def test_a_newer_token_needs_no_look_at_the_store() -> None:
    """Everything that was revoked since it was made was heard."""
    store = MemoryStore(Shelf())
    bench = TokenBench(store=store)
    await bench.ask(token_of(KEY))
    bench.clock.advance(120)
    store.calls.clear()
    now = int(bench.clock.time())

    assert isinstance(await bench.ask(token_of(KEY, iat=now, nbf=now, exp=now + 60)), Authenticated)
    assert store.calls == []
    await bench.guard.aclose()


async def test_a_store_that_is_down_stops_no_token() -> None:
    """What is known here still counts."""
    store = MemoryStore(Shelf())
    store.failing |= {"subscribe", "revoked_at"}
    bench = TokenBench(store=store)

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    await bench.guard.invalidate(session_id=SESSION_ID)
    assert isinstance(await bench.ask(token_of(KEY)), Rejected)
    await bench.guard.aclose()


class Traits(BaseModel):
    """Traits that tokens may lack."""

    model_config = ConfigDict(frozen=True)

    email: str


async def test_claims_that_lack_what_the_traits_need_are_our_fault() -> None:
    """Nobody is let in with half an identity: 503, and a log record that says why."""
    bench = TokenBench(traits=Traits)

    assert await bench.ask(token_of(KEY)) == Unavailable("protocol")
    session = await bench.guard.require(bearer_scope(token_of(KEY, traits={"email": "ada@example.com"})))
    assert session.identity.traits == Traits(email="ada@example.com")


def test_tokens_need_bearers() -> None:
    """They come as such."""
    with pytest.raises(ConfigurationError, match="'bearer' is not among the credentials"):
        OryGuard(settings_of(credentials=("x_session_token",)), tokens=verifier_of())


async def test_the_tokens_of_a_fake_kratos_are_verified() -> None:
    """From `tokenize_as` to a gated route, and after its keys have changed."""
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

    found = await guard.require(bearer_scope(session.tokenized), aal="aal1")
    assert found.id == session.id
    assert found.identity.id == session.identity.id
    await guard.aclose()
