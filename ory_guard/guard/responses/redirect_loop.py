"""Protection against redirect loops.

If the application and Kratos disagree (cookie domain, clocks, AAL), a browser would be redirected forever. A
short-lived cookie counts the redirects of each page. A forged counter only affects its own browser.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Header

__all__ = ["clear_redirect_counter", "has_redirect_counter", "record_redirect"]

_COOKIE: Final = b"ory_guard_redirects"
_WINDOW: Final = 5_000
"""Milliseconds within which the redirects of a loop follow each other."""

_CLICK_INTERVAL: Final = 2_000
"""Milliseconds after which a redirect for the same page is not automatic, but a click of the user."""

_MAX_REDIRECTS: Final = 2
_MAX_TRACKED_PAGES: Final = 4
_COUNTER: Final = re.compile(rb"([0-9])\.([0-9]{1,15})\.([0-9]{1,15})\.([0-9a-f]{8})")


class _Counter(NamedTuple):
    """The number of redirects for a page, and the times of the first and the last one in milliseconds."""

    redirects: int
    started: int
    last: int

    def is_current(self, now: int) -> bool:
        """Return whether a redirect at `now` belongs to the same loop."""
        return 0 <= now - self.last < _CLICK_INTERVAL and now - self.started <= _WINDOW


def record_redirect(
    scope: Mapping[str, Any], settings: GuardSettings, return_to: str | None, now: float
) -> bytes | None:
    """Count a redirect of this browser for the page `return_to`.

    Args:
        scope: The request, with the counters so far.
        settings: The settings of the guard.
        return_to: The requested page.
        now: The wall-clock time, in seconds.

    Returns:
        The `Set-Cookie` value with the new counters, or None for the third redirect of a loop: respond with the
        error page. The redirects of a loop are within five seconds, and each less than two seconds after the
        previous one; a user who opens the page again takes longer.
    """
    page = sha256((return_to or "").encode()).hexdigest()[:8].encode()
    milliseconds = round(now * 1_000)
    counters = _parse_counters(scope)
    counters = {key: counter for key, counter in counters.items() if counter.is_current(milliseconds)}
    counter = counters.pop(page, _Counter(0, milliseconds, milliseconds))
    if counter.redirects >= _MAX_REDIRECTS:
        return None
    # Each page has its own counter, because several tabs can be in a loop at the same time.
    newest = _Counter(counter.redirects + 1, counter.started, milliseconds)
    tracked = [(page, newest), *counters.items()][:_MAX_TRACKED_PAGES]
    value = b"-".join(b"%d.%d.%d.%s" % (*counter, page) for page, counter in tracked)
    return _set_cookie(settings, value, _WINDOW // 1_000)


def has_redirect_counter(headers: Iterable[Header]) -> bool:
    """Return whether the browser has a redirect counter, which is cleared when a requirement is met."""
    for name, value in headers:  # noqa: SIM110 - any() takes twice the time, on every request
        if name == b"cookie" and value.find(_COOKIE) >= 0:
            return True
    return False


def clear_redirect_counter(settings: GuardSettings) -> bytes:
    """Return the `Set-Cookie` value that removes the counters."""
    return _set_cookie(settings, b"", 0)


def _parse_counters(scope: Mapping[str, Any]) -> dict[bytes, _Counter]:
    counters: dict[bytes, _Counter] = {}
    for name, header in scope["headers"]:
        if name != b"cookie":
            continue
        for pair in header.split(b";"):
            key, _, value = pair.strip(b" \t").partition(b"=")
            if key == _COOKIE:
                for match in map(_COUNTER.fullmatch, value.split(b"-", _MAX_TRACKED_PAGES)):
                    if match is not None:
                        counters.setdefault(match[4], _Counter(int(match[1]), int(match[2]), int(match[3])))
    return counters


def _set_cookie(settings: GuardSettings, value: bytes, max_age: int) -> bytes:
    secure = b"; Secure" if (settings.app_url or "").startswith("https:") else b""
    return b"%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s" % (_COOKIE, value, max_age, secure)
