"""ASGI authentication middleware and FastAPI dependencies for Ory Kratos and Ory Network."""

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

# Imported when they are first asked for: pytest loads this package for its plugin in every run, and the client
# needs none of the guard.
_HOMES: Final = {
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
    # A type checker that saw this would take any name for one of ours.
    def __getattr__(name: str) -> Any:
        """Return one of the names in `__all__`, imported now.

        Raises:
            AttributeError: There is no such name.
        """
        if name not in _HOMES:
            raise AttributeError(f"module 'ory_guard' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"ory_guard.{_HOMES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
