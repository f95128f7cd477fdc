"""Starlette without FastAPI: a decorator for endpoints, a default for whole applications, and signing out."""

import inspect
from collections.abc import Callable, Collection, Coroutine
from functools import wraps
from typing import Annotated, Any, Final, ParamSpec, TypeVar, overload
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.guard.declarations import MustBeCalled, record_wrapper
from ory_guard.guard.guard import get_guard
from ory_guard.guard.requirements import ANY_SESSION, AssuranceLevel, Condition, Requirement
from ory_guard.guard.responses.redirects import safe_return_to
from ory_guard.guard.responses.refusals import is_navigation, refusal_handler

__all__ = ["SessionRequiredMiddleware", "logout_response", "requirement_of", "session_required"]

P = ParamSpec("P")
R = TypeVar("R")

_GUARDED: Final[WeakKeyDictionary[Callable[..., Any], Requirement]] = WeakKeyDictionary()

_SESSION_REQUIRED: Final = MustBeCalled("Depends(require_session), or @session_required below @app.get(...)")


@overload
def session_required(endpoint: Callable[P, Any], /) -> Callable[P, Coroutine[Any, Any, Any]]: ...


@overload
def session_required(
    *,
    aal: AssuranceLevel | None = None,
    max_age: float | None = None,
    authentication_methods: Collection[str] | None = None,
    verified: bool | str = False,
    organization: str | None = None,
    when: Condition | None = None,
    revalidate: bool = False,
) -> Callable[[Callable[P, Any]], Callable[P, Coroutine[Any, Any, Any]]]: ...


@_SESSION_REQUIRED
def session_required(
    endpoint: Annotated[Callable[P, Any] | None, _SESSION_REQUIRED] = None, /, **conditions: Any
) -> Any:
    """Let an endpoint run only for sessions that meet every condition.

    Use it as `@session_required` or as `@session_required(aal="aal2", max_age=300)`, on functions and on methods
    of `HTTPEndpoint` and `WebSocketEndpoint` that take the request or websocket. The session is
    `request.state.ory_session`. The conditions are those of `ory_guard.Requirement`. With FastAPI it has to
    be below the decorator of the route.

    Raises:
        ConfigurationError: A condition has no meaning, or the endpoint takes neither request nor websocket.
    """
    requirement = Requirement(**conditions) if conditions else ANY_SESSION
    if endpoint is not None:
        return _guarded(endpoint, requirement)
    return lambda decorated: _guarded(decorated, requirement)


def _guarded(endpoint: Callable[P, Any], requirement: Requirement) -> Callable[P, Coroutine[Any, Any, Any]]:
    parameters = list(inspect.signature(endpoint).parameters)
    name = next((name for name in ("request", "websocket") if name in parameters), None)
    if name is None:
        raise ConfigurationError(f"{endpoint!r} takes neither 'request' nor 'websocket', so it can't be guarded")
    position = parameters.index(name)
    is_asynchronous = any(map(inspect.iscoroutinefunction, (endpoint, type(endpoint).__call__)))

    @wraps(endpoint)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        connection = kwargs.get(name, args[position] if position < len(args) else None)
        assert isinstance(connection, HTTPConnection)  # noqa: S101 - what Starlette calls endpoints with
        await get_guard(connection.scope).enforce(connection.scope, requirement)
        if is_asynchronous:
            return await endpoint(*args, **kwargs)
        return await run_in_threadpool(endpoint, *args, **kwargs)

    _GUARDED[guarded] = requirement
    record_wrapper(endpoint, guarded)
    return guarded


def requirement_of(endpoint: Callable[..., Any]) -> Requirement | None:
    """Return what `session_required` asks for in front of an endpoint, or None for an endpoint without it.

    Another decorator around it hides it: nobody can tell whether that calls it.
    """
    return _GUARDED.get(endpoint)


class SessionRequiredMiddleware:
    """Asks for a session everywhere but on the paths that are named: a default of "no".

    Add it before `OrySessionMiddleware`, so that it runs inside of it. It guards what no dependency reaches too:
    mounted applications, static files, the pages of the documentation.

    Args:
        app: The ASGI application.
        public: Exact decoded paths that anybody may open.
        **conditions: Those of `ory_guard.Requirement`.

    Attributes:
        public: The paths that anybody may open.
        requirement: What is asked for everywhere else.

    Raises:
        ConfigurationError: A condition has no meaning, or `public` is a string.
    """

    def __init__(self, app: ASGIApp, /, public: Collection[str] = (), **conditions: Any) -> None:
        if isinstance(public, str):
            raise ConfigurationError(f"public: {public!r} is one string: pass a list of paths, ({public!r},)")
        self._app = app
        self.public: frozenset[str] = frozenset(public)
        self.requirement: Requirement = Requirement(**conditions) if conditions else ANY_SESSION

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass, or answer why not."""
        if scope["type"] != "lifespan" and scope["path"] not in self.public:
            try:
                await get_guard(scope).enforce(scope, self.requirement)
            except Refusal as refusal:
                await (await refusal_handler(HTTPConnection(scope), refusal))(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def logout_response(request: Request, *, return_to: str | None = None) -> Response:
    """Log the caller out at Kratos and here, and return the response: 303 for a browser's form, 204 otherwise.

    For a POST route of the application: any page of another site can cause a GET.

    Args:
        request: The request.
        return_to: The page that a browser is sent to afterwards; it must belong to the application.

    Raises:
        ConfigurationError: If the method is not POST, or the middleware is not installed.
        Refusal: As for `OryGuard.logout`: 403 for a cross-site request or a JWT, 401 for an invalid credential.
        KratosUnavailable: If a session may not have ended; answered 503.
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
