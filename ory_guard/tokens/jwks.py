"""Read the verification keys of a JWKS (RFC 7517).

Asymmetric signature keys with a `kid` are used. Other keys of the set are ignored, because a set may have keys for
other purposes.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import base64_to_int

from ory_guard.tokens.algorithms import MIN_RSA_BITS, Verify, verify_functions

__all__ = ["NO_USABLE_KEY", "KeyRing", "VerificationKey", "read_jwks"]

NO_USABLE_KEY: Final = (
    "the JWKS contains no key that can verify a token; use EC keys, or RSA keys of at least 2048 bits, each with a "
    "kid, for signatures with an accepted algorithm"
)

_KEY_TYPES: Final[Mapping[str, type[ECKey] | type[RSAKey]]] = {"EC": ECKey, "RSA": RSAKey}


VerificationKey: TypeAlias = Mapping[str, Verify]
"""A public key: the verification function of each algorithm that it may be used with."""

KeyRing: TypeAlias = Mapping[str, tuple[VerificationKey, ...]]
"""Keys by `kid`."""


def read_jwks(document: bytes | Mapping[str, Any], algorithms: Collection[str]) -> KeyRing:
    """Return the keys of a JWKS that can verify tokens with one of the algorithms.

    Raises:
        ValueError: If the document is not a JWKS, or contains a private key.
    """
    try:
        jwks = json.loads(document) if isinstance(document, bytes) else document
        jwk_list = list(jwks["keys"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError('the document is not a JWKS; use a JSON object with a list of "keys"') from None
    ring: dict[str, tuple[VerificationKey, ...]] = {}
    for jwk in jwk_list:
        if not isinstance(jwk, Mapping):
            continue
        key_type, kid = jwk.get("kty", ""), jwk.get("kid")
        if not isinstance(key_type, str):
            raise ValueError(  # noqa: TRY004 - it is about the document
                f'the "kty" of a key must be a string such as "EC" (got {key_type!r})'
            )
        if key_type not in _KEY_TYPES:
            continue
        if "d" in jwk:
            raise ValueError("the JWKS contains a private key; export only public keys (ory get jwk … --public)")
        functions = _verify_functions(jwk, algorithms)
        if isinstance(kid, str) and functions:
            ring[kid] = (*ring.get(kid, ()), functions)
    return ring


def _verify_functions(jwk: Mapping[str, Any], algorithms: Collection[str]) -> dict[str, Verify]:
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return {}
    try:
        # The length of the encoding says little, because the modulus may have leading zeros.
        if jwk["kty"] == "RSA" and base64_to_int(jwk["n"]).bit_length() < MIN_RSA_BITS:
            return {}
        key = _KEY_TYPES[jwk["kty"]].import_key(dict(jwk))
        functions = verify_functions(key.public_key)
    except (JoseError, KeyError, TypeError, ValueError):
        return {}
    allowed = [name for name in algorithms if jwk.get("alg") in (None, name)]
    return {name: functions[name] for name in allowed if name in functions}
