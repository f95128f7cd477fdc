"""Dependencies that return the session of a request or reject the request.

Each dependency is one callable without sub-dependencies, for HTTP and websocket routes. It keeps no state: the
session comes from the auth context that the middleware stored in the scope.
"""

from collections.abc import Coroutine, MutableMapping
from functools import lru_cache
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, Unpack, cast

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
from ory_guard.fastapi.openapi import OPTIONAL_SCHEME, SCHEME, add_security_to_schema
from ory_guard.guard.context import SCOPE_KEY, AuthContext, missing_middleware_error
from ory_guard.guard.fastapi_declarations import GuardDependency, MustBeCalled
from ory_guard.guard.not_awaited import NOT_AWAITED, coroutine_function
from ory_guard.guard.requirements import (
    ANY_SESSION,
    AssuranceLevel,
    Conditions,
    Requirement,
    requirement_of,
)
from ory_guard.models.session import Identity, Session, TraitsT

if TYPE_CHECKING:
    from ory_guard.guard.guard import OryGuard

__all__ = [
    "CurrentIdentity",
    "CurrentSession",
    "OptionalSession",
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


class _Dependency(GuardDependency, SecurityBase):
    """Registered by FastAPI as a security scheme, which `install` replaces by the accepted credentials."""

    def __init__(self, name: str) -> None:
        self.scheme_name: str = name
        self.model: APIKey = APIKey(**{"in": APIKeyIn.cookie}, name="ory_kratos_session")

    @property
    def dependency(self) -> NoReturn:
        """Reject an item of `dependencies=[...]` that is not `Depends(...)`; FastAPI reads this attribute.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            "dependencies=[...] contains an item without Depends: write dependencies=[Depends(require_session)] or "
            "dependencies=[Depends(require(...))]"
        )


def _context_error(connection: Any) -> ConfigurationError:
    if isinstance(connection, HTTPConnection):
        return missing_middleware_error()
    return ConfigurationError(
        f"a dependency was called with {connection!r} instead of a request: write Depends(require_session) or "
        "Depends(require(...)), without another call"
    )


class SessionDependency(_Dependency):
    """A dependency that returns the session if it meets a requirement; `require` creates it.

    Args:
        requirement: The conditions that the session must meet.

    Attributes:
        requirement: The conditions that the session must meet.
    """

    def __init__(self, requirement: Annotated[Requirement, _REQUIRE]) -> None:
        super().__init__(SCHEME)
        self.requirement = requirement

    def __repr__(self) -> str:
        return f"<require {self.requirement!r}>"

    @coroutine_function
    def __call__(self, connection: HTTPConnection = _NO_CONNECTION) -> "Coroutine[Any, Any, Session[Any]]":
        """Return the session of the request.

        Raises:
            Refusal: If there is no session, it does not meet the requirement, or it can't be checked.
            ConfigurationError: If the middleware is missing, or the argument is not a connection.
        """
        try:
            scope = connection.scope
            context: AuthContext = scope[SCOPE_KEY]
        except (AttributeError, LookupError):
            raise _context_error(connection) from None
        context.refusal, context.is_private = NOT_AWAITED, True
        return context.guard.enforcement.require(scope, context, self.requirement)


class IdentityDependency(_Dependency):
    """A dependency that returns the identity of the session.

    Attributes:
        requirement: Any session.
    """

    requirement = ANY_SESSION

    def __init__(self) -> None:
        super().__init__(SCHEME)

    @coroutine_function
    def __call__(self, connection: HTTPConnection = _NO_CONNECTION) -> "Coroutine[Any, Any, Identity[Any]]":
        """Return the identity of the session.

        Raises:
            Refusal: If there is no session, or it can't be checked.
            ConfigurationError: If the middleware is missing, or the argument is not a connection.
        """
        try:
            scope = connection.scope
            context: AuthContext = scope[SCOPE_KEY]
        except (AttributeError, LookupError):
            raise _context_error(connection) from None
        context.refusal, context.is_private = NOT_AWAITED, True
        return _require_identity(scope, context, self.requirement)


async def _require_identity(
    scope: MutableMapping[str, Any], context: AuthContext, requirement: Requirement
) -> "Identity[Any]":
    return (await context.guard.enforcement.require(scope, context, requirement)).identity


class OptionalSessionDependency(_Dependency):
    """A dependency that returns the session, or None if there is none."""

    def __init__(self) -> None:
        super().__init__(OPTIONAL_SCHEME)

    @coroutine_function
    def __call__(self, connection: HTTPConnection = _NO_CONNECTION) -> "Coroutine[Any, Any, Session[Any] | None]":
        """Return the session, or None for any other outcome and for a cross-site request with a cookie.

        Raises:
            ConfigurationError: If the middleware is missing, or the argument is not a connection.
        """
        try:
            scope = connection.scope
            context: AuthContext = scope[SCOPE_KEY]
        except (AttributeError, LookupError):
            raise _context_error(connection) from None
        return context.guard.enforcement.optional(scope, context)


_require = lru_cache(maxsize=None)(SessionDependency)


@_REQUIRE
def require(**conditions: Unpack[Conditions]) -> SessionDependency:
    """Return a dependency that requires a session which meets every condition.

    Equal arguments return the same object: FastAPI calls it once per request, and `dependency_overrides` finds it.

    Args:
        **conditions: `aal`, `max_age`, `authentication_methods`, `verified`, `organization`, `when` and
            `revalidate`, as for `ory_guard.Requirement`. Default: any session.

    Raises:
        ConfigurationError: If a condition is invalid.
    """
    requirement = requirement_of("require", conditions)
    return _require(ANY_SESSION if requirement == ANY_SESSION else requirement)


@_REQUIRE_AAL
def require_aal(aal: AssuranceLevel) -> SessionDependency:
    """Return a dependency that requires an assurance level, as `require(aal=aal)` does.

    Args:
        aal: Minimum assurance level, `aal1` or `aal2`.

    Raises:
        ConfigurationError: If `aal` is invalid or None.
    """
    if aal is None:  # such as a setting without a value: any session would meet the requirement
        raise ConfigurationError("require_aal: aal must not be None: use 'aal1' or 'aal2'")
    return require(aal=aal)


@_REQUIRE_FRESH
def require_fresh(max_age: float) -> SessionDependency:
    """Return a dependency that requires a recent login, as `require(max_age=max_age)` does.

    Args:
        max_age: Maximum age of the login, in seconds.

    Raises:
        ConfigurationError: If `max_age` is invalid or None.
    """
    if max_age is None:
        raise ConfigurationError("require_fresh: max_age must not be None: use a number of seconds above 0")
    return require(max_age=max_age)


require_session: SessionDependency = require()
"""The dependency that requires any session."""

optional_session: OptionalSessionDependency = OptionalSessionDependency()
"""The dependency that returns the session or None."""

require_identity: IdentityDependency = IdentityDependency()
"""The dependency that requires any session and returns its identity."""

if TYPE_CHECKING:
    _Session = Session[TraitsT]
    _Identity = Identity[TraitsT]
else:
    # Pydantic returns the class itself for `Session[TraitsT]`, which has no parameter to replace.
    _Session = GenericAlias(Session, (TraitsT,))
    _Identity = GenericAlias(Identity, (TraitsT,))

CurrentSession = Annotated[_Session[TraitsT], Depends(require_session)]
OptionalSession = Annotated[_Session[TraitsT] | None, Depends(optional_session)]
CurrentIdentity = Annotated[_Identity[TraitsT], Depends(require_identity)]


def install(app: FastAPI, guard: "OryGuard") -> None:
    """Add the middleware to an application, and the credentials and error responses to its OpenAPI schema.

    Args:
        app: The application.
        guard: The guard that authenticates its requests.

    Raises:
        ConfigurationError: If `guard` is not an `OryGuard`.
    """
    # Modules with routes import this one, but not the guard.
    from ory_guard.guard.guard import OryGuard  # noqa: PLC0415 - see above
    from ory_guard.guard.middleware import OrySessionMiddleware  # noqa: PLC0415 - see above

    if not isinstance(guard, OryGuard):
        raise ConfigurationError(f"install: {guard!r} is not a guard: pass an OryGuard")
    app.add_middleware(OrySessionMiddleware, guard=guard)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()  # cached by FastAPI until a route is added, so it may contain the additions already
        add_security_to_schema(schema, guard.settings)
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the schema
