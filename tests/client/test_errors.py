"""Tests of `ory_guard.client.errors`: responses of Kratos to exceptions."""

from typing import Any

import pytest
from recorded import ScriptedTransport, recorded_errors, recorded_response, response
from support.recorded_kratos import Recording, recording

from ory_guard import exceptions
from ory_guard.client import (
    ContinueWith,
    ContinueWithFlow,
    ContinueWithRecoveryUi,
    ContinueWithVerificationUi,
    FrontendClient,
)
from ory_guard.exceptions import (
    BrowserLocationChangeRequired,
    FlowError,
    FlowExpired,
    FlowForbidden,
    KratosAPIError,
    KratosProtocolError,
    KratosRateLimited,
    KratosUnavailable,
    OryGuardError,
)

pytestmark = pytest.mark.anyio

LOCATION = "http://127.0.0.1:4433/self-service/login/flows?id=f2"


async def error_of(operation: str, answer: Any, **arguments: Any) -> OryGuardError:
    """Return the exception that an operation raises for a response."""
    client = FrontendClient("https://id.example", transport=ScriptedTransport(answer))
    with pytest.raises(OryGuardError) as caught:
        await getattr(client, operation)(**arguments)
    return caught.value


async def login_error(answer: Any) -> OryGuardError:
    """Return the exception that the update of a login flow raises for a response."""
    body = {"method": "password", "identifier": "ada", "password": "s3cret-9"}
    return await error_of("update_login_flow", answer, flow="f1", body=body)


async def recorded_login_error(case: str) -> OryGuardError:
    """Return the exception that the update of a login flow raises for a recorded response."""
    return await login_error(recorded_response(recording(case)))


def step_of(exchange: Recording) -> tuple[ContinueWith, ...]:
    """Return the typed form of a recorded `error.details.continue_with`."""
    (item,) = exchange.response["body"]["error"]["details"]["continue_with"]
    flow = ContinueWithFlow(**item["flow"])
    if item["action"] == "show_recovery_ui":
        return (ContinueWithRecoveryUi(flow=flow),)
    return (ContinueWithVerificationUi(flow=flow),)


RECORDED: dict[str, tuple[type[OryGuardError], int, str | None, bool, str | None]] = {
    "expired.native.verification.submit": (FlowExpired, 410, None, False, "13d5d221-22f0-49b3-b117-58506b5d0981"),
    "expired.browser.verification.submit_ajax": (
        FlowExpired, 410, None, False, "c640d392-953c-41d7-bdf0-05d080d57775",
    ),
    "expired.browser.recovery.submit_ajax": (FlowExpired, 410, None, False, "440d172d-2867-4b93-ae55-a0e66fe3dc79"),
    "expired.native.recovery.submit": (
        FlowExpired, 410, "self_service_flow_expired", True, "87f519be-ecb5-4efd-8700-cfa621211ac6",
    ),
    "rv.login_unverified.native": (FlowForbidden, 403, "session_verified_address_required", True, None),
    "rv.login_unverified.ajax": (FlowForbidden, 403, "session_verified_address_required", True, None),
    "recovery.wrong_6": (KratosAPIError, 400, None, True, None),
    "recovery.code_reused": (KratosAPIError, 400, None, True, None),
    "logout.native_unknown": (KratosAPIError, 403, None, False, None),
}  # fmt: skip
"""Case: class, status, error ID, whether the error has next steps, and the flow that replaces the expired one."""


@pytest.mark.parametrize("exchange", recorded_errors(), ids=lambda exchange: exchange.case)
async def test_recorded_error_keeps_its_details(exchange: Recording) -> None:
    error_class, status_code, error_id, has_steps, use_flow_id = RECORDED[exchange.case]
    arguments = {"body": exchange.request["body"]}
    if exchange.operation != "perform_native_logout":
        arguments["flow"] = "f1"

    error = await error_of(exchange.operation, recorded_response(exchange), **arguments)

    assert isinstance(error, FlowError | KratosAPIError)
    assert type(error) is error_class
    assert (error.status_code, error.error_id) == (status_code, error_id)
    assert getattr(error, "use_flow_id", None) == use_flow_id
    assert error.continue_with == (step_of(exchange) if has_steps else ())
    assert error.set_cookies == tuple(v for k, v in exchange.response["headers"] if k == "set-cookie")


@pytest.mark.parametrize(
    ("operation", "status", "location"),
    [
        ("update_login_flow", 302, LOCATION),
        ("update_login_flow", 303, "http://127.0.0.1:4455/login?flow=f2"),
        ("update_login_flow", 303, "http://127.0.0.1:4433/self-service/login/flows"),
        ("update_login_flow", 303, "http://127.0.0.1:4433/self-service/login/flows?id="),
        ("update_login_flow", 303, "http://[/flows?id=f2"),
        ("update_login_flow", 303, None),
        ("get_login_flow", 303, LOCATION),
        ("to_session", 303, LOCATION),
    ],
    ids=["302", "ui", "no_id", "empty_id", "not_a_url", "no_location", "read", "no_flow"],
)
async def test_other_redirects_are_protocol_errors(operation: str, status: int, location: str | None) -> None:
    """Only the redirect of a submit to a replacement flow means that the flow has expired."""
    headers = [] if location is None else [("location", location)]
    arguments: dict[str, dict[str, Any]] = {
        "update_login_flow": {"flow": "f1", "body": {}},
        "get_login_flow": {"id": "f1"},
        "to_session": {"cookie": "a=b"},
    }

    error = await error_of(operation, response(status, "", headers), **arguments[operation])

    assert type(error) is KratosProtocolError
    assert str(error) == f"{operation}: unexpected status {status}; check that base_url is Kratos' public API"


SETTINGS_STEP = {"action": "show_settings_ui", "flow": {"id": "f2"}}
UNKNOWN_STEP = {"action": "dance", "tempo": 3}


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        ([SETTINGS_STEP, UNKNOWN_STEP], [SETTINGS_STEP, UNKNOWN_STEP]),
        ([{"action": "show_recovery_ui"}, UNKNOWN_STEP], [UNKNOWN_STEP]),
        (["dance"], []),
        (UNKNOWN_STEP, []),
        (None, []),
    ],
    ids=["valid", "invalid_item", "text", "object", "null"],
)
@pytest.mark.parametrize(("status", "error_class"), [(400, KratosAPIError), (403, FlowForbidden)])
async def test_continue_with_keeps_valid_items(
    status: int, error_class: type[KratosAPIError | FlowError], items: Any, kept: list[Any]
) -> None:
    body = {"error": {"reason": "Because.", "details": {"continue_with": items}}}

    error = await login_error(response(status, body))

    assert isinstance(error, error_class)
    assert [step.model_dump(exclude_unset=True) for step in error.continue_with] == kept
    assert error.reason == "Because."


async def test_second_factor_has_url_and_cookies() -> None:
    """After the first of two factors the error contains the next URL and the browser's session cookie."""
    error = await recorded_login_error("login.browser.submit.ajax.first_of_two_factors")

    assert isinstance(error, BrowserLocationChangeRequired)
    assert error.redirect_browser_to == "http://127.0.0.1:4433/self-service/login/browser?aal=aal2"
    assert [cookie.partition("=")[0] for cookie in error.set_cookies][1:] == ["ory_kratos_session"]


async def test_privileged_change_has_the_login_url() -> None:
    case = "privileged.settings.browser.submit.ajax.password.refresh_required"

    error = await error_of("update_settings_flow", recorded_response(recording(case)), flow="f1", body={})

    assert isinstance(error, FlowForbidden)
    assert error.error_id == "session_refresh_required"
    assert (error.redirect_browser_to or "").startswith(
        "http://127.0.0.1:4533/self-service/login/browser?refresh=true"
    )
    assert error.set_cookies[0].startswith("ory_kratos_continuity=")


async def test_whoami_error_has_the_redirect_of_its_details() -> None:
    url = "https://id.example/self-service/login/browser?aal=aal2"
    body = {"error": {"id": "session_aal2_required", "details": {"redirect_browser_to": url}}}

    error = await error_of("to_session", response(403, body))

    assert isinstance(error, KratosAPIError)
    assert (error.status_code, error.error_id, error.redirect_browser_to) == (403, "session_aal2_required", url)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "KratosAPIError"),
        (401, "KratosAPIError"),
        (403, "FlowForbidden"),
        (404, "FlowNotFound"),
        (409, "KratosAPIError"),
        (410, "FlowExpired"),
        (429, "KratosRateLimited"),
        (500, "KratosUnavailable"),
        (502, "KratosUnavailable"),
        (303, "KratosProtocolError"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"id": "something_new", "reason": "Because."}},
        {"error": {"id": 7, "reason": None, "details": []}},
        {"error": "no"},
        [],
        "{",
        "[" * 100_000,
        "",
    ],
    ids=["unknown", "odd", "text", "list", "broken", "deep", "empty"],
)
async def test_unknown_error_id_falls_back_to_the_status(status: int, expected: str, body: Any) -> None:
    error = await login_error(response(status, body))

    assert type(error) is getattr(exceptions, expected)


async def test_location_change_without_a_url_is_an_api_error() -> None:
    """`BrowserLocationChangeRequired` always has a URL."""
    error = await login_error(response(422, {"error": {"id": "browser_location_change_required"}}))

    assert isinstance(error, KratosAPIError)
    assert error.status_code == 422


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), (None, 1)], ids=str)
async def test_rate_limit_has_its_retry_after(header: str | None, seconds: int) -> None:
    headers = [] if header is None else [("retry-after", header)]

    error = await login_error(response(429, "", headers))

    assert isinstance(error, KratosRateLimited)
    assert error.retry_after == seconds
    assert str(error) == f"update_login_flow: Kratos limits the request rate; wait {seconds} s"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            410,
            {"error": {"id": "self_service_flow_expired"}},
            (
                "the flow has expired; continue with use_flow_id or create a new flow"
                " (Kratos responded with 410 self_service_flow_expired)"
            ),
        ),
        (
            401,
            {"error": {"id": "Token ory_st_1", "reason": "the token ory_st_1 is bad"}},
            "Kratos responded with 401",
        ),
        (400, {"ui": {"nodes": "many"}}, "the flow in the response is not a valid LoginFlow"),
        (503, "upstream connect error", "Kratos failed with status 503"),
    ],
    ids=["hint", "text_of_kratos", "invalid_flow", "unavailable"],
)
async def test_message_names_operation_and_problem(status: int, body: Any, message: str) -> None:
    """Messages quote nothing from the response except well-formed error IDs."""
    error = await login_error(response(status, body))

    assert str(error) == f"update_login_flow: {message}"
    assert isinstance(error, KratosUnavailable) == (status in (400, 503))
