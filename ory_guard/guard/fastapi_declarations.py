"""Detect declarations that FastAPI reads differently from how they look.

FastAPI calls any dependency and reads any other parameter from the request. `Depends(require)` without a call,
`Depends` with a class instead of an instance, and a parameter of type `Session` therefore leave a route open. These
functions recognize such declarations, those of `ory_guard.guard.fastapi_dependency_errors` the dependencies;
`ory_guard.guard.fastapi_route_check` applies them to an application.
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
    "TRUSTED_TYPES",
    "GuardDependency",
    "MustBeCalled",
    "advice",
    "example_of",
    "is_shadowed_endpoint",
    "mentioned_type",
    "parameter_error",
    "record_wrapper",
    "unwrap_partial",
    "without_call",
]

F = TypeVar("F", bound=Callable[..., Any])

_OUTCOMES: Final = (Authenticated, Anonymous, Rejected, SecondFactorRequired, Unavailable)
TRUSTED_TYPES: Final = (Session, Identity, *_OUTCOMES, SessionUser, SessionAuth, Requirement)
"""The types of objects that only the guard may create."""

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
        raise ConfigurationError(without_call(self._example))


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


def without_call(example: str) -> str:
    """Return the reason why a factory of dependencies is not a dependency.

    Args:
        example: The correct line.
    """
    return f"the dependency does not check the session, so the route would be open: write {example}"


FROM_APPLICATION: Final = MustBeCalled(
    "Depends(require_session) or Depends(require(...)), or call the method of the guard in your own dependency"
)
"""Annotation of the connection in the methods of a guard, which FastAPI can't provide."""


def example_of(factory: Callable[..., Any]) -> str | None:
    """Return the correct line for a factory of dependencies, or None for any other function."""
    return _EXAMPLES.get(factory)


def unwrap_partial(call: Any) -> Any:
    """Return the callable inside any number of `functools.partial` objects."""
    while isinstance(call, functools.partial):
        call = call.func
    return call


def parameter_error(field: Any) -> str | None:
    """Return the reason why a parameter that FastAPI reads from the request is invalid; None if it is valid.

    Args:
        field: FastAPI's model field, of the path, query, headers, cookies, form or body.
    """
    info = field.field_info
    annotation: Any = Annotated[info.annotation, info]
    adapter = getattr(field, "_type_adapter", None) or TypeAdapter(annotation)
    trusted = mentioned_type(info.annotation) or _created(adapter.core_schema)
    if trusted is None:
        if any(isinstance(value, GuardDependency) for value in (info.default, *info.metadata)):
            return f"FastAPI reads the parameter {field.name!r} from the request: write {field.name}=Depends(...)"
        return None
    alternatives = _alternatives(info.annotation)
    name = field.name if alternatives <= {trusted, NoneType} else "session"
    return (
        f"FastAPI reads the parameter {field.name!r} from the request, so a client can forge its "
        f"{trusted.__name__}: " + advice(name, trusted, optional=NoneType in alternatives)
    )


def _alternatives(annotation: Any) -> set[Any]:
    """Return the members of a union, or the annotation itself, without the metadata of `Annotated`."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_alternatives, get_args(annotation)))
    return {get_origin(annotation) or annotation}


def advice(name: str, kind: type[Any], *, optional: bool = False) -> str:
    """Return the correct line for a parameter.

    Args:
        name: The name of the parameter.
        kind: The trusted type in its annotation.
        optional: Whether the annotation allows None.
    """
    if not issubclass(kind, Session | Identity):
        return f"write {name}: CurrentSession, or read request.state.auth"
    if optional:
        return f"write {name}: OptionalSession"
    if issubclass(kind, Identity):
        return f"write {name}: CurrentIdentity"
    if kind is not Session:
        return f"write {name}: Annotated[{kind.__name__}, Depends(require_session)]"
    return f"write {name}: CurrentSession"


def mentioned_type(annotation: Any) -> type[Any] | None:
    """Return the first trusted type in an annotation, such as in `SkipValidation[Session]`."""
    stack = [annotation]
    while stack:
        node = stack.pop(0)
        kind = get_origin(node) or node  # `CurrentSession` contains an alias of `Session`
        if isinstance(kind, type) and issubclass(kind, TRUSTED_TYPES):
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
            if isinstance(value, type) and issubclass(value, TRUSTED_TYPES):
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
