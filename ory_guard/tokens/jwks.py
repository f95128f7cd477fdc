"""A JWKS (RFC 7517) as the keys that a token can be verified with.

Only asymmetric signature keys with a `kid` count; others are left out, since a set may hold what is meant for
others.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey

__all__ = ["ALGORITHMS", "KeyRing", "fits", "read_jwks"]

KeyRing: TypeAlias = Mapping[str, tuple[Key, ...]]
"""Keys by `kid`."""

ALGORITHMS: Final[Mapping[str, tuple[type[Key], str | None]]] = {
    "ES256": (ECKey, "P-256"),
    "ES384": (ECKey, "P-384"),
    "ES512": (ECKey, "P-521"),
    "RS256": (RSAKey, None),
    "RS384": (RSAKey, None),
    "RS512": (RSAKey, None),
    "PS256": (RSAKey, None),
    "PS384": (RSAKey, None),
    "PS512": (RSAKey, None),
}
"""What may sign, and the key that it takes (RFC 7518, section 3.1)."""

_KEY_TYPES: Final[Mapping[str, type[ECKey] | type[RSAKey]]] = {"EC": ECKey, "RSA": RSAKey}
_LEAST_RSA_DIGITS: Final = 342  # 2048 bits in base64url (RFC 7518, section 3.3)


def read_jwks(document: bytes | Mapping[str, Any]) -> KeyRing:
    """Return the keys of a JWKS that can verify tokens.

    Raises:
        ValueError: It is no JWKS, or holds a private key.
    """
    try:
        jwks = json.loads(document) if isinstance(document, bytes) else document
        listed = list(jwks["keys"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError('it is no JWKS: a JSON object with a list of "keys" is expected') from None
    ring: dict[str, tuple[Key, ...]] = {}
    for jwk in listed:
        if not isinstance(jwk, Mapping) or jwk.get("kty") not in _KEY_TYPES:
            continue
        if "d" in jwk:
            raise ValueError("it holds a private key: hand out the public keys only (ory get jwk … --public)")
        key = _key_of(jwk)
        if key is not None:
            ring[jwk["kid"]] = (*ring.get(jwk["kid"], ()), key)
    return ring


def fits(key: Key, algorithm: str) -> bool:
    """Tell whether the key is of the kind that the algorithm takes, and meant for it."""
    kind, curve = ALGORITHMS[algorithm]
    jwk = key.as_dict(private=False)
    return isinstance(key, kind) and jwk.get("crv") == curve and jwk.get("alg") in (None, algorithm)


def _key_of(jwk: Mapping[str, Any]) -> Key | None:
    kid = jwk.get("kid")
    if not isinstance(kid, str) or jwk.get("use", "sig") != "sig":
        return None
    if jwk["kty"] == "RSA" and len(str(jwk.get("n"))) < _LEAST_RSA_DIGITS:
        return None
    try:
        return _KEY_TYPES[jwk["kty"]].import_key(dict(jwk))
    except (JoseError, KeyError, TypeError, ValueError):
        return None
