"""The double-submit tokens of browser flows: a secret in a cookie, masked anew in every form."""

import base64
import binascii
import hmac
import secrets
from typing import Final

__all__ = ["SECRET_BYTES", "masked", "new_secret", "read_secret", "verified"]

SECRET_BYTES: Final = 32


def new_secret() -> bytes:
    """Return a fresh secret."""
    return secrets.token_bytes(SECRET_BYTES)


def read_secret(value: str) -> bytes | None:
    """Return the secret that a cookie's value holds, or None where it is no secret."""
    try:
        secret = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if len(secret) == SECRET_BYTES else None


def masked(secret: bytes) -> str:
    """Return a form token for the secret; each call gives another one."""
    pad = secrets.token_bytes(SECRET_BYTES)
    return base64.b64encode(pad + _xor(pad, secret)).decode()


def verified(secret: bytes | None, token: object) -> bool:
    """Tell whether a form token was made from the secret."""
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
