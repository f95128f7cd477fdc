"""Read the verification keys of a JWKS (RFC 7517).

Asymmetric signature keys with a `kid` are used. Other keys of the set are ignored, because a set may have keys for
other purposes.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey

__all__ = ["ALGORITHMS", "KeyRing", "key_matches", "read_jwks"]

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
"""The supported algorithms, with their key type and curve (RFC 7518, section 3.1)."""

_KEY_TYPES: Final[Mapping[str, type[ECKey] | type[RSAKey]]] = {"EC": ECKey, "RSA": RSAKey}
_MIN_RSA_MODULUS_CHARS: Final = 342  # 2048 bits in base64url (RFC 7518, section 3.3)


def read_jwks(document: bytes | Mapping[str, Any]) -> KeyRing:
    """Return the verification keys of a JWKS.

    Raises:
        ValueError: If the document is not a JWKS, or contains a private key.
    """
    try:
        jwks = json.loads(document) if isinstance(document, bytes) else document
        jwk_list = list(jwks["keys"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError('the document is not a JWKS; use a JSON object with a list of "keys"') from None
    ring: dict[str, tuple[Key, ...]] = {}
    for jwk in jwk_list:
        if not isinstance(jwk, Mapping) or jwk.get("kty") not in _KEY_TYPES:
            continue
        if "d" in jwk:
            raise ValueError("the JWKS contains a private key; export only public keys (ory get jwk … --public)")
        key = _import_key(jwk)
        if key is not None:
            ring[jwk["kid"]] = (*ring.get(jwk["kid"], ()), key)
    return ring


def key_matches(key: Key, algorithm: str) -> bool:
    """Return whether the algorithm accepts a key of this type and curve, and the key is not for another one."""
    key_type, curve = ALGORITHMS[algorithm]
    jwk = key.as_dict(private=False)
    return isinstance(key, key_type) and jwk.get("crv") == curve and jwk.get("alg") in (None, algorithm)


def _import_key(jwk: Mapping[str, Any]) -> Key | None:
    kid = jwk.get("kid")
    if not isinstance(kid, str) or jwk.get("use", "sig") != "sig":
        return None
    if jwk["kty"] == "RSA" and len(str(jwk.get("n"))) < _MIN_RSA_MODULUS_CHARS:
        return None
    try:
        return _KEY_TYPES[jwk["kty"]].import_key(dict(jwk))
    except (JoseError, KeyError, TypeError, ValueError):
        return None
