"""The middlewares and wrappers around an ASGI application, outermost first."""

import inspect
from collections.abc import Iterator
from typing import Any, Final

from starlette.middleware.base import BaseHTTPMiddleware

from ory_guard.guard.fastapi_declarations import unwrap_partial
from ory_guard.guard.middleware import OrySessionMiddleware
from ory_guard.starlette.session_requirement import SessionRequiredMiddleware

__all__ = ["is_framework_code", "is_framework_method", "unwrap_middleware"]

_FRAMEWORKS: Final = frozenset({"starlette", "fastapi", "uvicorn"})
_RESPONDING: Final = ("__call__", "build_middleware_stack")


def unwrap_middleware(app: Any) -> tuple[Any, list[Any]]:
    """Return the innermost application, and the relevant layers in front of it.

    A layer is relevant if it is a `SessionRequiredMiddleware`, or if it may respond by itself: a middleware or an
    application of any class outside of Starlette, FastAPI and ory_guard.

    Args:
        app: An application inside any number of middlewares that store it as `app` or `_app`.
    """
    layers = list(_wrappers(app))
    innermost = layers.pop()
    found = [layer for layer in layers if _is_relevant(layer)]
    if hasattr(innermost, "routes"):
        router = getattr(innermost, "router", innermost)
        found += [*_stack_of(innermost), *(_stack_of(router) if router is not innermost else ())]
        owners = (innermost,) if router is innermost else (innermost, router)
        found += [owner for owner in owners if _responds_by_itself(owner)]
    return innermost, [layer.dispatch_func if type(layer) is BaseHTTPMiddleware else layer for layer in found]


def _wrappers(app: Any) -> Iterator[Any]:
    seen: dict[int, Any] = {}
    while id(app) not in seen:
        seen[id(app)] = app
        yield app
        inner = getattr(app, "app", None) or getattr(app, "_app", None)
        if hasattr(app, "routes") or inner is None or inspect.ismethod(inner):
            return
        app = inner


def _stack_of(app: Any) -> Iterator[Any]:
    """Yield the relevant middlewares of an application, whether or not its stack is built."""
    stack = getattr(app, "middleware_stack", None)
    if stack is not None:
        yield from (
            layer for layer in _wrappers(stack) if layer is not getattr(app, "router", app) and _is_relevant(layer)
        )
        return
    for middleware in getattr(app, "user_middleware", ()):
        if middleware.cls is SessionRequiredMiddleware:
            yield SessionRequiredMiddleware(app, *middleware.args, **middleware.kwargs)
        elif middleware.cls is BaseHTTPMiddleware:
            yield BaseHTTPMiddleware(app, *middleware.args, **middleware.kwargs)
        elif not _is_from_framework(middleware.cls):
            yield middleware.cls


def _is_relevant(layer: Any) -> bool:
    kind = type(layer)
    if inspect.ismethod(layer) or inspect.isfunction(layer):
        return not is_framework_code(layer)
    return kind is SessionRequiredMiddleware or kind is BaseHTTPMiddleware or not _is_from_framework(kind)


def _is_from_framework(kind: Any) -> bool:
    return kind is OrySessionMiddleware or (isinstance(kind, type) and _module(kind) in _FRAMEWORKS)


def _responds_by_itself(app: Any) -> bool:
    """Return whether the class of an application or router replaces a method that responds."""
    return any(
        _module(base) not in _FRAMEWORKS
        for base in type(app).__mro__
        if any(name in vars(base) for name in _RESPONDING)
    )


def is_framework_code(call: Any) -> bool:
    """Return whether a callable is a function or method that Starlette or FastAPI defines."""
    call = unwrap_partial(call)
    function = getattr(call, "__func__", call)
    if not inspect.isfunction(function):
        return False
    # `functools.wraps` copies `__module__`, but not the globals.
    return str(function.__globals__.get("__name__", "")).partition(".")[0] in _FRAMEWORKS


def is_framework_method(method: Any, owner: Any) -> bool:
    """Return whether a callable is a method of an object, and Starlette or FastAPI defines it."""
    return getattr(method, "__self__", None) is owner and is_framework_code(method)


def _module(kind: type[Any]) -> str:
    return kind.__module__.partition(".")[0]
