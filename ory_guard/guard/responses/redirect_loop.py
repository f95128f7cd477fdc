"""How often a browser was sent away for the same page: a loop breaker.

An application and its Kratos that disagree (cookie domains, clocks, assurance levels) would send a browser to and
fro for ever. The count travels in a short-lived cookie; forged, it does no more than show its owner a page.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Header

__all__ = ["clear_redirect_counter", "has_redirect_counter", "record_redirect"]

_NAME: Final = b"ory_guard_bounces"
_WINDOW: Final = 60
_MOST: Final = 2
_PAGES: Final = 4
_COUNT: Final = re.compile(rb"([0-9])\.([0-9]{1,12})\.([0-9a-f]{8})")


def record_redirect(
    scope: Mapping[str, Any], settings: GuardSettings, return_to: str | None, now: float
) -> bytes | None:
    """Count one redirect of this browser for `return_to`.

    Args:
        scope: The request, with the count so far.
        settings: The guard's settings.
        return_to: The page that the browser wanted.
        now: The wall-clock time, in seconds.

    Returns:
        The `Set-Cookie` value that carries the count on, or None where it is the third within a minute, so that
        the browser should be shown a page instead.
    """
    page = sha256((return_to or "").encode()).hexdigest()[:8].encode()
    counts = {one: seen for one, seen in _counted(scope).items() if 0 <= now - seen[1] < _WINDOW}
    count, started = counts.pop(page, (0, int(now)))
    if count >= _MOST:
        return None
    # Tabs that go round at the same time take turns, so each page keeps its own count.
    kept = [(page, (count + 1, started)), *counts.items()][:_PAGES]
    value = b"-".join(b"%d.%d.%s" % (number, since, one) for one, (number, since) in kept)
    newest = max(since for _, (_, since) in kept)
    return _set_cookie(settings, value, max(int(newest + _WINDOW - now), 1))


def has_redirect_counter(headers: Iterable[Header]) -> bool:
    """Tell whether the browser carries a count, so that it should lose it once a gate lets it pass."""
    for name, value in headers:  # noqa: SIM110 - any() takes twice the time, on every request
        if name == b"cookie" and value.find(_NAME) >= 0:
            return True
    return False


def clear_redirect_counter(settings: GuardSettings) -> bytes:
    """Return the `Set-Cookie` value that removes the count."""
    return _set_cookie(settings, b"", 0)


def _counted(scope: Mapping[str, Any]) -> dict[bytes, tuple[int, int]]:
    """Return how often, and since when, by page."""
    counts: dict[bytes, tuple[int, int]] = {}
    for name, header in scope["headers"]:
        if name != b"cookie":
            continue
        for pair in header.split(b";"):
            key, _, value = pair.strip(b" \t").partition(b"=")
            if key == _NAME:
                for one in map(_COUNT.fullmatch, value.split(b"-", _PAGES)):
                    if one is not None:
                        counts.setdefault(one[3], (int(one[1]), int(one[2])))
    return counts


def _set_cookie(settings: GuardSettings, value: bytes, max_age: int) -> bytes:
    secure = b"; Secure" if (settings.app_url or "").startswith("https:") else b""
    return b"%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s" % (_NAME, value, max_age, secure)
