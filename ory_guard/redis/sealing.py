"""How values lie in Redis: JSON, sealed by AES-GCM under a key of their own name.

Each value has a key of its own, derived from the secret and its name. So a value is worth nothing under another
name, and no key ever seals so many values that two random nonces could meet (NIST SP 800-38D, section 8.3).
"""

import hashlib
import json
import os
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from ory_guard.exceptions import ConfigurationError

__all__ = ["Seal", "Unreadable"]

_LEAST_SECRET: Final = 32
_NONCE: Final = 12
_SALT: Final = b"ory_guard.redis 1"


class Unreadable(Exception):
    """A value that none of ours sealed, or that lay under another name."""


class Seal:
    """Seals and opens values with what is derived from one secret.

    Args:
        secret: At least 32 bytes, from a random source.

    Attributes:
        hashing_key: What credentials are hashed with.

    Raises:
        ConfigurationError: The secret is too short.
    """

    def __init__(self, secret: str | bytes) -> None:
        material = secret.encode() if isinstance(secret, str) else secret
        if len(material) < _LEAST_SECRET:
            raise ConfigurationError(
                f"secrets: one has {len(material)} bytes and needs {_LEAST_SECRET} at least: "
                "make one with python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        self.hashing_key: bytes = _derived(material, b"credentials")
        self._naming_key = _derived(material, b"names")
        self._sealing_key = _derived(material, b"values")

    def hashed(self, text: str) -> str:
        """Return a name for `text` that does not tell what it was."""
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), key=self._naming_key, digest_size=16
        ).hexdigest()

    def close(self, name: str, value: dict[str, Any]) -> bytes:
        """Return `value` sealed for this name."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(name).encrypt(nonce, json.dumps(value).encode(), None)

    def open(self, name: str, sealed: bytes) -> dict[str, Any]:
        """Return what was sealed for this name.

        Raises:
            Unreadable: It was not.
        """
        try:
            value = json.loads(self._cipher(name).decrypt(sealed[:_NONCE], sealed[_NONCE:], None))
        except (InvalidTag, ValueError) as error:
            raise Unreadable(type(error).__name__) from None
        if not isinstance(value, dict):
            raise Unreadable("no object")
        return value

    def _cipher(self, name: str) -> AESGCM:
        return AESGCM(HKDFExpand(SHA256(), 32, name.encode()).derive(self._sealing_key))


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, _SALT, purpose).derive(secret)
