"""Validation of `return_to` URLs."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

__all__ = ["allowed_url"]


def allowed_url(url: str, allowed: Iterable[str], default: str) -> str | None:
    """Return the URL if an allowed URL covers it, or None.

    Args:
        url: The requested URL; a missing scheme or host is taken from `default`.
        allowed: The allowed URLs. Each covers URLs with the same scheme and host (`*.` matches any subdomain) whose
            path starts with its path.
        default: The default return URL.
    """
    if any(character < " " or character == "\x7f" for character in url):
        return None
    try:
        parts, fallback = urlsplit(url), urlsplit(default)
        completed = parts._replace(scheme=parts.scheme or fallback.scheme, netloc=parts.netloc or fallback.netloc)
        is_allowed = any(_covers(urlsplit(entry), completed) for entry in allowed)
    except ValueError:
        return None
    if not is_allowed:
        return None
    return url if parts.scheme and parts.netloc else completed.geturl()


def _covers(allowed: SplitResult, url: SplitResult) -> bool:
    host, pattern = url.netloc.lower(), allowed.netloc.lower()
    same_host = host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern
    in_path = (url.path or "/").startswith(allowed.path or "/")
    return same_host and in_path and url.scheme.lower() == allowed.scheme.lower()
