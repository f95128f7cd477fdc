"""Where a flow may send a browser when it is done."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

__all__ = ["allowed_url"]


def allowed_url(wanted: str, allowed: Iterable[str], default: str) -> str | None:
    """Return an address that one of the allowed ones covers, or None.

    Args:
        wanted: What was asked for; without scheme or host it is completed from `default`.
        allowed: Addresses that cover all with the same scheme and host (`*.` for any name below) whose path begins
            with theirs.
        default: Where browsers go otherwise.
    """
    if any(character < " " or character == "\x7f" for character in wanted):
        return None
    try:
        parts, fallback = urlsplit(wanted), urlsplit(default)
        whole = parts._replace(scheme=parts.scheme or fallback.scheme, netloc=parts.netloc or fallback.netloc)
        covered = any(_covers(urlsplit(one), whole) for one in allowed)
    except ValueError:
        return None
    if not covered:
        return None
    return wanted if parts.scheme and parts.netloc else whole.geturl()


def _covers(allowed: SplitResult, wanted: SplitResult) -> bool:
    host, pattern = wanted.netloc.lower(), allowed.netloc.lower()
    same_host = host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern
    in_path = (wanted.path or "/").startswith(allowed.path or "/")
    return same_host and in_path and wanted.scheme.lower() == allowed.scheme.lower()
