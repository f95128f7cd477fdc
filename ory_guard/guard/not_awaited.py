"""Detect a call of the guard that is not awaited.

Python only warns about such a coroutine, and the application would respond as if the session had been checked, or
as if the user had been logged out.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.guard.context import OUTER_KEY, SCOPE_KEY, AuthContext

__all__ = ["NOT_AWAITED", "call_to_await", "coroutine_function", "not_awaited_error"]

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Coroutine[Any, Any, Any]])

NOT_AWAITED: Final = Refusal("The session was not checked.")
"""The `refusal` of an auth context while a call of the guard is not awaited."""


def coroutine_function(call: C) -> C:
    """Mark a function that returns a coroutine, so that frameworks await it instead of running it in a thread."""
    vars(call)["_is_coroutine"] = getattr(asyncio.coroutines, "_is_coroutine", None)  # Python 3.11
    marked: C = getattr(inspect, "markcoroutinefunction", lambda function: function)(call)
    return marked


def call_to_await(
    name: str, scope: Mapping[str, Any], call: Callable[[], Coroutine[Any, Any, T]], *, keeps_refusal: bool = False
) -> Coroutine[Any, Any, T]:
    """Return a coroutine that runs a call of the guard. Until it is awaited, no response can be started.

    Args:
        name: The name of the call, for the warning of Python.
        scope: The request.
        call: Returns the coroutine of the call.
        keeps_refusal: Whether an earlier refusal can still be the reason of a 500 that follows.
    """
    recorded: AuthContext | None = scope.get(OUTER_KEY) or scope.get(SCOPE_KEY)
    refusal = None
    if recorded is not None:
        if keeps_refusal and recorded.refusal is not NOT_AWAITED:
            refusal = recorded.refusal
        recorded.refusal, recorded.is_private = NOT_AWAITED, True
    coroutine: Any = _run(recorded, refusal, call)
    coroutine.__qualname__ = name
    awaitable: Coroutine[Any, Any, T] = coroutine
    return awaitable


async def _run(
    recorded: AuthContext | None, refusal: Refusal | None, call: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    if recorded is not None:
        recorded.refusal = refusal
    return await call()


def not_awaited_error() -> ConfigurationError:
    """Return the error for a response that starts before the call is awaited."""
    return ConfigurationError(
        "the guard did nothing, because a call is not awaited: write `await guard.require(request)`, or "
        "`await require_session(request)` in a dependency that is an `async def` function"
    )
