"""The responses of receivers: errors, messages for forms, and changes of identities."""

import json
from collections.abc import Mapping
from typing import Any, Final

from ory_guard.testing.web_hooks.delivery import HookResponse
from ory_guard.testing.web_hooks.hook import WebHook

__all__ = ["HookFailedError", "HookRejectedError", "changes_in", "require_success"]

_CHANGEABLE: Final = (
    "traits",
    "schema_id",
    "state",
    "verifiable_addresses",
    "recovery_addresses",
    "metadata_public",
    "metadata_admin",
    "external_id",
)


class HookFailedError(Exception):
    """A web hook failed.

    Args:
        message: The error message.
        status: 502 if the receiver responded with an error, 500 for everything else.
    """

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status
        self.reason: str = "A third-party service failed. Please try again later." if status == 502 else ""


class HookRejectedError(Exception):
    """A receiver stopped a flow.

    Args:
        entries: The entries of `messages` in its response.

    Attributes:
        messages: The name of a form field, empty for the whole form, with each message in Kratos' format.
    """

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        pointers = [str(entry.get("instance_ptr", "")) for entry in entries]
        self.messages: list[tuple[str, dict[str, Any]]] = [
            (_field_name(pointer), _message(raw))
            for pointer, entry in zip(pointers, entries, strict=True)
            for raw in entry.get("messages") or ()
        ]
        lines = [f"({index}) I[{pointer}] S[] rejected by a web hook" for index, pointer in enumerate(pointers)]
        super().__init__("\n".join([f"{len(pointers)} validation errors occurred:", *lines]))


def require_success(hook: WebHook, response: HookResponse) -> None:
    """Check that a receiver accepted a hook.

    Raises:
        HookRejectedError: If the response stops the flow with messages for its form.
        HookFailedError: If it is another error.
    """
    if response.status < 400:
        return
    if not hook.runs_before_saving:
        raise HookFailedError(f"webhook failed with status code {response.status}", 502)
    entries = _json_object(response).get("messages")
    if not entries:
        raise HookFailedError("error while parsing webhook response: got no validation errors")
    raise HookRejectedError(entries)


def changes_in(response: HookResponse) -> dict[str, Any]:
    """Return the fields of the identity that a response changes.

    Raises:
        HookFailedError: If the response has the status 200 and is not a JSON object.
    """
    if response.status != 200:
        return {}
    identity = _json_object(response).get("identity") or {}
    return {name: identity[name] for name in _CHANGEABLE if identity.get(name)}


def _json_object(response: HookResponse) -> dict[str, Any]:
    try:
        document = json.loads(response.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise HookFailedError("webhook response could not be unmarshalled properly from JSON")
    return document


def _field_name(pointer: str) -> str:
    """Return the name of the form field at a JSON pointer such as `#/traits/email`."""
    steps = pointer.removeprefix("#").removeprefix("/").split("/")
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _message(raw: Mapping[str, Any]) -> dict[str, Any]:
    kind = "error" if raw.get("type") == "error" else "info"
    message = {"id": raw.get("id", 0), "text": raw.get("text", ""), "type": kind}
    return message | ({"context": raw["context"]} if raw.get("context") else {})
