"""Validate the claims of a token."""

from typing import Final

from ory_guard.guard.jwt import VerifiedToken
from ory_guard.tokens.compact_serialization import parse_claims

__all__ = ["ClaimsValidator"]

_NUMBERS: Final = (int, float)
_new: Final = tuple.__new__  # half the time of the constructor of a named tuple


class ClaimsValidator:
    """Validates the claims of tokens.

    Args:
        issuer: The exact value of `iss`.
        audience: The value that `aud` must equal or contain.
        max_lifetime: The maximum time from `iat` to `exp`, in seconds.
        clock_skew: The tolerated difference between clocks, in seconds.
    """

    def __init__(self, issuer: str, audience: str, max_lifetime: float, clock_skew: float) -> None:
        self._issuer = issuer
        self._audience = audience
        self._max_lifetime = max_lifetime
        self._clock_skew = clock_skew

    def validate(self, segment: bytes, now: float) -> VerifiedToken | None:
        """Return the token with these claims, or None if they are invalid, expired, or for another audience.

        Args:
            segment: The encoded payload of the token.
            now: The time, in seconds since the epoch.
        """
        try:
            claims = parse_claims(segment)
            issued_at, expires_at = claims["iat"], claims["exp"]
            session_id, identity_id = claims["sid"], claims["sub"]
            issuer, audience = claims["iss"], claims["aud"]
        except (KeyError, ValueError, RecursionError):
            return None
        not_before = claims.get("nbf", issued_at)
        # Booleans are integers in Python, but not a NumericDate (RFC 7519, section 2).
        if type(issued_at) not in _NUMBERS or type(expires_at) not in _NUMBERS or type(not_before) not in _NUMBERS:
            return None
        latest, earliest = now + self._clock_skew, now - self._clock_skew
        if not (0 <= issued_at <= latest and 0 <= not_before <= latest):
            return None
        if not earliest < expires_at <= issued_at + self._max_lifetime:
            return None
        if issuer != self._issuer:
            return None
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            return None
        if not (isinstance(session_id, str) and session_id and isinstance(identity_id, str) and identity_id):
            return None
        return _new(VerifiedToken, (claims, issued_at, expires_at))
