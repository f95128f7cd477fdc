"""The recorded exchanges of a real Kratos, in the order in which they happened."""

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

# Cases whose responses contain no timestamp, but whose position in the story matters.
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
_SIGNED_COOKIE = re.compile(r"(?:_session|_continuity)=(MT[^;]+)")


def parse_time(text: str) -> float:
    """Convert an RFC 3339 timestamp to seconds since 1970."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}+00:00").timestamp() + float(f"0.{fraction or 0}")


@dataclass(frozen=True)
class RecordedExchange:
    """A recorded request and its response."""

    case: str
    operation: str
    server: str
    at: float
    request: dict[str, Any]
    response: dict[str, Any]

    @cached_property
    def session_token(self) -> str | None:
        """The session token in the request: X-Session-Token or a bearer token."""
        headers = self.request["headers"]
        bearer = headers.get("authorization", "")
        return headers.get("x-session-token") or bearer.partition(" ")[2].strip() or None

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies in the request; the first one of each name."""
        pairs = [pair.partition("=") for pair in str(self.request["headers"].get("cookie", "")).split("; ")]
        return {name: value for name, separator, value in reversed(pairs) if separator}

    @property
    def query(self) -> str:
        """The query string."""
        query = self.request["query"]
        return query if isinstance(query, str) else urlencode(query or {})


def load(rewrite: Callable[[str], str] = str) -> list[RecordedExchange]:
    """Return all recorded exchanges in the order in which they happened.

    Args:
        rewrite: Applied to each line of the recordings, to replace URLs and email addresses.
    """
    paths = sorted(RECORDINGS.glob("*.jsonl"))
    return sorted(
        (exchange for path in paths for exchange in _read(path, rewrite)), key=lambda exchange: exchange.at
    )


def recorded(case: str) -> RecordedExchange:
    """Return one recorded exchange."""
    return next(exchange for exchange in load() if exchange.case == case)


def _read(path: Path, rewrite: Callable[[str], str]) -> Iterator[RecordedExchange]:
    at = parse_time("2026-11-21T22:39:40Z")
    for line in path.read_text().splitlines():
        raw = json.loads(rewrite(line))
        fixed_time = TIMES.get(raw["case"])
        at = parse_time(fixed_time) if fixed_time else max(at, *_times(raw), at)
        yield RecordedExchange(raw["case"], raw["operation"], raw["server"], at, raw["request"], raw["response"])


def _times(raw: dict[str, Any]) -> Iterator[float]:
    yield 0.0
    yield from _times_in(raw["response"]["body"])
    set_cookies = [value for name, value in raw["response"]["headers"] if name == "set-cookie"]
    for value in _SIGNED_COOKIE.findall("; ".join([*set_cookies, raw["request"]["headers"].get("cookie", "")])):
        yield float(base64.urlsafe_b64decode(value + "==").split(b"|")[0])


def _times_in(body: Any) -> Iterator[float]:
    if isinstance(body, dict):
        for key, value in body.items():
            if key in _TIME_KEYS and isinstance(value, str) and value > "2026":
                yield parse_time(value)
            else:
                yield from _times_in(value)
    elif isinstance(body, list):
        for value in body:
            yield from _times_in(value)
