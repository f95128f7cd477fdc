"""FastAPI: dependencies that let a request pass or refuse it, and the OpenAPI that says so.

Each dependency is one callable without sub-dependencies, works on http and websocket routes alike, and keeps no
state: whatever it knows comes from the middleware's check in the scope.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Annotated, Any, Final

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

from ory_guard.audit import audit_routes
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard import OryGuard, guard_in
from ory_guard.middleware import OrySessionMiddleware
from ory_guard.models import Identity, Session
from ory_guard.policy import ANY_SESSION, AssuranceLevel, Condition, Requirement
from ory_guard.settings import GuardSettings

__all__ = [
    "CurrentIdentity",
    "CurrentSession",
    "OptionalSession",
    "audit_routes",
    "install",
    "optional_session",
    "require",
    "require_aal",
    "require_fresh",
    "require_session",
]

_SCHEME: Final = "ory_session"
_OPTIONAL_SCHEME: Final = "ory_session_optional"


class _Scheme(SecurityBase):
    """What FastAPI takes for a security scheme; `install` puts the real alternatives in its place."""

    def __init__(self, name: str) -> None:
        self.scheme_name: str = name
        self.model: APIKey = APIKey(**{"in": APIKeyIn.cookie}, name="ory_kratos_session")


class SessionRequirement(_Scheme):
    """A dependency that returns the session if it meets a requirement; made by `require`.

    Attributes:
        requirement: What it asks for.
    """

    def __init__(self, requirement: Requirement) -> None:
        super().__init__(_SCHEME)
        self.requirement = requirement

    def __repr__(self) -> str:
        return f"<require {self.requirement!r}>"

    async def __call__(self, connection: HTTPConnection) -> Session[Any]:
        """Return the session.

        Raises:
            Refusal: There is none, or it does not meet the requirement.
            ConfigurationError: The middleware is not there.
        """
        return await guard_in(connection.scope).enforce(connection.scope, self.requirement)


class IdentityRequirement(_Scheme):
    """A dependency that returns the session's identity.

    Attributes:
        requirement: What it asks for: a session.
    """

    requirement = ANY_SESSION

    def __init__(self) -> None:
        super().__init__(_SCHEME)

    async def __call__(self, connection: HTTPConnection) -> Identity[Any]:
        """Return the identity.

        Raises:
            Refusal: There is no session.
            ConfigurationError: The middleware is not there.
        """
        return (await guard_in(connection.scope).enforce(connection.scope, ANY_SESSION)).identity


class SessionOption(_Scheme):
    """A dependency that returns the session or None."""

    def __init__(self) -> None:
        super().__init__(_OPTIONAL_SCHEME)

    async def __call__(self, connection: HTTPConnection) -> Session[Any] | None:
        """Return the session, or None for every other outcome, a cross-site request with a cookie included.

        Raises:
            ConfigurationError: The middleware is not there.
        """
        return await guard_in(connection.scope).enforce_optional(connection.scope)


_require = lru_cache(maxsize=None)(SessionRequirement)


def require(
    *,
    aal: AssuranceLevel | None = None,
    max_age: float | None = None,
    authentication_methods: Collection[str] | None = None,
    verified: bool | str = False,
    organization: str | None = None,
    when: Condition | None = None,
    revalidate: bool = False,
) -> SessionRequirement:
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


def require_aal(aal: AssuranceLevel) -> SessionRequirement:
    """Return a dependency that asks for an assurance level; see `require`."""
    return require(aal=aal)


def require_fresh(max_age: float) -> SessionRequirement:
    """Return a dependency that asks for a sign-in at most `max_age` seconds ago; see `require`."""
    return require(max_age=max_age)


require_session: SessionRequirement = require()
"""The dependency that asks for a session and nothing else."""

optional_session: SessionOption = SessionOption()
"""The dependency that gives the session or None."""

require_identity: IdentityRequirement = IdentityRequirement()
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


def describe(schema: dict[str, Any], settings: GuardSettings) -> None:
    """Put the accepted credentials and the refusals into an OpenAPI schema that FastAPI made."""
    schemes = schema.get("components", {}).get("securitySchemes", {})
    if not {_SCHEME, _OPTIONAL_SCHEME} & schemes.keys():
        return
    schemes.pop(_SCHEME, None)
    schemes.pop(_OPTIONAL_SCHEME, None)
    ours = _schemes(settings)
    schemes.update(ours)
    alternatives: list[dict[str, list[str]]] = [{name: []} for name in ours]
    for operations in schema["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "security" in operation:
                _describe_operation(operation, alternatives)


def _describe_operation(operation: dict[str, Any], alternatives: list[dict[str, list[str]]]) -> None:
    named = [name for entry in operation["security"] for name in entry]
    others = [entry for entry in operation["security"] if not {_SCHEME, _OPTIONAL_SCHEME} & entry.keys()]
    if _SCHEME in named:
        operation["security"] = [*others, *alternatives]
        for status, description in _REFUSALS.items():
            operation["responses"].setdefault(status, {"description": description, "content": _ERROR_CONTENT})
    elif _OPTIONAL_SCHEME in named:
        operation["security"] = [*others, *alternatives, {}]


def _schemes(settings: GuardSettings) -> dict[str, dict[str, str]]:
    schemes: dict[str, dict[str, str]] = {}
    if "cookie" in settings.credentials:
        cookie = settings.cookie_names[0]
        schemes["ory_session_cookie"] = {"type": "apiKey", "in": "cookie", "name": cookie}
    if "x_session_token" in settings.credentials:
        schemes["ory_session_token"] = {"type": "apiKey", "in": "header", "name": "X-Session-Token"}
    if "bearer" in settings.credentials:
        schemes["ory_session_bearer"] = {"type": "http", "scheme": "bearer"}
    return schemes


_REFUSALS: Final = {
    "401": "Nobody is signed in, or the credential is not accepted.",
    "403": "The session does not meet what this operation asks for.",
    "503": "The session can't be checked right now.",
}
_TEXT: Final = {"type": "string"}
_ERROR_CONTENT: Final = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["id", "code", "status", "reason", "message", "details"],
                    "properties": {
                        "id": _TEXT,
                        "code": {"type": "integer"},
                        "status": _TEXT,
                        "reason": _TEXT,
                        "message": _TEXT,
                        "details": {"type": "object"},
                    },
                },
                "redirect_browser_to": _TEXT,
            },
        }
    }
}
