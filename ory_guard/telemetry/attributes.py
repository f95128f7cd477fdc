"""Names that metrics and spans share: OpenTelemetry's own where it has one, and `ory_guard.…` for the rest."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from ory_guard.settings import GuardSettings

__all__ = [
    "CACHE_RESULT",
    "CREDENTIAL_ID",
    "ERROR_TYPE",
    "METHOD",
    "NEVER_SENT",
    "OUTCOME",
    "PATH",
    "REFUSAL",
    "SCOPE",
    "STATE",
    "STATUS_CODE",
    "server_of",
]

SCOPE: Final = "ory_guard"
PATH: Final = "/sessions/whoami"

ERROR_TYPE: Final = "error.type"
METHOD: Final = "http.request.method"
STATUS_CODE: Final = "http.response.status_code"

NEVER_SENT: Final = ("breaker", "overloaded")
"""Reasons of a failed check for which Kratos was not even asked."""

CACHE_RESULT: Final = "ory_guard.cache.result"
CREDENTIAL_ID: Final = "ory_guard.credential.id"
OUTCOME: Final = "ory_guard.outcome"
REFUSAL: Final = "ory_guard.refusal"
STATE: Final = "ory_guard.state"


def server_of(settings: GuardSettings, more: Mapping[str, str]) -> dict[str, str | int]:
    """Return which Kratos a guard asks, under OpenTelemetry's names, and whatever else tells it from others."""
    parts = urlsplit(settings.kratos_public_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": str(parts.hostname), "server.port": port, **more}
