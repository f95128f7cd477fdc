"""Validators that normalize origins and URLs to the form that browsers compare."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["exact_origin", "host_and_port", "is_loopback_host", "origin_of", "page_url", "service_url"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return the origin of an absolute http(s) URL as a browser serializes it (RFC 6454, section 6.1).

    Raises:
        ValueError: If `url` is not an absolute http(s) URL.
    """
    return _origin(_split(url))


def exact_origin(url: str) -> str:
    """Return the normalized form of an origin.

    Raises:
        ValueError: If `url` has more than a scheme, a host and a port.
    """
    parts = _split(url)
    if parts.path not in ("", "/") or "?" in url or "#" in url:
        raise ValueError("must be an origin: scheme, host and port only")
    return _origin(parts)


def service_url(url: str) -> str:
    """Return the normalized form of a service's URL: lower-case host, no default port, no trailing slash.

    Raises:
        ValueError: If `url` is not an absolute http(s) URL, or has a user name, a query or a fragment.
    """
    parts = _split(url)
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or a fragment")
    return _origin(parts) + parts.path.rstrip("/")


def page_url(url: str) -> str:
    """Return the normalized form of a page's URL, which may have a query.

    Raises:
        ValueError: If `url` is not an absolute http(s) URL, or has a user name or a fragment.
    """
    parts = _split(url)
    if "#" in url:
        raise ValueError("must not have a fragment")
    return _origin(parts) + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def host_and_port(url: str) -> tuple[str, int]:
    """Return the host, without brackets, and the port of an absolute http(s) URL.

    Raises:
        ValueError: If `url` is not an absolute http(s) URL, or has a user name.
    """
    parts = _split(url)
    return str(parts.hostname), parts.port or _DEFAULT_PORTS[parts.scheme]


def is_loopback_host(host: str) -> bool:
    """Return whether a host, without brackets, is this machine: `localhost`, a subdomain of it, or its address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _split(url: str) -> SplitResult:
    if not url.isascii() or any(character <= " " or character in '\\"<>^`{|}\x7f' for character in url):
        raise ValueError("must be written in ASCII, without spaces, control characters or backslashes")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password")
    if "*" in parts.netloc or "%" in parts.netloc:
        raise ValueError("must name one exact host")
    _ = parts.port  # raises ValueError for an invalid port
    return parts


def _origin(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
