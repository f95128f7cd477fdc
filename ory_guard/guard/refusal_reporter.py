"""Reports of refused requests: events for listeners, counters, and log records of a limited number."""

import logging
from typing import Any, Final

from ory_guard.events import Listeners, Refused, notify
from ory_guard.exceptions import Refusal
from ory_guard.guard.context import AuthContext
from ory_guard.guard.responses.refusal_reasons import RefusalReason, refusal_reason
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Anonymous, Authenticated, Unavailable

__all__ = ["RefusalReporter"]

_log = logging.getLogger("ory_guard")

_BURST: Final = 10
"""The number of records of one kind that are logged without a pause."""

_INTERVAL: Final = 10.0
"""Seconds between two records of one kind after a burst."""

_ANONYMOUS: Final[tuple[RefusalReason, ...]] = ("no_credential", "cookies_not_shared")


class RefusalReporter:
    """Reports the refusals of one guard.

    Refused requests without a credential are logged at DEBUG, all others at INFO. Clients cause these records, so
    their number is limited for each reason; each record has the number of refusals since the previous one.

    Args:
        settings: The settings of the guard.
        clock: The clocks.
        listeners: The listeners of the guard.

    Attributes:
        refusals: The number of refusals.
        anonymous_refusals: The number of refusals of requests without a credential.
    """

    def __init__(self, settings: GuardSettings, clock: Clock, listeners: Listeners) -> None:
        self._settings = settings
        self._monotonic = clock.monotonic
        self._listeners = listeners
        self._limits: dict[tuple[str, RefusalReason], _RecordLimit] = {}
        self.refusals: int = 0
        self.anonymous_refusals: int = 0

    def report_refusal(self, refusal: Refusal, context: AuthContext) -> None:
        """Set the reason of a refusal, and report it."""
        reason = refusal.reason_code = refusal_reason(refusal, context.outcome, self._settings)
        is_anonymous = reason in _ANONYMOUS
        self.refusals += 1
        self.anonymous_refusals += is_anonymous
        if self._listeners:
            notify(self._listeners, Refused(refusal.code, reason))
        level = logging.DEBUG if is_anonymous else logging.INFO
        if _log.isEnabledFor(level) and (count := self._take(Refused.name, reason)):
            _write(level, Refused.name, code=refusal.code, reason=reason, **_details(refusal, context), count=count)

    def report_redirect_loop(self, reason: RefusalReason) -> None:
        """Report that a browser got the page that ends a redirect loop."""
        if _log.isEnabledFor(logging.INFO) and (count := self._take("redirect_loop", reason)):
            _write(logging.INFO, "redirect_loop", reason=reason, count=count)

    def _take(self, name: str, reason: RefusalReason) -> int:
        limit = self._limits.get((name, reason))
        if limit is None:
            limit = self._limits[name, reason] = _RecordLimit(self._monotonic())
        return limit.take(self._monotonic())


class _RecordLimit:
    """A token bucket for the records of one kind."""

    __slots__ = ("_count", "_tokens", "_updated")

    def __init__(self, now: float) -> None:
        self._tokens = float(_BURST)
        self._updated = now
        self._count = 0

    def take(self, now: float) -> int:
        """Return the number of events since the last record, or 0 if this event must not be logged."""
        self._tokens = min(_BURST, self._tokens + (now - self._updated) / _INTERVAL)
        self._updated = now
        self._count += 1
        if self._tokens < 1:
            return 0
        self._tokens -= 1
        count, self._count = self._count, 0
        return count


def _details(refusal: Refusal, context: AuthContext) -> dict[str, Any]:
    """Return the facts about a refusal that are safe to log: no credential, no trait and no URL."""
    details: dict[str, Any] = {}
    outcome = context.outcome
    if outcome is not None and not isinstance(outcome, Anonymous | Unavailable):
        details["credential"] = outcome.credential
    if context.key is not None:
        details["credential_id"] = context.key.hex()[:8]
    if isinstance(outcome, Authenticated):
        details["session_id"] = outcome.session.id
    if refusal.failures:
        details["failures"] = ",".join(failure["id"] for failure in refusal.failures)
    return details


def _write(level: int, name: str, **values: Any) -> None:
    # The ID of a session may come from an application's own object: a line break in it could forge a record.
    texts = {key: str(value) for key, value in values.items()}
    text = " ".join(f"{key}={value if value.isprintable() else ascii(value)}" for key, value in texts.items())
    extra = {"event.name": name, **{f"ory_guard.{key}": value for key, value in values.items()}}
    _log.log(level, "%s %s", name, text, extra=extra)
