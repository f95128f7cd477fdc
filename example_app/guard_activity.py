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
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from example_app.request_activity import RequestActivity, Step
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
from ory_guard.models import Outcome

__all__ = ["COOKIE", "ActivityLog", "ActivityMiddleware", "GuardTimer"]

COOKIE: Final = "postern_browser_id"
_BROWSER_ID: Final = re.compile(rb"(?:^|;\s*)" + COOKIE.encode() + rb"=([0-9a-f]{32})(?:;|$)")
_FILES: Final = "/assets/"
"""The style sheets and the script of the login pages, which would fill the list of earlier requests."""

_MAX_BROWSERS: Final = 1_000
_MAX_REQUESTS: Final = 6
"""Requests per browser."""


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

    def latest(self, browser_id: str) -> RequestActivity | None:
        """Return the latest request of a browser, by the value of its cookie `COOKIE`."""
        return next(iter(self._by_browser.get(browser_id, ())), None)


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
                    cookie = f"{COOKIE}={browser_id}; Path=/; HttpOnly; SameSite=Lax"
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
