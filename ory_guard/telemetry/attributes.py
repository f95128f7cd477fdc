"""Attribute names of metrics and spans: OpenTelemetry's semantic conventions, otherwise `ory_guard.…`."""

from collections.abc import Mapping
from typing import Final

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import host_and_port, unix_socket_of

__all__ = [
    "CACHE_RESULT",
    "CREDENTIAL_CLASS",
    "CREDENTIAL_ID",
    "ERROR_TYPE",
    "METHOD",
    "OUTCOME",
    "PATH",
    "REFUSAL",
    "REFUSAL_REASON",
    "SCOPE",
    "STATE",
    "STATUS_CODE",
    "STORE_OPERATION",
    "URL_TEMPLATE",
    "server_attributes",
]

SCOPE: Final = "ory_guard"
PATH: Final = "/sessions/whoami"

ERROR_TYPE: Final = "error.type"
METHOD: Final = "http.request.method"
STATUS_CODE: Final = "http.response.status_code"
URL_TEMPLATE: Final = "url.template"

CACHE_RESULT: Final = "ory_guard.cache.result"
CREDENTIAL_CLASS: Final = "ory_guard.credential.class"
CREDENTIAL_ID: Final = "ory_guard.credential.id"
OUTCOME: Final = "ory_guard.outcome"
REFUSAL: Final = "ory_guard.refusal"
REFUSAL_REASON: Final = "ory_guard.refusal.reason"
STATE: Final = "ory_guard.state"
STORE_OPERATION: Final = "ory_guard.store.operation"


def server_attributes(settings: GuardSettings, extra: Mapping[str, str]) -> dict[str, str | int]:
    """Return the address of a guard's Kratos, its port unless it is a Unix socket, and extra attributes."""
    unix_socket = unix_socket_of(settings.kratos_public_url)
    if unix_socket is not None:
        return {"server.address": unix_socket, **extra}
    host, port = host_and_port(settings.kratos_public_url)
    return {"server.address": host, "server.port": port, **extra}
