"""The request path, in reading order: middleware, authentication, session_check, enforcement."""

from typing import TYPE_CHECKING

from ory_guard._lazy_import import lazy_import

__all__ = ["GuardSettings", "OryGuard", "OrySessionMiddleware", "Requirement", "Watch"]

if TYPE_CHECKING:
    from ory_guard.guard.guard import OryGuard
    from ory_guard.guard.middleware import OrySessionMiddleware
    from ory_guard.guard.requirements import Requirement
    from ory_guard.guard.session_watch import Watch
    from ory_guard.guard.settings import GuardSettings
else:
    # The dependencies of a route need only parts of this package.
    __getattr__ = lazy_import(
        __name__,
        {
            "GuardSettings": "ory_guard.guard.settings",
            "OryGuard": "ory_guard.guard.guard",
            "OrySessionMiddleware": "ory_guard.guard.middleware",
            "Requirement": "ory_guard.guard.requirements",
            "Watch": "ory_guard.guard.session_watch",
        },
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
