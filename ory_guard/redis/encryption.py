"""Encryption of the values in Redis: JSON, encrypted with AES-GCM.

Each name has its own key, derived from the secret. A value is therefore invalid under any other name, and no key
encrypts so many values that two random nonces could be equal (NIST SP 800-38D, section 8.3).
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

__all__ = ["DecryptionError", "Encryptor"]

_MIN_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_SALT: Final = b"ory_guard.redis 1"


class DecryptionError(Exception):
    """The value was not encrypted with this secret for this name."""


class Encryptor:
    """Encrypts and decrypts values, and hashes names, with keys that are derived from a secret.

    Args:
        secret: At least 32 random bytes.

    Attributes:
        hashing_key: The key for the hashes of credentials.

    Raises:
        ConfigurationError: If the secret is too short.
    """

    def __init__(self, secret: str | bytes) -> None:
        key_material = secret.encode() if isinstance(secret, str) else secret
        if len(key_material) < _MIN_SECRET_BYTES:
            raise ConfigurationError(
                f"secrets: a secret must have at least {_MIN_SECRET_BYTES} bytes (got {len(key_material)}); "
                "create one with python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        self.hashing_key: bytes = _derive_key(key_material, b"credentials")
        self._name_key = _derive_key(key_material, b"names")
        self._value_key = _derive_key(key_material, b"values")

    def hash_name(self, name: str) -> str:
        """Return a keyed hash of `name`."""
        data = name.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._name_key, digest_size=16).hexdigest()

    def encrypt(self, name: str, value: dict[str, Any]) -> bytes:
        """Return `value` encrypted for this name."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(name).encrypt(nonce, json.dumps(value).encode(), None)

    def decrypt(self, name: str, data: bytes) -> dict[str, Any]:
        """Return the value that was encrypted for this name.

        Raises:
            DecryptionError: If `data` was not encrypted with this secret for this name.
        """
        try:
            value = json.loads(self._cipher(name).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None))
        except (InvalidTag, ValueError) as error:
            raise DecryptionError(type(error).__name__) from None
        if not isinstance(value, dict):
            raise DecryptionError("not a JSON object")
        return value

    def _cipher(self, name: str) -> AESGCM:
        return AESGCM(HKDFExpand(SHA256(), 32, name.encode()).derive(self._value_key))


def _derive_key(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, _SALT, purpose).derive(secret)
