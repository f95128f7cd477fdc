"""Tests of the verification keys: algorithms, JWKS documents, and the arguments of the verifier."""

from math import nan
from pathlib import Path
from typing import Any, Final

import pytest
from joserfc.jwk import ECKey, OKPKey
from support.clock import AdjustableClock
from support.minting import AUDIENCE, ISSUER, base64url, ec_key, jwks_of, rsa_key, token_of
from support.token_bench import KEY, verifier_of

from ory_guard.exceptions import ConfigurationError
from ory_guard.tokens import TokenVerifier
from ory_guard.tokens.algorithms import ALGORITHMS
from ory_guard.tokens.jwks import read_jwks

pytestmark = pytest.mark.anyio


def rsa_jwk(modulus: int, length: int | None = None) -> dict[str, str]:
    """Return an RSA key with this modulus, which may have leading zeros."""
    raw = modulus.to_bytes(length or (modulus.bit_length() + 7) // 8, "big")
    return {"kty": "RSA", "kid": "r", "n": base64url(raw), "e": "AQAB"}


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("ES384", "P-384"), ("ES512", "P-521"), ("PS256", ""), ("RS512", "")]
)
async def test_asymmetric_algorithms_are_accepted(algorithm: str, curve: str) -> None:
    """Each configured algorithm accepts only keys of its type."""
    key = ECKey.generate_key(curve, {"kid": "k"}) if curve else rsa_key("k")
    jwk = {**key.as_dict(private=False), "alg": algorithm}
    verifier = verifier_of({"keys": [jwk]}, algorithms=[algorithm])

    named = type(key).import_key({**key.as_dict(private=True), "alg": algorithm, "kid": "k"})
    assert await verifier.verify(token_of(named), AdjustableClock()) is not None
    assert await verifier.verify(token_of(KEY), AdjustableClock()) is None


def test_key_without_alg_is_used_with_all_algorithms_of_its_type() -> None:
    jwks = jwks_of(ec_key("e"), rsa_key("r"))
    for jwk in jwks["keys"]:
        del jwk["alg"]
    ring = read_jwks(jwks, ALGORITHMS)

    assert {kid: {*keys[0]} for kid, keys in ring.items()} == {
        "e": {"ES256"},
        "r": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    }


JWK: Final = KEY.as_dict(private=False)
OKP: Final = OKPKey.generate_key("Ed25519", {"kid": "ed"}).as_dict(private=False)
SECP256K1: Final = ECKey.generate_key("secp256k1", {"kid": "k"}).as_dict(private=False)
UNUSABLE_KEYS: Final = {
    "not an object": 5,
    "empty": {},
    "Ed25519": OKP,
    "secp256k1": SECP256K1,
    "no kid": {name: value for name, value in JWK.items() if name != "kid"},
    "kid is a list": {**JWK, "kid": ["k1"]},
    "for encryption": {**JWK, "use": "enc"},
    "use is a list": {**JWK, "use": ["sig"]},
    "for signing": {**JWK, "key_ops": ["sign"]},
    "key_ops is a string": {**JWK, "key_ops": "verify"},
    "alg of another type": {**JWK, "alg": "RS256"},
    "alg is a list": {**JWK, "alg": ["ES256"]},
    "alg for encryption": {**JWK, "alg": "ECDH-ES"},
    "truncated x": {**JWK, "x": "A"},
    "crv is a list": {**JWK, "crv": ["P-256"]},
    "no coordinates": {"kty": "EC", "kid": "k"},
    "RSA of 1023 bits": rsa_jwk((1 << 1_023) - 1),
    "RSA of 1024 bits after zeros": rsa_jwk((1 << 1_024) - 1, 256),
    "RSA of 2047 bits": rsa_jwk((1 << 2_047) - 1),
    "RSA with the exponent 1": {**rsa_jwk((1 << 2_048) - 1), "e": "AQ"},
    **{f"n is {n!r}": {**rsa_jwk((1 << 2_048) - 1), "n": n} for n in (5, [256], None, "é", "A")},
    "no n": {"kty": "RSA", "kid": "r", "e": "AQAB"},
}


@pytest.mark.parametrize("jwk", [pytest.param(jwk, id=name) for name, jwk in UNUSABLE_KEYS.items()])
def test_unusable_key_is_ignored(jwk: Any) -> None:
    """It is an error if there is no other key."""
    assert list(read_jwks({"keys": [jwk, {**JWK, "kid": "usable"}]}, ALGORITHMS)) == ["usable"]

    with pytest.raises(ConfigurationError, match="jwks: the JWKS contains no key that can verify a token"):
        verifier_of({"keys": [jwk]})


def test_file_without_a_usable_key_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text('{"keys": []}')

    with pytest.raises(ConfigurationError, match="jwks: the JWKS contains no key that can verify a token"):
        verifier_of(path)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"jwks": {}}, "jwks: the document is not a JWKS"),
        ({"jwks": {"keys": [JWK, {"kty": ["EC"]}]}}, r"""jwks: the "kty" of a key must be .* \(got \['EC'\]\)"""),
        ({"jwks": {"keys": 5}}, "jwks: the document is not a JWKS"),
        ({"jwks": {"keys": [KEY.as_dict(private=True)]}}, "jwks: the JWKS contains a private key"),
        ({"jwks": "/no/such/file.json"}, "jwks: .*No such file"),
        ({"jwks": "https://user:pass@keys.example.com/"}, "jwks: must not contain a user name"),
        ({"issuer": ""}, "issuer and audience must not be empty"),
        ({"audience": ""}, "issuer and audience must not be empty"),
        ({"audience": ["a"]}, r"issuer and audience must .* be strings \(got '.*' and \['a'\]\)"),
        ({"issuer": None}, "issuer and audience must"),
        ({"algorithms": ["HS256"]}, r"algorithms must be a non-empty list of ES256, .* \(got \['HS256'\]\)"),
        ({"algorithms": ["none"]}, "algorithms must be"),
        ({"algorithms": []}, "algorithms must be"),
        ({"algorithms": "ES256"}, "algorithms must be"),
        ({"max_lifetime": 0}, r"max_lifetime must be between 0 and 86400 seconds \(got 0\)"),
        ({"max_lifetime": 1e9}, "max_lifetime must be"),
        ({"max_lifetime": nan}, "max_lifetime must be"),
        ({"clock_skew": -1}, r"clock_skew must be between 0 and 600 seconds \(got -1\)"),
        ({"clock_skew": nan}, "clock_skew must be"),
        ({"max_stale": 0}, r"max_stale must be more than 0 seconds \(got 0\)"),
        ({"max_stale": nan}, "max_stale must be"),
    ],
)
def test_verifier_rejects_invalid_arguments(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        TokenVerifier(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks_of(KEY), **options})


def test_repr_hides_the_keys() -> None:
    assert repr(verifier_of(algorithms=["RS256", "ES256"])) == "<TokenVerifier ES256, RS256>"
