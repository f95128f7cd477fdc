"""FastAPI dependencies that require an Ory Kratos session, and their description in OpenAPI.

`install(app, guard)` adds the middleware. A route then declares its requirement with a parameter
(`session: CurrentSession`) or a dependency (`Depends(require(aal="aal2"))`); a request that does not meet it is
rejected with 401, 403 or 503, or redirected to log in. `assert_guarded(app)` finds routes without a requirement.
"""

from ory_guard.fastapi.dependencies import (
    CurrentIdentity,
    CurrentSession,
    OptionalSession,
    install,
    optional_session,
    require,
    require_aal,
    require_fresh,
    require_session,
)
from ory_guard.starlette.audit import AuditedRoute, assert_guarded, audit_routes

__all__ = [
    "AuditedRoute",
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
