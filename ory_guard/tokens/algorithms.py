"""Signature algorithms (RFC 7518, section 3.1), as verification functions of a public key."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

__all__ = ["ALGORITHMS", "MIN_RSA_BITS", "Verify", "has_valid_length", "verify_functions"]

Verify: TypeAlias = Callable[[bytes, bytes], bool]
"""Returns whether a signature is valid for a message."""

_SHA: Final[Mapping[str, HashAlgorithm]] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_CURVES: Final = {"secp256r1": "256", "secp384r1": "384", "secp521r1": "512"}

_ECDSA_LENGTHS: Final = {"ES256": 64, "ES384": 96, "ES512": 132}
MIN_RSA_BITS: Final = 2_048
"""The minimum size of an RSA modulus (RFC 7518, sections 3.3 and 3.5)."""

ALGORITHMS: Final = tuple(family + size for family in ("ES", "RS", "PS") for size in _SHA)
"""The names of the supported algorithms."""


def verify_functions(key: EllipticCurvePublicKey | RSAPublicKey) -> dict[str, Verify]:
    """Return a function for each algorithm that accepts a key of this type and curve."""
    if isinstance(key, EllipticCurvePublicKey):
        size = _CURVES.get(key.curve.name)
        return {} if size is None else {f"ES{size}": _verify_ecdsa(key, _SHA[size])}
    functions = {f"RS{size}": _verify_rsa(key, PKCS1v15(), sha) for size, sha in _SHA.items()}
    for size, sha in _SHA.items():
        functions[f"PS{size}"] = _verify_rsa(key, PSS(MGF1(sha), sha.digest_size), sha)
    return functions


def has_valid_length(algorithm: str, signature: bytes) -> bool:
    """Return whether a key for this algorithm may have made a signature of this length."""
    expected = _ECDSA_LENGTHS.get(algorithm)
    return len(signature) * 8 >= MIN_RSA_BITS if expected is None else len(signature) == expected


def _verify_ecdsa(key: EllipticCurvePublicKey, sha: HashAlgorithm) -> Verify:
    scheme, verify_der = ECDSA(sha), key.verify
    length = (key.key_size + 7) // 8

    def verify(signature: bytes, message: bytes) -> bool:
        if len(signature) != 2 * length:  # r and s with leading zeros (RFC 7518, section 3.4)
            return False
        r, s = int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big")
        try:
            verify_der(encode_dss_signature(r, s), message, scheme)
        except InvalidSignature:
            return False
        return True

    return verify


def _verify_rsa(key: RSAPublicKey, padding: AsymmetricPadding, sha: HashAlgorithm) -> Verify:
    verify_signature = key.verify

    def verify(signature: bytes, message: bytes) -> bool:
        try:
            verify_signature(signature, message, padding, sha)
        except InvalidSignature:
            return False
        return True

    return verify
