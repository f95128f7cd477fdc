"""The J lines: whatever calls itself a token, only ours counts, for what it proves and as long as its session."""

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx2
import pytest
from support.clock import NOW, AdjustableClock
from support.guard_bench import settings_of
from support.memory_store import MemoryStore, Shelf, eventually
from support.minting import AUDIENCE, ISSUER, claims_of, ec_key, jwks_of, raw_token, rsa_key, token_of
from support.scripted_kratos import SESSION_ID, ScriptedKratos, refused

from ory_guard import Authenticated, OryGuard, OrySessionMiddleware, Outcome, Rejected, Unavailable
from ory_guard.exceptions import Refusal, StepUpRequired
from ory_guard.tokens import TokenVerifier

from .harness import Request, call

pytestmark = pytest.mark.anyio

KEY: Final = ec_key("k1")
RSA: Final = rsa_key("r1")
STRANGER: Final = ec_key("k1")
NOW_S: Final = int(NOW.timestamp())
URL: Final = "https://keys.example.com/jwks.json"


class Bench:
    """A guard that verifies tokens, and a Kratos that must not be asked."""

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

    async def ask(self, token: str) -> Outcome:
        """Make a request with this token."""
        return await self.guard.authenticate(bearer(token).scope())


def bearer(token: str) -> Request:
    """Return a request with a bearer token."""
    return Request(((b"authorization", b"Bearer " + token.encode()),))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A guard with inline keys."""
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


def _refused_tokens() -> dict[str, Callable[[], str]]:
    good = token_of(KEY)
    duplicate = ec_key("r1")
    return {
        "J01 alg none": lambda: raw_token({"alg": "none", "kid": "k1"}, claims_of()),
        "J01 alg nOnE": lambda: raw_token({"alg": "nOnE", "kid": "k1"}, claims_of()),
        "J01 no signature": lambda: good.rpartition(".")[0] + ".",
        "J02 HS256 with the public key": _signed_with_public_key,
        "J03 jwk of a stranger": lambda: token_of(STRANGER, {"jwk": STRANGER.as_dict(private=False)}),
        "J03 x5c of a stranger": lambda: token_of(STRANGER, {"x5c": ["MIIB"]}),
        "J06 kid is a path": lambda: token_of(KEY, {"kid": "../../etc/passwd"}),
        "J06 kid of 6 kB": lambda: raw_token({"alg": "ES256", "kid": "k" * 6_000}, {}, b"s" * 64),
        "J06 kid 5": lambda: raw_token({"alg": "ES256", "kid": 5}, claims_of(), b"s" * 64),
        "J06 kid null": lambda: raw_token({"alg": "ES256", "kid": None}, claims_of(), b"s" * 64),
        "J06 no kid": lambda: raw_token({"alg": "ES256"}, claims_of(), b"s" * 64),
        "J07 ES256 with an RSA kid": lambda: token_of(duplicate),
        "J08 exp is text": lambda: token_of(KEY, exp="9999999999"),
        "J08 exp is true": lambda: token_of(KEY, exp=True),
        "J08 no exp": lambda: token_of(KEY, exp=...),
        "J09 exp 10**30": lambda: token_of(KEY, exp=10**30),
        "J09 lives for a year": lambda: token_of(KEY, exp=NOW_S + 31_536_000),
        "J10 crit x": lambda: raw_token(
            {"alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1}, claims_of(), b"s" * 64
        ),
        "J10 crit b64": lambda: token_of(KEY, {"b64": True, "crit": ["b64"]}),
        "J10 a JWE of five parts": lambda: "eyJhbGciOiJkaXIifQ..aaaa.bbbb.cccc",
        "J10 payload is a list": lambda: raw_token({"alg": "ES256", "kid": "k1"}, [1], b"s" * 64),
        "J11 wrong iss": lambda: token_of(KEY, iss="https://evil.example.com/"),
        "J11 iss without its slash": lambda: token_of(KEY, iss=ISSUER.rstrip("/")),
        "J11 aud of another": lambda: token_of(KEY, aud="https://other.example.com"),
        "J11 aud of others": lambda: token_of(KEY, aud=["https://other.example.com"]),
        "J11 no aud": lambda: token_of(KEY, aud=...),
        "J12 no sid": lambda: token_of(KEY, sid=...),
        "J12 sid is empty": lambda: token_of(KEY, sid=""),
        "J12 no sub": lambda: token_of(KEY, sub=...),
        "J15 nbf in an hour": lambda: token_of(KEY, nbf=NOW_S + 3_600, exp=NOW_S + 590),
        "J15 iat in an hour": lambda: token_of(KEY, iat=NOW_S + 3_600, nbf=..., exp=NOW_S + 3_700),
        "J15 ended 61 s ago": lambda: token_of(KEY, iat=NOW_S - 500, nbf=NOW_S - 500, exp=NOW_S - 61),
        "a stranger's key under our kid": lambda: token_of(STRANGER),
        "a byte was changed": lambda: good[:-10] + ("A" if good[-10] != "A" else "B") + good[-9:],
        "dots only": lambda: "..",
        "one dot": lambda: "a.b",
        "header is no JSON": lambda: raw_token(b"\xff", {}, b"s"),
        "header is a list": lambda: raw_token(["alg"], {}, b"s"),
        "nested for ever": lambda: raw_token(b"[" * 3_000, {}, b"s"),
    }


@pytest.mark.parametrize("name", _refused_tokens())
async def test_what_is_not_ours_is_refused(bench: Bench, name: str, tried: Counter[str]) -> None:
    """With 401 and without bothering Kratos; a good token works before and after it."""
    tried["bad tokens"] += 1
    bad = _refused_tokens()[name]()

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    outcome = await bench.ask(bad)

    assert outcome == Rejected("inactive", "bearer")
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    assert bench.kratos.requests == []


async def test_a_token_that_is_ours_ends_in_time(bench: Bench) -> None:
    """One that ended within the skew is taken, and kept no longer than that."""
    ended = token_of(KEY, iat=NOW_S - 500, nbf=NOW_S - 500, exp=NOW_S - 59)
    assert isinstance(await bench.ask(ended), Authenticated)

    bench.clock.advance(1)

    assert isinstance(await bench.ask(ended), Rejected)


async def test_j04_no_key_is_fetched_from_where_a_token_says(bench: Bench, tried: Counter[str]) -> None:
    """`jku` and `x5u` lead to a server that sees nobody."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readline()).decode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    for header in ({"jku": url}, {"x5u": url}):
        tried["bad tokens"] += 1
        assert await bench.ask(token_of(STRANGER, header)) == Rejected("inactive", "bearer")
    server.close()
    await server.wait_closed()

    assert seen == []


class KeyServer(httpx2.AsyncBaseTransport):
    """A JWKS URL."""

    def __init__(self, body: Any) -> None:
        self.body: Any = body
        self.status = 200
        self.fetched = 0

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        """Answer with the body."""
        self.fetched += 1
        if isinstance(self.body, Exception):
            raise self.body
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return httpx2.Response(self.status, content=raw)


async def test_j05_unknown_kids_cause_one_fetch(tried: Counter[str]) -> None:
    """A thousand of them within the cooldown; a good token works throughout."""
    server = KeyServer(jwks_of(KEY))
    bench = Bench(URL, transport=server)
    good = token_of(KEY)
    assert isinstance(await bench.ask(good), Authenticated)
    bench.clock.advance(31)

    for number in range(1_000):
        bad = raw_token({"alg": "ES256", "kid": f"unknown-{number}"}, claims_of(), b"s" * 64)
        assert isinstance(await bench.ask(bad), Rejected)
        bench.clock.advance(0.005)
        if number % 100 == 0:
            assert isinstance(await bench.ask(good), Authenticated)
    tried["bad tokens"] += 1_000

    assert server.fetched == 2
    assert bench.kratos.requests == []
    await bench.guard.aclose()


async def test_j06_two_keys_with_one_kid_are_told_apart_by_their_kind(tried: Counter[str]) -> None:
    """Each token is tried with the keys of its algorithm."""
    tried["bad tokens"] += 1
    bench = Bench(jwks_of(ec_key("same"), rsa_key("same"), (key := ec_key("same"))))

    assert isinstance(await bench.ask(token_of(key)), Authenticated)
    assert isinstance(await bench.ask(token_of(ec_key("same"))), Rejected)


async def test_j07_a_symmetric_key_in_the_set_is_no_key(tried: Counter[str]) -> None:
    """Whoever knows it is not Kratos."""
    tried["bad tokens"] += 1
    bench = Bench({"keys": [{"kty": "oct", "kid": "o", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]})
    unsigned = raw_token({"alg": "HS256", "kid": "o"}, claims_of()).rpartition(".")[0]
    signature = hmac.new(b"secret-secret-secret-secret", unsigned.encode(), hashlib.sha256).digest()

    assert isinstance(await bench.ask(f"{unsigned}.{_part(raw_token({}, {}, signature), 2)}"), Rejected)


async def test_j14_a_token_ends_with_its_session_on_every_worker(tried: Counter[str]) -> None:
    """Revoked on one, it is refused on the others as soon as they hear of it, kept or not."""
    tried["bad tokens"] += 1
    shelf = Shelf()
    first, second = Bench(store=MemoryStore(shelf)), Bench(store=MemoryStore(shelf))
    token = token_of(KEY)
    assert isinstance(await first.ask(token), Authenticated)
    assert isinstance(await second.ask(token), Authenticated)

    await first.guard.invalidate(session_id=SESSION_ID)
    await eventually(lambda: second.guard.authentication.cache.revocations.revoked_at(SESSION_ID) > 0)

    for bench in (first, second):
        assert await bench.ask(token) == Rejected("inactive", "bearer")
        assert await bench.ask(token_of(KEY, jti="two")) == Rejected("inactive", "bearer")
    newcomer = Bench(store=MemoryStore(shelf))
    assert await newcomer.ask(token) == Rejected("inactive", "bearer")
    for bench in (first, second, newcomer):
        assert bench.kratos.requests == []
        await bench.guard.aclose()


async def test_j14_in_doubt_a_token_is_older_than_the_revocation(bench: Bench) -> None:
    """Kratos' clock may be ahead by the skew: a token from within it is refused, a later one is good."""
    await bench.guard.invalidate(identity_id=claims_of()["sub"])
    bench.clock.advance(70)

    for issued, expected in [(10, Rejected), (60, Rejected), (61, Authenticated)]:
        iat = NOW_S + issued
        assert isinstance(await bench.ask(token_of(KEY, iat=iat, nbf=iat, exp=iat + 60)), expected)


async def test_j16_known_keys_are_used_until_they_are_too_old(tried: Counter[str]) -> None:
    """Then nobody can say whose a token is, which is 503."""
    tried["bad tokens"] += 1
    server = KeyServer(jwks_of(KEY))
    bench = Bench(URL, transport=server, max_stale=3_600.0)

    def fresh() -> str:
        now = int(bench.clock.time())
        return token_of(KEY, iat=now, nbf=now, exp=now + 60)

    assert isinstance(await bench.ask(fresh()), Authenticated)
    server.body = ConnectionError()
    bench.clock.advance(3_500)
    assert isinstance(await bench.ask(fresh()), Authenticated)
    bench.clock.advance(101)

    assert await bench.ask(fresh()) == Unavailable("unreachable")
    reply = await call(OrySessionMiddleware(_gated, guard=bench.guard), bearer(fresh()))
    assert reply.status == 503
    assert bench.kratos.requests == []
    await bench.guard.aclose()


@pytest.mark.parametrize(
    ("body", "keeps"),
    [(b"<html>", True), (b'{"keys": [', True), (b" " * 300_000, True), ({"keys": []}, False)],
    ids=["html", "truncated", "large", "none"],
)
async def test_j17_a_bad_set_takes_no_key_away(body: Any, *, keeps: bool, tried: Counter[str]) -> None:
    """But one that says that there are none does."""
    tried["bad tokens"] += 1
    server = KeyServer(jwks_of(KEY))
    bench = Bench(URL, transport=server)
    await bench.ask(token_of(KEY))
    server.body = body
    bench.clock.advance(301)

    await bench.ask(token_of(KEY))
    await eventually(lambda: server.fetched == 2)
    outcome = await bench.ask(token_of(KEY, jti="two"))

    assert isinstance(outcome, Authenticated if keeps else Rejected)
    await bench.guard.aclose()


async def _gated(scope: Any, receive: Any, send: Any) -> None:
    """Ask for a session."""
    guard = scope["ory_guard"].guard
    await guard.require(scope)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize("gate", [{"aal": "aal2"}, {"max_age": 900.0}, {"verified": True}], ids=str)
async def test_j18_a_token_meets_no_requirement_that_its_claims_do_not_prove(
    bench: Bench, gate: dict[str, Any], tried: Counter[str]
) -> None:
    """Kratos is asked; that it does not know tokens is no reason to call the caller nobody."""
    tried["bad tokens"] += 1
    scope = bearer(token_of(KEY)).scope()

    with pytest.raises(Refusal) as caught:
        await bench.guard.require(scope, **gate)

    assert caught.value.status_code == 403
    assert len(bench.kratos.requests) == 1
    assert scope["state"]["auth"].source == "token"
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)


async def test_j18_aal1_in_the_claims_is_no_aal2(bench: Bench) -> None:
    """What the claims say is held against the gate like anything else."""
    scope = bearer(token_of(KEY, authenticator_assurance_level="aal1")).scope()

    with pytest.raises(StepUpRequired):
        await bench.guard.require(scope, aal="aal2")
