"""Detect dependencies that FastAPI calls without a check of the session.

They are factories of dependencies, classes in place of their instances, methods of the guard, and annotations;
`ory_guard.guard.fastapi_declarations` describes why such a route would be open.
"""

import functools
import inspect
import sys
from types import FunctionType
from typing import Any, Final, get_args, get_origin

from ory_guard.guard.fastapi_declarations import (
    TRUSTED_TYPES,
    GuardDependency,
    advice,
    example_of,
    mentioned_type,
    unwrap_partial,
    without_call,
)
from ory_guard.guard.fastapi_dependency_factories import (
    returns_dependency,
    takes_connection,
    uses_in_body,
    uses_in_signature,
)
from ory_guard.guard.requirements import Requirement

__all__ = ["dependency_error"]

_PLAIN_TYPES: Final = ("str", "int", "float", "bool", "bytes")


def dependency_error(call: Any, guard_type: type[Any]) -> str | None:
    """Return the reason why a callable is not a valid dependency, with the correct line; None if it is valid.

    Args:
        call: The callable that was passed to `Depends` or `Security`.
        guard_type: The class of guards, whose methods are not dependencies.
    """
    call = unwrap_partial(call)
    if isinstance(call, type):
        if issubclass(call, TRUSTED_TYPES):
            return f"FastAPI fills Depends({call.__name__}) from the request: {advice('session', call)}"
        if _is_dependency_class(call, guard_type):
            name = call.__name__
            return f"Depends({name}) creates an object and does not check the session: write Depends({name}())"
        return None
    if isinstance(getattr(call, "__self__", None), guard_type):
        name = call.__name__
        return (
            f"Depends(guard.{name}) passes values from the request to guard.{name}(): write "
            "Depends(require_session) or Depends(require(...)), or call it in your own dependency"
        )
    if inspect.isfunction(call) and (example := example_of(call)) is not None:
        return without_call(example)
    if returns_dependency(call, _is_factory, functools.partial(_checks_session, guard_type)):
        name = call.__name__
        return (
            f"Depends({name}) ignores the dependency that {name} returns, so the route would be open: write "
            f"Depends({name}(...)), or pass the dependency itself"
        )
    if get_origin(call) is not None and (trusted := mentioned_type(call)):
        return f"an annotation with {trusted.__name__} is not a dependency: {advice('session', trusted)}"
    return None


def _is_dependency_class(candidate: type[Any], guard_type: type[Any]) -> bool:
    """Return whether instances of a class are dependencies that check the session.

    They are `GuardDependency` objects, or callables that have an attribute `requirement` or use the guard.
    """
    if issubclass(candidate, GuardDependency):
        return True
    bases = candidate.__mro__[:-1]
    calls = [call for base in bases if inspect.isfunction(call := vars(base).get("__call__"))]
    if any(map(_has_requirement, bases)) and any(map(_imports_this_package, bases)):
        return bool(calls)
    checks = functools.partial(_checks_session, guard_type)
    constructors = [init for base in bases if inspect.isfunction(init := vars(base).get("__init__"))]
    return any(
        uses_in_signature(call, checks)
        or (takes_connection(call) and uses_in_body(call, checks))
        or any(uses_in_body(init, _is_factory) for init in constructors)
        for call in calls
    )


def _is_factory(value: Any) -> bool:
    return type(value) is FunctionType and example_of(value) is not None


def _checks_session(guard_type: type[Any], value: Any) -> bool:
    """Return whether a value checks the session, or is an annotation that does.

    Nothing is read from objects of other libraries: a proxy raises an error outside of its context.
    """
    kind = type(value)
    if issubclass(kind, GuardDependency | guard_type) or _is_factory(value):
        return True
    if kind.__module__ == "fastapi.params":
        return issubclass(type(value.dependency), GuardDependency)
    return kind.__module__ == "typing" and any(_checks_session(guard_type, item) for item in get_args(value))


def _has_requirement(kind: type[Any]) -> bool:
    names = vars(kind)
    value, annotation = names.get("requirement"), names.get("__annotations__", {}).get("requirement", "")
    if isinstance(value, Requirement) or hasattr(type(value), "__get__") or "Requirement" in str(annotation):
        return True
    return any(map(_uses_requirement, names.values()))


def _uses_requirement(method: Any) -> bool:
    method = inspect.unwrap(getattr(method, "__func__", method))
    if not inspect.isfunction(method) or "requirement" not in method.__code__.co_names:
        return False
    annotation = method.__annotations__.get("requirement")
    return getattr(annotation, "__name__", annotation) not in _PLAIN_TYPES


def _imports_this_package(kind: type[Any]) -> bool:
    package = __name__.partition(".")[0]
    names = vars(sys.modules.get(kind.__module__, inspect))
    origins = (getattr(value, "__module__", getattr(value, "__name__", "")) for value in names.values())
    return any(isinstance(origin, str) and origin.partition(".")[0] == package for origin in origins)
