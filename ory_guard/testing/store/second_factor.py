"""Checking second factors: codes of authenticator apps and backup codes."""

from hmac import compare_digest
from typing import Any

import pyotp

from ory_guard.testing.store.records import Identity

__all__ = ["totp_matches", "use_lookup_secret", "verify_totp"]


def verify_totp(identity: Identity, fields: dict[str, Any], now: float) -> int | None:
    """Check a code of an authenticator app; return the id of the message that says what is wrong."""
    secret = identity.credentials.totp_secret
    if secret is None:
        return 4000011
    code = fields.get("totp_code")
    return None if totp_matches(secret, code, now) else 4000008


def totp_matches(secret: str, code: object, now: float) -> bool:
    """Tell whether a code is right now, or was or will be half a minute away."""
    totp = pyotp.TOTP(secret)
    around = (totp.at(int(now) + offset) for offset in (-30, 0, 30))
    return (
        isinstance(code, str)
        and code.isascii()
        and any(compare_digest(code.strip().encode(), one.encode()) for one in around)
    )


def use_lookup_secret(identity: Identity, fields: dict[str, Any], now: float) -> int | None:  # noqa: ARG001 - all checks take the time
    """Use up a backup code; return the id of the message that says what is wrong."""
    codes = identity.credentials.lookup_codes
    code = fields.get("lookup_secret")
    if not codes:
        return 4000014
    if not isinstance(code, str) or code not in codes:
        return 4000016
    if codes[code]:
        return 4000012
    codes[code] = True
    return None
