"""Static types of `FrontendClient`: checked by mypy, and imported by a test."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, assert_type

from ory_guard.client import (
    ContinueWith,
    DeleteMySessionsCount,
    FrontendClient,
    LoginFlow,
    Response,
    SessionsPage,
    SettingsFlow,
    SuccessfulNativeLogin,
    SuccessfulNativeRegistration,
)
from ory_guard.client.updates import UpdateLoginFlowWithPasswordMethod
from ory_guard.exceptions import FlowError, KratosAPIError
from ory_guard.models import Session


async def operations(client: FrontendClient) -> None:
    """Call one operation for each kind of return type."""
    assert_type(await client.create_browser_login_flow(refresh=True, cookie="a=b"), LoginFlow)
    assert_type(await client.get_settings_flow(id="f1", x_session_token="t"), SettingsFlow)
    body = UpdateLoginFlowWithPasswordMethod(identifier="ada", password="secret")
    assert_type(await client.update_login_flow(flow="f1", body=body), SuccessfulNativeLogin)
    assert_type(await client.update_registration_flow(flow="f1", body={"a": 1}), SuccessfulNativeRegistration)
    assert_type(await client.to_session(cookie="a=b"), Session[Mapping[str, Any]])
    assert_type(await client.list_my_sessions(page_size=10), SessionsPage)
    assert_type(await client.disable_my_other_sessions(), DeleteMySessionsCount)
    assert_type(await client.get_web_authn_java_script(), str)
    await client.disable_my_session(id="s1")
    async for page in client.iter_my_sessions(cookie="a=b"):
        assert_type(page, SessionsPage)


async def responses(client: FrontendClient) -> None:
    """Call operations of `with_response`."""
    response = await client.with_response.get_login_flow(id="f1")
    assert_type(response, Response[LoginFlow])
    assert_type(response.parsed, LoginFlow)
    assert_type(response.set_cookies, tuple[str, ...])
    assert_type(await client.with_response.disable_my_session(id="s1"), Response[None])


async def wrong_calls(client: FrontendClient) -> None:
    """Make calls that type checkers reject: wrong names, missing arguments and wrong types."""
    await client.get_login_flow(flow="f1")  # type: ignore[call-arg]
    await client.get_login_flow()  # type: ignore[call-arg]
    await client.get_login_flow(id=1)  # type: ignore[arg-type]
    await client.get_login_flow("f1")  # type: ignore[call-arg]
    await client.with_response.get_login_flow(flow="f1")  # type: ignore[call-arg]


def methods(client: FrontendClient) -> Callable[..., Coroutine[Any, Any, LoginFlow]]:
    """Return an operation as a callable."""
    return client.get_login_flow


def errors(error: KratosAPIError | FlowError) -> None:
    """Read the attributes of an error."""
    assert_type(error.error_id, str | None)
    assert_type(error.reason, str | None)
    assert_type(error.redirect_browser_to, str | None)
    assert_type(error.set_cookies, tuple[str, ...])
    assert_type(error.continue_with, tuple[ContinueWith, ...])
