"""What the guard did for each request: the panel on every page, and `/debug/guard`.

The guard tells its listeners what it does; two small middlewares around it measure how long it took. Nothing
that is kept here could sign any_visitor in: no credential, no trait, no query.
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
_VISITOR: Final = re.compile(rb"(?:^|;\s*)" + _COOKIE.encode() + rb"=([0-9a-f]{32})(?:;|$)")
_BROWSERS: Final = 1_000
_VISITS: Final = 6


@dataclass
class RequestActivity:
    """One request as the guard saw it.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        seconds: How long the middleware took to find out who is there.
        kratos_seconds: How long Kratos took to answer, where it was asked.
        credential_id: Eight hex digits that stand for the credential.
        answer: `hit`, `miss`, `shared`, or None where there was nothing to ask.
        outcome: Who is there.
        refused: The refusal's code, where a gate said no.
        failures: Which conditions were not met.
        status: What was answered.
    """

    method: str
    path: str
    started: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    kratos_seconds: float | None = None
    credential_id: str | None = None
    answer: str | None = None
    outcome: Outcome | None = None
    refused: str | None = None
    failures: tuple[Failure, ...] = ()
    status: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as the JSON of `/debug/guard`, times in microseconds and ages in seconds."""
        outcome = self.outcome
        kratos = self.kratos_seconds
        return {
            "method": self.method,
            "path": self.path,
            "status": self.status or None,
            "outcome": type(outcome).__name__,
            "reason": getattr(outcome, "reason", None),
            "credential": getattr(outcome, "credential", None),
            "cache": self.answer,
            "age": round(outcome.age, 3) if isinstance(outcome, Authenticated) else None,
            "refused": self.refused,
            "failures": list(self.failures),
            "guard_us": round(self.seconds * 1e6),
            "kratos_us": None if kratos is None else round(kratos * 1e6),
        }


class ActivityLog:
    """Listens to the guard, and keeps the last few visits of each browser."""

    def __init__(self) -> None:
        self._current: ContextVar[RequestActivity | None] = ContextVar("visit", default=None)
        self._answered: OrderedDict[str, float] = OrderedDict()
        self._kept: OrderedDict[str, deque[RequestActivity]] = OrderedDict()

    def listen(self, event: Event) -> None:
        """Take down an event of the guard; checks run in tasks of the guard's own, apart from any request."""
        if isinstance(event, WhoamiAnswered | CheckFailed):
            _remember(self._answered, event.credential_id, event.seconds)
            return
        visit = self._current.get()
        if visit is None:
            return
        match event:
            case SessionCacheHit(credential_id=credential_id):
                visit.answer, visit.credential_id = "hit", credential_id
            case SessionCacheMiss(credential_id=credential_id):
                visit.answer, visit.credential_id = "miss", credential_id
            case CheckShared():
                visit.answer = "shared"
            case Refused(code=code):
                visit.refused = code

    def note(self, refusal: Refusal) -> None:
        """Take down why the request under way was refused."""
        visit = self._current.get()
        if visit is not None:
            visit.refused, visit.failures = refusal.code, refusal.failures

    def begin(self, scope: Scope) -> RequestActivity:
        """Begin the visit of a request."""
        visit = RequestActivity(scope["method"], scope["path"])
        self._current.set(visit)
        return visit

    def found(self, outcome: Outcome) -> None:
        """Take down who is there, once the guard knows."""
        visit = self._current.get()
        if visit is not None:
            visit.seconds = time.perf_counter() - visit.started
            visit.outcome = outcome
            if visit.answer in ("miss", "shared"):
                visit.kratos_seconds = self._answered.get(visit.credential_id or "")

    def keep(self, visitor: str, visit: RequestActivity) -> None:
        """Keep a visit for the next pages of the same browser."""
        visits = self._kept.pop(visitor, None) or deque(maxlen=_VISITS)
        visits.appendleft(visit)
        _remember(self._kept, visitor, visits)

    def current(self) -> RequestActivity | None:
        """Return the visit of the request under way."""
        return self._current.get()

    def earlier(self, scope: Scope) -> list[RequestActivity]:
        """Return the last visits of the browser that makes this request, the newest first."""
        return list(self._kept.get(_visitor_in(scope) or "", ()))


class ActivityMiddleware:
    """The middleware before the guard's: begins and ends a visit."""

    def __init__(self, app: ASGIApp, activity_log: ActivityLog) -> None:
        self._app = app
        self._activity_log = activity_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = _visitor_in(scope)
        visitor = known or secrets.token_hex(16)
        visit = self._activity_log.begin(scope)

        async def take_down(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                visit.outcome = scope["state"].get("auth", visit.outcome)
                self._activity_log.keep(visitor, visit)
                if known is None:
                    line = f"{_COOKIE}={visitor}; Path=/; HttpOnly; SameSite=Lax"
                    MutableHeaders(scope=message).append("set-cookie", line)
            await send(message)

        await self._app(scope, receive, take_down)


class GuardTimer:
    """The middleware behind the guard's: stops the clock."""

    def __init__(self, app: ASGIApp, activity_log: ActivityLog) -> None:
        self._app = app
        self._activity_log = activity_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            self._activity_log.found(scope["state"]["auth"])
        await self._app(scope, receive, send)


def _visitor_in(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"cookie" and (found := _VISITOR.search(value)):
            return str(found[1].decode("ascii"))
    return None


def _remember(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > _BROWSERS:
        kept.popitem(last=False)
