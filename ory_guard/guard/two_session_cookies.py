"""Authentication of a request with two different session cookies, of which one can be old or planted.

Each is checked as a credential of its own, with its own cache entry. If Kratos rejects one of them, the other one
counts, so that an old or planted cookie does not lock the user out. If both are good, they must be one session.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.single_flight import CheckResult
from ory_guard.guard.context import AuthContext
from ory_guard.guard.session_check import SessionChecker
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential, TokenCookie, TwoSessionCookies
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, SessionAuth, Unavailable

__all__ = ["TwoCookiesAuthenticator"]

_INACTIVE: Final = Rejected("inactive", "cookie")
_MALFORMED: Final = Rejected("malformed", "cookie")
_AMBIGUOUS: Final = Rejected("ambiguous", "cookie")
_REVOKED_DURING_CHECK: Final = Unavailable("unreachable")


class _Checked(NamedTuple):
    """One of the two cookies, with the result of its check.

    Attributes:
        cookie: The cookie.
        result: The result.
        resolved_at: When the result was found, on the monotonic clock.
        is_new: Whether this request has waited for the result.
        auth: The `request.auth` of a cached outcome.
    """

    cookie: Credential
    result: CheckResult
    resolved_at: float
    is_new: bool = False
    auth: SessionAuth | None = None


class TwoCookiesAuthenticator:
    """Authenticates requests with two session cookies for one guard.

    Args:
        cache: The session cache of this process.
        checker: Checks sessions that are not in the cache.
        cache_key: Returns the cache key of a credential.
        is_valid: Returns whether a credential may be sent to Kratos.
        clock: The clocks.
    """

    def __init__(
        self,
        cache: SessionCache,
        checker: SessionChecker,
        cache_key: Callable[[Credential], bytes],
        is_valid: Callable[[Credential], bool],
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._checker = checker
        self._cache_key = cache_key
        self._is_valid = is_valid
        self._monotonic = clock.monotonic

    def from_cache(self, context: AuthContext, pair: TwoSessionCookies) -> Outcome | None:
        """Return the outcome if it is known without I/O, or None if Kratos has to be asked about a cookie.

        Args:
            context: The auth context of the request. Its key becomes one that both cookies share, in either order;
                there is no cache entry under it.
            pair: The cookies.
        """
        if not any(map(self._is_valid, pair.cookies)):
            return _MALFORMED
        context.credential = pair
        context.key = b"".join(sorted(map(self._cache_key, pair.cookies)))
        now = self._monotonic()
        checked = [known for cookie in pair.cookies if (known := self._known(cookie, now)) is not None]
        return self._decide(context, checked) if len(checked) == len(pair.cookies) else None

    async def from_kratos(
        self, context: AuthContext, pair: TwoSessionCookies, *, bypass_caches: bool, join: bool
    ) -> Outcome:
        """Return the outcome after a session check of each cookie that is not in the cache.

        Args:
            context: The auth context of the request.
            pair: The cookies.
            bypass_caches: Whether to check a cookie that is in the cache, too; see `SessionChecker.check`. A cached
                rejection is still used beside a session.
            join: Whether to join checks that have started already.
        """
        for _ in range(2):
            now = self._monotonic()
            known = [self._known(cookie, now) for cookie in pair.cookies]
            if bypass_caches:
                first, second = known
                known = [_usable_rejection(first, second), _usable_rejection(second, first)]
            checks = [
                self._check(context, cookie, bypass_caches=bypass_caches, join=join)
                for cookie, checked in zip(pair.cookies, known, strict=True)
                if checked is None
            ]
            new = [await checks[0]] if len(checks) == 1 else await asyncio.gather(*checks)
            both = [*filter(None, known), *new]
            # The session of one cookie may have been revoked during the check of the other one.
            if not any(self._is_revoked(checked) for checked in both):
                return self._decide(context, both)
        return _REVOKED_DURING_CHECK

    def _known(self, cookie: Credential, now: float) -> _Checked | None:
        entry = self._cache.get(self._cache_key(cookie), now)
        if entry is not None:
            outcome = entry.outcome
            if isinstance(outcome, Authenticated):
                outcome = outcome._replace(source="cache", age=now - entry.request_time)
            return _Checked(cookie, CheckResult(outcome, entry.request_time), now, auth=entry.auth)
        return None if self._is_valid(cookie) else _Checked(cookie, CheckResult(_MALFORMED, now), now)

    async def _check(
        self, context: AuthContext, cookie: Credential, *, bypass_caches: bool, join: bool
    ) -> _Checked:
        result = await self._checker.check(
            self._cache_key(cookie),
            cookie,
            group=context.key,
            client=getattr(context, "client", None),
            bypass_caches=bypass_caches,
            join=join,
        )
        return _Checked(cookie, result, result.resolved_at, is_new=True)

    def _is_revoked(self, checked: _Checked) -> bool:
        return self._checker.is_revoked(self._cache_key(checked.cookie), checked.result)

    def _decide(self, context: AuthContext, both: list[_Checked]) -> Outcome:
        """Return the outcome of the request, and record what belongs to it in the context."""
        decisive, outcome = _combine(both)
        context.from_upstream = any(checked.is_new for checked in decisive)
        context.request_time = min(checked.result.request_time for checked in decisive)
        context.resolved_at = min(checked.resolved_at for checked in decisive)
        winner = decisive[0] if len(decisive) == 1 else None
        context.auth = None if winner is None else winner.auth
        context.deciding_key = None if winner is None else self._cache_key(winner.cookie)
        if winner is not None and winner.result.set_cookies:
            context.set_cookies, context.is_private = winner.result.set_cookies, True
        return outcome


def _usable_rejection(checked: _Checked | None, other: _Checked | None) -> _Checked | None:
    """Return the result if it is used although the caches are bypassed: a rejection beside a session."""
    if checked is None or not isinstance(checked.result.outcome, Rejected):
        return None
    is_beside_session = other is None or not isinstance(other.result.outcome, Rejected)
    return checked if is_beside_session or checked.result.outcome is _MALFORMED else None


def _combine(both: list[_Checked]) -> tuple[list[_Checked], Outcome]:
    """Return the outcome for two cookies, and the ones that it depends on: the winner alone if there is one."""
    failed = [checked.result.outcome for checked in both if isinstance(checked.result.outcome, Unavailable)]
    if failed:
        return both, max(failed, key=lambda outcome: outcome.retry_after)
    good = [checked for checked in both if not isinstance(checked.result.outcome, Rejected)]
    if not good:
        return both, _INACTIVE
    if len(good) > 1:
        if not _is_one_session(good[0].result.outcome, good[1].result.outcome):
            return both, _AMBIGUOUS
        good.sort(key=_precedence)
    return good[-1:], good[-1].result.outcome


def _is_one_session(first: Outcome, second: Outcome) -> bool:
    # A `SecondFactorRequired` does not name its session, so it may belong to another user.
    return (
        isinstance(first, Authenticated)
        and isinstance(second, Authenticated)
        and (first.session.id, first.session.identity.id) == (second.session.id, second.session.identity.id)
    )


def _precedence(checked: _Checked) -> tuple[bool, bool, float]:
    # Kratos renews only its own cookie. Of two cached sessions, the newer one is closer to the truth.
    return checked.is_new, not isinstance(checked.cookie, TokenCookie), checked.result.request_time
