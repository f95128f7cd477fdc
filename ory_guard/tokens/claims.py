"""Validate the claims of a token, and convert them to a session.

Claims with the names of Kratos' session fields become those fields. Other fields stay unknown, and meet no
requirement.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ory_guard.guard.jwt import VerifiedToken

__all__ = ["ClaimsValidator"]

_MAX_TIME: Final = 32_503_680_000.0  # the year 3000; a later datetime may overflow
_SESSION_FIELDS: Final = ("authenticated_at", "authenticator_assurance_level", "authentication_methods")
_IDENTITY_FIELDS: Final = ("traits", "metadata_public", "verifiable_addresses", "organization_id", "schema_id")


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

    def validate(self, claims: Mapping[str, Any], now: float) -> VerifiedToken | None:
        """Return the session of the claims, or None if they are invalid, expired, or for another audience."""
        issued_at, expires_at = _numeric_date(claims, "iat"), _numeric_date(claims, "exp")
        not_before = _numeric_date(claims, "nbf") if "nbf" in claims else issued_at
        session_id, identity_id = claims.get("sid"), claims.get("sub")
        if issued_at is None or expires_at is None or not_before is None:
            return None
        if not isinstance(session_id, str) or not session_id or not isinstance(identity_id, str) or not identity_id:
            return None
        if claims.get("iss") != self._issuer or not self._audience_matches(claims.get("aud")):
            return None
        if max(issued_at, not_before) > now + self._clock_skew or expires_at <= now - self._clock_skew:
            return None
        if expires_at - issued_at > self._max_lifetime:
            return None
        return VerifiedToken(_session_from(claims, session_id, identity_id, expires_at), issued_at, expires_at)

    def _audience_matches(self, audience: Any) -> bool:
        return audience == self._audience or (isinstance(audience, list) and self._audience in audience)


def _numeric_date(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_TIME:
        return None
    return float(value)


def _session_from(
    claims: Mapping[str, Any], session_id: str, identity_id: str, expires_at: float
) -> dict[str, Any]:
    identity = {"id": identity_id} | {name: claims[name] for name in _IDENTITY_FIELDS if name in claims}
    return {
        "id": session_id,
        "active": True,
        "expires_at": datetime.fromtimestamp(expires_at, UTC),
        "identity": identity,
        "claims": dict(claims),
    } | {name: claims[name] for name in _SESSION_FIELDS if name in claims}
