"""FastAPI dependencies that require an Ory Kratos session, and their description in OpenAPI.

`install(app, guard)` adds the middleware. A route then declares its requirement with a parameter
(`session: CurrentSession`) or a dependency (`Depends(require(aal="aal2"))`); a request that does not meet it is
rejected with 401, 403 or 503, or redirected to log in. With the route class `GuardedRoute`, this happens before the
request body is read. `assert_guarded(app)` finds routes without a requirement.
"""

from typing import TYPE_CHECKING

from ory_guard._lazy_import import lazy_import
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

if TYPE_CHECKING:
    from ory_guard.fastapi.guarded_route import GuardedRoute
    from ory_guard.starlette.audit import AuditedRoute, assert_guarded, audit_routes
else:
    # Tests and commands use the audit, not the server.
    __getattr__ = lazy_import(
        __name__,
        {
            "AuditedRoute": "ory_guard.starlette.audit",
            "GuardedRoute": "ory_guard.fastapi.guarded_route",
            "assert_guarded": "ory_guard.starlette.audit",
            "audit_routes": "ory_guard.starlette.audit",
        },
    )

__all__ = [
    "AuditedRoute",
    "CurrentIdentity",
    "CurrentSession",
    "GuardedRoute",
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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
