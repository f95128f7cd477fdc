"""Origins and base URLs, in the form that browsers compare."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["origin_of", "service_url"]


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return scheme, host and port of an absolute http(s) URL as a browser writes an origin (RFC 6454, 6.1).

    Raises:
        ValueError: It is no such URL.
    """
    return _origin(_split(url))


def _origin(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _split(url: str) -> SplitResult:
    if not url.isascii() or any(character <= " " or character in '\\"<>^`{|}\x7f' for character in url):
        raise ValueError("must be written in ASCII, without spaces, control characters or backslashes")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password")
    if "*" in parts.netloc or "%" in parts.netloc:
        raise ValueError("must name one exact host")
    _ = parts.port  # raises ValueError for a port that is no port
    return parts


def service_url(url: str) -> str:
    """Return an http(s) URL without its last slash, host and scheme in lower case, the default port left out.

    Raises:
        ValueError: It is no absolute URL, or it holds a user name, a query or a fragment.
    """
    parts = _split(url)
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or a fragment")
    return _origin(parts) + parts.path.rstrip("/")
