"""The request path, in reading order: middleware, authentication, session_check, enforcement."""

from ory_guard.guard.guard import OryGuard
from ory_guard.guard.middleware import OrySessionMiddleware
from ory_guard.guard.requirements import Requirement
from ory_guard.guard.settings import GuardSettings
from ory_guard.guard.watch import Watch

__all__ = ["GuardSettings", "OryGuard", "OrySessionMiddleware", "Requirement", "Watch"]
