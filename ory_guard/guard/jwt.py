"""Authentication of JWTs: verified in this process, and rejected once their session is revoked.

A JWT proves its claims at the time it was issued, and no more. It ends before it expires if its session or its
identity is revoked, in this process or in another one.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, Final, Literal, NamedTuple, Protocol

from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.shared_cache import SharedSessionCache
from ory_guard.cache.single_flight import CheckResult
from ory_guard.events import Listeners, TokenVerified, notify
from ory_guard.events.limited_log import LimitedLog
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.session_parser import SessionParser, SizedSession
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Authenticated, CacheableOutcome, Rejected, Unavailable

__all__ = ["JWKSUnavailable", "JWTAuthenticator", "TokenVerifierProtocol", "VerifiedToken"]


_SESSION_FIELDS: Final = ("authenticated_at", "authenticator_assurance_level", "authentication_methods")
_IDENTITY_FIELDS: Final = ("traits", "metadata_public", "verifiable_addresses", "organization_id", "schema_id")

_RevocationStatus = Literal["not revoked", "revoked", "incomplete", "store unavailable"]
"""`incomplete` means that revocations since the issue of the JWT are missing from the log and from the store."""


class JWKSUnavailable(Exception):
    """There is no key to verify a JWT with."""


class VerifiedToken(NamedTuple):
    """A verified JWT.

    Attributes:
        claims: The claims; `sid` and `sub` are the IDs of the session and the identity.
        issued_at: The time of issue, in seconds since the epoch.
        expires_at: The time of expiry, in seconds since the epoch.
    """

    claims: Mapping[str, Any]
    issued_at: float
    expires_at: float

    @property
    def session(self) -> dict[str, Any]:
        """The session in Kratos' JSON format.

        Claims with the names of Kratos' session fields become those fields. Other fields stay unknown, and meet no
        requirement.
        """
        claims = self.claims
        identity = {"id": claims["sub"]} | {name: claims[name] for name in _IDENTITY_FIELDS if name in claims}
        return {
            "id": claims["sid"],
            "active": True,
            "expires_at": datetime.fromtimestamp(self.expires_at, UTC),
            "identity": identity,
            "claims": claims,
        } | {name: claims[name] for name in _SESSION_FIELDS if name in claims}


class TokenVerifierProtocol(Protocol):
    """Verifies JWTs: the interface of `ory_guard.tokens.TokenVerifier`."""

    @property
    def max_lifetime(self) -> float:
        """The maximum lifetime of a JWT after its issue, in seconds."""
        ...

    @property
    def clock_skew(self) -> float:
        """The maximum difference between the clocks of Kratos and of this process, in seconds."""
        ...

    async def verify(self, token: str, clock: Clock) -> VerifiedToken | None:
        """Return the claims of a JWT, or None if it is invalid, expired or not meant for this application.

        Raises:
            JWKSUnavailable: If there is no key.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        ...


class JWTAuthenticator:
    """Authenticates JWTs for one guard.

    Args:
        verifier: Verifies JWTs.
        settings: The settings of the guard.
        parser: Parses the claims as a session.
        cache: The cache of this process.
        clock: The clocks.
        listeners: The listeners of the guard.
        log: The log of JWTs that cannot be verified or read.
        shared_cache: The cache that processes share, with their revocations; or None.

    Raises:
        ConfigurationError: If the guard does not accept bearer tokens.
    """

    def __init__(
        self,
        verifier: TokenVerifierProtocol,
        *,
        settings: GuardSettings,
        parser: SessionParser,
        cache: SessionCache,
        clock: Clock,
        listeners: Listeners,
        log: LimitedLog,
        shared_cache: SharedSessionCache | None,
    ) -> None:
        if "bearer" not in settings.credentials:
            raise ConfigurationError("tokens: JWTs are bearer tokens, so credentials must contain 'bearer'")
        self._verifier = verifier
        self._settings = settings
        self._parser = parser
        self._cache = cache
        self._revocations = cache.revocations
        self._shared_cache = shared_cache
        self._clock = clock
        self._listeners = listeners
        self._log = log

    def accepts(self, credential: Credential) -> bool:
        """Return whether the credential has the form of a JWT; session tokens of Kratos contain no dot."""
        return credential.kind == "bearer" and b"." in credential.value

    async def authenticate(self, key: bytes, credential: Credential) -> CheckResult | None:
        """Return the session of a JWT without a call to Kratos, or None if too few revocations are known for that.

        Args:
            key: The cache key of the credential.
            credential: The JWT.
        """
        generation, request_time = self._cache.generation, self._revocations.next_request_time()
        try:
            token = await self._verifier.verify(credential.value.decode("ascii"), self._clock)
        except JWKSUnavailable:
            self._log.write(logging.ERROR, "jwks", "jwks.unavailable: there is no key, so JWTs can't be verified")
            return CheckResult(Unavailable("unreachable"), request_time)
        status = "revoked" if token is None else await self._revocation_status(token)
        if status == "incomplete":
            return None
        if token is None or status == "revoked":
            rejected = Rejected("inactive", "bearer")
            return self._remember(key, rejected, self._parser.lifetimes.rejected, request_time, generation)
        parsed = self._parser.from_claims(token.session)
        if isinstance(parsed, str):
            text = "tokens.unreadable: %s; change the claims mapper of the tokenizer, or the traits model"
            self._log.write(logging.ERROR, "claims", text, parsed)
            return CheckResult(Unavailable("protocol"), request_time)
        seconds_left = token.expires_at + self._verifier.clock_skew - self._clock.time()
        ttl = self._parser.lifetimes.of_session(seconds_left)
        if status == "store unavailable":
            ttl = min(ttl, self._settings.disconnected_ttl)
        outcome = Authenticated(parsed.session, "bearer", "token", 0.0)
        return self._remember(key, outcome, ttl, request_time, generation, parsed=parsed)

    def _remember(
        self,
        key: bytes,
        outcome: CacheableOutcome,
        ttl: float,
        request_time: float,
        generation: int,
        *,
        parsed: SizedSession | None = None,
    ) -> CheckResult:
        if ttl > 0:
            fresh_until, fresh_until_wall = request_time + ttl, self._clock.time() + ttl
            body, memory_bytes = (b"", 0) if parsed is None else (parsed.body, parsed.memory_bytes)
            entry = CacheEntry(outcome, request_time, fresh_until, fresh_until_wall, body, memory_bytes)
            self._cache.put(key, entry, generation)
        if self._listeners:
            notify(self._listeners, TokenVerified(key.hex()[:8], type(outcome).__name__))
        return CheckResult(outcome, request_time)

    async def _revocation_status(self, token: VerifiedToken) -> _RevocationStatus:
        ids = token.claims["sid"], token.claims["sub"]
        # The clocks may differ: assume that the token was issued before the revocation.
        issued_at = self._clock.monotonic() - (self._clock.time() - token.issued_at) - self._verifier.clock_skew
        if self._revocations.revoked_at(*ids, since=issued_at) >= issued_at:
            return "revoked"
        is_incomplete = issued_at <= self._revocations.floor
        if self._shared_cache is None:
            return "incomplete" if is_incomplete else "not revoked"
        recorded = await self._shared_cache.revoked_at(*ids, since=issued_at)
        if recorded is None:
            return "incomplete" if is_incomplete else "store unavailable"
        if recorded == inf:
            return "incomplete"
        return "revoked" if recorded >= issued_at else "not revoked"

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._verifier.aclose()
