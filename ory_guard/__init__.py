"""Authenticate every ASGI request against Ory Kratos or Ory Network, and require sessions in FastAPI routes.

`OrySessionMiddleware` authenticates, `OryGuard` holds cache and connections, `GuardSettings` configures both. The
dependencies are in `ory_guard.fastapi`, the decorator and the middleware for other frameworks in
`ory_guard.starlette`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

__all__ = [
    "Anonymous",
    "Authenticated",
    "GuardSettings",
    "Identity",
    "OryGuard",
    "OrySessionMiddleware",
    "Outcome",
    "Rejected",
    "Requirement",
    "SecondFactorRequired",
    "Session",
    "Unavailable",
]

# Imported on first access: pytest loads this package for its plugin in every run, and the client does not need the
# guard.
_MODULES: Final = {
    "OryGuard": "guard.guard",
    "OrySessionMiddleware": "guard.middleware",
    "Requirement": "guard.requirements",
    "GuardSettings": "guard.settings",
    "Identity": "models.session",
    "Session": "models.session",
} | dict.fromkeys(
    ["Anonymous", "Authenticated", "Outcome", "Rejected", "SecondFactorRequired", "Unavailable"], "models.outcomes"
)


if TYPE_CHECKING:
    from ory_guard.guard.guard import OryGuard
    from ory_guard.guard.middleware import OrySessionMiddleware
    from ory_guard.guard.requirements import Requirement
    from ory_guard.guard.settings import GuardSettings
    from ory_guard.models.outcomes import (
        Anonymous,
        Authenticated,
        Outcome,
        Rejected,
        SecondFactorRequired,
        Unavailable,
    )
    from ory_guard.models.session import Identity, Session
else:
    # Hidden from type checkers, which would otherwise accept any name.
    def __getattr__(name: str) -> Any:
        """Import and return one of the names in `__all__`.

        Raises:
            AttributeError: If the name is unknown.
        """
        if name not in _MODULES:
            raise AttributeError(f"module 'ory_guard' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"ory_guard.{_MODULES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
