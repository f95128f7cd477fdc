"""Which claims a token must have, and what they tell of its session.

Claims under the names of Kratos' session count for what they say; what no claim says stays unknown, so that no
requirement is met by it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ory_guard.token_checks import VerifiedToken

__all__ = ["ClaimRules"]

_LATEST: Final = 32_503_680_000.0  # the year 3000: beyond it a datetime may overflow
_OF_SESSION: Final = ("authenticated_at", "authenticator_assurance_level", "authentication_methods")
_OF_IDENTITY: Final = ("traits", "metadata_public", "verifiable_addresses", "organization_id", "schema_id")


class ClaimRules:
    """What is asked of a token's claims.

    Args:
        issuer: What `iss` must be, to the letter.
        audience: What `aud` must be or contain.
        max_lifetime: The longest time, in seconds, between `iat` and `exp`.
        clock_skew: How far, in seconds, clocks may differ.
    """

    def __init__(self, issuer: str, audience: str, max_lifetime: float, clock_skew: float) -> None:
        self._issuer = issuer
        self._audience = audience
        self._max_lifetime = max_lifetime
        self._clock_skew = clock_skew

    def read(self, claims: Mapping[str, Any], now: float) -> VerifiedToken | None:
        """Return what the claims tell, or None where the token is not ours or not good at `now`."""
        issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
        not_before = _time(claims, "nbf") if "nbf" in claims else issued_at
        session_id, identity_id = claims.get("sid"), claims.get("sub")
        if issued_at is None or expires_at is None or not_before is None:
            return None
        if not isinstance(session_id, str) or not session_id or not isinstance(identity_id, str) or not identity_id:
            return None
        if claims.get("iss") != self._issuer or not self._is_for_us(claims.get("aud")):
            return None
        if max(issued_at, not_before) > now + self._clock_skew or expires_at <= now - self._clock_skew:
            return None
        if expires_at - issued_at > self._max_lifetime:
            return None
        return VerifiedToken(_session_of(claims, session_id, identity_id, expires_at), issued_at, expires_at)

    def _is_for_us(self, audience: Any) -> bool:
        return audience == self._audience or (isinstance(audience, list) and self._audience in audience)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        return None
    return float(value)


def _session_of(claims: Mapping[str, Any], session_id: str, identity_id: str, expires_at: float) -> dict[str, Any]:
    identity = {"id": identity_id} | {name: claims[name] for name in _OF_IDENTITY if name in claims}
    return {
        "id": session_id,
        "active": True,
        "expires_at": datetime.fromtimestamp(expires_at, UTC),
        "identity": identity,
        "claims": dict(claims),
    } | {name: claims[name] for name in _OF_SESSION if name in claims}
