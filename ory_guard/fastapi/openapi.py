"""Add the accepted credentials and the error responses of guarded operations to an OpenAPI schema."""

from typing import Any, Final

from ory_guard.guard.settings import GuardSettings

__all__ = ["OPTIONAL_SCHEME", "SCHEME", "add_security_to_schema"]

SCHEME: Final = "ory_session"
OPTIONAL_SCHEME: Final = "ory_session_optional"


def add_security_to_schema(schema: dict[str, Any], settings: GuardSettings) -> None:
    """Replace the placeholder schemes in FastAPI's schema with the accepted credentials, and add error responses.

    Args:
        schema: The schema, which is changed. A second call does not change it again.
        settings: The settings of the guard.
    """
    schemes = schema.get("components", {}).get("securitySchemes", {})
    if not {SCHEME, OPTIONAL_SCHEME} & schemes.keys():
        return
    schemes.pop(SCHEME, None)
    schemes.pop(OPTIONAL_SCHEME, None)
    guard_schemes = _schemes(settings)
    schemes.update(guard_schemes)
    alternatives: list[dict[str, list[str]]] = [{name: []} for name in guard_schemes]
    for operations in schema["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "security" in operation:
                _add_security(operation, alternatives)


def _add_security(operation: dict[str, Any], alternatives: list[dict[str, list[str]]]) -> None:
    names = [name for entry in operation["security"] for name in entry]
    others = [entry for entry in operation["security"] if not {SCHEME, OPTIONAL_SCHEME} & entry.keys()]
    if SCHEME in names:
        operation["security"] = [*others, *alternatives]
        for status, description in _REFUSALS.items():
            operation["responses"].setdefault(status, {"description": description, "content": _ERROR_CONTENT})
    elif OPTIONAL_SCHEME in names:
        operation["security"] = [*others, *alternatives, {}]


def _schemes(settings: GuardSettings) -> dict[str, dict[str, str]]:
    schemes: dict[str, dict[str, str]] = {}
    if "cookie" in settings.credentials:
        cookie = settings.cookie_names[0]
        schemes["ory_session_cookie"] = {"type": "apiKey", "in": "cookie", "name": cookie}
    if settings.token_cookie_names:
        schemes["ory_token_cookie"] = {"type": "apiKey", "in": "cookie", "name": settings.token_cookie_names[0]}
    if "x_session_token" in settings.credentials:
        schemes["ory_session_token"] = {"type": "apiKey", "in": "header", "name": "X-Session-Token"}
    if "bearer" in settings.credentials:
        schemes["ory_session_bearer"] = {"type": "http", "scheme": "bearer"}
    return schemes


_REFUSALS: Final = {
    "401": "The request has no credential, or its credential is not valid.",
    "403": "The session does not meet the requirements of this operation.",
    "503": "The session could not be verified. Try again later.",
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
