"""Tests of `ory_guard.client.errors`: which error an answer is, also where Kratos says something new."""

from typing import Any

import pytest
from recorded import Script, exchange_of, recorded_response, response

from ory_guard import exceptions
from ory_guard.client import FrontendClient, LoginFlow
from ory_guard.exceptions import (
    BrowserLocationChangeRequired,
    FlowExpired,
    FlowForbidden,
    FlowInvalid,
    KratosAPIError,
    KratosProtocolError,
    KratosRateLimited,
    KratosUnavailable,
    OryGuardError,
)

pytestmark = pytest.mark.anyio


async def raised_by(operation: str, answer: Any, **arguments: Any) -> OryGuardError:
    """Return what an operation raises at an answer."""
    client = FrontendClient("https://id.example", transport=Script(answer))
    with pytest.raises(OryGuardError) as caught:
        await getattr(client, operation)(**arguments)
    return caught.value


async def update_login(answer: Any) -> OryGuardError:
    """Return what the update of a login raises at an answer."""
    body = {"method": "password", "identifier": "ada", "password": "s3cret-9"}
    return await raised_by("update_login_flow", answer, flow="f1", body=body)


async def replayed(case: str, operation: str, **arguments: Any) -> OryGuardError:
    """Return what an operation raises at a recorded answer."""
    return await raised_by(operation, recorded_response(exchange_of(case)), **arguments)


async def test_expired_flow_names_its_successor() -> None:
    """A submit that comes too late says which flow to go on with."""
    error = await update_login(recorded_response(exchange_of("flow_expiry.login.native.submit")))

    assert isinstance(error, FlowExpired)
    assert error.use_flow_id == "7a5892f0-3fcb-4367-87e1-ce0514f47975"
    assert error.error_id == "self_service_flow_expired"


async def test_second_factor_carries_the_address_and_the_cookies() -> None:
    """After the first factor of two the browser needs both: where to go, and the session that it has now."""
    error = await update_login(recorded_response(exchange_of("login.browser.submit.ajax.first_of_two_factors")))

    assert isinstance(error, BrowserLocationChangeRequired)
    assert error.redirect_browser_to == "http://127.0.0.1:4433/self-service/login/browser?aal=aal2"
    assert [cookie.partition("=")[0] for cookie in error.set_cookies][1:] == ["ory_kratos_session"]


async def test_old_sign_in_leads_to_a_new_one() -> None:
    """A privileged change on an old session says where to sign in anew."""
    error = await replayed(
        "privileged.settings.browser.submit.ajax.password.refresh_required",
        "update_settings_flow",
        flow="f1",
        body={},
    )

    assert isinstance(error, FlowForbidden)
    assert error.error_id == "session_refresh_required"
    assert (error.redirect_browser_to or "").startswith(
        "http://127.0.0.1:4533/self-service/login/browser?refresh=true"
    )
    assert error.set_cookies[0].startswith("ory_kratos_continuity=")


async def test_invalid_values_come_with_the_flow() -> None:
    """A 400 with a flow carries it, parsed, with its messages."""
    error = await update_login(recorded_response(exchange_of("login.native.submit.wrong_password")))

    assert isinstance(error, FlowInvalid)
    assert isinstance(error.flow, LoginFlow)
    assert [message.id for message in error.flow.ui.messages] == [4000006]


async def test_whoami_without_its_second_factor() -> None:
    """Outside of flows a 403 is a refusal, and its address is kept, also from the details."""
    address = "https://id.example/self-service/login/browser?aal=aal2"
    body = {"error": {"id": "session_aal2_required", "details": {"redirect_browser_to": address}}}

    error = await raised_by("to_session", response(403, body))

    assert isinstance(error, KratosAPIError)
    assert (error.status_code, error.error_id, error.redirect_browser_to) == (
        403,
        "session_aal2_required",
        address,
    )


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
async def test_unknown_ids_fall_back_to_the_status(status: int, expected: str, body: Any) -> None:
    """Whatever the body says, an answer is the error of its status."""
    error = await update_login(response(status, body))

    assert type(error) is getattr(exceptions, expected)


async def test_text_bodies() -> None:
    """A 404 in plain text is no riddle: the operation is not there."""
    error = await replayed("fedcm.parameters", "create_fedcm_flow")

    assert isinstance(error, KratosAPIError)
    assert (error.status_code, error.error_id, error.reason) == (404, None, None)


async def test_location_change_without_a_location_is_a_refusal() -> None:
    """A 422 that does not say where to go can't be followed."""
    error = await update_login(response(422, {"error": {"id": "browser_location_change_required"}}))

    assert isinstance(error, KratosAPIError)
    assert error.status_code == 422


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("3600", 60), ("0", 1), ("soon", 1), (None, 1)], ids=str)
async def test_rate_limit_says_how_long(header: str | None, seconds: int) -> None:
    """A 429 says how many seconds to wait, from 1 to 60."""
    headers = [] if header is None else [("retry-after", header)]

    error = await update_login(response(429, "", headers))

    assert isinstance(error, KratosRateLimited)
    assert error.retry_after == seconds


async def test_unreadable_flow_is_nonsense() -> None:
    """A 400 that says it is a flow and is none is no answer of Kratos'."""
    error = await update_login(response(400, {"ui": {"nodes": "many"}}))

    assert isinstance(error, KratosProtocolError)


async def test_texts_show_no_more_than_known_words() -> None:
    """What Kratos says in `id` and `reason` does not get into the text, unless it looks like an id."""
    body = {"error": {"id": "Token ory_st_1", "reason": "the token ory_st_1 is bad"}}

    error = await update_login(response(401, body))

    assert "ory_st_1" not in str(error)
    assert str(error) == "update_login_flow: Kratos answered 401"


async def test_texts_say_what_to_do() -> None:
    """An error's text names the operation, what happened, and the way on."""
    error = await update_login(response(410, {"error": {"id": "self_service_flow_expired"}}))

    assert str(error) == (
        "update_login_flow: the flow is too old; go on with use_flow_id, or start a new flow"
        " (Kratos answered 410 self_service_flow_expired)"
    )


async def test_unavailable_names_the_status() -> None:
    """A failing Kratos is told from a refusing one."""
    error = await raised_by("to_session", response(503, "upstream connect error"))

    assert type(error) is KratosUnavailable
    assert str(error) == "to_session: Kratos failed and answered 503"
