"""JWTs that only the issuer could sign, or that differ from a valid one in their encoding: the parser is strict."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
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
    rsa_key,
    signed,
    signed_segments,
    token_of,
)

from ory_guard.tokens import TokenVerifier

pytestmark = pytest.mark.anyio

KEY: Final = ec_key("k1")
RSA: Final = rsa_key("r1")
NOW_S: Final = int(NOW.timestamp())
HEADER: Final = b'{"alg":"ES256","kid":"k1"}'
VALID: Final = token_of(KEY)
TRAITS: Final = {"traits": {"email": "a@example.com", "name": "Ada, Countess"}}


def verifier_of(**options: Any) -> TokenVerifier:
    """Return a verifier with an EC key and an RSA key."""
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks=jwks_of(KEY, RSA), **options)


async def accepts(verifier: TokenVerifier, token: str) -> bool:
    """Return whether the verifier accepts a token."""
    return await verifier.verify(token, AdjustableClock()) is not None


def payload_of(**changes: Any) -> bytes:
    """Return the JSON of the claims."""
    return json.dumps(claims_of(**changes)).encode()


def with_member(member: str, **changes: Any) -> Callable[[], str]:
    """Return a function that signs the claims with one more member, written as given."""
    return lambda: signed(KEY, HEADER, payload_of(**changes)[:-1] + b"," + member.encode() + b"}")


def with_header(header: bytes) -> Callable[[], str]:
    """Return a function that signs the claims with this header."""
    return lambda: signed(KEY, header, payload_of())


def with_claims(**changes: Any) -> Callable[[], str]:
    """Return a function that signs other claims."""
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


AUDIENCES: Final[list[Any]] = [5, None, [], {AUDIENCE: 1}, [[AUDIENCE]], AUDIENCE[:-1]]

ISSUERS: Final[list[Any]] = [[ISSUER], None, ISSUER.upper(), ...]

EXPIRATIONS: Final[list[Any]] = [True, str(NOW_S + 9), None, 1e300, {}]

HEADERS: Final = {
    "duplicate alg": b'{"alg":"none","alg":"ES256","kid":"k1"}',
    "duplicate kid": b'{"alg":"ES256","kid":"x","kid":"k1"}',
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
    "typ logout+jwt": b'{"alg":"ES256","kid":"k1","typ":"logout+jwt"}',
    "typ JWE": b'{"alg":"ES256","kid":"k1","typ":"JWE"}',
    "typ null": b'{"alg":"ES256","kid":"k1","typ":null}',
    "typ is a list": b'{"alg":"ES256","kid":"k1","typ":["JWT"]}',
    "alg is a list": b'{"alg":["ES256"],"kid":"k1"}',
    "alg in lower case": b'{"alg":"es256","kid":"k1"}',
    "alg of another key type": b'{"alg":"RS256","kid":"k1"}',
    "alg of another hash": b'{"alg":"ES384","kid":"k1"}',
    "crit is empty": b'{"alg":"ES256","kid":"k1","crit":[]}',
    "b64 false": b'{"alg":"ES256","kid":"k1","b64":false}',
}

TOKENS: Final[dict[str, Callable[[], str]]] = {
    **{f"header: {name}": with_header(header) for name, header in HEADERS.items()},
    "claims: duplicate exp": with_member(f'"exp":{NOW_S + 500}'),
    "claims: duplicate exp beside nested objects": with_member(f'"exp":{NOW_S + 500}', **TRAITS),
    "claims: nested duplicate": with_member('"traits":{"email":"a","email":"b"}'),
    "claims: NaN": with_member('"x":NaN'),
    "claims: nested NaN": with_member('"x":NaN', **TRAITS),
    "claims: nested infinite": with_member('"x":-1e999', **TRAITS),
    "claims: 5000 digits": with_member(f'"x":{"1" * 5_000}'),
    "claims: deeply nested": with_member(f'"x":{"[" * 2_000}{"]" * 2_000}'),
    "claims: a list": lambda: signed(KEY, HEADER, b"[1]"),
    "claims: a number": lambda: signed(KEY, HEADER, b"5"),
    "claims: text": lambda: signed(KEY, HEADER, b"text"),
    "claims: empty": lambda: signed(KEY, HEADER, b""),
    **{f"iat {value!r}": with_claims(iat=value) for value in (True, str(NOW_S), None, -1, [NOW_S])},
    **{f"nbf {value!r}": with_claims(nbf=value) for value in (False, str(NOW_S), None, -1, 10**30)},
    **{f"exp {value!r}": with_claims(exp=value) for value in EXPIRATIONS},
    **{f"aud {value!r}": with_claims(aud=value) for value in AUDIENCES},
    **{f"iss {value!r}": with_claims(iss=value) for value in ISSUERS},
    **{f"sid {value!r}": with_claims(sid=value) for value in (5, None, ["x"], "")},
    **{f"sub {value!r}": with_claims(sub=value) for value in (5, None, ["x"], "")},
    "signature: DER": with_signature(_der),
    "signature: 63 bytes": with_signature(lambda raw: raw[:-1]),
    "signature: 65 bytes": with_signature(lambda raw: raw + b"\0"),
    "signature: 96 bytes": with_signature(lambda raw: raw[:32].rjust(48, b"\0") + raw[32:].rjust(48, b"\0")),
    "signature: r and s are 0": with_signature(lambda _: bytes(64)),
    "signature: r and s are the largest numbers": with_signature(lambda _: b"\xff" * 64),
    "signature: RSA without the last byte": with_signature(lambda raw: raw[:-1], RSA),
    "signature: RSA with one more byte": with_signature(lambda raw: b"\0" + raw, RSA),
    "signature: RSA with PSS in the header": lambda: signed(RSA, b'{"alg":"PS256","kid":"r1"}', payload_of()),
    **{
        f"encoding: {name} in part {part}": _encoded(change, part)
        for name, change in {
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
        }.items()
        for part in range(3)
    },
    "encoding: unused bits in the signature": _with_unused_bits,
    "encoding: alphabet of base64": _with_other_alphabet,
    "four parts": lambda: f"{VALID}.",
    "empty first part": lambda: f".{VALID}",
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
