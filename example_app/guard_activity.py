"""The guard's activity for each request: the panel on every page, and `/debug/guard`.

The data comes from the guard's events; two middlewares around the guard measure its time. Credentials, traits and
query strings are not recorded.
"""

import re
import secrets
import time
from collections import OrderedDict, deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

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
from ory_guard.exceptions import Failure, Refusal
from ory_guard.models import Authenticated, Outcome

__all__ = ["ActivityLog", "ActivityMiddleware", "GuardTimer", "RequestActivity"]

_COOKIE: Final = "postern_browser_id"
_BROWSER_ID: Final = re.compile(rb"(?:^|;\s*)" + _COOKIE.encode() + rb"=([0-9a-f]{32})(?:;|$)")
_MAX_BROWSERS: Final = 1_000
_MAX_REQUESTS: Final = 6
"""Requests per browser."""


@dataclass
class RequestActivity:
    """The guard's activity for one request.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        started: When the request started, by `time.perf_counter()`.
        guard_seconds: How long the authentication took.
        kratos_seconds: How long Kratos took to respond, or None if it was not called.
        credential_id: Eight hex digits that identify the credential.
        cache_result: `hit`, `miss` or `shared`, or None without a credential.
        outcome: The outcome of the authentication.
        refusal_code: The code of the refusal, or None if the request was not refused.
        failures: The requirements that were not met.
        status: The status of the response.
    """

    method: str
    path: str
    started: float = field(default_factory=time.perf_counter)
    guard_seconds: float = 0.0
    kratos_seconds: float | None = None
    credential_id: str | None = None
    cache_result: str | None = None
    outcome: Outcome | None = None
    refusal_code: str | None = None
    failures: tuple[Failure, ...] = ()
    status: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of `/debug/guard`, with times in microseconds and the age in seconds."""
        outcome = self.outcome
        kratos_seconds = self.kratos_seconds
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
            "kratos_us": None if kratos_seconds is None else round(kratos_seconds * 1e6),
        }


class ActivityLog:
    """Records the guard's events for the current request, and stores the latest requests of each browser."""

    def __init__(self) -> None:
        self._current: ContextVar[RequestActivity | None] = ContextVar("activity", default=None)
        self._kratos_seconds: OrderedDict[str, float] = OrderedDict()
        self._by_browser: OrderedDict[str, deque[RequestActivity]] = OrderedDict()

    def on_event(self, event: Event) -> None:
        """Record an event of the guard."""
        # The guard calls Kratos outside of the context of the request.
        if isinstance(event, WhoamiAnswered | CheckFailed):
            _store_limited(self._kratos_seconds, event.credential_id, event.seconds)
            return
        activity = self._current.get()
        if activity is None:
            return
        match event:
            case SessionCacheHit(credential_id=credential_id):
                activity.cache_result, activity.credential_id = "hit", credential_id
            case SessionCacheMiss(credential_id=credential_id):
                activity.cache_result, activity.credential_id = "miss", credential_id
            case CheckShared():
                activity.cache_result = "shared"
            case Refused(code=code):
                activity.refusal_code = code

    def record_refusal(self, refusal: Refusal) -> None:
        """Record the refusal of the current request."""
        activity = self._current.get()
        if activity is not None:
            activity.refusal_code, activity.failures = refusal.code, refusal.failures

    def begin(self, scope: Scope) -> RequestActivity:
        """Start recording a request."""
        activity = RequestActivity(scope["method"], scope["path"])
        self._current.set(activity)
        return activity

    def record_outcome(self, outcome: Outcome) -> None:
        """Record the outcome of the authentication and its duration."""
        activity = self._current.get()
        if activity is not None:
            activity.guard_seconds = time.perf_counter() - activity.started
            activity.outcome = outcome
            if activity.cache_result in ("miss", "shared"):
                activity.kratos_seconds = self._kratos_seconds.get(activity.credential_id or "")

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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known_id = _browser_id(scope)
        browser_id = known_id or secrets.token_hex(16)
        activity = self._activity_log.begin(scope)

        async def send_and_store(message: Message) -> None:
            if message["type"] == "http.response.start":
                activity.status = message["status"]
                activity.outcome = scope["state"].get("auth", activity.outcome)
                self._activity_log.store(browser_id, activity)
                if known_id is None:
                    cookie = f"{_COOKIE}={browser_id}; Path=/; HttpOnly; SameSite=Lax"
                    MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_and_store)


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
