"""Tokens: which keys verify them, and where those come from."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from memory_store import eventually
from minting import AUDIENCE, ISSUER, claims_of, ec_key, jwks_of, rsa_key, token_of
from stub_kratos import StandingClock
from token_bench import KEY, TokenBench, verifier_of

from ory_guard import Authenticated, Rejected, Unavailable
from ory_guard.exceptions import ConfigurationError
from ory_guard.tokens import TokenVerifier
from ory_guard.tokens.jwks import fits, read_jwks

pytestmark = pytest.mark.anyio

URL = "https://keys.example.com/jwks.json"


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
    bench = TokenBench(verifier_of(str(path)))
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
        self.status = 200

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        """Answer with the keys."""
        self.fetched += 1
        await self.open.wait()
        return httpx2.Response(self.status, content=json.dumps(jwks_of(*self.ring)).encode())


async def test_many_tokens_wait_for_one_fetch() -> None:
    """Concurrent callers share it."""
    server = KeyServer()
    server.open.clear()
    bench = TokenBench(verifier_of(URL, transport=server))
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
    bench = TokenBench(verifier_of(URL, transport=server))
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
    bench = TokenBench(verifier)
    before = asyncio.all_tasks()
    asking = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)

    await verifier.aclose()

    assert await asking == Unavailable("unreachable")
    await bench.guard.aclose()
    assert asyncio.all_tasks() == before


async def test_a_fetch_that_was_ended_is_no_attempt() -> None:
    """The guard was closed meanwhile, or its event loop ended: whoever uses it next need not wait."""
    server = KeyServer()
    server.open.clear()
    bench = TokenBench(verifier_of(URL, transport=server))
    asking = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)
    await bench.guard.aclose()
    await asking
    server.open.set()

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    await bench.guard.aclose()


async def test_without_any_keys_tokens_are_nobodys_fault() -> None:
    """503 until the next look, which comes after the cooldown."""
    server = KeyServer()
    server.status = 500
    bench = TokenBench(verifier_of(URL, transport=server, cooldown=5.0))
    assert await bench.ask(token_of(KEY)) == Unavailable("unreachable")
    await bench.guard.aclose()
    server.status = 200

    assert await bench.ask(token_of(KEY)) == Unavailable("unreachable")
    assert server.fetched == 1
    await bench.guard.aclose()
    bench.clock.advance(6)
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    await bench.guard.aclose()
