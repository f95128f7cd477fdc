"""The guard's activity for each request: the panel on every page, and `/debug/guard`.

The data comes from the guard's events and from `request.state.auth`; two middlewares around the guard measure its
time. Credentials, traits and query strings are not recorded.
"""

import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ory_guard.events import (
    CheckFailed,
    CheckShared,
    Event,
    Refused,
    SessionCacheHit,
    SessionCacheMiss,
    WhoamiAnswered,
)
from ory_guard.exceptions import Failure
from ory_guard.models import Authenticated, Outcome, Rejected, Unavailable

__all__ = ["ActivityLog", "ActivityMiddleware", "GuardTimer", "RequestActivity", "Step"]

_COOKIE: Final = "postern_browser_id"
_BROWSER_ID: Final = re.compile(rb"(?:^|;\s*)" + _COOKIE.encode() + rb"=([0-9a-f]{32})(?:;|$)")
_FILES: Final = "/assets/"
"""The style sheets and the script of the login pages, which would fill the list of earlier requests."""

_MAX_BROWSERS: Final = 1_000
_MAX_REQUESTS: Final = 6
"""Requests per browser."""


@dataclass(frozen=True)
class Step:
    """A step of a request.

    Attributes:
        part: The part that handled the request: the name of a step in the panel.
        text: What it did.
        seconds: How long it took.
        is_failure: Whether it refused the request, or failed.
    """

    part: Literal["Browser", "Guard", "Cache", "Kratos", "Requirement", "Response"]
    text: str
    seconds: float | None = None
    is_failure: bool = False


@dataclass(eq=False)
class RequestActivity:
    """The guard's activity for one request.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        arrived_at: The wall-clock time of the request's arrival, in seconds since the epoch.
        started: The same moment by `time.perf_counter()`.
        guard_seconds: How long the authentication took.
        lookups: What the guard did to find the session: the steps of the cache and of Kratos.
        credential_id: Eight hex digits that identify the credential.
        cache_result: `hit`, `miss` or `shared`, or None without a credential.
        outcome: The outcome of the authentication.
        requirement: The requirement of the page, as in its code.
        refusal_code: The code of the refusal, or None if the request was not refused.
        failures: The requirements that were not met.
        decided: When the requirement was met or refused, by `time.perf_counter()`.
        status: The status of the response.
        total_seconds: The time until the response started.
    """

    method: str
    path: str
    arrived_at: float
    started: float = field(default_factory=time.perf_counter)
    guard_seconds: float = 0.0
    lookups: list[Step] = field(default_factory=list)
    credential_id: str | None = None
    cache_result: str | None = None
    outcome: Outcome | None = None
    requirement: str | None = None
    refusal_code: str | None = None
    failures: tuple[Failure, ...] = ()
    decided: float | None = None
    status: int = 0
    total_seconds: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self.started

    @property
    def steps(self) -> list[Step]:
        """The steps of the request, in the order of the panel."""
        outcome = self.outcome
        reason = getattr(outcome, "reason", None)
        credential = getattr(outcome, "credential", None)
        arrival = datetime.fromtimestamp(self.arrived_at, UTC)
        guard = type(outcome).__name__
        guard += f" ({reason})" if reason else f", by {credential}" if credential else ""
        steps = [
            Step("Browser", f"{self.method} {self.path} at {arrival:%H:%M:%S} UTC"),
            Step("Guard", guard, self.guard_seconds, isinstance(outcome, Rejected | Unavailable)),
            *(self.lookups or [Step("Cache", "not asked: no credential that could be checked")]),
        ]
        if self.requirement or self.refusal_code:
            result = f"refused: {self.refusal_code}" if self.refusal_code else "met"
            text = f"{self.requirement}: {result}" if self.requirement else result
            after_guard = None if self.decided is None else self.decided - self.started - self.guard_seconds
            steps.append(Step("Requirement", text, after_guard, self.refusal_code is not None))
        response = str(self.status) if self.status else "this page"
        return [*steps, Step("Response", response, self.total_seconds or self.elapsed)]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of `/debug/guard`, with times in microseconds and the age in seconds."""
        outcome = self.outcome
        calls = [step.seconds for step in self.lookups if step.part == "Kratos" and step.seconds is not None]
        return {
            "method": self.method,
            "path": self.path,
            "status": self.status or None,
            "outcome": type(outcome).__name__,
            "reason": getattr(outcome, "reason", None),
            "credential": getattr(outcome, "credential", None),
            "cache": self.cache_result,
            "age": round(outcome.age, 3) if isinstance(outcome, Authenticated) else None,
            "refusal": self.refusal_code,
            "failures": list(self.failures),
            "guard_us": round(self.guard_seconds * 1e6),
            "kratos_us": round(sum(calls) * 1e6) if calls else None,
        }


class ActivityLog:
    """Records the guard's events for the current request, and stores the latest requests of each browser.

    Args:
        now: Returns the wall-clock time, in seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._current: ContextVar[RequestActivity | None] = ContextVar("activity", default=None)
        self._running: dict[str, list[RequestActivity]] = {}
        self._by_browser: OrderedDict[str, deque[RequestActivity]] = OrderedDict()

    def on_event(self, event: Event) -> None:
        """Record an event of the guard."""
        match event:
            # The guard calls Kratos outside of the context of the request.
            case WhoamiAnswered():
                text = f"whoami: {event.outcome}, status {event.status}"
                self._record_call(event.credential_id, Step("Kratos", text, event.seconds))
            case CheckFailed():
                text = f"{'whoami failed' if event.sent else 'not called'}: {event.reason}"
                self._record_call(event.credential_id, Step("Kratos", text, event.seconds, is_failure=True))
            case SessionCacheHit():
                self._record_lookup("hit", f"hit, {event.age:.1f} s old", event.credential_id)
            case SessionCacheMiss():
                self._record_lookup("miss", "miss", event.credential_id)
            case CheckShared():
                self._record_lookup("shared", "shares the call of another request", event.credential_id)
            case Refused():
                self.record_refusal(event.code)

    def _record_call(self, credential_id: str, step: Step) -> None:
        for activity in self._running.get(credential_id, ()):
            activity.lookups.append(step)

    def _record_lookup(self, result: str, text: str, credential_id: str) -> None:
        activity = self._current.get()
        if activity is None:
            return
        activity.lookups.append(Step("Cache", text, activity.elapsed))
        activity.cache_result = result
        if activity.credential_id is None:
            activity.credential_id = credential_id
            self._running.setdefault(credential_id, []).append(activity)

    def record_refusal(self, code: str, failures: tuple[Failure, ...] = ()) -> None:
        """Record the refusal of the current request."""
        activity = self._current.get()
        if activity is not None:
            activity.refusal_code, activity.failures = code, failures or activity.failures
            activity.decided = activity.decided or time.perf_counter()

    def record_requirement(self, requirement: str | None) -> None:
        """Record the requirement of the current page, which is met or already refused."""
        activity = self._current.get()
        if activity is not None and requirement is not None:
            activity.requirement = requirement
            activity.decided = activity.decided or time.perf_counter()

    @contextmanager
    def record(self, scope: Scope) -> Iterator[RequestActivity]:
        """Record a request until the block ends."""
        activity = RequestActivity(scope["method"], scope["path"], self._now())
        token = self._current.set(activity)
        try:
            yield activity
        finally:
            self._current.reset(token)
            if activity.credential_id is not None:
                running = self._running[activity.credential_id]
                running.remove(activity)
                if not running:
                    del self._running[activity.credential_id]

    def record_outcome(self, outcome: Outcome) -> None:
        """Record the outcome of the authentication and its duration."""
        activity = self._current.get()
        if activity is not None:
            activity.guard_seconds = activity.elapsed
            activity.outcome = outcome

    def store(self, browser_id: str, activity: RequestActivity) -> None:
        """Store a request for the next pages of the same browser."""
        activities = self._by_browser.pop(browser_id, None) or deque(maxlen=_MAX_REQUESTS)
        activities.appendleft(activity)
        _store_limited(self._by_browser, browser_id, activities)

    def current(self) -> RequestActivity | None:
        """Return the activity of the current request."""
        return self._current.get()

    def previous(self, scope: Scope) -> list[RequestActivity]:
        """Return the latest requests of the browser that sent this request, newest first."""
        return list(self._by_browser.get(_browser_id(scope) or "", ()))


class ActivityMiddleware:
    """Records each request, outside the guard's middleware."""

    def __init__(self, app: ASGIApp, activity_log: ActivityLog) -> None:
        self._app = app
        self._activity_log = activity_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"].startswith(_FILES):
            await self._app(scope, receive, send)
            return
        known_id = _browser_id(scope)
        with self._activity_log.record(scope) as activity:
            await self._app(scope, receive, self._storing(send, scope, activity, known_id))

    def _storing(self, send: Send, scope: Scope, activity: RequestActivity, known_id: str | None) -> Send:
        """Return a `send` that stores the activity when the response starts."""
        browser_id = known_id or secrets.token_hex(16)

        async def send_and_store(message: Message) -> None:
            if message["type"] == "http.response.start":
                activity.status = message["status"]
                activity.total_seconds = activity.elapsed
                activity.outcome = scope["state"].get("auth", activity.outcome)
                self._activity_log.store(browser_id, activity)
                if known_id is None:
                    cookie = f"{_COOKIE}={browser_id}; Path=/; HttpOnly; SameSite=Lax"
                    MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        return send_and_store


class GuardTimer:
    """Records the outcome and the duration of the authentication, inside the guard's middleware."""

    def __init__(self, app: ASGIApp, activity_log: ActivityLog) -> None:
        self._app = app
        self._activity_log = activity_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            self._activity_log.record_outcome(scope["state"]["auth"])
        await self._app(scope, receive, send)


def _browser_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"cookie" and (match := _BROWSER_ID.search(value)):
            return str(match[1].decode("ascii"))
    return None


def _store_limited(entries: OrderedDict[str, Any], key: str, value: Any) -> None:
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > _MAX_BROWSERS:
        entries.popitem(last=False)
