"""Who makes a request: its one credential, what is kept about that, and Kratos where nothing fresh is.

Nothing in here raises what goes wrong: whatever breaks in a check is `Unavailable`, and lets nobody in.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.shared_cache import SharedSessionCache
from ory_guard.cache.store import SessionStore
from ory_guard.events import GuardStats, Listeners, SessionCacheHit, SessionCacheMiss, notify
from ory_guard.guard.composition import build_session_checker
from ory_guard.guard.context import AuthContext
from ory_guard.guard.credentials import CredentialExtractor, CredentialHasher
from ory_guard.guard.csrf import SAFE_METHODS, CSRFPolicy
from ory_guard.guard.jwt import TokenVerifierProtocol
from ory_guard.guard.session_check import SessionChecker
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.http import Transport
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential, CredentialKind, Header, InvalidCredential
from ory_guard.models.outcomes import Anonymous, Authenticated, Outcome, Rejected, SessionAuth, Source, Unavailable
from ory_guard.models.session import Session

__all__ = ["ANONYMOUS", "Authenticator", "TellStats"]

_log = logging.getLogger("ory_guard")

TellStats = Callable[[], GuardStats]

ANONYMOUS: Final = Anonymous()
_NOBODY: Final = SessionAuth(ANONYMOUS)
_new: Final = tuple.__new__  # without the function that a named tuple has of its own


class Authenticator:
    """Looks sessions up for one guard.

    Args:
        settings: Its settings.
        csrf: The CSRF policy of the guard.
        traits: The application's model of the traits, or None.
        transport: The HTTP transport, or None for a pool of its own.
        clock: Where the time comes from.
        listeners: Who is told.
        store: What processes share, or None.
        tokens: What verifies JWTs, or None.
        heard: Called after other processes revoked something.

    Attributes:
        key: Returns the cache key of a credential.
        second: The second level, where there is a store.
        hits: How many requests found a fresh answer.
        misses: How many did not.
    """

    def __init__(
        self,
        *,
        settings: GuardSettings,
        csrf: CSRFPolicy,
        traits: type[Any] | None,
        transport: Transport | None,
        clock: Clock,
        listeners: Listeners,
        store: SessionStore | None,
        tokens: TokenVerifierProtocol | None,
        heard: Callable[[], None],
    ) -> None:
        self._csrf = csrf
        self._monotonic = clock.monotonic
        self._listeners = listeners
        self._exempt = frozenset(settings.exempt_paths)
        self._reader = CredentialExtractor(settings)
        keys = (secrets.token_bytes(32),) if store is None else store.hashing_keys
        hashers = [CredentialHasher(key, settings.kratos_public_url, self._reader.names) for key in keys]
        self.key: Callable[[Credential], bytes] = hashers[0].key
        longest = settings.timeout + max(settings.cache_ttl, settings.negative_ttl)
        if tokens is not None:
            longest = max(longest, tokens.max_lifetime + 2 * tokens.clock_skew)
        self.cache: SessionCache = SessionCache(settings.max_sessions, longest, clock)
        self.checks: SessionChecker = build_session_checker(
            settings,
            traits=traits,
            transport=transport,
            store=store,
            tokens=tokens,
            cache=self.cache,
            keys_for=lambda credential: [hasher.key(credential) for hasher in hashers],
            longest=longest,
            clock=clock,
            listeners=listeners,
            on_revocation=self._hear,
        )
        self.second: SharedSessionCache | None = self.checks.shared_cache
        self._heard = heard
        self.hits: int = 0
        self.misses: int = 0
        self.override: Outcome | None = None

    def look(self, scope: Mapping[str, Any], check: AuthContext, *, gated: bool = False) -> None:
        """Let the check know what is kept about the request's credential.

        Args:
            scope: The request. A check that knows its credential already does not read it again: other middlewares
                may have changed the headers.
            check: Its check, whose outcome is None afterwards where Kratos has to be asked.
            gated: Whether a gate wants to know. Else nobody is on an exempt path.
        """
        if gated:
            check.is_exempt, check.from_upstream, check.outcome, check.view = False, False, None, None
        elif check.path in self._exempt:
            check.is_exempt, check.outcome, check.view = True, ANONYMOUS, _NOBODY
            check.credential_headers = scope["headers"]
            return
        if self.override is not None:
            check.outcome = self._overridden(scope, self.override)
            return
        try:
            credential: Credential | InvalidCredential | None = check.credential
            if credential is None:
                check.credential_headers, credential = self._reader.find(scope["headers"])
            if credential is None:
                check.outcome, check.view = ANONYMOUS, _NOBODY
            elif (
                credential.kind == "cookie"
                and (scope["type"] != "http" or scope["method"] not in SAFE_METHODS)
                and self._csrf.is_cross_site(scope)
            ):
                check.outcome = Rejected("origin", "cookie")
            elif isinstance(credential, InvalidCredential):
                check.outcome = Rejected(credential.reason, credential.kind)
            else:
                self._recall(check, credential)
        except Exception as error:  # noqa: BLE001 - whatever breaks in a check, it lets nobody in
            check.outcome, check.view = _broken(error), None

    def look_for_token(self, check: AuthContext, token: Any, kind: CredentialKind) -> None:
        """Let the check know the cached outcome of a token that did not come in a header.

        Args:
            check: A new check, whose outcome is None afterwards when Kratos has to be asked.
            token: The token, which may be anything that a client can send.
            kind: The kind of the token.
        """
        if self.override is not None:
            check.outcome = self.override
        elif not isinstance(token, str) or not token.isascii():
            check.outcome = ANONYMOUS if token is None else Rejected("malformed", kind)
        elif not token:
            check.outcome = ANONYMOUS
        else:
            try:
                self._recall(check, Credential(kind, b"", token.encode("ascii")))
            except Exception as error:  # noqa: BLE001 - whatever breaks in a check, it lets nobody in
                check.outcome, check.view = _broken(error), None

    def differs(self, scope: Mapping[str, Any], check: AuthContext) -> bool:
        """Return whether a copy of the request's scope carries other credentials, or became cross-site."""
        if self.override is not None:
            return False
        (known, _), (carriers, credential) = (
            self._reader.find(each) for each in (check.credential_headers, scope["headers"])
        )
        if carriers != known:
            return True
        return credential is not None and credential.kind == "cookie" and self._csrf.is_cross_site(scope)

    @contextmanager
    def overriding(self, session: Session[Any] | Outcome | None) -> Iterator[None]:
        """Answer every look in the block with this session or outcome."""
        if isinstance(session, Session):
            session = Authenticated(session, "x_session_token", "override", 0.0)
        before, self.override = self.override, session or ANONYMOUS
        try:
            yield
        finally:
            self.override = before

    def _overridden(self, scope: Mapping[str, Any], outcome: Outcome) -> Outcome:
        if isinstance(outcome, Authenticated) and not self._csrf.allows(outcome, scope):
            return Rejected("origin", "cookie")
        return outcome

    def _recall(self, check: AuthContext, credential: Credential) -> None:
        check.credential = credential
        key = self.key(credential)
        entry = self.cache.get(key)
        if entry is None:
            self._miss(check, key, credential)
            return
        self.hits += 1
        check.key = key
        request_time = check.request_time = entry.request_time
        now = check.resolved_at = self._monotonic()
        outcome = entry.outcome
        if type(outcome) is Authenticated:
            source: Source = "token" if outcome.source == "token" else "cache"
            outcome = _new(Authenticated, (outcome.session, outcome.credential, source, now - request_time))
        check.outcome = outcome
        check.view = entry.view
        if self._listeners:
            notify(self._listeners, SessionCacheHit(key.hex()[:8], now - request_time))

    async def ask(self, check: AuthContext, *, again: bool = False, alone: bool = False) -> Outcome:
        """Ask Kratos whose the request's credential is; never raises what goes wrong there.

        Args:
            check: The request's check, which learns what came with the answer.
            again: Whether something is known already, so that caches on the way must not answer.
            alone: Whether the answer to an earlier question won't do.
        """
        check.view = None
        try:
            # Not what the headers hold by now: other middlewares may have changed them, and the answer would be
            # kept under the key of another credential.
            assert check.key is not None and check.credential is not None  # noqa: S101, PT018 - else nobody asks
            fact = await self.checks.ask(check.key, check.credential, no_cache=again, alone=alone)
        except Exception as error:  # noqa: BLE001 - whatever breaks in a check, it lets nobody in
            return _broken(error)
        outcome = fact.outcome
        check.request_time = fact.request_time
        check.resolved_at = fact.request_time + (outcome.age if isinstance(outcome, Authenticated) else 0.0)
        check.from_upstream = True
        if fact.set_cookies:
            check.set_cookies, check.is_private = fact.set_cookies, True
        return outcome

    def _miss(self, check: AuthContext, key: bytes, credential: Credential) -> None:
        # What is kept was sendable: so it is looked at here, and not on every request.
        if not self._reader.is_valid(credential):
            check.outcome = Rejected("malformed", credential.kind)
            return
        self.misses += 1
        check.key = key
        if self._listeners:
            notify(self._listeners, SessionCacheMiss(key.hex()[:8]))

    def credential(self, scope: Mapping[str, Any]) -> Credential | None:
        """Return the request's credential if it can be sent and was not sent by a page of another site."""
        credential = self._reader.read(scope["headers"])
        if not isinstance(credential, Credential):
            return None
        return None if credential.kind == "cookie" and self._csrf.is_cross_site(scope) else credential

    def credentials(self, headers: Iterable[Header]) -> tuple[Credential, ...] | InvalidCredential:
        """Return the credentials of the kind that counts: none, one, or two cookies that differ."""
        return self._reader.read_each(headers)

    def invalidate(self, *ids: str) -> None:
        """Let no answer about these sessions or identities count that was asked for before now."""
        self.cache.invalidate(*ids)
        self.cache.generation += 1  # no answer that is under way is kept, whoever it turns out to be about
        self.checks.detach_all()

    async def forget(self, key: bytes, credential: Credential) -> None:
        """Let nothing that is known about a credential count, and no answer that is under way."""
        self.invalidate()
        self.cache.delete(key)
        if self.second is not None:
            await self.second.delete(credential)

    def stats(self) -> GuardStats:
        """Return what was done so far."""
        second, breaker = self.second, self.checks.breaker.state
        missing = second is not None and second.degraded
        return GuardStats(
            entries=len(self.cache),
            hits=self.hits,
            misses=self.misses,
            shared=self.checks.shared,
            upstream_calls=self.checks.asked,
            store_hits=0 if second is None else second.hits,
            degraded=missing or breaker != "closed",
            breaker=breaker,
            store="none" if second is None else "down" if missing else "up",
            pending_revocations=0 if second is None else len(second.pending),
        )

    def _hear(self) -> None:
        self.checks.detach_all()
        self._heard()


def _broken(error: Exception) -> Unavailable:
    # Only the class: the text of an error from a parser or a transport may quote the credential.
    _log.error("check.broken error=%s", type(error).__name__)
    return Unavailable("protocol")
