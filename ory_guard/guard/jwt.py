"""Bearer tokens that are JWTs: verified here, without a round trip, and refused once their session is revoked.

A token says what was true when it was made. So it counts for a session and no more than its claims prove, and it
ends before its time when its session, or its identity, is revoked here or in another process.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ory_guard.cache.session_cache import CacheEntry, SessionCache
from ory_guard.cache.shared_cache import SharedSessionCache
from ory_guard.cache.single_flight import CheckResult
from ory_guard.events import Listeners, TokenVerified, notify
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Authenticated, CacheableOutcome, Rejected, Unavailable

__all__ = ["JWKSUnavailable", "JWTAuthenticator", "TokenVerifierProtocol", "VerifiedToken"]

_log = logging.getLogger("ory_guard")


class JWKSUnavailable(Exception):
    """There are no keys to verify a token with, so nobody can say whose it is."""


class VerifiedToken(NamedTuple):
    """What a token that is ours says.

    Attributes:
        session: The session in Kratos' form, with what the claims tell of it.
        issued_at: When it was made, in seconds since the epoch.
        expires_at: When it ends, in seconds since the epoch.
    """

    session: Mapping[str, Any]
    issued_at: float
    expires_at: float


class TokenVerifierProtocol(Protocol):
    """What verifies tokens: `ory_guard.tokens.TokenVerifier`."""

    @property
    def max_lifetime(self) -> float:
        """The longest time, in seconds, for which a token is accepted after it was made."""
        ...

    @property
    def clock_skew(self) -> float:
        """How far, in seconds, Kratos' clock and ours may differ."""
        ...

    async def verify(self, token: str, clock: Clock) -> VerifiedToken | None:
        """Return what the token says, or None where it is not ours or no longer good.

        Raises:
            JWKSUnavailable: There are no keys.
        """
        ...

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        ...


class JWTAuthenticator:
    """Checks tokens for one guard.

    Args:
        source: What verifies tokens.
        settings: The settings of the guard.
        parser: Parses the claims as a session.
        cache: The cache of this process.
        clock: The clocks.
        listeners: The listeners of the guard.
        second: What other processes revoked, or None where nothing is shared.

    Raises:
        ConfigurationError: Bearer tokens are not accepted.
    """

    def __init__(
        self,
        source: TokenVerifierProtocol,
        *,
        settings: GuardSettings,
        parser: SessionParser,
        cache: SessionCache,
        clock: Clock,
        listeners: Listeners,
        second: SharedSessionCache | None,
    ) -> None:
        if "bearer" not in settings.credentials:
            raise ConfigurationError("tokens come as bearer tokens, and 'bearer' is not among the credentials")
        self._source = source
        self._settings = settings
        self._parser = parser
        self._cache = cache
        self._revocations = cache.revocations
        self._second = second
        self._clock = clock
        self._listeners = listeners

    def takes(self, credential: Credential) -> bool:
        """Tell whether the credential looks like a JWT: Kratos' own tokens have no dots."""
        return credential.kind == "bearer" and b"." in credential.value

    async def check(self, key: bytes, credential: Credential) -> CheckResult:
        """Return whose token this is; Kratos is not asked.

        Args:
            key: The credential's cache key.
            credential: The token.
        """
        generation, request_time = self._cache.generation, self._revocations.next_request_time()
        try:
            token = await self._source.verify(credential.value.decode("ascii"), self._clock)
        except JWKSUnavailable:
            _log.error("tokens.no_keys: no key could be got, so no token can be verified")
            return CheckResult(Unavailable("unreachable"), request_time)
        is_revoked = None if token is None else await self._is_revoked(token)
        if token is None or is_revoked:
            refused = Rejected("inactive", "bearer")
            return self._kept(key, refused, self._settings.negative_ttl, request_time, generation)
        session = self._parser.from_claims(token.session)
        if session is None:
            _log.error("tokens.unreadable: the claims lack what the model of the traits requires")
            return CheckResult(Unavailable("protocol"), request_time)
        left = token.expires_at + self._source.clock_skew - self._clock.time()
        ttl = self._parser.with_jitter(min(self._settings.cache_ttl, left))
        if is_revoked is None:
            ttl = min(ttl, self._settings.disconnected_ttl)
        return self._kept(key, Authenticated(session, "bearer", "token", 0.0), ttl, request_time, generation)

    def _kept(
        self, key: bytes, outcome: CacheableOutcome, ttl: float, request_time: float, generation: int
    ) -> CheckResult:
        if ttl > 0:
            self._cache.put(
                key, CacheEntry(outcome, request_time, request_time + ttl, self._clock.time() + ttl), generation
            )
        if self._listeners:
            notify(self._listeners, TokenVerified(key.hex()[:8], type(outcome).__name__))
        return CheckResult(outcome, request_time)

    async def _is_revoked(self, token: VerifiedToken) -> bool | None:
        """Return whether the token's session or identity was revoked, or None if the store can't be asked."""
        ids = str(token.session["id"]), str(token.session["identity"]["id"])
        # As it may look to a clock that differs: in doubt the token was made before the revocation.
        issued_at = self._clock.monotonic() - (self._clock.time() - token.issued_at) - self._source.clock_skew
        at = self._revocations.revoked_at(*ids)
        if at < issued_at and self._second is not None:
            recorded = await self._second.revoked_at(*ids, since=issued_at)
            return None if recorded is None else recorded >= issued_at
        return at >= issued_at

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        await self._source.aclose()
