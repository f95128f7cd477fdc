"""Require an Ory Kratos session in Starlette and other ASGI applications.

`@session_required` protects one endpoint, `SessionRequiredMiddleware` a whole application except for public paths.
`assert_guarded(app)` finds routes without a requirement, and `logout_response` logs the user out. All of them need
`ory_guard.OrySessionMiddleware` around the application.
"""

from typing import TYPE_CHECKING

from ory_guard._lazy_import import lazy_import
from ory_guard.guard.responses.redirects import safe_return_to
from ory_guard.guard.responses.refusals import is_navigation, refusal_handler
from ory_guard.starlette.session_requirement import (
    SessionRequiredMiddleware,
    get_requirement,
    logout_response,
    session_required,
)

if TYPE_CHECKING:
    from ory_guard.starlette.audit import AuditedRoute, assert_guarded, audit_routes
else:
    # Tests and commands use the audit, not the server.
    __getattr__ = lazy_import(
        __name__,
        dict.fromkeys(["AuditedRoute", "assert_guarded", "audit_routes"], "ory_guard.starlette.audit"),
    )

__all__ = [
    "AuditedRoute",
    "SessionRequiredMiddleware",
    "assert_guarded",
    "audit_routes",
    "get_requirement",
    "is_navigation",
    "logout_response",
    "refusal_handler",
    "safe_return_to",
    "session_required",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
