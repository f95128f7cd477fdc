"""A decorator for endpoints, a middleware for whole applications, and a logout response."""

import inspect
import re
from collections.abc import Callable, Collection, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, Unpack, overload
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.guard.context import require_auth_context
from ory_guard.guard.fastapi_declarations import MustBeCalled, record_wrapper
from ory_guard.guard.guard import get_guard
from ory_guard.guard.path_patterns import PathPatterns
from ory_guard.guard.requirements import Conditions, Requirement, requirement_of
from ory_guard.guard.responses.asgi import ASGIApp
from ory_guard.guard.responses.redirects import safe_return_to
from ory_guard.guard.responses.refusals import is_navigation, refusal_handler

__all__ = ["SessionRequiredMiddleware", "get_requirement", "logout_response", "session_required"]

P = ParamSpec("P")
R = TypeVar("R")

_REQUIREMENTS: Final[WeakKeyDictionary[Callable[..., Any], Requirement]] = WeakKeyDictionary()

_METADATA_URL: Final = re.compile(r"https?://[!#-\[\]-~]+")  # without a double quote and a backslash

_SESSION_REQUIRED: Final = MustBeCalled("Depends(require_session), or @session_required below @app.get(...)")


@overload
def session_required(endpoint: Callable[P, Any], /) -> Callable[P, Coroutine[Any, Any, Any]]: ...


@overload
def session_required(
    **conditions: Unpack[Conditions],
) -> Callable[[Callable[P, Any]], Callable[P, Coroutine[Any, Any, Any]]]: ...


@_SESSION_REQUIRED
def session_required(endpoint: Callable[P, Any] | None = None, /, **conditions: Unpack[Conditions]) -> Any:
    """Require a session that meets every condition before an endpoint runs.

    Use it as `@session_required` or as `@session_required(aal="aal2", max_age=300)`, on functions and on methods
    of `HTTPEndpoint` and `WebSocketEndpoint` that have a parameter `request` or `websocket`. The session is
    `request.state.ory_session`. In FastAPI, write it below the decorator of the route.

    Args:
        endpoint: The endpoint, if the decorator is used without parentheses.
        **conditions: `aal`, `max_age`, `authentication_methods`, `verified`, `organization`, `when` and
            `revalidate`, as for `ory_guard.Requirement`. Default: any session.

    Raises:
        ConfigurationError: If a condition is invalid, or the endpoint has no parameter `request` or `websocket`.
    """
    requirement = requirement_of("session_required", conditions)
    if endpoint is not None:
        return _wrap_endpoint(endpoint, requirement)
    return lambda decorated: _wrap_endpoint(decorated, requirement)


def _wrap_endpoint(endpoint: Callable[P, Any], requirement: Requirement) -> Callable[P, Coroutine[Any, Any, Any]]:
    parameters = list(inspect.signature(endpoint).parameters)
    name = next((name for name in ("request", "websocket") if name in parameters), None)
    if name is None:
        raise ConfigurationError(
            f"session_required: {endpoint!r} has no parameter 'request' or 'websocket': add one"
        )
    position = parameters.index(name)
    is_asynchronous = any(map(inspect.iscoroutinefunction, (endpoint, type(endpoint).__call__)))

    @wraps(endpoint)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        connection = kwargs.get(name, args[position] if position < len(args) else None)
        assert isinstance(connection, HTTPConnection)  # noqa: S101 - Starlette passes a Request or a WebSocket
        scope = connection.scope
        context = require_auth_context(scope)
        await context.guard.enforcement.require(scope, context, requirement)
        if is_asynchronous:
            return await endpoint(*args, **kwargs)
        return await run_in_threadpool(endpoint, *args, **kwargs)

    _REQUIREMENTS[guarded] = requirement
    record_wrapper(endpoint, guarded)
    return guarded


def get_requirement(endpoint: Callable[..., Any]) -> Requirement | None:
    """Return the requirement of an endpoint with `@session_required`, or None for any other endpoint.

    If another decorator wraps the endpoint, the result is None: that decorator may not call it.

    Args:
        endpoint: The endpoint, as passed to the route.
    """
    return _REQUIREMENTS.get(endpoint)


class SessionRequiredMiddleware:
    r"""ASGI middleware that requires a session for every path that is not public.

    Add it before `OrySessionMiddleware`, so that it runs inside that middleware. It also protects paths without
    dependencies: mounted applications, static files and the documentation pages.

    Args:
        app: The ASGI application.
        public: Paths that don't require a session: exact decoded paths, and prefixes such as `/static/*`. A
            prefix does not match a path with a dot segment, `//`, `\`, `%`, `;` or a control character.
        resource_metadata: The URL of the protected resource metadata (RFC 9728) of an MCP server or another
            OAuth 2.0 resource, for the `WWW-Authenticate` header of its 401 responses. Default: not sent.
        **conditions: `aal`, `max_age`, `authentication_methods`, `verified`, `organization`, `when` and
            `revalidate`, as for `ory_guard.Requirement`. Default: any session.

    Attributes:
        public: The paths and prefixes that don't require a session.
        requirement: The requirement for every other path.

    Raises:
        ConfigurationError: If a condition, a path or the URL is invalid, or `public` is a string.
    """

    def __init__(
        self,
        app: ASGIApp,
        public: Collection[str] = (),
        *,
        resource_metadata: str | None = None,
        **conditions: Unpack[Conditions],
    ) -> None:
        if isinstance(public, str):
            raise ConfigurationError(
                f"SessionRequiredMiddleware: public is a string: pass a list of paths, [{public!r}]"
            )
        if resource_metadata is not None and not _METADATA_URL.fullmatch(resource_metadata):
            raise ConfigurationError(
                f"SessionRequiredMiddleware: resource_metadata: {resource_metadata!r} is not allowed: use an "
                "absolute URL with http or https, percent-encoded"
            )
        self._app = app
        self._resource_metadata = resource_metadata
        self.public: frozenset[str] = frozenset(public)
        try:
            self._public_paths = PathPatterns(public)
        except ValueError as error:
            raise ConfigurationError(f"SessionRequiredMiddleware: public: {error}") from None
        others = ("public", "resource_metadata")
        self.requirement: Requirement = requirement_of("SessionRequiredMiddleware", conditions, *others)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Forward the request if its session meets the requirement; otherwise send the refusal.

        Raises:
            ConfigurationError: If `OrySessionMiddleware` is not around this middleware.
        """
        if scope["type"] != "lifespan" and scope["path"] not in self._public_paths:
            try:
                context = require_auth_context(scope)
                await context.guard.enforcement.require(scope, context, self.requirement)
            except Refusal as refusal:
                refusal.resource_metadata = self._resource_metadata
                await (await refusal_handler(HTTPConnection(scope), refusal))(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def logout_response(request: Request, *, return_to: str | None = None) -> Response:
    """Log out the session of a request, and return the response: 303 for a form of a browser, 204 otherwise.

    Call it from a POST route: any page of another site can cause a GET request.

    Args:
        request: The request.
        return_to: The page that a browser is redirected to. If it does not belong to the application, the start
            page is used.

    Raises:
        ConfigurationError: If the method is not POST, or the middleware is not installed.
        Refusal: As for `OryGuard.logout`: 403 for a cross-site request or a JWT, 401 for an invalid credential.
        KratosUnavailable: If a session may still be active; the response is 503.
    """
    if request.method != "POST":
        raise ConfigurationError(
            f"logout_response does not accept {request.method}: give its route methods=['POST']"
        )
    guard = get_guard(request.scope)
    set_cookies = await guard.logout(request)
    response = Response(status_code=204)
    if guard.settings.app_url is not None and is_navigation(request.scope):
        response = RedirectResponse(safe_return_to(return_to, guard.settings), status_code=303)
    for value in set_cookies:
        response.headers.append("set-cookie", value)
    response.headers["cache-control"] = "no-store"
    return response
