"""Detect declarations that FastAPI reads differently from how they look.

FastAPI calls any dependency and reads any other parameter from the request. `Depends(require)` without a call,
`Depends` with a class instead of an instance, and a parameter of type `Session` therefore leave a route open. These
functions recognize such declarations; `ory_guard.guard.fastapi_route_check` applies them to an application.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NoReturn, TypeVar, Union, get_args, get_origin
from weakref import WeakKeyDictionary, ref

from pydantic import TypeAdapter

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.requirements import Requirement
from ory_guard.models.outcomes import (
    Anonymous,
    Authenticated,
    Rejected,
    SecondFactorRequired,
    SessionAuth,
    SessionUser,
    Unavailable,
)
from ory_guard.models.session import Identity, Session

__all__ = [
    "FROM_APPLICATION",
    "GuardDependency",
    "MustBeCalled",
    "dependency_error",
    "is_dependency_class",
    "is_shadowed_endpoint",
    "parameter_error",
    "record_wrapper",
    "unwrap_partial",
]

F = TypeVar("F", bound=Callable[..., Any])

_OUTCOMES: Final = (Authenticated, Anonymous, Rejected, SecondFactorRequired, Unavailable)
_TRUSTED_TYPES: Final = (Session, Identity, *_OUTCOMES, SessionUser, SessionAuth, Requirement)
_PLAIN_TYPES: Final = ("str", "int", "float", "bool", "bytes")
_OUTPUT_KEYS: Final = frozenset({"serialization", "computed_fields", "default", "metadata"})

_EXAMPLES: Final[WeakKeyDictionary[Callable[..., Any], str]] = WeakKeyDictionary()
_WRAPPERS: Final[WeakKeyDictionary[Callable[..., Any], list["ref[Callable[..., Any]]"]]] = WeakKeyDictionary()


class GuardDependency:
    """Base class of the dependencies in `ory_guard.fastapi`."""


class MustBeCalled:
    """Decorator that refuses a factory of dependencies as a dependency itself.

    FastAPI builds a pydantic schema for each parameter of a dependency. With this object as the annotation of the
    first parameter, that fails, so the error is raised when the route is defined.

    Args:
        example: The correct line.
    """

    def __init__(self, example: str) -> None:
        self._example = example

    def __call__(self, factory: F) -> F:
        """Register a factory, to recognize it in a `functools.partial`, too, and annotate its signature."""
        _EXAMPLES[factory] = self._example
        signature = inspect.signature(factory)
        first, *others = _expanded(signature)
        first = first.replace(annotation=Annotated[first.annotation, self])
        vars(factory)["__signature__"] = signature.replace(parameters=[first, *others])
        return factory

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> NoReturn:
        raise ConfigurationError(_without_call(self._example))


def _expanded(signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    """Yield the parameters of a factory, with a parameter for each condition in place of `**conditions`."""
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            for field in fields(Requirement):
                yield inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
                )
        else:
            yield parameter


def _without_call(example: str) -> str:
    return f"the dependency does not check the session, so the route would be open: write {example}"


FROM_APPLICATION: Final = MustBeCalled(
    "Depends(require_session) or Depends(require(...)), or call the method of the guard in your own dependency"
)
"""Annotation of the connection in the methods of a guard, which FastAPI can't provide."""


def unwrap_partial(call: Any) -> Any:
    """Return the callable inside any number of `functools.partial` objects."""
    while isinstance(call, functools.partial):
        call = call.func
    return call


def dependency_error(call: Any, guard_type: type[Any]) -> str | None:
    """Return the reason why a callable is not a valid dependency, with the correct line; None if it is valid.

    Args:
        call: The callable that was passed to `Depends` or `Security`.
        guard_type: The class of guards, whose methods are not dependencies.
    """
    call = unwrap_partial(call)
    if isinstance(call, type):
        if issubclass(call, _TRUSTED_TYPES):
            return f"FastAPI fills Depends({call.__name__}) from the request: {_advice('session', call)}"
        if is_dependency_class(call):
            name = call.__name__
            return f"Depends({name}) creates an object and does not check the session: write Depends({name}())"
        return None
    if isinstance(getattr(call, "__self__", None), guard_type):
        name = call.__name__
        return (
            f"Depends(guard.{name}) passes values from the request to guard.{name}(): write "
            "Depends(require_session) or Depends(require(...)), or call it in your own dependency"
        )
    if inspect.isfunction(call):
        example = _EXAMPLES.get(call)
        return None if example is None else _without_call(example)
    if get_origin(call) is not None and (trusted := _mentioned(call)):
        return f"an annotation with {trusted.__name__} is not a dependency: {_advice('session', trusted)}"
    return None


def is_dependency_class(candidate: type[Any]) -> bool:
    """Return whether instances of a class are dependencies that check the session.

    They are `GuardDependency` objects, or callables with an attribute `requirement`.
    """
    if issubclass(candidate, GuardDependency):
        return True
    bases = candidate.__mro__[:-1]
    if not any("__call__" in vars(base) for base in bases):
        return False
    return any(map(_has_requirement, bases)) and any(map(_imports_this_package, bases))


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


def parameter_error(field: Any) -> str | None:
    """Return the reason why a parameter that FastAPI reads from the request is invalid; None if it is valid.

    Args:
        field: FastAPI's model field, of the path, query, headers, cookies, form or body.
    """
    info = field.field_info
    annotation: Any = Annotated[info.annotation, info]
    adapter = getattr(field, "_type_adapter", None) or TypeAdapter(annotation)
    trusted = _mentioned(info.annotation) or _created(adapter.core_schema)
    if trusted is None:
        if any(isinstance(value, GuardDependency) for value in (info.default, *info.metadata)):
            return f"FastAPI reads the parameter {field.name!r} from the request: write {field.name}=Depends(...)"
        return None
    alternatives = _alternatives(info.annotation)
    name = field.name if alternatives <= {trusted, NoneType} else "session"
    return (
        f"FastAPI reads the parameter {field.name!r} from the request, so a client can forge its "
        f"{trusted.__name__}: " + _advice(name, trusted, optional=NoneType in alternatives)
    )


def _alternatives(annotation: Any) -> set[Any]:
    """Return the members of a union, or the annotation itself, without the metadata of `Annotated`."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_alternatives, get_args(annotation)))
    return {get_origin(annotation) or annotation}


def _advice(name: str, kind: type[Any], *, optional: bool = False) -> str:
    if not issubclass(kind, Session | Identity):
        return f"write {name}: CurrentSession, or read request.state.auth"
    if optional:
        return f"write {name}: OptionalSession"
    if issubclass(kind, Identity):
        return f"write {name}: CurrentIdentity"
    if kind is not Session:
        return f"write {name}: Annotated[{kind.__name__}, Depends(require_session)]"
    return f"write {name}: CurrentSession"


def _mentioned(annotation: Any) -> type[Any] | None:
    """Return the first trusted type in an annotation, such as in `SkipValidation[Session]`."""
    stack = [annotation]
    while stack:
        node = stack.pop(0)
        kind = get_origin(node) or node  # `CurrentSession` contains an alias of `Session`
        if isinstance(kind, type) and issubclass(kind, _TRUSTED_TYPES):
            return kind
        stack += node if isinstance(node, list) else get_args(node)
    return None


def _created(schema: Any) -> type[Any] | None:
    """Return a trusted type that pydantic would create from input, at any depth in other models."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            values = [value for key, value in node.items() if key not in _OUTPUT_KEYS]
        elif isinstance(node, list | tuple):
            values = list(node)
        else:
            continue
        for value in values:
            if isinstance(value, type) and issubclass(value, _TRUSTED_TYPES):
                return value
        stack += values
    return None


def record_wrapper(endpoint: Callable[..., Any], wrapper: Callable[..., Any]) -> None:
    """Record that a decorator returned `wrapper` for `endpoint`, and for everything that `endpoint` wraps."""
    for hidden in _wrapped_chain(endpoint):
        _WRAPPERS.setdefault(hidden, []).append(ref(wrapper))


def _wrapped_chain(endpoint: Any) -> Iterator[Callable[..., Any]]:
    while endpoint is not None:
        endpoint = unwrap_partial(endpoint)
        if inspect.isfunction(endpoint):
            yield endpoint
        endpoint = getattr(endpoint, "__wrapped__", None)


def is_shadowed_endpoint(endpoint: Any, routed: Iterable[Any]) -> bool:
    """Return whether a route calls an endpoint without its `session_required` wrapper by mistake.

    `@session_required` above `@app.get(...)` adds a route for the function, and then binds its name to the wrapper.
    It is not a mistake if the name is still bound to the function, or if a local function also has a route for its
    wrapper.

    Args:
        endpoint: The endpoint of a route.
        routed: The endpoints of all routes of the application.
    """
    endpoint = unwrap_partial(endpoint)
    wrappers = _WRAPPERS.get(endpoint) if inspect.isfunction(endpoint) else None
    if wrappers is None:
        return False
    if "<locals>" in endpoint.__qualname__:
        return not any(wrapper() is known for wrapper in wrappers for known in routed)
    bound: Any = sys.modules.get(endpoint.__module__)
    for name in endpoint.__qualname__.split("."):
        bound = getattr(bound, name, None)
    return bound is not endpoint
