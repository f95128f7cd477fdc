"""ASGI authentication middleware and FastAPI dependencies for Ory Kratos and Ory Network."""

from ory_guard.guard import OryGuard
from ory_guard.middleware import OrySessionMiddleware
from ory_guard.models import Identity, Session
from ory_guard.outcomes import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable
from ory_guard.settings import GuardSettings

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
