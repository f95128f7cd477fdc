"""Invalid JWTs: signed by others, with other claims, or with an unusual encoding."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from support.clock import NOW, AdjustableClock
from support.minting import (
    AUDIENCE,
    ISSUER,
    base64url,
    claims_of,
    ec_key,
    jwks_of,
    raw_token,
    rsa_key,
    signed,
    signed_segments,
    token_of,
)

from ory_guard.tokens import TokenVerifier

pytestmark = pytest.mark.anyio

KEY: Final = ec_key("k1")
RSA: Final = rsa_key("r1")
JWKS: Final = {
    "keys": [{"kty": "oct", "kid": "o", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}, *jwks_of(KEY, RSA)["keys"]]
}
FOREIGN_KEY: Final = ec_key("k1")
NOW_S: Final = int(NOW.timestamp())
HEADER: Final = b'{"alg":"ES256","kid":"k1"}'
VALID: Final = token_of(KEY)
TRAITS: Final = {"traits": {"email": "a@example.com", "name": "Ada, Countess"}}


def verifier_of(**options: Any) -> TokenVerifier:
    """Return a verifier with an EC key, an RSA key and a symmetric key, which is not used."""
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks=JWKS, **options)


async def accepts(verifier: TokenVerifier, token: str) -> bool:
    return await verifier.verify(token, AdjustableClock()) is not None


def payload_of(**changes: Any) -> bytes:
    return json.dumps(claims_of(**changes)).encode()


def with_member(member: str, **changes: Any) -> Callable[[], str]:
    """Return a function that signs the claims with one more member, written as given."""
    return lambda: signed(KEY, HEADER, payload_of(**changes)[:-1] + b"," + member.encode() + b"}")


def with_header(header: bytes) -> Callable[[], str]:
    return lambda: signed(KEY, header, payload_of())


def with_claims(**changes: Any) -> Callable[[], str]:
    return lambda: token_of(KEY, **changes)


def with_signature(change: Callable[[bytes], bytes], key: Any = KEY) -> Callable[[], str]:
    """Return a function that changes the signature of a valid token."""

    def make() -> str:
        signing_input, _, signature = token_of(key).rpartition(".")
        return f"{signing_input}.{base64url(change(urlsafe_b64decode(signature + '==')))}"

    return make


def _der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def _encoded(change: Callable[[str], str], part: int) -> Callable[[], str]:
    """Return a function that changes the encoding of a part; the signature is valid for it."""

    def make() -> str:
        *signed_parts, signature = VALID.split(".")
        if part == 2:
            return ".".join([*signed_parts, change(signature)])
        signed_parts[part] = change(signed_parts[part])
        return signed_segments(KEY, *signed_parts)

    return make


def _with_unused_bits() -> str:
    """Return another encoding of the same signature: its last character is one of AQgw."""
    return VALID[:-1] + chr(ord(VALID[-1]) + 1)


def _with_other_alphabet() -> str:
    while "-" not in (token := token_of(KEY)).rpartition(".")[2]:
        pass
    return token.replace("-", "+").replace("_", "/")


def _signed_with(secret: bytes, kid: str) -> str:
    unsigned = raw_token({"alg": "HS256", "kid": kid}, claims_of()).rpartition(".")[0]
    return f"{unsigned}.{base64url(hmac.new(secret, unsigned.encode(), hashlib.sha256).digest())}"


def _unsigned(header: Any, claims: Any) -> Callable[[], str]:
    """Return a function that makes a token with an arbitrary signature."""
    return lambda: raw_token(header, claims, b"s" * 64)


CLAIMS: Final[dict[str, tuple[Any, ...]]] = {
    "iss": ([ISSUER], None, ISSUER.upper(), ISSUER.rstrip("/"), "https://evil.example.com/", ...),
    "aud": (5, None, [], {AUDIENCE: 1}, [[AUDIENCE]], AUDIENCE[:-1], ["https://other.example.com"], ...),
    "exp": (True, str(NOW_S + 9), None, 1e300, 10**30, {}, ..., NOW_S + 31_536_000),
    "iat": (True, str(NOW_S), None, -1, [NOW_S]),
    "nbf": (False, str(NOW_S), None, -1, 10**30, NOW_S + 3_600),
    "sid": (5, None, ["x"], "", ...),
    "sub": (5, None, ["x"], "", ...),
}

HEADERS: Final = {
    "duplicate alg": b'{"alg":"none","alg":"ES256","kid":"k1"}',
    "duplicate with escapes": b'{"alg":"ES256","kid":"x","k\\u0069d":"k1"}',
    "nested duplicate": b'{"alg":"ES256","kid":"k1","x":{"a":1,"a":2}}',
    "NaN": b'{"alg":"ES256","kid":"k1","x":NaN}',
    "infinite": b'{"alg":"ES256","kid":"k1","x":1e999}',
    "5000 digits": b'{"alg":"ES256","kid":"k1","x":' + b"1" * 5_000 + b"}",
    "BOM": b"\xef\xbb\xbf" + HEADER,
    "text after it": HEADER + b"x",
    "not UTF-8": b'{"alg":"ES256","kid":"k1","x":"\xff"}',
    "too large": b'{"alg":"ES256","kid":"k1","x":"' + b"x" * 2_000 + b'"}',
    "typ at+jwt": b'{"alg":"ES256","kid":"k1","typ":"at+jwt"}',
    "typ null": b'{"alg":"ES256","kid":"k1","typ":null}',
    "typ is a list": b'{"alg":"ES256","kid":"k1","typ":["JWT"]}',
    "alg is a list": b'{"alg":["ES256"],"kid":"k1"}',
    "alg in lower case": b'{"alg":"es256","kid":"k1"}',
    "alg of another key type": b'{"alg":"RS256","kid":"k1"}',
    "alg of another hash": b'{"alg":"ES384","kid":"k1"}',
    "crit is empty": b'{"alg":"ES256","kid":"k1","crit":[]}',
    "crit b64": b'{"alg":"ES256","kid":"k1","crit":["b64"],"b64":true}',
    "b64 false": b'{"alg":"ES256","kid":"k1","b64":false}',
    "kid is a path": b'{"alg":"ES256","kid":"../../etc/passwd"}',
    "kid 5": b'{"alg":"ES256","kid":5}',
    "kid null": b'{"alg":"ES256","kid":null}',
    "no kid": b'{"alg":"ES256"}',
}

ENCODINGS: Final[dict[str, Callable[[str], str]]] = {
    "padding": lambda segment: segment + "=",
    "full padding": lambda segment: segment + "=" * (-len(segment) % 4 or 4),
    "space": lambda segment: segment[:4] + " " + segment[4:],
    "newline": lambda segment: segment + "\n",
    "JSON escape": lambda segment: f"\\u{ord(segment[0]):04x}" + segment[1:],
    "quote": lambda segment: segment + '"',
    "one more character": lambda segment: segment + "A" * (1 + -len(segment) % 4),
    "NUL": lambda segment: segment + "\0",
    "letter outside ASCII": lambda segment: segment + "é",
    "lone surrogate": lambda segment: segment + "\ud800",
}

TOKENS: Final[dict[str, Callable[[], str]]] = {
    **{f"header: {name}": with_header(header) for name, header in HEADERS.items()},
    **{f"{name} {value!r}": with_claims(**{name: value}) for name, values in CLAIMS.items() for value in values},
    **{
        f"encoding: {name} in part {part}": _encoded(change, part)
        for name, change in ENCODINGS.items()
        for part in range(3)
    },
    "encoding: unused bits in the signature": _with_unused_bits,
    "encoding: alphabet of base64": _with_other_alphabet,
    "alg none": lambda: raw_token({"alg": "none", "kid": "k1"}, claims_of()),
    "alg nOnE": lambda: raw_token({"alg": "nOnE", "kid": "k1"}, claims_of()),
    "no signature": lambda: VALID.rpartition(".")[0] + ".",
    "foreign key with a known kid": lambda: token_of(FOREIGN_KEY),
    "jwk of a foreign key": lambda: token_of(FOREIGN_KEY, {"jwk": FOREIGN_KEY.as_dict(private=False)}),
    "HS256 with the public key": lambda: _signed_with(RSA.as_pem(private=False), "r1"),
    "HS256 with a key of the JWKS": lambda: _signed_with(b"secret-secret-secret-secret", "o"),
    "ES256 with an RSA kid": lambda: token_of(ec_key("r1")),
    "header is a list": _unsigned(["alg"], {}),
    "header is not JSON": _unsigned(b"\xff", {}),
    "header is deeply nested": _unsigned(b"[" * 3_000, {}),
    "iat in an hour": with_claims(iat=NOW_S + 3_600, nbf=..., exp=NOW_S + 3_700),
    "expired 61 s ago": with_claims(iat=NOW_S - 500, nbf=NOW_S - 500, exp=NOW_S - 61),
    "claims: duplicate exp": with_member(f'"exp":{NOW_S + 500}'),
    "claims: duplicate exp beside nested objects": with_member(f'"exp":{NOW_S + 500}', **TRAITS),
    "claims: nested duplicate": with_member('"traits":{"email":"a","email":"b"}'),
    "claims: NaN": with_member('"x":NaN'),
    "claims: nested NaN": with_member('"x":NaN', **TRAITS),
    "claims: nested infinite": with_member('"x":-1e999', **TRAITS),
    "claims: 5000 digits": with_member(f'"x":{"1" * 5_000}'),
    "claims: deeply nested": with_member(f'"x":{"[" * 2_000}{"]" * 2_000}'),
    **{f"claims: {text!r}": partial(signed, KEY, HEADER, text) for text in (b"[1]", b"5", b"text", b"")},
    "signature: DER": with_signature(_der),
    "signature: 63 bytes": with_signature(lambda raw: raw[:-1]),
    "signature: 65 bytes": with_signature(lambda raw: raw + b"\0"),
    "signature: 96 bytes": with_signature(lambda raw: raw[:32].rjust(48, b"\0") + raw[32:].rjust(48, b"\0")),
    "signature: r and s are 0": with_signature(lambda _: bytes(64)),
    "signature: r and s are the largest numbers": with_signature(lambda _: b"\xff" * 64),
    "signature: RSA without the last byte": with_signature(lambda raw: raw[:-1], RSA),
    "signature: RSA with one more byte": with_signature(lambda raw: b"\0" + raw, RSA),
    "signature: RSA with PSS in the header": lambda: signed(RSA, b'{"alg":"PS256","kid":"r1"}', payload_of()),
    "five parts": lambda: "eyJhbGciOiJkaXIifQ..aaaa.bbbb.cccc",
    "four parts": lambda: f"{VALID}.",
    "empty first part": lambda: f".{VALID}",
    "empty parts": lambda: "..",
    "two parts": lambda: "a.b",
    "no dot": lambda: VALID.replace(".", ""),
    "empty": lambda: "",
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in TOKENS.items()])
async def test_malformed_token_is_rejected(make: Callable[[], str]) -> None:
    """Also if a valid token was verified before, whose header is remembered."""
    verifier = verifier_of()
    assert await accepts(verifier, VALID)

    assert not await accepts(verifier, make())
    assert await accepts(verifier, VALID)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(with_header(b'{"alg":"ES256","kid":"k1"}'), id="no typ"),
        pytest.param(with_header(b'{"typ":"jwt","alg":"ES256","kid":"k1"}'), id="typ jwt"),
        pytest.param(
            with_header(b'{"typ":"application/JWT","alg":"ES256","kid":"k1"}'), id="typ with a media type"
        ),
        pytest.param(with_header(b'{"jku":"https://evil.example.com","alg":"ES256","kid":"k1"}'), id="jku"),
        pytest.param(with_header(b' {\t"alg":"ES256",\n"kid":"k1"\r} '), id="blanks"),
        pytest.param(with_claims(iat=NOW_S - 1.5, nbf=NOW_S - 1.5, exp=NOW_S + 60.5), id="fractions of seconds"),
        pytest.param(with_claims(nbf=...), id="no nbf"),
        pytest.param(with_claims(aud=["x", AUDIENCE]), id="list of aud"),
        pytest.param(with_claims(**TRAITS), id="nested claims"),
        pytest.param(with_member('"x":1.5', **TRAITS), id="finite number"),
        pytest.param(lambda: token_of(RSA), id="RS256"),
    ],
)
async def test_valid_token_is_accepted(make: Callable[[], str]) -> None:
    assert await accepts(verifier_of(), make())


async def test_header_is_remembered_only_after_a_valid_signature() -> None:
    """The memory has a fixed size, and clients without a key can't fill it."""
    verifier = verifier_of()
    for number in range(100):
        header = json.dumps({"alg": "ES256", "kid": "k1", "x": number}).encode()
        assert not await accepts(verifier, signed(ec_key("k1"), header, payload_of()))
    assert verifier._parser._headers == {}

    for number in range(200):
        header = json.dumps({"alg": "ES256", "kid": "k1", "x": number}).encode()
        assert await accepts(verifier, signed(KEY, header, payload_of()))
    assert 0 < len(verifier._parser._headers) <= 64
