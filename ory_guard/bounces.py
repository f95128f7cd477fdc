"""How often a browser was sent away for the same page: a loop breaker.

An application and its Kratos that disagree (cookie domains, clocks, assurance levels) would send a browser to and
fro for ever. The count travels in a short-lived cookie; forged, it does no more than show its owner a page.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from ory_guard.settings import GuardSettings

__all__ = ["count_bounce", "forget_bounces", "has_bounced"]

_NAME: Final = b"ory_guard_bounces"
_WINDOW: Final = 60
_MOST: Final = 2


def count_bounce(
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
    count, started = _counted(scope, page)
    if not 0 <= now - started < _WINDOW:
        count, started = 0, int(now)
    if count >= _MOST:
        return None
    left = max(int(started + _WINDOW - now), 1)
    return _set_cookie(settings, b"%d.%d.%s" % (count + 1, started, page), left)


def has_bounced(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether the browser carries a count, so that it should lose it once it is signed in."""
    for name, value in headers:  # noqa: SIM110 - any() takes twice the time, on every request
        if name == b"cookie" and value.find(_NAME) >= 0:
            return True
    return False


def forget_bounces(settings: GuardSettings) -> bytes:
    """Return the `Set-Cookie` value that removes the count."""
    return _set_cookie(settings, b"", 0)


def _counted(scope: Mapping[str, Any], page: bytes) -> tuple[int, int]:
    for name, header in scope["headers"]:
        if name != b"cookie":
            continue
        for pair in header.split(b";"):
            key, _, value = pair.strip(b" \t").partition(b"=")
            parts = value.split(b".")
            if (
                key == _NAME
                and len(parts) == 3
                and parts[2] == page
                and all(_is_number(part) for part in parts[:2])
            ):
                return int(parts[0]), int(parts[1])
    return 0, 0


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) <= 12


def _set_cookie(settings: GuardSettings, value: bytes, max_age: int) -> bytes:
    secure = b"; Secure" if (settings.app_url or "").startswith("https:") else b""
    return b"%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s" % (_NAME, value, max_age, secure)
