"""The headers of a request to Kratos: an allow-list, one credential, and the address of the client."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Credential, Header, InvalidCredential
from ory_guard.proxy.cookies import ProxyCookies
from ory_guard.proxy.errors import ProxyError

__all__ = ["RequestHeaders", "forwarded_headers"]

# Without `Origin`: Kratos is not called across origins. Kratos' web hooks may receive the others.
_ALLOWED: Final = frozenset(
    {
        *(b"accept", b"accept-language", b"content-type", b"user-agent", b"referer", b"x-csrf-token"),
        *(b"traceparent", b"tracestate", b"x-request-id"),
    }
)
_ALLOWED_PREFIXES: Final = (b"sec-fetch-", b"sec-ch-")
_MERGED: Final = frozenset({b"accept", b"accept-language"})
_MAX_BYTES: Final = 32_768
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class RequestHeaders(NamedTuple):
    """The headers for Kratos, and the credentials that they contain.

    Attributes:
        headers: The headers.
        credentials: One token, or one or two session cookies, or nothing.
    """

    headers: list[Header]
    credentials: tuple[Credential, ...]


def forwarded_headers(
    scope: Mapping[str, Any], settings: GuardSettings, authenticator: Authenticator, cookies: ProxyCookies
) -> RequestHeaders:
    """Return the headers for Kratos.

    The credential is the one that the guard authenticates. A token is sent without any cookie, because Kratos would
    issue the cookie of the browser again, for the identity of the token.

    Args:
        scope: The ASGI scope.
        settings: The settings of the guard.
        authenticator: The authenticator of the guard.
        cookies: Selects the cookies.

    Raises:
        ProxyError: If a header is repeated with another value or has an invalid character (400), or the headers
            are too large (431).
    """
    named_by_connection = _connection_options(scope["headers"])
    received = [header for header in scope["headers"] if header[0] not in named_by_connection]
    credentials = _credentials(received, authenticator)
    values: dict[bytes, bytes] = {}
    for name, value in received:
        if name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES):
            if name in values and name in _MERGED:
                values[name] += b", " + value
            elif values.setdefault(name, value) != value:
                raise ProxyError(400, "repeated_header", f"{name.decode('latin-1')} must be sent once.")
    headers = [*values.items()]
    if credentials and not credentials[0].is_session_cookie:
        headers.append(credentials[0].header())
    elif line := cookies.header(received, credentials):
        headers.append((b"cookie", line))
    if any(not _VALUE.fullmatch(value) for _, value in headers):
        raise ProxyError(400, "invalid_header", "A header contains a control character.")
    if sum(len(name) + len(value) for name, value in headers) > _MAX_BYTES:
        raise ProxyError(431, "headers_too_large", f"The headers must have at most {_MAX_BYTES} bytes.")
    return RequestHeaders([*headers, *_client_headers(scope, settings)], credentials)


def _connection_options(headers: Sequence[Header]) -> frozenset[bytes]:
    """Return the names of the headers that belong to the connection only (RFC 9110, section 7.6.1)."""
    lines = [value for name, value in headers if name == b"connection"]
    return frozenset(option.strip(b" \t").lower() for line in lines for option in line.split(b","))


def _credentials(headers: Sequence[Header], authenticator: Authenticator) -> tuple[Credential, ...]:
    found = authenticator.extractor.extract_all(headers)
    if isinstance(found, InvalidCredential):
        return ()  # the guard rejects the request, and Kratos receives no credential
    if found and found[0].kind == "cookie":
        # A token in a cookie of the application would bypass Kratos' check for cross-site requests.
        return tuple(credential for credential in found if credential.is_session_cookie)
    return tuple(credential for credential in found if not authenticator.checker.is_jwt(credential))


def _client_headers(scope: Mapping[str, Any], settings: GuardSettings) -> list[Header]:
    """Return headers about the client with values from the server, in place of those that the client has sent."""
    headers = [(b"x-forwarded-proto", str(scope.get("scheme", "http")).encode("latin-1", "replace"))]
    if settings.app_url is not None:
        headers.append((b"x-forwarded-host", urlsplit(settings.app_url).netloc.encode("ascii")))
    host = str((scope.get("client") or ("",))[0])
    try:
        address = str(ip_address(host.partition("%")[0])).encode("ascii")
    except ValueError:  # a Unix socket, or a test client
        return headers
    return [*headers, *((name, address) for name in (b"x-forwarded-for", b"x-real-ip", b"true-client-ip"))]
