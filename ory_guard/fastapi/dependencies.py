"""FastAPI: dependencies that let a request pass or refuse it, and the OpenAPI that says so.

Each dependency is one callable without sub-dependencies, works on http and websocket routes alike, and keeps no
state: whatever it knows comes from the middleware's check in the scope.
"""

import asyncio
import inspect
from collections.abc import Callable, Collection, Coroutine, MutableMapping
from functools import lru_cache
from typing import Annotated, Any, Final, NoReturn, TypeVar, cast

try:
    from fastapi import Depends, FastAPI
    from fastapi.openapi.models import APIKey, APIKeyIn
    from fastapi.requests import HTTPConnection
    from fastapi.security.base import SecurityBase
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.fastapi needs {_error.name}: install the extra with pip install 'ory-guard[fastapi]'",
        name=_error.name,
    ) from None

from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi.openapi import OPTIONAL_SCHEME, SCHEME, describe
from ory_guard.guard.declarations import Gate, MustBeCalled
from ory_guard.guard.guard import OryGuard, get_guard
from ory_guard.guard.middleware import OrySessionMiddleware
from ory_guard.guard.requirements import ANY_SESSION, AssuranceLevel, Condition, Requirement
from ory_guard.models.session import Identity, Session
from ory_guard.starlette.audit import assert_guarded, audit_routes

__all__ = [
    "CurrentIdentity",
    "CurrentSession",
    "OptionalSession",
    "assert_guarded",
    "audit_routes",
    "install",
    "optional_session",
    "require",
    "require_aal",
    "require_fresh",
    "require_session",
]

_NO_CONNECTION: Final = cast(HTTPConnection, None)
_REQUIRE: Final = MustBeCalled('Depends(require(aal="aal2"))')
_REQUIRE_AAL: Final = MustBeCalled('Depends(require_aal("aal2"))')
_REQUIRE_FRESH: Final = MustBeCalled("Depends(require_fresh(300))")

C = TypeVar("C", bound=Callable[..., Coroutine[Any, Any, Any]])


def _coroutine_function(call: C) -> C:
    """Mark a function that returns a coroutine, so that FastAPI awaits it instead of running it in a thread."""
    vars(call)["_is_coroutine"] = getattr(asyncio.coroutines, "_is_coroutine", None)  # Python 3.11
    marked: C = getattr(inspect, "markcoroutinefunction", lambda function: function)(call)
    return marked


class _Dependency(Gate, SecurityBase):
    """A gate, which FastAPI takes for a security scheme; `install` puts the real alternatives in its place."""

    def __init__(self, name: str) -> None:
        self.scheme_name: str = name
        self.model: APIKey = APIKey(**{"in": APIKeyIn.cookie}, name="ory_kratos_session")

    @property
    def dependency(self) -> NoReturn:
        """What FastAPI reads from the items of `dependencies=[...]`.

        Raises:
            ConfigurationError: Always: the item has to be `Depends(...)`.
        """
        raise ConfigurationError(
            "dependencies=[...] contains a gate itself: write dependencies=[Depends(require_session)] or "
            "dependencies=[Depends(require(...))]"
        )

    def _scope_of(self, connection: HTTPConnection) -> MutableMapping[str, Any]:
        if not isinstance(connection, HTTPConnection):
            raise ConfigurationError(
                f"a gate was called with {connection!r} in place of a request: write Depends(require_session) or "
                "Depends(require(...)), without another call"
            )
        return connection.scope


class SessionDependency(_Dependency):
    """A dependency that returns the session if it meets a requirement; made by `require`.

    Attributes:
        requirement: The conditions.
    """

    def __init__(self, requirement: Annotated[Requirement, _REQUIRE]) -> None:
        super().__init__(SCHEME)
        self.requirement = requirement

    def __repr__(self) -> str:
        return f"<require {self.requirement!r}>"

    @_coroutine_function
    def __call__(self, connection: HTTPConnection = _NO_CONNECTION) -> Coroutine[Any, Any, Session[Any]]:
        """Return the session.

        Raises:
            Refusal: If there is no session, or it does not meet the requirement.
            ConfigurationError: If the middleware is missing, or the argument is not a connection.
        """
        scope = self._scope_of(connection)
        return get_guard(scope).enforce(scope, self.requirement)


class IdentityDependency(_Dependency):
    """A dependency that returns the session's identity.

    Attributes:
        requirement: The conditions: a session.
    """

    requirement = ANY_SESSION

    def __init__(self) -> None:
        super().__init__(SCHEME)

    @_coroutine_function
    def __call__(self, connection: HTTPConnection = _NO_CONNECTION) -> Coroutine[Any, Any, Identity[Any]]:
        """Return the identity.

        Raises:
            Refusal: If there is no session.
            ConfigurationError: If the middleware is missing, or the argument is not a connection.
        """
        return _identity_in(self._scope_of(connection), self.requirement)


async def _identity_in(scope: MutableMapping[str, Any], requirement: Requirement) -> Identity[Any]:
    return (await get_guard(scope).enforce(scope, requirement)).identity


class OptionalSessionDependency(_Dependency):
    """A dependency that returns the session or None."""

    def __init__(self) -> None:
        super().__init__(OPTIONAL_SCHEME)

    @_coroutine_function
    def __call__(self, connection: HTTPConnection = _NO_CONNECTION) -> Coroutine[Any, Any, Session[Any] | None]:
        """Return the session, or None for every other outcome, a cross-site request with a cookie included.

        Raises:
            ConfigurationError: If the middleware is missing, or the argument is not a connection.
        """
        scope = self._scope_of(connection)
        return get_guard(scope).enforce_optional(scope)


_require = lru_cache(maxsize=None)(SessionDependency)


@_REQUIRE
def require(
    *,
    aal: Annotated[AssuranceLevel | None, _REQUIRE] = None,
    max_age: float | None = None,
    authentication_methods: Collection[str] | None = None,
    verified: bool | str = False,
    organization: str | None = None,
    when: Condition | None = None,
    revalidate: bool = False,
) -> SessionDependency:
    """Return a dependency that passes sessions which meet every condition; equal arguments give the same object.

    Args:
        aal: `aal1` or `aal2`: the least assurance level.
        max_age: The greatest age of the sign-in in seconds; with `aal="aal2"` that of the second factor.
        authentication_methods: At least one of these was used to sign in.
        verified: True for any verified address, or the `via` of the one that must be verified (`"email"`).
        organization: The `organization_id` that the identity must have.
        when: A condition of your own, `Session -> bool`, awaitable or not; what it raises is your application's
            error and lets nobody pass.
        revalidate: Ask Kratos on every request, whatever is kept.

    Raises:
        ConfigurationError: A value is none of those.
    """
    requirement = Requirement(aal, max_age, authentication_methods, verified, organization, when, revalidate)
    return _require(ANY_SESSION if requirement == ANY_SESSION else requirement)


@_REQUIRE_AAL
def require_aal(aal: Annotated[AssuranceLevel, _REQUIRE_AAL]) -> SessionDependency:
    """Return a dependency that asks for an assurance level; see `require`."""
    return require(aal=aal)


@_REQUIRE_FRESH
def require_fresh(max_age: Annotated[float, _REQUIRE_FRESH]) -> SessionDependency:
    """Return a dependency that asks for a sign-in at most `max_age` seconds ago; see `require`."""
    return require(max_age=max_age)


require_session: SessionDependency = require()
"""The dependency that asks for a session and nothing else."""

optional_session: OptionalSessionDependency = OptionalSessionDependency()
"""The dependency that gives the session or None."""

require_identity: IdentityDependency = IdentityDependency()
"""The dependency that asks for a session and gives its identity."""

CurrentSession = Annotated[Session, Depends(require_session)]
OptionalSession = Annotated[Session | None, Depends(optional_session)]
CurrentIdentity = Annotated[Identity, Depends(require_identity)]


def install(app: FastAPI, guard: OryGuard) -> None:
    """Add the middleware to `app`, and tell in its OpenAPI how guarded operations are called and refused.

    Raises:
        ConfigurationError: `guard` is no `OryGuard`.
    """
    if not isinstance(guard, OryGuard):
        raise ConfigurationError(f"install() was given {guard!r} as its guard: pass an OryGuard")
    app.add_middleware(OrySessionMiddleware, guard=guard)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()  # FastAPI keeps it, until a route is added; so it may be described already
        describe(schema, guard.settings)
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the schema
