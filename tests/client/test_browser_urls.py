"""URLs in responses for a client whose browsers reach Kratos elsewhere."""

from typing import Any

import pytest
from recorded import ScriptedTransport, recorded_response, response
from support.recorded_kratos import recording

from ory_guard import GuardSettings, OryGuard
from ory_guard.client import FrontendClient, LogoutFlow
from ory_guard.exceptions import ConfigurationError, KratosProtocolError

pytestmark = pytest.mark.anyio

KRATOS = "http://127.0.0.1:4433"
BROWSER = "https://app.example/.ory"
COOKIE = "ory_kratos_session=x"


def client_of(*answers: Any, browser_url: str | None = BROWSER) -> FrontendClient:
    """Return a client that receives these responses."""
    return FrontendClient(KRATOS, transport=ScriptedTransport(*answers), browser_url=browser_url)


def logout_flow() -> Any:
    """Return the response to a new logout flow."""
    return response(200, {"logout_url": f"{KRATOS}/self-service/logout?token=x", "logout_token": "x"})


@pytest.mark.parametrize("browser_url", [BROWSER, None])
async def test_urls_are_those_of_browsers(browser_url: str | None) -> None:
    flow = await client_of(logout_flow(), browser_url=browser_url).create_browser_logout_flow(cookie=COOKIE)

    assert flow == LogoutFlow(logout_url=f"{browser_url or KRATOS}/self-service/logout?token=x", logout_token="x")


async def test_other_text_is_decoded_as_before() -> None:
    script = response(200, f"// {KRATOS}", [("content-type", "text/javascript")])
    client = client_of(response(200, b"{"), script, recorded_response(recording("login.native.create")))
    with pytest.raises(KratosProtocolError):
        await client.create_native_login_flow()

    assert await client.get_web_authn_java_script() == f"// {KRATOS}"
    assert (await client.create_native_login_flow()).id


def test_client_rejects_invalid_browser_url() -> None:
    with pytest.raises(ConfigurationError, match=r"^browser_url must"):
        FrontendClient(KRATOS, browser_url="app.example")


@pytest.mark.parametrize(
    ("app_url", "browser_url", "expected"),
    [
        ("https://app.example", BROWSER, BROWSER),
        ("https://app.example/.ory", BROWSER, KRATOS),
        ("https://app.example", "https://id.example", KRATOS),
    ],
)
async def test_client_of_a_guard_has_the_urls_of_its_proxy(app_url: str, browser_url: str, expected: str) -> None:
    settings = GuardSettings(kratos_public_url=KRATOS, kratos_browser_url=browser_url, app_url=app_url)
    guard = OryGuard(settings, transport=ScriptedTransport(logout_flow()))
    flow = await guard.client.create_browser_logout_flow(cookie=COOKIE)

    assert flow.logout_url == f"{expected}/self-service/logout?token=x"
