"""The recordings as one story: in the order in which they happened, with what went on between them."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

RECORDINGS = Path(__file__).parent.parent / "recordings"

# Cases whose answers have no time in them, but which happened at a certain point of the story.
TIMES = {
    "whoami.after_disable": "2026-11-21T22:39:57.9Z",
    "logout.native": "2026-11-21T22:39:58.0Z",
    "logout.browser.create": "2026-11-21T22:39:58.0Z",
    "whoami.after_native_logout": "2026-11-21T22:39:58.2Z",
    "login.browser.submit.ajax.first_of_two_factors": "2026-11-21T22:40:03.89Z",
    "sessions.list.aal2_required": "2026-11-21T22:40:03.9Z",
    "whoami.aal2_required.token": "2026-11-21T22:40:03.91Z",
    "settings.browser.create.ajax.aal2_required": "2026-11-21T22:40:03.91Z",
    "logout.browser.create.aal1_of_two": "2026-11-21T22:40:03.91Z",
    "whoami.after_browser_logout": "2026-11-21T22:39:58.3Z",
    "settings.native.create.none": "2026-11-21T22:39:41.0Z",
    "custom_cookie.whoami.x_session_token": "2026-11-21T22:43:26.045Z",
    "privileged.settings.native.submit.password.refresh_required": "2026-11-21T22:43:29.15Z",
    "flow_expiry.login.native.submit": "2026-11-21T22:43:37.1Z",
    "session_expiry.whoami.token": "2026-11-21T22:43:52.2Z",
    "refresh.whoami.before": "2026-11-21T23:16:33.715Z",
}

_TIME_KEYS = frozenset({"issued_at", "authenticated_at", "completed_at", "updated_at", "created_at", "verified_at"})
_SEALED_COOKIE = re.compile(r"(?:_session|_continuity)=(MT[^;]+)")


def instant(text: str) -> float:
    """Read an RFC 3339 time as seconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its answer."""

    case: str
    operation: str
    server: str
    at: float
    request: dict[str, Any]
    response: dict[str, Any]

    @cached_property
    def session_token(self) -> str | None:
        """The session token that was sent, by header or as a bearer."""
        headers = self.request["headers"]
        bearer = headers.get("authorization", "")
        return headers.get("x-session-token") or bearer.partition(" ")[2].strip() or None

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies that were sent; of those with one name the first."""
        pairs = [pair.partition("=") for pair in str(self.request["headers"].get("cookie", "")).split("; ")]
        return {name: value for name, found, value in reversed(pairs) if found}

    @property
    def query(self) -> str:
        """The query as it was sent."""
        query = self.request["query"]
        return query if isinstance(query, str) else urlencode(query or {})


def load(rewrite: Callable[[str], str] = str) -> list[Exchange]:
    """Return all recorded exchanges in the order in which they happened.

    Args:
        rewrite: Puts other words into the text of the recordings: another address, other people.
    """
    exchanges = [one for path in sorted(RECORDINGS.glob("*.jsonl")) for one in _file(path, rewrite)]
    return sorted(exchanges, key=lambda one: one.at)


def _file(path: Path, rewrite: Callable[[str], str]) -> Iterator[Exchange]:
    at = instant("2026-11-21T22:39:40Z")
    for line in path.read_text().splitlines():
        raw = json.loads(rewrite(line))
        fixed = TIMES.get(raw["case"])
        at = instant(fixed) if fixed else max(at, *_times(raw), at)
        yield Exchange(raw["case"], raw["operation"], raw["server"], at, raw["request"], raw["response"])


def _times(raw: dict[str, Any]) -> Iterator[float]:
    yield 0.0
    yield from _times_in(raw["response"]["body"])
    lines = [value for name, value in raw["response"]["headers"] if name == "set-cookie"]
    for value in _SEALED_COOKIE.findall("; ".join([*lines, raw["request"]["headers"].get("cookie", "")])):
        yield float(base64.urlsafe_b64decode(value + "==").split(b"|")[0])


def _times_in(body: Any) -> Iterator[float]:
    if isinstance(body, dict):
        for key, value in body.items():
            if key in _TIME_KEYS and isinstance(value, str) and value > "2026":
                yield instant(value)
            else:
                yield from _times_in(value)
    elif isinstance(body, list):
        for value in body:
            yield from _times_in(value)
