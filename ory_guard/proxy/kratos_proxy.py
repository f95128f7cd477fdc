"""The ASGI application that forwards requests to Kratos."""

import asyncio
import inspect
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from ory_guard.events.limited_log import LimitedLog
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.csrf import CSRFPolicy
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.middleware import MISDIRECTED_REQUEST, GuardResolver
from ory_guard.guard.responses.asgi import ASGIResponse, Receive, Scope, Send
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.call_failures import call_failure
from ory_guard.kratos.caller import Caller, anonymous_caller
from ory_guard.kratos.http import URL, RemoteProtocolError, Request
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.require_asyncio import require_asyncio
from ory_guard.kratos.slots import Slots
from ory_guard.kratos.url_mapping import URLMapping
from ory_guard.kratos.urls import http_url, origin_of, server_of
from ory_guard.models.credential import Credential
from ory_guard.proxy.cookies import ProxyCookies
from ory_guard.proxy.errors import ProxyError, error_response
from ory_guard.proxy.invalidation import SessionChanges
from ory_guard.proxy.request_body import RequestBody
from ory_guard.proxy.request_headers import forwarded_headers
from ory_guard.proxy.response import ProxyResponse, browser_response, unexpected_response
from ory_guard.proxy.routes import Target, find_target, is_route, mount_path

__all__ = ["KratosProxy"]

_log = logging.getLogger("ory_guard")

_MAX_RESPONSE_BYTES: Final = 1_048_576
_STREAMED_FRACTION: Final = 8
_KRATOS_HEADERS: Final = (
    (b"accept-encoding", b"identity"),
    # Ory Network: keep the URLs of the project, so that they are recognized, instead of those of a custom domain.
    (b"ory-base-url-rewrite", b"false"),
    (b"ory-no-custom-domain-redirect", b"true"),
)
_NO_WEBSOCKETS: Final = ASGIResponse(404, [(b"cache-control", b"private, no-store")], b"")


class KratosProxy:
    """An ASGI application that forwards Kratos' public API under the application's own origin.

    Mount it, `app.mount("/.ory", KratosProxy(guard))`, and set `kratos_browser_url` to `app_url` plus the path of
    the mount. The middleware does not check the session for paths below `kratos_browser_url`.

    It forwards the public routes for flows, sessions, schemas and `webauthn.js`, and no others. Kratos receives
    only its own cookies, or a token without cookies. Its cookies become cookies of the application's host, and its
    URLs become URLs of the proxy. A logout, changed settings and a revoked session are invalidated in the guard.

    Args:
        guard: The guard, or a function that takes the ASGI scope of each request and returns its guard. If the
            function returns None, the response is 421.
        cookies: Names of further cookies of Kratos; a trailing `*` matches any suffix.
        timeout: Seconds from the first byte of the request's body to the last byte of the response. Default: the
            `timeout` of the guard's settings. Set it to more if Kratos calls web hooks or social sign-in providers.

    Raises:
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self, guard: OryGuard | GuardResolver, *, cookies: Iterable[str] = (), timeout: float | None = None
    ) -> None:
        is_resolver = callable(guard) and not inspect.isclass(guard) and not inspect.iscoroutinefunction(guard)
        if not isinstance(guard, OryGuard) and not is_resolver:
            raise ConfigurationError(
                f"KratosProxy: guard must be an OryGuard or a plain function that returns one (got {guard!r})"
            )
        if timeout is not None and not 0 < timeout <= 600:
            raise ConfigurationError(f"KratosProxy: timeout must be above 0 and at most 600 (got {timeout!r})")
        if isinstance(cookies, str):
            raise ConfigurationError(f"KratosProxy: cookies must be a list of names (got {cookies!r})")
        self._guard = guard
        self._cookies = tuple(cookies)
        self._timeout = timeout
        self._forwarders: WeakKeyDictionary[OryGuard, _Forwarder] = WeakKeyDictionary()
        if isinstance(guard, OryGuard):
            self._forwarder(guard)

    def _forwarder(self, guard: OryGuard) -> "_Forwarder":
        forwarder = self._forwarders.get(guard)
        if forwarder is None:
            forwarder = self._forwarders[guard] = _Forwarder(guard, self._cookies, self._timeout)
        return forwarder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; a websocket is refused.

        Raises:
            ConfigurationError: If the guard resolver returns something other than a guard.
            RuntimeError: If the scope is neither an http request nor a websocket.
        """
        if scope["type"] == "websocket":
            await _NO_WEBSOCKETS(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(
                f"KratosProxy can't handle a {scope['type']!r} connection: mount it in an application"
            )
        guard = self._guard if isinstance(self._guard, OryGuard) else self._guard(scope)
        if guard is None:
            await MISDIRECTED_REQUEST(scope, receive, send)
            return
        if not isinstance(guard, OryGuard):
            raise ConfigurationError(f"the guard resolver must return an OryGuard or None (got {guard!r})")
        try:
            response = await self._forwarder(guard).respond(guard, scope, receive)
        except ProxyError as error:
            await error_response(error, scope, guard.settings)(scope, receive, send)
        else:
            await response.send(scope, send)


class _Forwarder:
    """Forwards requests for one guard; it does not refer to the guard, so that the guard can be freed."""

    def __init__(self, guard: OryGuard, cookies: tuple[str, ...], timeout: float | None) -> None:
        self._settings = settings = guard.settings
        self._is_mounted = _has_browser_url(settings)
        self._cookies = ProxyCookies(settings, cookies)
        self._csrf = CSRFPolicy(settings)
        self._log = LimitedLog(guard.clock.monotonic)
        self._server = server_of(settings.kratos_public_url)
        self._timeout = timeout or settings.timeout
        self._base_url = URL(http_url(settings.kratos_public_url))
        concurrency = settings.max_upstream_concurrency
        streams = max(concurrency // _STREAMED_FRACTION, 1)
        self._slots, self._stream_slots = (Slots(number, self._timeout) for number in (concurrency, streams))
        self._http = guard.http_clients.open(
            timeout=self._timeout, max_response_bytes=_MAX_RESPONSE_BYTES, max_concurrency=concurrency
        )
        # A client that sends a large body slowly occupies a connection, so these are separate and few.
        self._streaming_http = guard.http_clients.open(
            timeout=self._timeout,
            max_response_bytes=_MAX_RESPONSE_BYTES,
            max_concurrency=streams,
        )

    async def respond(self, guard: OryGuard, scope: Scope, receive: Receive) -> ProxyResponse:
        """Return the response to a request.

        Raises:
            ProxyError: If there is no response of Kratos.
        """
        target = find_target(scope)
        require_asyncio()
        headers, credentials = forwarded_headers(scope, self._settings, guard.authentication, self._cookies)
        is_cookie = bool(credentials) and credentials[0].kind == "cookie"
        # Kratos checks a token for forms, but relies on CORS for this method.
        if scope["method"] == "DELETE" and is_cookie and self._csrf.is_cross_site(scope):
            raise ProxyError(403, "security_csrf_violation", "This request was sent by a page of another site.")
        body = RequestBody(scope, receive) if scope["method"] in ("POST", "DELETE") else None
        changes, change = SessionChanges(guard, self._cookies), None
        response: HTTPResponse | None = None
        try:
            async with asyncio.timeout(self._timeout):
                content: Any = b"" if body is None else await body.read()
                change = await changes.prepare(target, credentials, content)
                caller = _caller(guard, credentials, scope.get("client"))
                response = await self._send(scope["method"], target, headers, content, body, caller=caller)
        except ProxyError:
            raise
        except Exception as error:  # noqa: BLE001 - a custom transport may raise anything
            raise self._failure(error, body) from None
        finally:
            # Also if there is no response, or the client has left: Kratos may have processed the request.
            if change is not None:
                await changes.apply(change, response)
        urls = self._urls(scope)
        browser = browser_response(response, target, urls, self._cookies)
        if self._settings.kratos_browser_url != self._settings.app_url:  # else the application has pages there
            self._report_missing_page(browser, urls)
        return browser

    def _report_missing_page(self, response: ProxyResponse, urls: URLMapping) -> None:
        """Log a redirect to a page that the proxy does not serve."""
        location = next((value.decode() for name, value in response.headers if name == b"location"), "")
        path = urls.path_below(location)
        if path is not None and not is_route(path):
            self._log.write(
                logging.WARNING,
                "ui_url",
                "proxy.ui_url location=%s: Kratos redirects to a page below its own URL, where KratosProxy serves "
                "only the API; set selfservice.flows.*.ui_url to pages of the application, such as FlowPages "
                "(ory-guard fake: --ui-url)",
                location.partition("?")[0],
            )

    async def _send(
        self,
        method: str,
        target: Target,
        headers: list[tuple[bytes, bytes]],
        content: Any,
        body: RequestBody | None,
        *,
        caller: Caller,
    ) -> HTTPResponse:
        url = self._base_url.copy_with(raw_path=self._base_url.raw_path.rstrip(b"/") + target.raw_path)
        sent = [(b"host", url.netloc), *headers, *_KRATOS_HEADERS]
        is_streamed = not isinstance(content, bytes)
        if is_streamed and body is not None and body.declared_size is not None:
            sent.append((b"content-length", str(body.declared_size).encode()))
        request = Request(method, url, headers=sent, content=content)
        http, slots = (self._streaming_http, self._stream_slots) if is_streamed else (self._http, self._slots)
        async with slots.take(caller):
            return await http.send(request)

    def _failure(self, error: Exception, body: RequestBody | None) -> ProxyError:
        """Return the response to a failure; the log gets the class of the error, the client gets less."""
        if body is not None and body.error is not None:
            return body.error
        if body is not None and not body.is_complete and isinstance(error, TimeoutError):
            return ProxyError(408, "request_timeout", "The body of the request did not arrive in time.")
        failure = call_failure(error)
        text = "proxy.failed reason=%s: %s (%s)"
        self._log.write(logging.WARNING, failure.reason, text, failure.reason, failure.text, self._server)
        if failure.reason == "timeout":
            return ProxyError(504, "kratos_timeout", "The identity server did not respond in time.")
        if failure.reason == "protocol" or isinstance(error, RemoteProtocolError):
            return unexpected_response()
        reason = "The identity server is not available. Try again later."
        return ProxyError(503, "kratos_unavailable", reason, headers=((b"retry-after", b"1"),))

    def _urls(self, scope: Mapping[str, Any]) -> URLMapping:
        settings = self._settings
        proxy_url = settings.kratos_browser_url
        if not self._is_mounted:
            proxy_url = f"{settings.app_url}{mount_path(scope)}"
        return URLMapping(http_url(settings.kratos_public_url), proxy_url)


def _caller(guard: OryGuard, credentials: Sequence[Credential], address: object) -> Caller:
    """Return the caller: a user with a known session comes first, and other clients take turns."""
    if not credentials:
        return anonymous_caller(address)
    authentication = guard.authentication
    key = authentication.cache_key(credentials[0])
    return authentication.checker.calls.policy.caller(key, credentials[0], client=address)


def _has_browser_url(settings: GuardSettings) -> bool:
    """Return whether `kratos_browser_url` is a URL of the application; log a warning if it is not."""
    if settings.app_url is None or origin_of(settings.kratos_browser_url) == origin_of(settings.app_url):
        return True
    _log.warning(
        "proxy.browser_url kratos_browser_url=%s: the guard sends browsers there, and not to KratosProxy; set it "
        "to app_url plus the path of the mount, such as %s/.ory",
        settings.kratos_browser_url,
        settings.app_url,
    )
    return False
