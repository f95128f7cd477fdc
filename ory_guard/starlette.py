"""Starlette without FastAPI: a decorator for endpoints."""

import inspect
from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard import guard_in
from ory_guard.policy import ANY_SESSION, AssuranceLevel, Condition, Requirement

__all__ = ["session_required"]

P = ParamSpec("P")
R = TypeVar("R")


@overload
def session_required(endpoint: Callable[P, Any], /) -> Callable[P, Awaitable[Any]]: ...


@overload
def session_required(
    *,
    aal: AssuranceLevel | None = None,
    max_age: float | None = None,
    authentication_methods: Collection[str] = (),
    verified: bool | str = False,
    organization: str | None = None,
    when: Condition | None = None,
    revalidate: bool = False,
) -> Callable[[Callable[P, Any]], Callable[P, Awaitable[Any]]]: ...


def session_required(endpoint: Callable[P, Any] | None = None, /, **conditions: Any) -> Any:
    """Let an endpoint run only for sessions that meet every condition.

    Use it as `@session_required` or as `@session_required(aal="aal2", max_age=300)`, on functions and on methods
    of `HTTPEndpoint` and `WebSocketEndpoint` that take the request or websocket. The session is
    `request.state.session`. The conditions are those of `ory_guard.policy.Requirement`.

    Raises:
        ConfigurationError: A condition has no meaning, or the endpoint takes neither request nor websocket.
    """
    requirement = Requirement(**conditions) if conditions else ANY_SESSION
    if endpoint is not None:
        return _guarded(endpoint, requirement)
    return lambda decorated: _guarded(decorated, requirement)


def _guarded(endpoint: Callable[P, Any], requirement: Requirement) -> Callable[P, Awaitable[Any]]:
    parameters = list(inspect.signature(endpoint).parameters)
    name = next((name for name in ("request", "websocket") if name in parameters), None)
    if name is None:
        raise ConfigurationError(f"{endpoint!r} takes neither 'request' nor 'websocket', so it can't be guarded")
    position = parameters.index(name)

    @wraps(endpoint)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        connection = kwargs.get(name, args[position] if position < len(args) else None)
        assert isinstance(connection, HTTPConnection)  # noqa: S101 - what Starlette calls endpoints with
        await guard_in(connection.scope).enforce(connection.scope, requirement)
        if inspect.iscoroutinefunction(endpoint):
            return await endpoint(*args, **kwargs)
        return await run_in_threadpool(endpoint, *args, **kwargs)

    return guarded
