"""The requirements of a route: of its dependencies and of its endpoint."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ory_guard.guard.declarations import Gate, unwrap_partial
from ory_guard.guard.requirements import ANY_SESSION, Requirement
from ory_guard.starlette.session_required import requirement_of

__all__ = ["describe", "gates_in", "requirement_asked_by", "requirement_of_endpoint"]

_OUR_GATES: Final = "ory_guard.fastapi.dependencies"


def requirement_asked_by(call: Any) -> Requirement | None:
    """Return the requirement of a dependency, or None if it has none or can't be looked into.

    A class creates an instance and runs no gate. A subclass of our gates that replaces `__call__` may do anything.
    """
    call = unwrap_partial(call)
    call = getattr(call, "__func__", call)
    if inspect.isfunction(call):
        # `functools.wraps` copies attributes, so an attribute of a function says nothing about its wrapper.
        return requirement_of(call)
    if isinstance(call, type) or (isinstance(call, Gate) and not _is_our_call(call)):
        return None
    found = getattr(call, "requirement", None)
    return found if isinstance(found, Requirement) else None


def _is_our_call(gate: Gate) -> bool:
    return next(base for base in type(gate).__mro__ if "__call__" in vars(base)).__module__ == _OUR_GATES


def requirement_of_endpoint(endpoint: Any) -> Requirement | None:
    """Return the requirement that `session_required` put in front of an endpoint, or None."""
    endpoint = unwrap_partial(endpoint)
    function = getattr(endpoint, "__func__", endpoint)
    return requirement_of(function) if inspect.isfunction(function) else None


def gates_in(dependant: Any, overrides: Mapping[Any, Any]) -> Iterator[Requirement]:
    """Yield the requirements of an endpoint and of all its dependencies.

    Args:
        dependant: FastAPI's description of the endpoint.
        overrides: The `dependency_overrides` that apply to it.
    """
    found = [requirement_of_endpoint(dependant.call)]
    for dependency in dependant.dependencies:
        if dependency.call in overrides:
            found.append(requirement_asked_by(overrides[dependency.call]))
        else:
            found.append(requirement_asked_by(dependency.call))
            yield from gates_in(dependency, overrides)
    yield from (requirement for requirement in found if requirement is not None)


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
