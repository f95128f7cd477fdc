"""OpenAPI of guarded operations: the credentials that they accept and their refusals."""

from typing import Any, Final

from ory_guard.guard.settings import GuardSettings

__all__ = ["OPTIONAL_SCHEME", "SCHEME", "describe"]

SCHEME: Final = "ory_session"
OPTIONAL_SCHEME: Final = "ory_session_optional"


def describe(schema: dict[str, Any], settings: GuardSettings) -> None:
    """Put the accepted credentials and the refusals into an OpenAPI schema that FastAPI made."""
    schemes = schema.get("components", {}).get("securitySchemes", {})
    if not {SCHEME, OPTIONAL_SCHEME} & schemes.keys():
        return
    schemes.pop(SCHEME, None)
    schemes.pop(OPTIONAL_SCHEME, None)
    ours = _schemes(settings)
    schemes.update(ours)
    alternatives: list[dict[str, list[str]]] = [{name: []} for name in ours]
    for operations in schema["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "security" in operation:
                _describe_operation(operation, alternatives)


def _describe_operation(operation: dict[str, Any], alternatives: list[dict[str, list[str]]]) -> None:
    named = [name for entry in operation["security"] for name in entry]
    others = [entry for entry in operation["security"] if not {SCHEME, OPTIONAL_SCHEME} & entry.keys()]
    if SCHEME in named:
        operation["security"] = [*others, *alternatives]
        for status, description in _REFUSALS.items():
            operation["responses"].setdefault(status, {"description": description, "content": _ERROR_CONTENT})
    elif OPTIONAL_SCHEME in named:
        operation["security"] = [*others, *alternatives, {}]


def _schemes(settings: GuardSettings) -> dict[str, dict[str, str]]:
    schemes: dict[str, dict[str, str]] = {}
    if "cookie" in settings.credentials:
        cookie = settings.cookie_names[0]
        schemes["ory_session_cookie"] = {"type": "apiKey", "in": "cookie", "name": cookie}
    if "x_session_token" in settings.credentials:
        schemes["ory_session_token"] = {"type": "apiKey", "in": "header", "name": "X-Session-Token"}
    if "bearer" in settings.credentials:
        schemes["ory_session_bearer"] = {"type": "http", "scheme": "bearer"}
    return schemes


_REFUSALS: Final = {
    "401": "Nobody is signed in, or the credential is not accepted.",
    "403": "The session does not meet what this operation asks for.",
    "503": "The session can't be checked right now.",
}
_TEXT: Final = {"type": "string"}
_ERROR_CONTENT: Final = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["id", "code", "status", "reason", "message", "details"],
                    "properties": {
                        "id": _TEXT,
                        "code": {"type": "integer"},
                        "status": _TEXT,
                        "reason": _TEXT,
                        "message": _TEXT,
                        "details": {"type": "object"},
                    },
                },
                "redirect_browser_to": _TEXT,
            },
        }
    }
}
