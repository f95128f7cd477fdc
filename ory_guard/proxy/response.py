"""The response of Kratos for the browser: an allow-list of headers, own cookies, mapped URLs, and no other page."""

import re
from typing import Final, NamedTuple

from ory_guard.guard.responses.asgi import Scope, Send
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.json_rewriting import InvalidJSON, rewrite_urls
from ory_guard.kratos.url_mapping import URLMapping
from ory_guard.models.credential import Header
from ory_guard.proxy.cookies import ProxyCookies
from ory_guard.proxy.errors import ProxyError
from ory_guard.proxy.routes import Target

__all__ = ["ProxyResponse", "browser_response"]

# Others could act for the host of the application: HSTS, Alt-Svc, CORS, Clear-Site-Data, WWW-Authenticate.
_ALLOWED: Final = frozenset(
    {
        *(b"content-type", b"content-language", b"vary", b"retry-after", b"x-total-count"),
        *(b"ory-error-id", b"ory-session-cache-for", b"x-kratos-authenticated-identity-id"),
        *(b"x-request-id", b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset"),
        *(b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"),
    }
)
_NO_STORE: Final = b"private, no-store"
_SCRIPT: Final = "/.well-known/ory/webauthn.js"
_SCRIPT_TYPES: Final = (b"text/javascript", b"application/javascript")
_WITHOUT_BODY: Final = (204, 304)
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_REFERENCE: Final = re.compile(rb"[\x21-\x5b\x5d-\x7e]+")  # without spaces, backslashes and control characters


class ProxyResponse(NamedTuple):
    """A complete response.

    Attributes:
        status: The HTTP status.
        headers: The headers, without the size of the body.
        body: The body.
    """

    status: int
    headers: list[Header]
    body: bytes

    async def send(self, scope: Scope, send: Send) -> None:
        """Send the response."""
        headers, has_size = self.headers, self.status not in _WITHOUT_BODY and scope["method"] != "HEAD"
        if has_size:
            headers = [*headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body if has_size else b""})


def browser_response(
    response: HTTPResponse, target: Target, urls: URLMapping, cookies: ProxyCookies
) -> ProxyResponse:
    """Return the response for the browser.

    Args:
        response: The response of Kratos.
        target: The requested resource.
        urls: Maps Kratos' URLs.
        cookies: Selects and rewrites cookies.

    Raises:
        ProxyError: If the response is not one of Kratos' public API (502), or is an error page of a component in
            front of Kratos (502, 503 or 504).
    """
    status = response.status
    if not 200 <= status < 600 or response.is_encoded():
        raise unexpected_response()
    headers = [(b"cache-control", _cache_control(response)), (b"x-content-type-options", b"nosniff")]
    for name, value in response.headers:
        if not _VALUE.fullmatch(value):
            raise unexpected_response()
        if name in _ALLOWED:
            headers.append((name, value))
        elif name == b"link":
            headers.append((name, urls.map_link(value)))
        elif name == b"set-cookie" and (cookie := cookies.for_browser(value)) is not None:
            headers.append((name, cookie))
    location = response.header(b"location")
    if location is not None:
        if not _REFERENCE.fullmatch(location):
            raise unexpected_response()
        headers.append((b"location", urls.map_reference(location.decode("ascii")).encode("ascii")))
        if 300 <= status < 400:  # the body is a page with a link to the same URL
            return ProxyResponse(status, [header for header in headers if header[0] != b"content-type"], b"")
    return ProxyResponse(status, headers, _body(response, target, urls))


def _body(response: HTTPResponse, target: Target, urls: URLMapping) -> bytes:
    if not response.body or response.status in _WITHOUT_BODY:
        return b""
    types = response.values(b"content-type")
    if len(types) > 1:  # a browser may use another one
        raise unexpected_response()
    if response.is_json():
        try:
            return rewrite_urls(response.body, urls.map_url)
        except InvalidJSON:
            raise unexpected_response() from None
    if response.status >= 500:
        raise _error_page(response)
    media_type = b"".join(types).partition(b";")[0].strip().lower()
    is_script = target.path == _SCRIPT and media_type in _SCRIPT_TYPES
    # Any other type, such as a page or an image with scripts, would have the origin of the application.
    if not is_script and media_type != b"text/plain":
        raise unexpected_response()
    return response.body


def _cache_control(response: HTTPResponse) -> bytes:
    values = response.values(b"cache-control")
    joined = b", ".join(values)
    directives = {directive.partition(b"=")[0].strip().lower() for directive in joined.split(b",")}
    is_strict = {b"private", b"no-store"} <= directives and b"public" not in directives
    return joined if is_strict else _NO_STORE


def unexpected_response() -> ProxyError:
    """Return the error for a response that is not one of Kratos."""
    return ProxyError(502, "kratos_protocol_error", "The identity server has sent an unexpected response.")


def _error_page(response: HTTPResponse) -> ProxyError:
    """Return the error for an error page, which may describe the network between the proxy and Kratos."""
    if response.status == 504:
        return ProxyError(504, "kratos_timeout", "The identity server did not respond in time.")
    if response.status == 503:
        retry_after = response.header(b"retry-after") or b"1"
        headers = ((b"retry-after", retry_after if retry_after.isdigit() else b"1"),)
        return ProxyError(503, "kratos_unavailable", "The identity server is not available.", headers=headers)
    return unexpected_response()
