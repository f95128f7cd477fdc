"""What guards one route: the requirements of its dependencies, its endpoint, and the middlewares around it."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ory_guard.policy import ANY_SESSION, Requirement
from ory_guard.starlette import SessionRequiredMiddleware, requirement_of

__all__ = ["Door", "describe", "doors_around", "gates_in", "requirement_asked_by"]

Door = SessionRequiredMiddleware

_DEEPEST: Final = 100


def requirement_asked_by(call: Any) -> Requirement | None:
    """Return what a dependency or an endpoint asks for, or None where it asks for nothing that can be seen."""
    while isinstance(call, functools.partial):
        call = call.func
    call = getattr(call, "__func__", call)
    if inspect.isfunction(call):
        # `functools.wraps` copies attributes, so an attribute of a function says nothing about its wrapper.
        return requirement_of(call)
    found = getattr(call, "requirement", None)
    return found if isinstance(found, Requirement) else None


def gates_in(dependant: Any, overrides: Mapping[Any, Any]) -> Iterator[Requirement]:
    """Yield what an endpoint and everything that it depends on ask for.

    Args:
        dependant: FastAPI's description of the endpoint.
        overrides: The application's `dependency_overrides`.
    """
    found = requirement_asked_by(dependant.call)
    if found is not None:
        yield found
    for dependency in dependant.dependencies:
        if dependency.call in overrides:
            found = requirement_asked_by(overrides[dependency.call])
            if found is not None:
                yield found
        else:
            yield from gates_in(dependency, overrides)


def doors_around(app: Any) -> tuple[Any, list[Door]]:
    """Return the innermost application that an ASGI application wraps, and the middlewares that ask for a session.

    Args:
        app: An application inside of any number of middlewares that keep it as `app` or `_app`.
    """
    doors: list[Door] = []
    innermost = app
    for layer in _layers(app):
        innermost = layer
        if type(layer) is Door:
            doors.append(layer)
    router = getattr(innermost, "router", innermost)
    doors += [layer for layer in _layers(getattr(router, "middleware_stack", None)) if type(layer) is Door]
    for middleware in getattr(innermost, "user_middleware", ()):
        if middleware.cls is Door:
            doors.append(middleware.cls(innermost, *middleware.args, **middleware.kwargs))
    return innermost, doors


def _layers(app: Any) -> Iterator[Any]:
    for _ in range(_DEEPEST):
        if app is None or inspect.ismethod(app):
            return
        yield app
        if hasattr(app, "routes"):
            return
        app = getattr(app, "app", None) or getattr(app, "_app", None)


def describe(requirement: Requirement) -> str:
    """Return a requirement in words."""
    if requirement == ANY_SESSION:
        return "session"
    words: list[str] = [requirement.aal or "session"]
    if requirement.max_age is not None:
        words.append(f"at most {requirement.max_age:g} s old")
    if requirement.authentication_methods:
        words.append("by " + " or ".join(sorted(requirement.authentication_methods)))
    if requirement.verified is not False:
        words.append("verified address" if requirement.verified is True else f"verified {requirement.verified}")
    if requirement.organization is not None:
        words.append(f"organization {requirement.organization}")
    if requirement.when is not None:
        words.append(f"when {_name_of(requirement.when)}")
    if requirement.revalidate:
        words.append("asked each time")
    return ", ".join(words)


def _name_of(condition: Callable[..., Any]) -> str:
    return getattr(condition, "__name__", type(condition).__name__)
