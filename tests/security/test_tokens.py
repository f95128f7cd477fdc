"""JWTs: only valid ones are accepted, for the requirements that their claims prove, until their session ends."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx2
import pytest
from support.clock import NOW, AdjustableClock
from support.guard_bench import settings_of
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.minting import AUDIENCE, ISSUER, claims_of, ec_key, jwks_of, raw_token, rsa_key, token_of
from support.scripted_kratos import SESSION_ID, ScriptedKratos, refused

from ory_guard import Authenticated, OryGuard, OrySessionMiddleware, Outcome, Rejected, Unavailable
from ory_guard.exceptions import Refusal, StepUpRequired
from ory_guard.tokens import TokenVerifier

from .harness import Request, call

pytestmark = pytest.mark.anyio

KEY: Final = ec_key("k1")
RSA: Final = rsa_key("r1")
FOREIGN_KEY: Final = ec_key("k1")
NOW_S: Final = int(NOW.timestamp())
URL: Final = "https://keys.example.com/jwks.json"


class Bench:
    """A guard with a token verifier, and a Kratos that should not be called."""

    def __init__(self, jwks: Any = None, *, store: MemoryStore | None = None, **options: Any) -> None:
        self.clock = AdjustableClock()
        self.kratos = ScriptedKratos(refused())
        self.verifier = TokenVerifier(
            issuer=ISSUER, audience=AUDIENCE, jwks=jwks if jwks is not None else jwks_of(KEY, RSA), **options
        )
        self.guard = OryGuard(
            settings_of(whoami_required_aal="aal1"),
            transport=self.kratos,
            clock=self.clock,
            tokens=self.verifier,
            store=store,
        )

    async def authenticate(self, token: str) -> Outcome:
        """Return the outcome of a request with a token."""
        return await self.guard.authenticate(bearer(token).scope())


def bearer(token: str) -> Request:
    """Return a request with a bearer token."""
    return Request(((b"authorization", b"Bearer " + token.encode()),))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Return a guard with inline keys."""
    made = Bench()
    yield made
    await made.guard.aclose()


def _part(token: str, number: int) -> str:
    return token.split(".")[number]


def _signed_with_public_key() -> str:
    pem = RSA.as_pem(private=False)
    unsigned = raw_token({"alg": "HS256", "kid": "r1"}, claims_of()).rpartition(".")[0]
    signature = hmac.new(pem, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{_part(raw_token({}, {}, signature), 2)}"


def _invalid_tokens() -> dict[str, Callable[[], str]]:
    valid = token_of(KEY)
    duplicate = ec_key("r1")
    return {
        "alg none": lambda: raw_token({"alg": "none", "kid": "k1"}, claims_of()),
        "alg nOnE": lambda: raw_token({"alg": "nOnE", "kid": "k1"}, claims_of()),
        "no signature": lambda: valid.rpartition(".")[0] + ".",
        "HS256 with the public key": _signed_with_public_key,
        "jwk of a foreign key": lambda: token_of(FOREIGN_KEY, {"jwk": FOREIGN_KEY.as_dict(private=False)}),
        "x5c of a foreign key": lambda: token_of(FOREIGN_KEY, {"x5c": ["MIIB"]}),
        "kid is a path": lambda: token_of(KEY, {"kid": "../../etc/passwd"}),
        "kid of 6 kB": lambda: raw_token({"alg": "ES256", "kid": "k" * 6_000}, {}, b"s" * 64),
        "kid 5": lambda: raw_token({"alg": "ES256", "kid": 5}, claims_of(), b"s" * 64),
        "kid null": lambda: raw_token({"alg": "ES256", "kid": None}, claims_of(), b"s" * 64),
        "no kid": lambda: raw_token({"alg": "ES256"}, claims_of(), b"s" * 64),
        "ES256 with an RSA kid": lambda: token_of(duplicate),
        "exp is text": lambda: token_of(KEY, exp="9999999999"),
        "exp is true": lambda: token_of(KEY, exp=True),
        "no exp": lambda: token_of(KEY, exp=...),
        "exp 10**30": lambda: token_of(KEY, exp=10**30),
        "lifetime of a year": lambda: token_of(KEY, exp=NOW_S + 31_536_000),
        "crit x": lambda: raw_token({"alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1}, claims_of(), b"s" * 64),
        "crit b64": lambda: token_of(KEY, {"b64": True, "crit": ["b64"]}),
        "JWE with five parts": lambda: "eyJhbGciOiJkaXIifQ..aaaa.bbbb.cccc",
        "payload is a list": lambda: raw_token({"alg": "ES256", "kid": "k1"}, [1], b"s" * 64),
        "wrong iss": lambda: token_of(KEY, iss="https://evil.example.com/"),
        "iss without its slash": lambda: token_of(KEY, iss=ISSUER.rstrip("/")),
        "other aud": lambda: token_of(KEY, aud="https://other.example.com"),
        "list of other aud": lambda: token_of(KEY, aud=["https://other.example.com"]),
        "no aud": lambda: token_of(KEY, aud=...),
        "no sid": lambda: token_of(KEY, sid=...),
        "sid is empty": lambda: token_of(KEY, sid=""),
        "no sub": lambda: token_of(KEY, sub=...),
        "nbf in an hour": lambda: token_of(KEY, nbf=NOW_S + 3_600, exp=NOW_S + 590),
        "iat in an hour": lambda: token_of(KEY, iat=NOW_S + 3_600, nbf=..., exp=NOW_S + 3_700),
        "expired 61 s ago": lambda: token_of(KEY, iat=NOW_S - 500, nbf=NOW_S - 500, exp=NOW_S - 61),
        "foreign key with a known kid": lambda: token_of(FOREIGN_KEY),
        "changed byte": lambda: valid[:-10] + ("A" if valid[-10] != "A" else "B") + valid[-9:],
        "dots only": lambda: "..",
        "one dot": lambda: "a.b",
        "header is not JSON": lambda: raw_token(b"\xff", {}, b"s"),
        "header is a list": lambda: raw_token(["alg"], {}, b"s"),
        "deeply nested": lambda: raw_token(b"[" * 3_000, {}, b"s"),
    }


@pytest.mark.parametrize("name", _invalid_tokens())
async def test_invalid_token_is_rejected(bench: Bench, name: str) -> None:
    """Kratos is not called, and a valid token is accepted before and after."""
    invalid = _invalid_tokens()[name]()

    assert isinstance(await bench.authenticate(token_of(KEY)), Authenticated)
    outcome = await bench.authenticate(invalid)

    assert outcome == Rejected("inactive", "bearer")
    assert isinstance(await bench.authenticate(token_of(KEY)), Authenticated)
    assert bench.kratos.requests == []


async def test_expired_token_is_accepted_within_the_clock_skew(bench: Bench) -> None:
    """It is not cached for longer than that."""
    expired = token_of(KEY, iat=NOW_S - 500, nbf=NOW_S - 500, exp=NOW_S - 59)
    assert isinstance(await bench.authenticate(expired), Authenticated)

    bench.clock.advance(1)

    assert isinstance(await bench.authenticate(expired), Rejected)


async def test_key_urls_in_a_token_are_ignored(bench: Bench) -> None:
    """The server that `jku` and `x5u` name receives no request."""
    received: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readline()).decode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    for header in ({"jku": url}, {"x5u": url}):
        assert await bench.authenticate(token_of(FOREIGN_KEY, header)) == Rejected("inactive", "bearer")
    server.close()
    await server.wait_closed()

    assert received == []


class KeyServer(httpx2.AsyncBaseTransport):
    """A server with a JWKS that counts the requests."""

    def __init__(self, body: Any) -> None:
        self.body: Any = body
        self.status = 200
        self.requests = 0

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        """Return the body, or raise it."""
        self.requests += 1
        if isinstance(self.body, Exception):
            raise self.body
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return httpx2.Response(self.status, content=raw)


async def test_unknown_key_ids_cause_few_requests() -> None:
    """A thousand of them arrive in five seconds; a valid token is accepted throughout."""
    server = KeyServer(jwks_of(KEY))
    bench = Bench(URL, transport=server)
    valid = token_of(KEY)
    assert isinstance(await bench.authenticate(valid), Authenticated)
    bench.clock.advance(31)

    for number in range(1_000):
        unknown = raw_token({"alg": "ES256", "kid": f"unknown-{number}"}, claims_of(), b"s" * 64)
        assert isinstance(await bench.authenticate(unknown), Rejected)
        bench.clock.advance(0.005)
        if number % 100 == 0:
            assert isinstance(await bench.authenticate(valid), Authenticated)

    assert server.requests == 4
    assert bench.kratos.requests == []
    await bench.guard.aclose()


async def test_keys_with_equal_ids_are_selected_by_algorithm() -> None:
    bench = Bench(jwks_of(ec_key("same"), rsa_key("same"), (key := ec_key("same"))))

    assert isinstance(await bench.authenticate(token_of(key)), Authenticated)
    assert isinstance(await bench.authenticate(token_of(ec_key("same"))), Rejected)


async def test_symmetric_key_in_a_jwks_is_ignored() -> None:
    secret = {"kty": "oct", "kid": "o", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}
    bench = Bench({"keys": [secret, *jwks_of(KEY)["keys"]]})
    unsigned = raw_token({"alg": "HS256", "kid": "o"}, claims_of()).rpartition(".")[0]
    signature = hmac.new(b"secret-secret-secret-secret", unsigned.encode(), hashlib.sha256).digest()

    assert isinstance(await bench.authenticate(f"{unsigned}.{_part(raw_token({}, {}, signature), 2)}"), Rejected)


async def test_token_is_rejected_in_all_processes_after_an_invalidation() -> None:
    """Also a token of the same session that is not cached, and in a process that starts later."""
    memory_server = MemoryServer()
    first, second = Bench(store=MemoryStore(memory_server)), Bench(store=MemoryStore(memory_server))
    token = token_of(KEY)
    assert isinstance(await first.authenticate(token), Authenticated)
    assert isinstance(await second.authenticate(token), Authenticated)

    await first.guard.invalidate(session_id=SESSION_ID)
    await eventually(lambda: second.guard.authentication.cache.revocations.revoked_at(SESSION_ID) > 0)

    for bench in (first, second):
        assert await bench.authenticate(token) == Rejected("inactive", "bearer")
        assert await bench.authenticate(token_of(KEY, jti="two")) == Rejected("inactive", "bearer")
    third = Bench(store=MemoryStore(memory_server))
    assert await third.authenticate(token) == Rejected("inactive", "bearer")
    for bench in (first, second, third):
        assert bench.kratos.requests == []
        await bench.guard.aclose()


async def test_token_issued_within_the_clock_skew_of_an_invalidation_is_rejected(bench: Bench) -> None:
    """The clock of Kratos may be ahead by the skew, so the token may be older than the invalidation."""
    await bench.guard.invalidate(identity_id=claims_of()["sub"])
    bench.clock.advance(70)

    for issued, expected in [(10, Rejected), (60, Rejected), (61, Authenticated)]:
        iat = NOW_S + issued
        assert isinstance(await bench.authenticate(token_of(KEY, iat=iat, nbf=iat, exp=iat + 60)), expected)


async def test_keys_are_used_for_max_stale_during_an_outage() -> None:
    """Afterwards the response is 503."""
    server = KeyServer(jwks_of(KEY))
    bench = Bench(URL, transport=server, max_stale=3_600.0)

    def fresh() -> str:
        now = int(bench.clock.time())
        return token_of(KEY, iat=now, nbf=now, exp=now + 60)

    assert isinstance(await bench.authenticate(fresh()), Authenticated)
    server.body = ConnectionError()
    bench.clock.advance(3_500)
    assert isinstance(await bench.authenticate(fresh()), Authenticated)
    bench.clock.advance(101)

    assert await bench.authenticate(fresh()) == Unavailable("unreachable")
    reply = await call(OrySessionMiddleware(_protected, guard=bench.guard), bearer(fresh()))
    assert reply.status == 503
    assert bench.kratos.requests == []
    await bench.guard.aclose()


@pytest.mark.parametrize(
    ("body", "keeps"),
    [(b"<html>", True), (b'{"keys": [', True), (b" " * 300_000, True), ({"keys": []}, False)],
    ids=["html", "truncated", "large", "none"],
)
async def test_invalid_jwks_keeps_the_known_keys(body: Any, *, keeps: bool) -> None:
    """A valid JWKS without keys removes them; tokens are unavailable until there are others."""
    server = KeyServer(jwks_of(KEY))
    bench = Bench(URL, transport=server)
    await bench.authenticate(token_of(KEY))
    server.body = body
    bench.clock.advance(301)

    await bench.authenticate(token_of(KEY))
    await eventually(lambda: server.requests == 2)
    outcome = await bench.authenticate(token_of(KEY, jti="two"))

    assert isinstance(outcome, Authenticated if keeps else Unavailable)
    await bench.guard.aclose()


async def _protected(scope: Any, receive: Any, send: Any) -> None:
    """Require a session."""
    guard = scope["ory_guard"].guard
    await guard.require(scope)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize("conditions", [{"aal": "aal2"}, {"max_age": 900.0}, {"verified": True}], ids=str)
async def test_token_must_prove_the_requirement(bench: Bench, conditions: dict[str, Any]) -> None:
    """The guard calls Kratos. If Kratos does not know the token, the caller stays authenticated by it."""
    scope = bearer(token_of(KEY)).scope()

    with pytest.raises(Refusal) as error:
        await bench.guard.require(scope, **conditions)

    assert error.value.status_code == 403
    assert len(bench.kratos.requests) == 1
    assert scope["state"]["auth"].source == "token"
    assert isinstance(await bench.authenticate(token_of(KEY)), Authenticated)


async def test_aal1_claim_does_not_meet_aal2(bench: Bench) -> None:
    scope = bearer(token_of(KEY, authenticator_assurance_level="aal1")).scope()

    with pytest.raises(StepUpRequired):
        await bench.guard.require(scope, aal="aal2")
