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
    "SecondFactorRequired",
    "Session",
    "Unavailable",
]

# Imported when they are first asked for: pytest loads this package for its plugin in every run, and the client
# needs none of the guard.
_HOMES: Final = {
    "OryGuard": "guard",
    "OrySessionMiddleware": "middleware",
    "Identity": "models",
    "Session": "models",
    "GuardSettings": "settings",
} | dict.fromkeys(
    ["Anonymous", "Authenticated", "Outcome", "Rejected", "SecondFactorRequired", "Unavailable"], "outcomes"
)


if TYPE_CHECKING:
    from ory_guard.guard import OryGuard
    from ory_guard.middleware import OrySessionMiddleware
    from ory_guard.models import Identity, Session
    from ory_guard.outcomes import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable
    from ory_guard.settings import GuardSettings
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
