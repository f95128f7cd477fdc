"""Validators that normalize origins and URLs to the form that browsers compare."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

__all__ = [
    "base_url",
    "common_domain",
    "exact_origin",
    "host_and_port",
    "http_url",
    "is_ip_address",
    "is_loopback_host",
    "kratos_url",
    "origin_of",
    "page_url",
    "public_api_url",
    "server_of",
    "service_url",
    "unix_socket_of",
]

_UNIX: Final = "http+unix://"
_UNIX_EXAMPLE: Final = "http+unix://%2Frun%2Fkratos.sock"

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ENDPOINT: Final = re.compile(
    r"/(?:sessions(?:/whoami)?|self-service(?:/.*)?|schemas(?:/.*)?|health/(?:alive|ready)|\.well-known/.*)$"
)
_ADMIN_API: Final = re.compile(r"/admin(?:/(?:identities|sessions|recovery|courier|health|version)(?:/.*)?)?$")


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


def kratos_url(url: str) -> str:
    """Return the normalized form of the URL of one of Kratos' APIs.

    It is a `service_url`, or `http+unix://` and the percent-encoded path of a Unix socket, as in Docker's clients.

    Raises:
        ValueError: If it is neither of these.
    """
    if not url.lower().startswith(("unix:", "http+unix:", "https+unix:")):
        return service_url(url)
    _check_characters(url)
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or a fragment")
    host, slash, prefix = url[len(_UNIX) :].partition("/")
    path = unquote(host)
    if not url.lower().startswith(_UNIX) or not path.startswith("/") or "\0" in path:
        raise ValueError(
            f"must be http+unix:// and the absolute path of a socket, with %2F for each slash: {_UNIX_EXAMPLE}"
        )
    return _UNIX + quote(path, safe="") + (slash + prefix).rstrip("/")


def base_url(url: str) -> str:
    """Return the URL of Kratos, which may have the path prefix of a proxy.

    Raises:
        ValueError: If the URL ends with the path of an endpoint.
    """
    if (endpoint := _ENDPOINT.search(url)) is not None:
        raise ValueError(f"must not contain the path of an endpoint: use {url.removesuffix(endpoint[0])}")
    return url


def public_api_url(url: str) -> str:
    """Return the normalized form of the URL of Kratos' public API: a `kratos_url` without the path of an endpoint.

    Raises:
        ValueError: If it is another URL, such as that of the admin API.
    """
    url = base_url(kratos_url(url))
    if _ADMIN_API.search(url) is not None:
        raise ValueError("is a URL of Kratos' admin API: use the URL of its public API (default port 4433)")
    return url


def unix_socket_of(url: str) -> str | None:
    """Return the path of the Unix socket of a `kratos_url`, or None for another URL."""
    return unquote(url[len(_UNIX) :].partition("/")[0]) if url.startswith(_UNIX) else None


def server_of(url: str) -> str:
    """Return the origin of a `kratos_url`, or the URL of its Unix socket, to name the server in the log.

    Raises:
        ValueError: If `url` is not a `kratos_url`, such as one with a user name.
    """
    return _UNIX + url[len(_UNIX) :].partition("/")[0] if url.startswith(_UNIX) else origin_of(url)


def http_url(url: str) -> str:
    """Return the URL for requests to a `kratos_url`; the host of a Unix socket is `localhost`."""
    if not url.startswith(_UNIX):
        return url
    _, slash, prefix = url[len(_UNIX) :].partition("/")
    return f"http://localhost{slash}{prefix}"


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


def is_ip_address(host: str) -> bool:
    """Return whether a host, without brackets, is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def common_domain(host: str, other: str) -> str | None:
    """Return the longest common domain of two hosts, with at least two labels: a single one is a public suffix."""
    if is_ip_address(host) or is_ip_address(other):
        return None
    common: list[str] = []
    for label, other_label in zip(reversed(host.split(".")), reversed(other.split(".")), strict=False):
        if label != other_label:
            break
        common.insert(0, label)
    return ".".join(common) if len(common) > 1 else None


def _check_characters(url: str) -> None:
    if not url.isascii() or any(character <= " " or character in '\\"<>^`{|}\x7f' for character in url):
        raise ValueError("must be written in ASCII, without spaces, control characters or backslashes")


def _check_host(url: str) -> None:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # such as a letter that contains a slash in its normal form
        return
    if not host.isascii():
        raise ValueError(f"must be written in ASCII: use the host in Punycode, {_punycode_hint(host)}")


def _punycode_hint(host: str) -> str:
    try:
        encoded = host.encode("idna")
        if encoded.decode("idna") == host:  # IDNA 2003 replaces some letters, such as ß
            return encoded.decode("ascii")
    except UnicodeError:
        pass
    return "such as xn--bcher-kva.example for bücher.example"


def _split(url: str) -> SplitResult:
    _check_host(url)
    _check_characters(url)
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
