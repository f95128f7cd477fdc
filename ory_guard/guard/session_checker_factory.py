"""The composition of a parser and a session checker from the settings of a guard."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.store_protocol import SessionStore
from ory_guard.events import Listeners, RevocationLogFull, log_event, notify
from ory_guard.events.limited_log import LimitedLog
from ory_guard.guard.session_check import SessionChecker
from ory_guard.guard.settings import GuardSettings
from ory_guard.guard.whoami_calls import WhoamiCalls
from ory_guard.kratos.cache_lifetimes import CacheLifetimes
from ory_guard.kratos.http import Transport
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.kratos.urls import server_of
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential

if TYPE_CHECKING:
    from ory_guard.cache.shared_cache import SharedSessionCache
    from ory_guard.guard.jwt import JWTAuthenticator, TokenVerifierProtocol

__all__ = ["build_log", "build_parser", "build_session_checker"]

_PROBE_GRACE: Final = 0.5
"""Seconds that a check may take beyond its deadline if the event loop is busy."""


def build_log(settings: GuardSettings, clock: Clock) -> LimitedLog:
    """Return the log of failed checks of a guard."""
    return LimitedLog(clock.monotonic, server_of(settings.kratos_public_url))


def build_parser(settings: GuardSettings, traits: type[Any] | None, log: LimitedLog) -> SessionParser:
    """Return the parser of a guard.

    Raises:
        ConfigurationError: If the traits model is mutable.
    """
    return SessionParser(
        traits,
        lifetimes=CacheLifetimes(settings.cache_ttl, settings.negative_ttl),
        clock_skew=settings.clock_skew,
        log=log,
    )


def build_session_checker(
    settings: GuardSettings,
    *,
    parser: SessionParser,
    log: LimitedLog,
    transport: Transport | None,
    store: SessionStore | None,
    tokens: "TokenVerifierProtocol | None",
    cache: SessionCache,
    cache_keys: Sequence[Callable[[Credential], bytes]],
    max_age: float,
    clock: Clock,
    listeners: Listeners,
    on_revocation: Callable[[tuple[str, ...] | None], None],
) -> SessionChecker:
    """Return the session checker of a guard, with its shared cache and its JWT authenticator.

    Raises:
        ConfigurationError: If there are `tokens` and `bearer` is not accepted.
    """
    cache.revocations.on_full = partial(_report_full_log, listeners)
    shared_cache = None
    if store is not None:
        shared_cache = _build_shared_cache(
            settings,
            store,
            cache=cache,
            parser=parser,
            cache_keys=cache_keys,
            max_age=max_age,
            clock=clock,
            listeners=listeners,
            on_revocation=on_revocation,
        )
    jwt = None
    if tokens is not None:
        jwt = _build_jwt_authenticator(
            settings, tokens, parser, shared_cache, cache=cache, clock=clock, listeners=listeners
        )
    return SessionChecker(
        _build_whoami_client(settings, transport),
        calls=_build_whoami_calls(settings, parser, log, cache=cache, clock=clock, listeners=listeners),
        cache=cache,
        timeout=settings.timeout,
        clock=clock,
        listeners=listeners,
        shared_cache=shared_cache,
        jwt=jwt,
    )


def _report_full_log(listeners: Listeners, count: int, seconds: float) -> None:
    event = RevocationLogFull(count, seconds)
    log_event(event)
    notify(listeners, event)


def _build_shared_cache(
    settings: GuardSettings,
    store: SessionStore,
    *,
    cache: SessionCache,
    parser: SessionParser,
    cache_keys: Sequence[Callable[[Credential], bytes]],
    max_age: float,
    clock: Clock,
    listeners: Listeners,
    on_revocation: Callable[[tuple[str, ...] | None], None],
) -> "SharedSessionCache":
    from ory_guard.cache.shared_cache import SharedSessionCache  # noqa: PLC0415 - few guards have a store

    shared_cache = SharedSessionCache(
        store,
        cache=cache,
        parser=parser,
        cache_keys=cache_keys,
        cache_ttl=settings.cache_ttl,
        disconnected_ttl=settings.disconnected_ttl,
        clock_skew=settings.clock_skew,
        max_age=max_age,
        clock=clock,
        listeners=listeners,
        max_wait=settings.timeout / 2,
        on_revocation=on_revocation,
    )
    cache.max_lifetime = shared_cache.max_lifetime
    return shared_cache


def _build_whoami_client(settings: GuardSettings, transport: Transport | None) -> WhoamiClient:
    return WhoamiClient(
        settings.kratos_public_url,
        timeout=settings.timeout,
        max_response_bytes=settings.max_response_bytes,
        max_concurrency=settings.max_upstream_concurrency,
        ca_file=settings.ca_file,
        transport=transport,
    )


def _build_whoami_calls(
    settings: GuardSettings,
    parser: SessionParser,
    log: LimitedLog,
    *,
    cache: SessionCache,
    clock: Clock,
    listeners: Listeners,
) -> WhoamiCalls:
    return WhoamiCalls(
        parser=parser,
        cache=cache,
        max_known=2 * settings.max_sessions,
        max_seconds=settings.timeout + _PROBE_GRACE,
        clock=clock,
        listeners=listeners,
        log=log,
    )


def _build_jwt_authenticator(
    settings: GuardSettings,
    tokens: "TokenVerifierProtocol",
    parser: SessionParser,
    shared_cache: "SharedSessionCache | None",
    *,
    cache: SessionCache,
    clock: Clock,
    listeners: Listeners,
) -> "JWTAuthenticator":
    from ory_guard.guard.jwt import JWTAuthenticator  # noqa: PLC0415 - few guards have a token verifier

    return JWTAuthenticator(
        tokens,
        settings=settings,
        parser=parser,
        cache=cache,
        clock=clock,
        listeners=listeners,
        log=LimitedLog(clock.monotonic),
        shared_cache=shared_cache,
    )
