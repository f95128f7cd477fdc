"""Authentication of one request: credential, cache, then Kratos.

Errors never propagate: each failure becomes `Unavailable`, so that a bug fails closed.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.store_protocol import SessionStore
from ory_guard.events import Listeners, SessionCacheHit, SessionCacheMiss, notify
from ory_guard.guard.context import AuthContext
from ory_guard.guard.credentials import CredentialExtractor, CredentialHasher
from ory_guard.guard.csrf import SAFE_METHODS, CSRFPolicy
from ory_guard.guard.path_patterns import PathPatterns, paths_of_kratos
from ory_guard.guard.session_check import SessionChecker
from ory_guard.guard.session_checker_factory import build_log, build_parser, build_session_checker
from ory_guard.guard.settings import GuardSettings
from ory_guard.guard.two_session_cookies import TwoCookiesAuthenticator
from ory_guard.kratos.call_failures import internal_error
from ory_guard.kratos.http import Transport
from ory_guard.kratos.require_asyncio import require_asyncio
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential, Header, InvalidCredential, TwoSessionCookies
from ory_guard.models.outcomes import Anonymous, Authenticated, Outcome, Rejected, SessionAuth

if TYPE_CHECKING:
    from ory_guard.cache.shared_cache import SharedSessionCache
    from ory_guard.guard.jwt import TokenVerifierProtocol

__all__ = ["ANONYMOUS", "Authenticator"]


ANONYMOUS: Final = Anonymous()
_ANONYMOUS_AUTH: Final = SessionAuth(ANONYMOUS)
_NO_HEADERS: Final[tuple[Header, ...]] = ()
_new: Final = tuple.__new__  # half the time of the constructor of a named tuple


class Authenticator:
    """Authenticates requests for one guard.

    Args:
        settings: The settings of the guard.
        csrf: The CSRF policy of the guard.
        traits: The application's model of the traits, or None.
        transport: The HTTP transport, or None for a connection pool of the guard's own.
        clock: The clocks.
        listeners: The listeners of the guard.
        store: The store that processes share, or None.
        tokens: Verifies JWTs; None without it.
        on_revocation: Called when another process has revoked sessions or identities, with their ids, or with None
            if any may have been revoked.

    Attributes:
        extractor: Extracts the credentials of a request.
        cache: The session cache of this process.
        checker: Checks sessions that are not in the cache.
        shared_cache: The cache that processes share, or None.
        cache_key: Returns the cache key of a credential.
        hits: The number of requests with a fresh cache entry.
        misses: The number of requests without one.
        override: The outcome of every request while `overriding()` is active.
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
        tokens: "TokenVerifierProtocol | None",
        on_revocation: Callable[[tuple[str, ...] | None], None],
    ) -> None:
        self._csrf = csrf
        self._monotonic = clock.monotonic
        self._listeners = listeners
        kratos = paths_of_kratos(settings.app_url, settings.kratos_browser_url)
        self._exempt = PathPatterns((*settings.exempt_paths, *kratos))
        self._exempt_paths, self._has_exempt_prefixes = self._exempt.exact, bool(self._exempt.prefixes)
        self.extractor: CredentialExtractor = CredentialExtractor(settings)
        keys = (secrets.token_bytes(32),) if store is None else store.hashing_keys
        names = self.extractor.names, self.extractor.token_names
        hashers = [CredentialHasher(key, settings.kratos_public_url, *names) for key in keys]
        self.cache_key: Callable[[Credential], bytes] = hashers[0].cache_key
        max_age = _max_age(settings, tokens)
        log = build_log(settings, clock)
        parser = build_parser(settings, traits, log)
        self.cache: SessionCache = SessionCache(settings.max_sessions, max_age, clock, parser.parse_again)
        self.checker: SessionChecker = build_session_checker(
            settings,
            parser=parser,
            log=log,
            transport=transport,
            store=store,
            tokens=tokens,
            cache=self.cache,
            cache_keys=[hasher.cache_key for hasher in hashers],
            max_age=max_age,
            clock=clock,
            listeners=listeners,
            on_revocation=self._on_revocation,
        )
        self.shared_cache: SharedSessionCache | None = self.checker.shared_cache
        is_valid = self.extractor.is_valid
        self._pairs = TwoCookiesAuthenticator(self.cache, self.checker, self.cache_key, is_valid, clock)
        self._notify_watches = on_revocation
        self.hits: int = 0
        self.misses: int = 0
        self.override: Outcome | None = None

    def from_cache(  # noqa: C901, PLR0912 - it runs on every request, so it is a single function
        self, scope: Mapping[str, Any], context: AuthContext, enforcing: bool = False
    ) -> Outcome | None:
        """Return the outcome if it is known without I/O, or None if Kratos has to be asked.

        Args:
            scope: The request. Its headers are not read again if the context has a credential: other middlewares
                may have changed them.
            context: The auth context of the request; the credential, its key and its times are recorded there.
            enforcing: Whether a requirement depends on the outcome, so that exempt paths are authenticated, too.
        """
        if enforcing:
            context.is_exempt, context.from_upstream, context.outcome, context.auth = False, False, None, None
        elif context.path in self._exempt_paths or (self._has_exempt_prefixes and context.path in self._exempt):
            context.is_exempt, context.auth, context.credential_headers = True, _ANONYMOUS_AUTH, scope["headers"]
            return ANONYMOUS
        if self.override is not None:
            return self._overridden(scope, self.override)
        try:
            # 1. The one credential that Kratos would read, or two session cookies.
            credential: Credential | TwoSessionCookies | InvalidCredential | None = context.credential
            if credential is None:
                parsers, headers = self.extractor.parsers, _NO_HEADERS
                for header in scope["headers"]:
                    if header[0] in parsers:
                        headers += (header,)
                context.credential_headers = headers
                credential = self.extractor.parse(headers) if headers else None
                if credential is None:
                    context.auth = _ANONYMOUS_AUTH
                    return ANONYMOUS
            if (
                credential[0] == "cookie"  # by index, because the attributes of named tuples are slow
                and (scope["type"] != "http" or scope["method"] not in SAFE_METHODS)
                and self._csrf.is_cross_site(scope)
            ):
                return Rejected("origin", "cookie")
            if not isinstance(credential, Credential):
                return self._from_two_cookies_cache(scope, context, credential)
            # 2. A fresh entry in the cache.
            context.credential = credential
            key, now = self.cache_key(credential), self._monotonic()
            entry = self.cache.get(key, now)
            if entry is None:
                return self._record_miss(scope, context, key, credential)
            self.hits += 1
            outcome, request_time = entry.outcome, entry.request_time
            context.key, context.resolved_at, context.request_time = key, now, request_time
            if type(outcome) is Authenticated:
                session, kind, source, _ = outcome
                source = source if source == "token" else "cache"
                outcome = _new(Authenticated, (session, kind, source, now - request_time))
            if self._listeners:
                notify(self._listeners, SessionCacheHit(key.hex()[:8], now - request_time))
            context.auth = entry.auth
        except Exception as error:  # noqa: BLE001 - fail closed, whatever the error is
            return internal_error(error)
        return outcome

    async def from_kratos(self, context: AuthContext, *, bypass_caches: bool = False, join: bool = True) -> Outcome:
        """Return the outcome of a session check; a failed check is `Unavailable`.

        Args:
            context: The auth context of the request; the times and the cookies of the response are recorded there.
            bypass_caches: Whether caches between the guard and Kratos must revalidate their entry.
            join: Whether to join a session check that has started already.

        Raises:
            ConfigurationError: If it does not run in asyncio.
        """
        require_asyncio()
        context.auth = None
        try:
            # The headers may have been changed by other middlewares since. Their credential must not be checked,
            # because the result is cached under this key.
            assert context.key is not None and context.credential is not None  # noqa: S101, PT018 - see from_cache()
            if isinstance(context.credential, TwoSessionCookies):
                return await self._pairs.from_kratos(
                    context, context.credential, bypass_caches=bypass_caches, join=join
                )
            client = getattr(context, "client", None)
            result = await self.checker.check(
                context.key, context.credential, client=client, bypass_caches=bypass_caches, join=join
            )
        except Exception as error:  # noqa: BLE001 - fail closed, whatever the error is
            return internal_error(error)
        context.request_time, context.resolved_at = result.request_time, result.resolved_at
        context.from_upstream = True
        if result.set_cookies:
            context.set_cookies, context.is_private = result.set_cookies, True
        return result.outcome

    def _from_two_cookies_cache(
        self, scope: Mapping[str, Any], context: AuthContext, credential: TwoSessionCookies | InvalidCredential
    ) -> Outcome | None:
        if isinstance(credential, InvalidCredential):
            return Rejected(credential.reason, credential.kind)
        outcome = self._pairs.from_cache(context, credential)
        if outcome is None:
            context.client = scope.get("client")
            assert context.key is not None  # noqa: S101 - the pair has set it
            self._count_miss(context.key)
        elif context.key is not None:
            self.hits += 1
            if self._listeners:
                age = context.resolved_at - context.request_time
                notify(self._listeners, SessionCacheHit(context.key.hex()[:8], age))
        return outcome

    def _record_miss(
        self, scope: Mapping[str, Any], context: AuthContext, key: bytes, credential: Credential
    ) -> Rejected | None:
        # Only valid credentials are in the cache, so a hit does not need this check.
        if not self.extractor.is_valid(credential):
            return Rejected("malformed", credential.kind)
        self._count_miss(key)
        context.key, context.client = key, scope.get("client")
        return None

    def _count_miss(self, key: bytes) -> None:
        self.misses += 1
        if self._listeners:
            notify(self._listeners, SessionCacheMiss(key.hex()[:8]))

    def has_other_credentials(self, scope: Mapping[str, Any], context: AuthContext) -> bool:
        """Return whether a copy of the request's scope has other credentials, or is cross-site."""
        if self.override is not None:
            return False
        known_headers, _ = self.extractor.extract(context.credential_headers)
        headers, credential = self.extractor.extract(scope["headers"])
        if headers != known_headers:
            return True
        return credential is not None and credential.kind == "cookie" and self._csrf.is_cross_site(scope)

    @contextmanager
    def overriding(self, outcome: Outcome) -> Iterator[None]:
        """Override the outcome of every request within the block."""
        previous, self.override = self.override, outcome
        try:
            yield
        finally:
            self.override = previous

    def _overridden(self, scope: Mapping[str, Any], outcome: Outcome) -> Outcome:
        if isinstance(outcome, Authenticated) and not self._csrf.allows(outcome, scope):
            return Rejected("origin", "cookie")
        return outcome

    def invalidate(self, *ids: str) -> None:
        """Invalidate all entries for these sessions or identities that were requested before now."""
        self.cache.invalidate(*ids)
        self.checker.calls.policy.known.discard_ids(*ids)

    async def invalidate_credential(self, key: bytes, credential: Credential) -> None:
        """Invalidate everything that is known about a credential, and the results of its running checks."""
        self.cache.invalidate_credential(key)
        self.checker.calls.policy.known.discard(key)
        self.checker.detach(key)
        if self.shared_cache is not None:
            await self.shared_cache.delete(credential)

    def _on_revocation(self, ids: tuple[str, ...] | None) -> None:
        if ids is None:
            self.checker.detach_all()
        else:
            self.checker.calls.policy.known.discard_ids(*ids)
        self._notify_watches(ids)


def _max_age(settings: GuardSettings, tokens: "TokenVerifierProtocol | None") -> float:
    """Return the maximum age of a cached result, in seconds."""
    max_age = settings.timeout + max(settings.cache_ttl, settings.negative_ttl)
    return max_age if tokens is None else max(max_age, tokens.max_lifetime + 2 * tokens.clock_skew)
