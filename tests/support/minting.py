"""Keys and signed tokens, valid and invalid."""

import base64
import json
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from support.clock import NOW
from support.scripted_kratos import IDENTITY_ID, SESSION_ID

ISSUER: Final = "https://id.example.com/"
AUDIENCE: Final = "https://api.example.com"


def ec_key(kid: str = "k1") -> ECKey:
    """Return a fresh key for ES256."""
    return ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"})


def rsa_key(kid: str = "r1", bits: int = 2_048) -> RSAKey:
    """Return a fresh key for RS256."""
    return RSAKey.generate_key(bits, {"kid": kid, "alg": "RS256", "use": "sig"})


def jwks_of(*keys: Key) -> dict[str, Any]:
    """Return the public JWKS."""
    return dict(KeySet(list(keys)).as_dict(private=False))


def claims_of(**changes: Any) -> dict[str, Any]:
    """Return the claims of a token issued ten seconds ago for ten minutes; `...` omits a claim."""
    now = int(NOW.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sid": SESSION_ID,
        "sub": IDENTITY_ID,
        "iat": now - 10,
        "nbf": now - 10,
        "exp": now + 590,
        "jti": "one",
        "email": "ada@example.com",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def token_of(key: Key, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a signed token; `header` is merged with the header of the key."""
    head = {"alg": key.as_dict(private=False)["alg"], "kid": key.kid, **(header or {})}
    return jwt.encode(head, claims_of(**changes), key, algorithms=[head["alg"]])


def raw_token(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Return a token of these parts, valid or not."""
    return ".".join(_encoded(part) for part in (header, claims, signature))


def _encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64url(raw)


def signed(key: ECKey | RSAKey, header: bytes, payload: bytes) -> str:
    """Return a token with a valid signature of any header and payload."""
    return signed_segments(key, base64url(header), base64url(payload))


def signed_segments(key: ECKey | RSAKey, header: str, payload: str) -> str:
    """Return a token with a valid signature of two encoded parts."""
    signing_input = f"{header}.{payload}"
    algorithm = jws.JWSRegistry.algorithms[str(key.as_dict(private=False)["alg"])]
    return f"{signing_input}.{base64url(algorithm.sign(signing_input.encode('utf-8', 'surrogatepass'), key))}"


def base64url(raw: bytes) -> str:
    """Return the base64url encoding without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
