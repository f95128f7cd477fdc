"""Decorators, middlewares and the route audit for Starlette and every other ASGI framework."""

from ory_guard.guard.responses.redirects import safe_return_to
from ory_guard.guard.responses.refusals import is_navigation, refusal_handler
from ory_guard.starlette.audit import AuditedRoute, assert_guarded, audit_routes
from ory_guard.starlette.session_required import (
    SessionRequiredMiddleware,
    logout_response,
    requirement_of,
    session_required,
)

__all__ = [
    "AuditedRoute",
    "SessionRequiredMiddleware",
    "assert_guarded",
    "audit_routes",
    "is_navigation",
    "logout_response",
    "refusal_handler",
    "requirement_of",
    "safe_return_to",
    "session_required",
]
