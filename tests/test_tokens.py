"""Tokens: what a good one is worth, and where keys come from."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asgi_calls import http_scope
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from memory_store import MemoryStore, Shelf, eventually
from minting import AUDIENCE, ISSUER, claims_of, ec_key, jwks_of, rsa_key, token_of
from pydantic import BaseModel, ConfigDict
from stub_kratos import (
    IDENTITY_ID,
    NOW,
    SESSION_ID,
    StandingClock,
    StubKratos,
    Told,
    moment,
    refused,
    session_body,
    settings_of,
    signed_in,
    step,
)

from ory_guard import Authenticated, GuardSettings, OryGuard, Outcome, Rejected, Unavailable
from ory_guard.events import Event, TokenVerified
from ory_guard.exceptions import ConfigurationError, SessionCheckUnavailable, SessionRequired
from ory_guard.testing import FakeKratos, TokenizerTemplate
from ory_guard.tokens import TokenVerifier
from ory_guard.tokens.jwks import fits, read_jwks

pytestmark = pytest.mark.anyio

KEY = ec_key("k1")
URL = "https://keys.example.com/jwks.json"


def verifier_of(jwks: Any = None, **options: Any) -> TokenVerifier:
    """Return a verifier, of `KEY` unless something else is given."""
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks=jwks_of(KEY) if jwks is None else jwks, **options)


class Bench:
    """A guard that verifies tokens."""

    def __init__(
        self,
        verifier: TokenVerifier | None = None,
        *answers: Told | Exception,
        traits: type[Any] | None = None,
        store: MemoryStore | None = None,
        **settings: Any,
    ) -> None:
        self.clock = StandingClock()
        self.kratos = StubKratos(*(answers or (refused(),)))
        self.events: list[Event] = []
        self.guard = OryGuard(
            settings_of(**settings),
            transport=self.kratos,
            clock=self.clock,
            tokens=verifier or verifier_of(),
            traits=traits,
            store=store,
            listeners=[self.events.append],
        )

    async def ask(self, token: str) -> Outcome:
        """Make a request with this token."""
        return await self.guard.authenticate(scope_of(token))


def scope_of(token: str) -> dict[str, Any]:
    """Return a request with a bearer token."""
    return http_scope(headers=[(b"authorization", b"Bearer " + token.encode())])


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A guard with inline keys."""
    made = Bench()
    yield made
    await made.guard.aclose()


async def test_a_token_stands_for_its_session(bench: Bench) -> None:
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


async def test_what_no_claim_says_is_unknown(bench: Bench) -> None:
    """Neither a level, nor a time, nor traits are made up."""
    session = await bench.guard.require(scope_of(token_of(KEY)))

    assert session.authenticator_assurance_level is None
    assert session.authenticated_at is None
    assert session.authentication_methods is None
    assert session.identity.traits == {}
    assert session.identity.state is None


async def test_claims_under_kratos_own_names_count(bench: Bench) -> None:
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
        scope_of(token),
        aal="aal2",
        max_age=60,
        authentication_methods=["totp"],
        verified="email",
        organization="acme",
        when=lambda session: "reader" in session.identity.metadata_public["roles"],
    )

    assert session.identity.traits["email"] == "ada@example.com"
    assert bench.kratos.asked == []


async def test_a_token_is_verified_once_for_many_requests(bench: Bench) -> None:
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
    bench = Bench(cache_ttl=0, negative_ttl=0)
    for token, outcome in [(token_of(KEY), Authenticated), (token_of(ec_key("k1")), Rejected)] * 2:
        assert isinstance(await bench.ask(token), outcome)

    assert bench.guard.stats().hits == 0


async def test_other_bearers_go_to_kratos() -> None:
    """Kratos' own tokens have no dots, and other headers carry no tokens of ours."""
    bench = Bench(None, signed_in())

    outcome = await bench.ask("ory_st_ivZW9aFsL0lU9MavgfaxGEjqklcAozIZ")
    assert isinstance(outcome, Authenticated)
    assert outcome.source == "upstream"
    await bench.guard.authenticate(http_scope(headers=[(b"x-session-token", token_of(KEY).encode())]))
    assert len(bench.kratos.asked) == 2


async def test_tokens_are_off_unless_a_verifier_is_given() -> None:
    """A JWT then goes to Kratos like any other bearer."""
    kratos = StubKratos(refused())
    guard = OryGuard(settings_of(), transport=kratos, clock=StandingClock())

    assert await guard.authenticate(scope_of(token_of(KEY))) == Rejected("inactive", "bearer")
    assert len(kratos.asked) == 1


async def test_a_token_works_while_kratos_is_held_off() -> None:
    """The breaker is about questions, and none is asked."""
    bench = Bench(None, ConnectionError())
    for number in range(6):
        await bench.ask(f"ory_st_{number}")
    assert bench.guard.stats().breaker == "open"

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)


async def test_what_claims_do_not_prove_kratos_may() -> None:
    """A Kratos that knows tokens as credentials is believed."""
    bench = Bench(None, signed_in(session_body(authenticator_assurance_level="aal2")))
    scope = scope_of(token_of(KEY))

    session = await bench.guard.require(scope, aal="aal2")

    assert session.authenticator_assurance_level == "aal2"
    assert scope["state"]["auth"].source == "upstream"
    outcome = await bench.ask(token_of(KEY))
    assert isinstance(outcome, Authenticated)
    assert outcome.source == "token"


async def test_a_kratos_that_can_not_be_asked_leaves_the_requirement_open() -> None:
    """That is 503: nobody knows."""
    bench = Bench(None, ConnectionError())

    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(scope_of(token_of(KEY)), aal="aal2")


async def test_who_asks_for_kratos_own_word_gets_it(bench: Bench) -> None:
    """`revalidate` means that no claim will do."""
    with pytest.raises(SessionRequired):
        await bench.guard.require(scope_of(token_of(KEY)), revalidate=True)

    assert len(bench.kratos.asked) == 1
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)


async def test_an_open_connection_lasts_as_long_as_its_token(bench: Bench) -> None:
    """It is verified again, and Kratos is not asked; once revoked, it ends."""
    scope = scope_of(token_of(KEY))
    await bench.guard.require(scope)
    bench.clock.advance(40)

    assert await bench.guard._enforcement.recheck(scope, 30.0) == 30.0
    await bench.guard.invalidate(session_id=SESSION_ID)
    assert isinstance(await bench.guard._enforcement.recheck(scope, 30.0), SessionRequired)
    assert bench.kratos.asked == []


async def test_what_was_revoked_before_this_process_began_is_looked_up() -> None:
    """In the store, for a token that is older than what this process heard."""
    shelf = Shelf(revoked={SESSION_ID: NOW.timestamp() - 5})
    bench = Bench(store=MemoryStore(shelf))

    assert await bench.ask(token_of(KEY)) == Rejected("inactive", "bearer")
    shelf.revoked[SESSION_ID] = NOW.timestamp() - 71
    assert isinstance(await bench.ask(token_of(KEY, jti="two")), Authenticated)
    await bench.guard.aclose()


async def test_a_newer_token_needs_no_look_at_the_store() -> None:
    """Everything that was revoked since it was made was heard."""
    store = MemoryStore(Shelf())
    bench = Bench(store=store)
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
    bench = Bench(store=store)

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
    bench = Bench(traits=Traits)

    assert await bench.ask(token_of(KEY)) == Unavailable("protocol")
    session = await bench.guard.require(scope_of(token_of(KEY, traits={"email": "ada@example.com"})))
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

    found = await guard.require(scope_of(session.tokenized), aal="aal1")
    assert found.id == session.id
    assert found.identity.id == session.identity.id
    await guard.aclose()


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("ES384", "P-384"), ("ES512", "P-521"), ("PS256", ""), ("RS512", "")]
)
async def test_asymmetric_algorithms_are_accepted(algorithm: str, curve: str) -> None:
    """Of those that are named, each with its kind of key."""
    key = ECKey.generate_key(curve, {"kid": "k"}) if curve else rsa_key("k")
    jwk = {**key.as_dict(private=False), "alg": algorithm}
    verifier = verifier_of({"keys": [jwk]}, algorithms=[algorithm])
    (known,) = read_jwks({"keys": [jwk]})["k"]

    assert fits(known, algorithm)
    assert not fits(known, "ES256")
    assert not fits(known, "RS256")
    named = type(key).import_key({**key.as_dict(private=True), "alg": algorithm, "kid": "k"})
    assert await verifier.verify(token_of(named), StandingClock()) is not None
    assert await verifier.verify(token_of(KEY), StandingClock()) is None


def test_a_set_may_hold_what_is_not_for_us() -> None:
    """Other kinds of keys, keys without a `kid`, for encryption, too short or broken are left out."""
    jwk = KEY.as_dict(private=False)
    nameless = {name: value for name, value in jwk.items() if name != "kid"}
    okp = OKPKey.generate_key("Ed25519", {"kid": "ed"}).as_dict(private=False)
    odd = [5, {}, okp, nameless, {**jwk, "use": "enc"}, {**jwk, "x": "A"}, {"kty": "EC", "kid": "k"}]
    short = {"kty": "RSA", "kid": "s", "n": _number((1 << 1_023) + 1), "e": "AQAB"}

    assert list(read_jwks({"keys": [*odd, short, jwk]})) == ["k1"]
    assert read_jwks(json.dumps({"keys": []}).encode()) == {}


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(128, "big")).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"jwks": {}}, "jwks: it is no JWKS"),
        ({"jwks": {"keys": 5}}, "jwks: it is no JWKS"),
        ({"jwks": {"keys": [KEY.as_dict(private=True)]}}, "jwks: it holds a private key"),
        ({"jwks": "/no/such/file.json"}, "jwks: .*No such file"),
        ({"jwks": "https://user:pass@keys.example.com/"}, "jwks: must not hold a user name"),
        ({"issuer": ""}, "issuer and audience: neither may be empty"),
        ({"audience": ""}, "issuer and audience: neither may be empty"),
        ({"algorithms": ["HS256"]}, "algorithms: .*is not allowed: use some of ES256"),
        ({"algorithms": ["none"]}, "is not allowed"),
        ({"algorithms": []}, "is not allowed"),
        ({"algorithms": "ES256"}, "is not allowed"),
        ({"max_lifetime": 0}, "max_lifetime: 0 is not allowed"),
        ({"max_lifetime": 1e9}, "max_lifetime: .* is not allowed"),
    ],
    ids=str,
)
def test_a_wrong_value_is_told_at_once(options: dict[str, Any], match: str) -> None:
    """When the verifier is made."""
    with pytest.raises(ConfigurationError, match=match):
        TokenVerifier(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks_of(KEY), **options})


def test_a_verifier_shows_no_key() -> None:
    """Only what it accepts."""
    assert repr(verifier_of(algorithms=["RS256", "ES256"])) == "<TokenVerifier ES256, RS256>"


async def test_a_file_is_read_again_when_its_keys_change(tmp_path: Path) -> None:
    """A token with a new key makes it look, once in a cooldown."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(jwks_of(KEY)))
    bench = Bench(verifier_of(str(path)))
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)

    new = ec_key("k2")
    path.write_text(json.dumps(jwks_of(KEY, new)))
    assert isinstance(await bench.ask(token_of(new)), Rejected)
    bench.clock.advance(31)

    assert isinstance(await bench.ask(token_of(new)), Authenticated)
    path.unlink()
    bench.clock.advance(400)
    assert isinstance(await bench.ask(token_of(new, exp=claims_of()["exp"])), Authenticated)
    await bench.guard.aclose()


class KeyServer(httpx2.AsyncBaseTransport):
    """A JWKS URL that can be held up."""

    def __init__(self) -> None:
        self.ring = [KEY]
        self.fetched = 0
        self.open = asyncio.Event()
        self.open.set()

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        """Answer with the keys."""
        self.fetched += 1
        await self.open.wait()
        return httpx2.Response(200, content=json.dumps(jwks_of(*self.ring)).encode())


async def test_many_tokens_wait_for_one_fetch() -> None:
    """Concurrent callers share it."""
    server = KeyServer()
    server.open.clear()
    bench = Bench(verifier_of(URL, transport=server))
    asking = [asyncio.create_task(bench.ask(token_of(KEY, jti=str(number)))) for number in range(20)]
    await eventually(lambda: server.fetched)

    server.open.set()
    outcomes = await asyncio.gather(*asking)

    assert all(isinstance(outcome, Authenticated) for outcome in outcomes)
    assert server.fetched == 1
    await bench.guard.aclose()


async def test_keys_in_use_are_refreshed_beside_the_request() -> None:
    """Nobody waits for it."""
    server = KeyServer()
    bench = Bench(verifier_of(URL, transport=server))
    await bench.ask(token_of(KEY))
    server.open.clear()
    bench.clock.advance(301)

    assert isinstance(await bench.ask(token_of(KEY, jti="two")), Authenticated)
    assert isinstance(await bench.ask(token_of(KEY, jti="three")), Authenticated)
    await eventually(lambda: server.fetched == 2)
    await bench.guard.aclose()


async def test_a_signature_alone_makes_no_token() -> None:
    """What is signed has to be claims."""
    for payload in (b"no JSON", b"[1]", b"5"):
        signed = jws.serialize_compact({"alg": "ES256", "kid": "k1"}, payload, KEY)
        assert await verifier_of().verify(signed, StandingClock()) is None


async def test_a_verifier_that_did_nothing_is_closed() -> None:
    """Nothing was under way."""
    verifier = verifier_of(URL, transport=KeyServer())
    await verifier.verify(token_of(KEY), StandingClock())
    await verifier.aclose()
    await verifier.aclose()
    await verifier_of().aclose()


async def test_closing_ends_a_fetch() -> None:
    """Who waits for it gets 503, and no task is left."""
    server = KeyServer()
    server.open.clear()
    verifier = verifier_of(URL, transport=server)
    bench = Bench(verifier)
    before = asyncio.all_tasks()
    asking = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)

    await verifier.aclose()

    assert await asking == Unavailable("unreachable")
    await bench.guard.aclose()
    assert asyncio.all_tasks() == before


async def test_without_any_keys_tokens_are_nobodys_fault() -> None:
    """503 until the next look, which comes after the cooldown."""
    server = KeyServer()
    server.open.clear()
    bench = Bench(verifier_of(URL, transport=server, cooldown=5.0))
    asking = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)
    await bench.guard._lookup.checks.aclose()
    await asking
    server.open.set()

    assert await bench.ask(token_of(KEY)) == Unavailable("unreachable")
    assert server.fetched == 1
    await bench.guard.aclose()
    bench.clock.advance(6)
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    await bench.guard.aclose()
