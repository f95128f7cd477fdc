"""Verification of second factors: TOTP codes and lookup secrets (backup codes)."""

from hmac import compare_digest
from typing import Any

import pyotp

from ory_guard.testing.store.records import Identity

__all__ = ["totp_matches", "use_lookup_secret", "verify_totp"]


def verify_totp(identity: Identity, fields: dict[str, Any], now: float) -> int | None:
    """Verify a TOTP code. Return None if it is correct, else the id of the error message."""
    secret = identity.credentials.totp_secret
    if secret is None:
        return 4000011
    code = fields.get("totp_code")
    return None if totp_matches(secret, code, now) else 4000008


def totp_matches(secret: str, code: object, now: float) -> bool:
    """Return whether a TOTP code is valid for the current, previous or next 30 seconds."""
    totp = pyotp.TOTP(secret)
    codes = (totp.at(int(now) + offset) for offset in (-30, 0, 30))
    return (
        isinstance(code, str)
        and code.isascii()
        and any(compare_digest(code.strip().encode(), expected.encode()) for expected in codes)
    )


def use_lookup_secret(identity: Identity, fields: dict[str, Any], now: float) -> int | None:
    """Consume a lookup secret. Return None if it is correct, else the id of the error message."""
    codes = identity.credentials.lookup_codes
    code = fields.get("lookup_secret")
    if not codes:
        return 4000014
    if not isinstance(code, str) or code not in codes:
        return 4000016
    if codes[code]:
        return 4000012
    codes[code] = int(now)
    return None
