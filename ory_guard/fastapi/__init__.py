"""Dependencies that enforce a session in FastAPI, and the OpenAPI that describes them."""

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
