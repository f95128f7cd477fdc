"""The requirements of a route: those of its dependencies and of its endpoint."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ory_guard.guard.fastapi_declarations import GuardDependency, unwrap_partial
from ory_guard.guard.requirements import ANY_SESSION, Requirement
from ory_guard.starlette.session_requirement import get_requirement

__all__ = ["describe_requirement", "iter_requirements", "requirement_of_dependency", "requirement_of_endpoint"]

_DEPENDENCIES_MODULE: Final = "ory_guard.fastapi.dependencies"


def requirement_of_dependency(call: Any) -> Requirement | None:
    """Return the requirement that a dependency enforces, or None if it has none or can't be inspected.

    A class in place of a dependency only creates an instance. A subclass of a dependency that replaces `__call__`
    may skip the check.
    """
    call = unwrap_partial(call)
    call = getattr(call, "__func__", call)
    if inspect.isfunction(call):
        # `functools.wraps` copies attributes, so an attribute `requirement` of a function proves nothing.
        return get_requirement(call)
    if isinstance(call, type) or (isinstance(call, GuardDependency) and not _has_original_call(call)):
        return None
    requirement = getattr(call, "requirement", None)
    return requirement if isinstance(requirement, Requirement) else None


def _has_original_call(dependency: GuardDependency) -> bool:
    return (
        next(base for base in type(dependency).__mro__ if "__call__" in vars(base)).__module__
        == _DEPENDENCIES_MODULE
    )


def requirement_of_endpoint(endpoint: Any) -> Requirement | None:
    """Return the requirement of an endpoint with `@session_required`, or None."""
    endpoint = unwrap_partial(endpoint)
    function = getattr(endpoint, "__func__", endpoint)
    return get_requirement(function) if inspect.isfunction(function) else None


def iter_requirements(dependant: Any, overrides: Mapping[Any, Any]) -> Iterator[Requirement]:
    """Yield the requirements of an endpoint and of all its dependencies.

    Args:
        dependant: FastAPI's `Dependant` of the endpoint.
        overrides: The `dependency_overrides` that apply to the endpoint.
    """
    found = [requirement_of_endpoint(dependant.call)]
    for dependency in dependant.dependencies:
        if dependency.call in overrides:
            found.append(requirement_of_dependency(overrides[dependency.call]))
        else:
            found.append(requirement_of_dependency(dependency.call))
            yield from iter_requirements(dependency, overrides)
    yield from (requirement for requirement in found if requirement is not None)


def describe_requirement(requirement: Requirement) -> str:
    """Return a requirement in words."""
    if requirement == ANY_SESSION:
        return "session"
    words: list[str] = [requirement.aal or "session"]
    if requirement.max_age is not None:
        words.append(f"max age {requirement.max_age:g} s")
    if requirement.authentication_methods:
        words.append("by " + " or ".join(sorted(requirement.authentication_methods)))
    if requirement.verified is not False:
        words.append("verified address" if requirement.verified is True else f"verified {requirement.verified}")
    if requirement.organization is not None:
        words.append(f"organization {requirement.organization}")
    if requirement.when is not None:
        words.append(f"when {_name_of(requirement.when)}")
    if requirement.revalidate:
        words.append("revalidated")
    return ", ".join(words)


def _name_of(condition: Callable[..., Any]) -> str:
    return getattr(condition, "__name__", type(condition).__name__)
