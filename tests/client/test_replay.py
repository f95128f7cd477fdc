"""The recordings of a real Kratos, replayed through the client."""

import contextlib
import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pydantic import BaseModel, ValidationError
from recorded import ScriptedTransport, recorded_response
from support.recorded_kratos import Recording, recordings
from support.typed_calls import BODIES, HEADERS, NOT_MODELLED, arguments_of, bodies_of, is_typed_call

from ory_guard import exceptions
from ory_guard.client import FrontendClient
from ory_guard.client.operations.all_operations import OPERATIONS
from ory_guard.client.request_builder import Body
from ory_guard.exceptions import FlowError, KratosAPIError, OryGuardError

pytestmark = pytest.mark.anyio

ERRORS = {
    (400, "UI"): "FlowInvalid",
    (400, "session_already_available"): "SessionAlreadyAvailable",
    (400, "self_service_flow_return_to_forbidden"): "KratosAPIError",
    (400, None): "KratosAPIError",
    (401, "session_aal1_required"): "KratosAPIError",
    (401, "session_inactive"): "KratosAPIError",
    (401, None): "KratosAPIError",
    (403, None): "FlowForbidden",
    (403, "security_csrf_violation"): "FlowForbidden",
    (403, "security_identity_mismatch"): "FlowForbidden",
    (403, "session_aal2_required"): "FlowForbidden",
    (403, "session_refresh_required"): "FlowForbidden",
    (404, None): "FlowNotFound",
    (410, "self_service_flow_expired"): "FlowExpired",
    (422, "browser_location_change_required"): "BrowserLocationChangeRequired",
    (500, None): "KratosUnavailable",
}
"""The class for a status and an error ID, for operations of a flow."""

_NO_FLOW = {
    "create_fedcm_flow",
    "exchange_session_token",
    "get_flow_error",
    "list_my_sessions",
    "perform_native_logout",
    "to_session",
}
"""Operations without a flow: their 403 and 404 are `KratosAPIError`."""


TYPED_CALLS = [exchange for exchange in recordings() if is_typed_call(exchange)]
each_typed_call = pytest.mark.parametrize("exchange", TYPED_CALLS, ids=lambda exchange: exchange.case)


def normalized(value: Any) -> Any:
    """Return a value with the precision of `datetime` for times, and an empty list for a null `continue_with`."""
    if isinstance(value, dict):
        values = {key: normalized(item) for key, item in value.items()}
        return values | {key: [] for key in ("continue_with",) if key in values and values[key] is None}
    if isinstance(value, list):
        return [normalized(item) for item in value]
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", value)):
        return f"{match[1]}{(match[2] or '.')[:7]:0<7}Z"
    return value


def call(client: FrontendClient, exchange: Recording, body: Body | None) -> Any:
    """Repeat the recorded call with `with_response`."""
    arguments = arguments_of(exchange)
    if body is not None:
        arguments["body"] = body
    return getattr(client.with_response, exchange.operation)(**arguments)


def secrets_of(exchange: Recording) -> list[str]:
    """Return the credentials in a recorded request: tokens, cookies, passwords and codes."""
    headers, body = exchange.request["headers"], exchange.request["body"] or {}
    sent = [value for name, value in headers.items() if name in HEADERS]
    sent += [body[name] for name in ("password", "totp_code", "code", "csrf_token", "token") if name in body]
    return [part for value in sent for part in value.split() if part not in ("x", "Bearer", "bearer", "Basic")]


def expected_error(exchange: Recording) -> str:
    """Return the name of the class for the recorded response."""
    status, body = exchange.response["status"], exchange.response["body"]
    body = body if isinstance(body, dict) else {}
    error_id = "UI" if "ui" in body else body.get("error", {}).get("id")
    expected = ERRORS[status, error_id if status != 500 else None]
    return "KratosAPIError" if exchange.operation in _NO_FLOW and expected.startswith("Flow") else expected


def test_recordings_cover_every_operation() -> None:
    assert len(TYPED_CALLS) == 178
    assert {exchange.operation for exchange in TYPED_CALLS} == set(OPERATIONS)


@each_typed_call
async def test_request_equals_the_recorded_one(exchange: Recording) -> None:
    """Method, path, query, credentials, content type and body are those of the recorded request."""
    recorded = exchange.request
    for body in bodies_of(exchange):
        script = ScriptedTransport(recorded_response(exchange))
        client = FrontendClient("http://127.0.0.1:4433", transport=script)

        with contextlib.suppress(OryGuardError):
            await call(client, exchange, body)

        (sent,) = script.requests
        expected = {**recorded["headers"], "accept": "application/json"}
        kept = ("accept", "content-type", "cookie", "authorization", "x-session-token")
        assert (sent.method, sent.url.path) == (recorded["method"], recorded["path"])
        assert sorted(parse_qsl(sent.url.query.decode())) == sorted(parse_qsl(recorded["query"]))
        assert {name: sent.headers[name] for name in kept if name in sent.headers} == expected
        assert (json.loads(sent.content) if sent.content else None) == recorded["body"]


@each_typed_call
async def test_response_is_parsed_or_raised(exchange: Recording) -> None:
    """A success becomes a model whose dump equals the recorded body; an error raises its class."""
    client = FrontendClient("http://127.0.0.1:4433", transport=ScriptedTransport(recorded_response(exchange)))
    status, body = exchange.response["status"], exchange.response["body"]
    cookies = tuple(value for name, value in exchange.response["headers"] if name == "set-cookie")

    if status >= 300:
        with pytest.raises(OryGuardError) as caught:
            await call(client, exchange, bodies_of(exchange)[0])
        assert type(caught.value) is getattr(exceptions, expected_error(exchange))
        assert not [secret for secret in secrets_of(exchange) if secret in repr(caught.value)]
        if isinstance(caught.value, FlowError | KratosAPIError):
            assert caught.value.set_cookies == cookies
        return
    answer = await call(client, exchange, bodies_of(exchange)[0])

    assert (answer.status_code, answer.set_cookies) == (status, cookies)
    assert normalized(dumped(answer.parsed)) == (None if status == 204 else normalized(body))


def dumped(parsed: Any) -> Any:
    """Return the JSON values of a model, without unset fields."""
    if isinstance(parsed, BaseModel):
        values = parsed.model_dump(mode="json", exclude_unset=True)
        return values.get("sessions", values)
    return parsed


def test_models_reject_invalid_bodies() -> None:
    for exchange in recordings():
        if exchange.case in NOT_MODELLED:
            with pytest.raises(ValidationError):
                BODIES[exchange.operation].validate_python(exchange.request["body"])
