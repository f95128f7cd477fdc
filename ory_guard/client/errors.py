"""Which error an answer of Kratos' is: by `error.id` where it is known, and by the status otherwise."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from ory_guard.client.models.flows import Flow
from ory_guard.client.operations.table import OPERATIONS
from ory_guard.client.response import set_cookies_of
from ory_guard.exceptions import (
    BrowserLocationChangeRequired,
    FlowError,
    FlowExpired,
    FlowForbidden,
    FlowInvalid,
    FlowNotFound,
    KratosAPIError,
    KratosProtocolError,
    KratosRateLimited,
    KratosUnavailable,
    OryGuardError,
    SessionAlreadyAvailable,
)
from ory_guard.whoami import Answer, retry_after_seconds

__all__ = ["error_of"]

_BY_ID: Final[Mapping[str, type[FlowError]]] = {
    "browser_location_change_required": BrowserLocationChangeRequired,
    "self_service_flow_expired": FlowExpired,
    "session_already_available": SessionAlreadyAvailable,
}
_BY_STATUS: Final[Mapping[int, type[FlowError]]] = {
    403: FlowForbidden,
    404: FlowNotFound,
    410: FlowExpired,
    422: BrowserLocationChangeRequired,
}
_ADVICE: Final[Mapping[type[FlowError], str]] = {
    BrowserLocationChangeRequired: "the flow goes on elsewhere; send the browser to redirect_browser_to",
    FlowExpired: "the flow is too old; go on with use_flow_id, or start a new flow",
    FlowForbidden: "this browser or session may not use the flow like that",
    FlowNotFound: "there is no such flow; start a new one",
    SessionAlreadyAvailable: "somebody is signed in already; ask with refresh=True to sign in anew",
}
_ID: Final = re.compile(r"[a-z0-9_]{1,64}")


def error_of(name: str, answer: Answer, invalid: type[Flow] | None) -> OryGuardError:
    """Return the error that an answer outside 200-299 stands for.

    Args:
        name: The operation.
        answer: Kratos' answer.
        invalid: The flow that a 400 of this operation carries.
    """
    status = answer.status
    if status == 429:
        seconds = retry_after_seconds(answer.header(b"retry-after"))
        return KratosRateLimited(
            f"{name}: Kratos limits the rate of requests; wait {seconds} s", retry_after=seconds
        )
    if status >= 500:
        return KratosUnavailable(f"{name}: Kratos failed and answered {status}")
    if status < 400:
        return KratosProtocolError(
            f"{name}: {status} is no answer of Kratos' to this; check that base_url is its public API"
        )
    body = _object(_decoded(answer))
    if status == 400 and "ui" in body and invalid is not None:
        return _invalid(name, answer, invalid)
    return _refusal(name, answer, body)


def _invalid(name: str, answer: Answer, model: type[Flow]) -> OryGuardError:
    try:
        flow = model.model_validate_json(answer.body)
    except ValidationError:
        return KratosProtocolError(f"{name}: the flow in the answer can't be read")
    message = f"{name}: the values are not accepted; show the messages in flow.ui"
    return FlowInvalid(message, flow=flow, set_cookies=set_cookies_of(answer))


def _refusal(name: str, answer: Answer, body: Mapping[str, Any]) -> OryGuardError:
    error = _object(body.get("error"))
    details = _object(error.get("details"))
    error_id = _text(error.get("id"))
    kind = _kind(name, answer.status, error_id)
    redirect = _text(
        body.get("redirect_browser_to") or details.get("redirect_browser_to") or details.get("redirect_to")
    )
    known: dict[str, Any] = {
        "error_id": error_id,
        "reason": _text(error.get("reason")),
        "redirect_browser_to": redirect,
        "set_cookies": set_cookies_of(answer),
    }
    shown = f"{answer.status} {error_id}" if error_id and _ID.fullmatch(error_id) else f"{answer.status}"
    if kind is None or (kind is BrowserLocationChangeRequired and redirect is None):
        return KratosAPIError(f"{name}: Kratos answered {shown}", status_code=answer.status, **known)
    use_flow_id = _text(body.get("use_flow_id"))
    return kind(f"{name}: {_ADVICE[kind]} (Kratos answered {shown})", use_flow_id=use_flow_id, **known)


def _kind(name: str, status: int, error_id: str | None) -> type[FlowError] | None:
    step = OPERATIONS[name].step
    known = _BY_ID.get(error_id or "")
    if known is not None:
        return known
    if step is None or (status == 404 and step == "create"):
        # Where there is no flow yet, a 404 means that this Kratos does not have the operation.
        return None
    return _BY_STATUS.get(status)


def _decoded(answer: Answer) -> Any:
    if not answer.is_json():
        return None
    try:
        return from_json(answer.body)
    except ValueError:
        return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
