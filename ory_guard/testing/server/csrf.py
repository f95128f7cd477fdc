"""Double-submit anti-CSRF tokens: a secret in a cookie, masked differently in each form."""

import base64
import binascii
import hmac
import secrets
from typing import Final

__all__ = ["SECRET_BYTES", "mask", "new_secret", "parse_secret", "verify"]

SECRET_BYTES: Final = 32


def new_secret() -> bytes:
    """Return a new secret."""
    return secrets.token_bytes(SECRET_BYTES)


def parse_secret(value: str) -> bytes | None:
    """Return the secret in a cookie value, or None if the value is malformed."""
    try:
        secret = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if len(secret) == SECRET_BYTES else None


def mask(secret: bytes) -> str:
    """Return a form token for the secret. It differs on every call."""
    pad = secrets.token_bytes(SECRET_BYTES)
    return base64.b64encode(pad + _xor(pad, secret)).decode()


def verify(secret: bytes | None, token: object) -> bool:
    """Return whether a form token was created from the secret."""
    if secret is None or not isinstance(token, str):
        return False
    try:
        raw = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * SECRET_BYTES:
        return False
    return hmac.compare_digest(_xor(raw[:SECRET_BYTES], raw[SECRET_BYTES:]), secret)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
