"""Encryption of the values in Redis with AES-GCM.

Each value has a key of its own, derived from the secret, the name of the value and a random salt. A value is
therefore invalid under any other name. NIST SP 800-38D, section 8.3, permits at most 2^32 values with random nonces
under one key. No key reaches that: it encrypts a single value, unless two salts of 128 bits are equal.
"""

import os
from hashlib import blake2b
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ory_guard.exceptions import ConfigurationError

__all__ = ["DecryptionError", "Encryptor"]

_MIN_SECRET_BYTES: Final = 32
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_OVERHEAD: Final = _SALT_BYTES + _NONCE_BYTES
_HKDF_SALT: Final = b"ory_guard.redis 3"


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
        return blake2b(data, key=self._name_key, digest_size=16).hexdigest()

    def encrypt(self, name: bytes, text: bytes, associated_data: bytes = b"") -> bytes:
        """Return `text` encrypted for this name.

        Args:
            name: The name of the value.
            text: The text.
            associated_data: Data that is authenticated with the text, but not encrypted, and not returned.
        """
        random = os.urandom(_OVERHEAD)
        salt, nonce = random[:_SALT_BYTES], random[_SALT_BYTES:]
        key = blake2b(name, key=self._value_key, salt=salt, digest_size=32).digest()
        return random + AESGCM(key).encrypt(nonce, text, associated_data)

    def decrypt(self, name: bytes, data: bytes, start: int = 0) -> bytes:
        """Return the text that was encrypted for this name.

        Args:
            name: The name of the value.
            data: The associated data and the encrypted text.
            start: The length of the associated data.

        Raises:
            DecryptionError: If `data` was not encrypted with this secret for this name.
        """
        nonce_start, nonce_end = start + _SALT_BYTES, start + _OVERHEAD
        try:
            key = blake2b(name, key=self._value_key, salt=data[start:nonce_start], digest_size=32).digest()
            return AESGCM(key).decrypt(data[nonce_start:nonce_end], data[nonce_end:], data[:start])
        except (InvalidTag, ValueError) as error:
            raise DecryptionError(type(error).__name__) from None


def _derive_key(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, _HKDF_SALT, purpose).derive(secret)
