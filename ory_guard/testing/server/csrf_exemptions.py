"""The paths of the public API that Kratos' anti-CSRF middleware does not cover."""

import re
from typing import Final

__all__ = ["is_exempt"]

_FLOWS: Final = ("login", "registration", "settings", "recovery", "verification")
_PATTERNS: Final = (
    *(f"/self-service/{flow}{path}" for flow in _FLOWS for path in ("", "/api")),
    "/self-service/logout/api",
    "/self-service/methods/oidc/callback/*",
    "/sessions",
    "/sessions/*",
    "/sessions/*/extend",
    "/schemas/*",
    "/courier/messages",
    "/recovery/code",
    "/recovery/link",
    "/identities/*/sessions",
    *(f"{prefix}/identities{path}" for prefix in ("", "/admin") for path in ("", "/*", "/*/credentials/*")),
    "/admin/schemas/*",
    "/admin/courier/messages",
    "/health/alive",
    "/health/ready",
    "/version",
    "/metrics/prometheus",
    "/fake-oidc/*/auth",
)
_EXEMPT: Final = re.compile("|".join(re.escape(pattern).replace(r"\*", "[^/]*") for pattern in _PATTERNS))


def is_exempt(path: str) -> bool:
    """Return whether a path gets no anti-CSRF cookie, and its unsafe methods require no token."""
    return bool(_EXEMPT.fullmatch(path))
