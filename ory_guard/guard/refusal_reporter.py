"""Reports of refused requests: events for listeners, counters, and log records of a limited number."""

import logging
from typing import Any, Final

from ory_guard.events import Listeners, Refused, notify
from ory_guard.events.limited_log import LimitedLog
from ory_guard.exceptions import Refusal
from ory_guard.guard.context import AuthContext
from ory_guard.guard.responses.refusal_reasons import RefusalReason, refusal_reason
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Anonymous, Authenticated, Unavailable

__all__ = ["RefusalReporter"]

_log = logging.getLogger("ory_guard")

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
        self._limits = LimitedLog(clock.monotonic)
        self._listeners = listeners
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
        if count := self._limits.take(level, (Refused.name, reason)):
            _write(level, Refused.name, code=refusal.code, reason=reason, **_details(refusal, context), count=count)

    def report_redirect_loop(self, reason: RefusalReason) -> None:
        """Report that a browser got the page that ends a redirect loop."""
        if count := self._limits.take(logging.INFO, ("redirect_loop", reason)):
            _write(logging.INFO, "redirect_loop", reason=reason, count=count)


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
