"""The middlewares and wrappers around an ASGI application, from the outside to the inside."""

import inspect
from collections.abc import Iterator
from typing import Any, Final

from starlette.middleware.base import BaseHTTPMiddleware

from ory_guard.guard.declarations import unwrap_partial
from ory_guard.guard.middleware import OrySessionMiddleware
from ory_guard.starlette.session_required import SessionRequiredMiddleware

__all__ = ["Guard", "is_framework_code", "layers_around"]

Guard = SessionRequiredMiddleware
"""The one middleware that guards what is behind it."""

_FRAMEWORKS: Final = frozenset({"starlette", "fastapi", "uvicorn"})
_RESPONDING: Final = ("__call__", "build_middleware_stack")


def layers_around(app: Any) -> tuple[Any, list[Any]]:
    """Return the innermost application, and the layers in front of it that matter.

    A layer is a `SessionRequiredMiddleware`, or anything that may respond by itself: a middleware or an application
    of a class that belongs neither to a framework nor to ory_guard.

    Args:
        app: An application inside of any number of middlewares that keep it as `app` or `_app`.
    """
    layers = list(_wrappers(app))
    innermost = layers.pop()
    found = [layer for layer in layers if _matters(layer)]
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
    """Yield the layers that matter of an application's own middlewares, whether they are built or not."""
    stack = getattr(app, "middleware_stack", None)
    if stack is not None:
        yield from (
            layer for layer in _wrappers(stack) if layer is not getattr(app, "router", app) and _matters(layer)
        )
        return
    for middleware in getattr(app, "user_middleware", ()):
        if middleware.cls is Guard:
            yield Guard(app, *middleware.args, **middleware.kwargs)
        elif middleware.cls is BaseHTTPMiddleware:
            yield BaseHTTPMiddleware(app, *middleware.args, **middleware.kwargs)
        elif not _is_known(middleware.cls):
            yield middleware.cls


def _matters(layer: Any) -> bool:
    kind = type(layer)
    if inspect.ismethod(layer) or inspect.isfunction(layer):
        return not is_framework_code(layer)
    return kind is Guard or kind is BaseHTTPMiddleware or not _is_known(kind)


def _is_known(kind: Any) -> bool:
    return kind is OrySessionMiddleware or (isinstance(kind, type) and _module(kind) in _FRAMEWORKS)


def _responds_by_itself(app: Any) -> bool:
    """Return whether the class of an application or router replaces how it responds."""
    return any(
        _module(base) not in _FRAMEWORKS
        for base in type(app).__mro__
        if any(name in vars(base) for name in _RESPONDING)
    )


def is_framework_code(call: Any) -> bool:
    """Return whether Starlette or FastAPI defines a function, a method or the class of an object."""
    call = unwrap_partial(call)
    function = getattr(call, "__func__", call)
    if not inspect.isfunction(function):
        return _module(type(function)) in _FRAMEWORKS
    # Not its `__module__`, which `functools.wraps` copies.
    return str(function.__globals__.get("__name__", "")).partition(".")[0] in _FRAMEWORKS


def _module(kind: type[Any]) -> str:
    return kind.__module__.partition(".")[0]
