"""Checks of the URLs that a page may link to and that a flow may return to."""

from urllib.parse import urlsplit

from ory_guard import GuardSettings
from ory_guard.starlette import safe_return_to

__all__ = ["safe_path", "safe_url"]


def safe_url(settings: GuardSettings, url: str | None) -> str | None:
    """Return a URL if it is in the application, on a trusted origin or on Kratos; else None.

    URLs come from query parameters and from Kratos, which compares only their host and the start of their path. If
    Kratos' default return URL is on another host, add its origin to `trusted_origins`.

    Args:
        settings: The guard's settings, with `app_url`.
        url: The URL as received.
    """
    if not url:
        return None
    if _is_kratos_url(settings, url):
        return url
    return_to = safe_return_to(url, settings)
    # safe_return_to() replaces an unsafe URL with app_url.
    return return_to if return_to != settings.app_url or url == settings.app_url else None


def safe_path(settings: GuardSettings, url: str | None) -> str | None:
    """Return the path of a URL in the application, for display and for links; else None."""
    safe = safe_url(settings, url) or ""
    if not safe.startswith(f"{settings.app_url}/") or _is_kratos_url(settings, safe):
        return None
    return urlsplit(safe).path


def _is_kratos_url(settings: GuardSettings, url: str) -> bool:
    base = settings.kratos_browser_url
    path = url.removeprefix(base).partition("?")[0]
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    return url.startswith(f"{base}/") and is_plain and "//" not in path and ".." not in path
