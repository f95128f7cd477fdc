"""The ASGI application that a reverse proxy asks about each request of a client."""

import copy
import hmac
import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Unpack
from urllib.parse import urlsplit

from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.forward_auth.forwarded_request import ForwardedRequest, read_forwarded_request
from ory_guard.forward_auth.identity_headers import DEFAULT_IDENTITY_HEADERS, IdentityHeaders, IdentityValue
from ory_guard.forward_auth.routes import RouteTable
from ory_guard.forward_auth.subrequest_response import proxy_send
from ory_guard.guard.context import require_auth_context
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.middleware import OrySessionMiddleware
from ory_guard.guard.requirements import Conditions, Requirement, requirement_of
from ory_guard.guard.responses.asgi import ASGIResponse, Receive, Scope, Send, error_body
from ory_guard.kratos.urls import origin_of
from ory_guard.models.session import Session

__all__ = ["SECRET_HEADER", "ForwardAuth"]

_log = logging.getLogger("ory_guard")

SECRET_HEADER: Final = "X-Ory-Guard-Secret"  # noqa: S105 - the name of a header
"""The header in which a proxy sends the shared secret."""

_SECRET_HEADER: Final = SECRET_HEADER.lower().encode("ascii")
_MIN_SECRET_LENGTH: Final = 16
_TARGET: Final = "ory_guard.forward_auth"
_NO_STORE: Final = (b"cache-control", b"private, no-store")


class _Target(NamedTuple):
    """The rule for one request, and the guard whose settings have the origin of the requested host."""

    requirements: tuple[Requirement, ...]
    guard: OryGuard


class ForwardAuth:
    """ASGI application that answers the sub-requests of a reverse proxy: 200, 401, 403, 303 or 503.

    The method, the URI and the host of the client's request are read from `X-Forwarded-Method`, `X-Forwarded-Uri`
    and `X-Forwarded-Host`, or from the same headers with `X-Original-`. They are accepted only from a trusted
    proxy: one that sends the shared secret or, without a secret, one that is connected through a Unix socket with
    an absolute path. All other requests get 403. The host must be that of `app_url` or of one of `trusted_origins`.

    A path with a dot segment, `//`, a backslash, `;`, an encoded slash, dot or percent sign, a control character or
    invalid UTF-8 must meet all requirements, because servers read such a path differently.

    Args:
        guard: The guard. It is closed when the application shuts down.
        routes: The requirement for each exact decoded path, and for each prefix such as `/admin/*`; None if a
            session is not required. An exact path comes before a prefix, and a long prefix before a short one.
            The requirement of `/a` also applies to `/a/`, and that of `/a/*` to `/a`, unless that path has a route.
        secret: The secret that the proxy sends in `X-Ory-Guard-Secret`: at least 16 printable ASCII characters,
            without spaces. Default: only Unix sockets are trusted.
        identity_headers: The headers of a 200 response that name the user: for each name a path in the session,
            such as `identity.traits.email`, or a function of the session. Default: `X-User-Id` with `identity.id`,
            and `X-User-Email` with `identity.traits.email`.
        for_nginx: Whether to respond 401 with a `Location` in place of 303, because `auth_request` of nginx accepts
            only 2xx, 401 and 403.
        **conditions: `aal`, `max_age`, `authentication_methods`, `verified`, `organization`, `when` and
            `revalidate`, as for `ory_guard.Requirement`: the requirement for all other paths. Default: any session.

    Attributes:
        guard: The guard.

    Raises:
        ConfigurationError: If an argument is invalid, or the guard has no `app_url`.
    """

    def __init__(
        self,
        guard: OryGuard,
        *,
        routes: Mapping[str, Requirement | None] | None = None,
        secret: str | None = None,
        identity_headers: Mapping[str, IdentityValue] | None = None,
        for_nginx: bool = False,
        **conditions: Unpack[Conditions],
    ) -> None:
        if not isinstance(guard, OryGuard):
            raise ConfigurationError(f"ForwardAuth: guard must be an OryGuard (got {type(guard).__name__})")
        self.guard: OryGuard = guard
        others = ("routes", "secret", "identity_headers", "for_nginx")
        self._routes = RouteTable(routes or {}, requirement_of("ForwardAuth", conditions, *others))
        self._secret = None if secret is None else _checked_secret(secret)
        self._identity_headers = IdentityHeaders(
            DEFAULT_IDENTITY_HEADERS if identity_headers is None else identity_headers
        )
        self._for_nginx = for_nginx
        self._hosts = _guards_by_host(guard)
        self._app_url = urlsplit(str(guard.settings.app_url))
        self._app = OrySessionMiddleware(self._respond, guard=guard)
        self._reported: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one sub-request, or the lifespan.

        Raises:
            RuntimeError: If the type of the scope is unknown.
        """
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            forwarded, guard = self._read(scope)
        except ValueError as error:
            await self._refuse(str(error))(scope, receive, send)
            return
        inner = self._inner_scope(scope, forwarded, guard)
        await self._app(inner, receive, proxy_send(send, for_nginx=self._for_nginx))

    def _read(self, scope: Scope) -> tuple[ForwardedRequest, OryGuard]:
        if scope["type"] != "http":
            raise ValueError("the sub-request is a websocket: serve ForwardAuth without websockets")
        if not self._is_trusted(scope):
            raise ValueError("the proxy is not trusted")
        forwarded = read_forwarded_request(scope["headers"])
        if scope["method"] not in ("GET", forwarded.method):  # Envoy sends the method of the client
            raise ValueError("the method of the sub-request is neither GET nor the forwarded method")
        guard = self._hosts.get(forwarded.host)
        if guard is None:
            raise ValueError("the forwarded host is not the host of app_url or of one of trusted_origins")
        return forwarded, guard

    def _is_trusted(self, scope: Scope) -> bool:
        if self._secret is None:
            # For a Unix socket, its path and None. Without a name, as in uvicorn before 0.41, it is not trusted.
            server = scope.get("server")
            return server is not None and server[1] is None and server[0].startswith("/")
        values = [value for name, value in scope["headers"] if name == _SECRET_HEADER]
        return len(values) == 1 and hmac.compare_digest(values[0], self._secret)

    def _refuse(self, reason: str) -> ASGIResponse:
        if reason not in self._reported:
            self._reported.add(reason)
            _log.warning("forward_auth.rejected reason=%r", reason)
        body = error_body(403, error_id="forwarded_request_rejected", reason=f"The request was rejected: {reason}.")
        return ASGIResponse(403, [(b"content-type", b"application/json"), (b"cache-control", b"no-store")], body)

    def _inner_scope(self, scope: Scope, forwarded: ForwardedRequest, guard: OryGuard) -> Scope:
        """Return the scope of the client's request, without anything that outer applications have published."""
        path, requirements = self._routes.resolve(forwarded)
        root_path = ""
        if guard is self.guard and (prefix := self._app_url.path):
            if f"{path}/".startswith(f"{prefix}/"):
                root_path = prefix
            else:
                guard = _with_app_url(guard, origin_of(str(guard.settings.app_url)))
        return {
            "type": "websocket" if forwarded.is_websocket else "http",
            "extensions": {"websocket.http.response": {}},
            # The same rules apply to both methods, but the response to GET has a body, as its length says.
            "method": "GET" if forwarded.method == "HEAD" else forwarded.method,
            "path": path,
            "raw_path": forwarded.raw_path,
            "query_string": forwarded.query,
            "root_path": root_path,
            "headers": scope["headers"],
            _TARGET: _Target(requirements, guard),
        }

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _complete_lifespan(receive, send)
            return
        target: _Target = scope[_TARGET]
        try:
            session = await self._require(scope, target.requirements)
        except Refusal as refusal:
            refusal.guard = target.guard
            raise
        headers = [] if session is None else self._identity_headers.headers(session)
        await ASGIResponse(200, [*headers, _NO_STORE], b"")(scope, receive, send)

    async def _require(self, scope: Scope, requirements: tuple[Requirement, ...]) -> "Session[Any] | None":
        context, enforcement = require_auth_context(scope), self.guard.enforcement
        session = None if requirements else await enforcement.optional(scope, context)
        for requirement in requirements:
            session = await enforcement.require(scope, context, requirement)
        return session


def _checked_secret(secret: Any) -> bytes:
    is_printable = isinstance(secret, str) and secret.isascii() and all("!" <= letter <= "~" for letter in secret)
    if not is_printable or len(secret) < _MIN_SECRET_LENGTH:
        raise ConfigurationError(
            f"ForwardAuth: secret must have at least {_MIN_SECRET_LENGTH} printable ASCII characters, without "
            "spaces: generate one with openssl rand -hex 32"
        )
    return bytes(secret, "ascii")


def _guards_by_host(guard: OryGuard) -> dict[bytes, OryGuard]:
    """Return the guard for each host, with its origin as `app_url`, so that URLs are built from settings only."""
    settings = guard.settings
    if settings.app_url is None:
        raise ConfigurationError(
            "ForwardAuth needs app_url in the settings of the guard: the public URL of the service behind the proxy"
        )
    guards: dict[bytes, OryGuard] = {}
    own_origin = origin_of(settings.app_url)
    for origin in (own_origin, *settings.trusted_origins):
        configured = guard if origin == own_origin else _with_app_url(guard, origin)
        parts = urlsplit(origin)
        hosts = [parts.netloc]
        if parts.port is None:
            hosts.append(f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}")
        for host in hosts:
            guards.setdefault(host.encode("ascii"), configured)
    return guards


def _with_app_url(guard: OryGuard, app_url: str) -> OryGuard:
    """Return a guard with the same cache and connections whose redirects return to another URL."""
    other = copy.copy(guard)
    other.settings = guard.settings.model_copy(update={"app_url": app_url})
    return other


async def _complete_lifespan(receive: Receive, send: Send) -> None:
    for kind in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{kind}.complete"})
