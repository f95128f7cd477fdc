"""Tests of the verification keys: algorithms, JWKS documents, and refreshes of files and URLs."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from support.clock import AdjustableClock
from support.memory_store import eventually
from support.minting import AUDIENCE, ISSUER, claims_of, ec_key, jwks_of, rsa_key, token_of
from support.token_bench import KEY, TokenBench, verifier_of

from ory_guard import Authenticated, Rejected, Unavailable
from ory_guard.exceptions import ConfigurationError
from ory_guard.tokens import TokenVerifier
from ory_guard.tokens.jwks import key_matches, read_jwks

pytestmark = pytest.mark.anyio

URL = "https://keys.example.com/jwks.json"


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("ES384", "P-384"), ("ES512", "P-521"), ("PS256", ""), ("RS512", "")]
)
async def test_asymmetric_algorithms_are_accepted(algorithm: str, curve: str) -> None:
    """Each configured algorithm accepts only keys of its type."""
    key = ECKey.generate_key(curve, {"kid": "k"}) if curve else rsa_key("k")
    jwk = {**key.as_dict(private=False), "alg": algorithm}
    verifier = verifier_of({"keys": [jwk]}, algorithms=[algorithm])
    (known,) = read_jwks({"keys": [jwk]})["k"]

    assert key_matches(known, algorithm)
    assert not key_matches(known, "ES256")
    assert not key_matches(known, "RS256")
    named = type(key).import_key({**key.as_dict(private=True), "alg": algorithm, "kid": "k"})
    assert await verifier.verify(token_of(named), AdjustableClock()) is not None
    assert await verifier.verify(token_of(KEY), AdjustableClock()) is None


def test_jwks_ignores_other_keys() -> None:
    """Keys of other types, without a `kid`, for encryption, too short or malformed are ignored."""
    jwk = KEY.as_dict(private=False)
    without_kid = {name: value for name, value in jwk.items() if name != "kid"}
    okp = OKPKey.generate_key("Ed25519", {"kid": "ed"}).as_dict(private=False)
    ignored = [5, {}, okp, without_kid, {**jwk, "use": "enc"}, {**jwk, "x": "A"}, {"kty": "EC", "kid": "k"}]
    short = {"kty": "RSA", "kid": "s", "n": _base64url((1 << 1_023) + 1), "e": "AQAB"}

    assert list(read_jwks({"keys": [*ignored, short, jwk]})) == ["k1"]
    assert read_jwks(json.dumps({"keys": []}).encode()) == {}


def _base64url(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(128, "big")).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"jwks": {}}, "jwks: the document is not a JWKS"),
        ({"jwks": {"keys": 5}}, "jwks: the document is not a JWKS"),
        ({"jwks": {"keys": [KEY.as_dict(private=True)]}}, "jwks: the JWKS contains a private key"),
        ({"jwks": "/no/such/file.json"}, "jwks: .*No such file"),
        ({"jwks": "https://user:pass@keys.example.com/"}, "jwks: must not contain a user name"),
        ({"issuer": ""}, "issuer and audience must not be empty"),
        ({"audience": ""}, "issuer and audience must not be empty"),
        ({"algorithms": ["HS256"]}, r"algorithms must be a non-empty list of ES256, .* \(got \['HS256'\]\)"),
        ({"algorithms": ["none"]}, "algorithms must be"),
        ({"algorithms": []}, "algorithms must be"),
        ({"algorithms": "ES256"}, "algorithms must be"),
        ({"max_lifetime": 0}, r"max_lifetime must be between 0 and 86400 seconds \(got 0\)"),
        ({"max_lifetime": 1e9}, "max_lifetime must be"),
    ],
)
def test_verifier_rejects_invalid_arguments(options: dict[str, Any], match: str) -> None:
    """The constructor validates its arguments."""
    with pytest.raises(ConfigurationError, match=match):
        TokenVerifier(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks_of(KEY), **options})


def test_repr_hides_the_keys() -> None:
    """The `repr` lists the algorithms."""
    assert repr(verifier_of(algorithms=["RS256", "ES256"])) == "<TokenVerifier ES256, RS256>"


async def test_file_is_refreshed_for_an_unknown_key(tmp_path: Path) -> None:
    """A token with an unknown `kid` causes one read per cooldown; a missing file keeps the keys."""
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
    """A JWKS URL with delayed responses."""

    def __init__(self) -> None:
        self.ring = [KEY]
        self.fetched = 0
        self.open = asyncio.Event()
        self.open.set()
        self.status = 200

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        """Return the keys."""
        self.fetched += 1
        await self.open.wait()
        return httpx2.Response(self.status, content=json.dumps(jwks_of(*self.ring)).encode())


async def test_concurrent_tokens_share_one_request() -> None:
    """Twenty tokens wait for the same response."""
    server = KeyServer()
    server.open.clear()
    bench = TokenBench(verifier_of(URL, transport=server))
    calls = [asyncio.create_task(bench.ask(token_of(KEY, jti=str(number)))) for number in range(20)]
    await eventually(lambda: server.fetched)

    server.open.set()
    outcomes = await asyncio.gather(*calls)

    assert all(isinstance(outcome, Authenticated) for outcome in outcomes)
    assert server.fetched == 1
    await bench.guard.aclose()


async def test_keys_are_refreshed_in_the_background() -> None:
    """Requests do not wait for the refresh of usable keys."""
    server = KeyServer()
    bench = TokenBench(verifier_of(URL, transport=server))
    await bench.ask(token_of(KEY))
    server.open.clear()
    bench.clock.advance(301)

    assert isinstance(await bench.ask(token_of(KEY, jti="two")), Authenticated)
    assert isinstance(await bench.ask(token_of(KEY, jti="three")), Authenticated)
    await eventually(lambda: server.fetched == 2)
    await bench.guard.aclose()


async def test_payload_must_be_claims() -> None:
    """A valid signature of another payload is not a valid token."""
    for payload in (b"not JSON", b"[1]", b"5"):
        signed = jws.serialize_compact({"alg": "ES256", "kid": "k1"}, payload, KEY)
        assert await verifier_of().verify(signed, AdjustableClock()) is None


async def test_aclose_is_idempotent() -> None:
    """Without a running refresh, `aclose` does nothing."""
    verifier = verifier_of(URL, transport=KeyServer())
    await verifier.verify(token_of(KEY), AdjustableClock())
    await verifier.aclose()
    await verifier.aclose()
    await verifier_of().aclose()


async def test_aclose_cancels_the_refresh() -> None:
    """Waiting requests are unavailable, and no task remains."""
    server = KeyServer()
    server.open.clear()
    verifier = verifier_of(URL, transport=server)
    bench = TokenBench(verifier)
    before = asyncio.all_tasks()
    call = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)

    await verifier.aclose()

    assert await call == Unavailable("unreachable")
    await bench.guard.aclose()
    assert asyncio.all_tasks() == before


async def test_cancelled_refresh_does_not_start_the_cooldown() -> None:
    """After the guard or its event loop is closed, the next request reads the keys at once."""
    server = KeyServer()
    server.open.clear()
    bench = TokenBench(verifier_of(URL, transport=server))
    call = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)
    await bench.guard.aclose()
    await call
    server.open.set()

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    await bench.guard.aclose()


async def test_tokens_are_unavailable_without_keys() -> None:
    """A token is unavailable, not rejected, until the next read after the cooldown."""
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
