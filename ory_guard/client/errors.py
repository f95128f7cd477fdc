"""Map an unsuccessful response of Kratos to an exception: by `error.id` if it is known, otherwise by status."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from ory_guard.client.models.continue_with import ContinueWith
from ory_guard.client.models.flows import Flow
from ory_guard.client.operations.operation import Operation
from ory_guard.client.response import set_cookie_values
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
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.retry_after import retry_after_seconds

__all__ = ["error_for"]

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
_HINTS: Final[Mapping[type[FlowError], str]] = {
    BrowserLocationChangeRequired: "the flow continues at another URL; redirect the browser to redirect_browser_to",
    FlowExpired: "the flow has expired; continue with use_flow_id or create a new flow",
    FlowForbidden: "this browser or session is not allowed to continue the flow",
    FlowNotFound: "the flow does not exist; create a new one",
    SessionAlreadyAvailable: "a session already exists; use refresh=True to log in again",
}
_ERROR_ID: Final = re.compile(r"[a-z0-9_]{1,64}")
_STEP: Final[TypeAdapter[ContinueWith]] = TypeAdapter(ContinueWith, config=ConfigDict(defer_build=True))


def error_for(operation: Operation, response: HTTPResponse) -> OryGuardError:
    """Return the exception for a response outside 200-299."""
    name, status = operation.name, response.status
    if status == 429:
        seconds = retry_after_seconds(response.header(b"retry-after"), time.time())
        return KratosRateLimited(f"{name}: Kratos limits the request rate; wait {seconds} s", retry_after=seconds)
    if status >= 500:
        return KratosUnavailable(f"{name}: Kratos failed with status {status}")
    if status < 400:
        return _redirect_error(operation, response)
    body = _object(_decode_json(response))
    if status == 400 and "ui" in body and operation.flow_model is not None:
        return _invalid_flow(name, response, operation.flow_model)
    return _api_error(operation, response, body)


def _redirect_error(operation: Operation, response: HTTPResponse) -> OryGuardError:
    # Kratos redirects some submits of an expired flow to its replacement, although JSON was requested.
    flow_id = _replacement_flow(response)
    if response.status == 303 and operation.step == "update" and flow_id:
        return FlowExpired(
            f"{operation.name}: {_HINTS[FlowExpired]} (Kratos responded with 303)",
            use_flow_id=flow_id,
            set_cookies=set_cookie_values(response),
        )
    return KratosProtocolError(
        f"{operation.name}: unexpected status {response.status}; check that base_url is Kratos' public API"
    )


def _replacement_flow(response: HTTPResponse) -> str | None:
    try:
        location = urlsplit((response.header(b"location") or b"").decode("latin-1"))
    except ValueError:
        return None
    if not location.path.endswith("/flows"):
        return None
    return next(iter(parse_qs(location.query).get("id", ())), None)


def _invalid_flow(name: str, response: HTTPResponse, model: type[Flow]) -> OryGuardError:
    try:
        flow = model.model_validate_json(response.body)
    except ValidationError:
        return KratosProtocolError(f"{name}: the flow in the response is not a valid {model.__name__}")
    message = f"{name}: Kratos rejected the values; show the messages in flow.ui"
    return FlowInvalid(message, flow=flow, set_cookies=set_cookie_values(response))


def _api_error(operation: Operation, response: HTTPResponse, body: Mapping[str, Any]) -> OryGuardError:
    error = _object(body.get("error"))
    details = _object(error.get("details"))
    error_id = _text(error.get("id"))
    error_class = _flow_error_class(operation, response.status, error_id)
    redirect = _text(
        body.get("redirect_browser_to") or details.get("redirect_browser_to") or details.get("redirect_to")
    )
    attributes: dict[str, Any] = {
        "error_id": error_id,
        "reason": _text(error.get("reason")),
        "redirect_browser_to": redirect,
        "continue_with": _continue_with(details.get("continue_with")),
        "set_cookies": set_cookie_values(response),
    }
    shown = f"{response.status} {error_id}" if error_id and _ERROR_ID.fullmatch(error_id) else f"{response.status}"
    if error_class is None or (error_class is BrowserLocationChangeRequired and redirect is None):
        message = f"{operation.name}: Kratos responded with {shown}"
        code = error.get("code") if isinstance(error.get("code"), int) else None
        return KratosAPIError(message, status_code=response.status, error_code=code, **attributes)
    message = f"{operation.name}: {_HINTS[error_class]} (Kratos responded with {shown})"
    return error_class(message, use_flow_id=_text(body.get("use_flow_id")), **attributes)


def _flow_error_class(operation: Operation, status: int, error_id: str | None) -> type[FlowError] | None:
    by_id = _BY_ID.get(error_id or "")
    if by_id is not None:
        return by_id
    if operation.step is None or (status == 404 and operation.step == "create"):
        # Before a flow exists, a 404 means that this release of Kratos does not have the operation.
        return None
    return _BY_STATUS.get(status)


def _continue_with(items: Any) -> tuple[ContinueWith, ...]:
    steps: list[ContinueWith] = []
    for item in items if isinstance(items, list) else ():
        try:
            steps.append(_STEP.validate_python(item))
        except ValidationError:
            continue
    return tuple(steps)


def _decode_json(response: HTTPResponse) -> Any:
    if not response.is_json():
        return None
    try:
        return from_json(response.body)
    except ValueError:
        return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
