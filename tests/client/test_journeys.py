"""Journeys through the client, against the fake and, with the mark `live`, a real Kratos."""

import uuid
from collections.abc import AsyncIterator

import httpx2
import pytest
from support.live_kratos import live_kratos

from ory_guard.client import FrontendClient, UiNodeInputAttributes
from ory_guard.client.models.flows import Flow
from ory_guard.client.ui import find_nodes, submit_body
from ory_guard.client.updates import (
    PerformNativeLogoutBody,
    UpdateLoginFlowWithPasswordMethod,
    UpdateRegistrationFlowWithPasswordMethod,
    UpdateSettingsFlowWithPasswordMethod,
    UpdateSettingsFlowWithProfileMethod,
)
from ory_guard.exceptions import FlowInvalid, KratosAPIError
from ory_guard.models import Session
from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

# A real Kratos needs a few seconds to hash a password on a busy machine.
CALL_TIMEOUT = 30.0


@pytest.fixture(params=["fake", pytest.param("live", marks=pytest.mark.live)])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[FrontendClient]:
    """Yield a client of the fake, or of the real Kratos in the environment."""
    is_live = request.param == "live"
    base_url = live_kratos().public if is_live else "http://127.0.0.1:4433"
    transport = None if is_live else httpx2.ASGITransport(app=FakeKratos().app)
    async with FrontendClient(base_url, transport=transport, timeout=CALL_TIMEOUT) as opened:
        yield opened


@pytest.fixture
def email() -> str:
    """Return an address that is not registered."""
    return f"ada-{uuid.uuid4().hex}@example.test"


class Browser:
    """A cookie jar for one host."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    def take(self, set_cookies: tuple[str, ...]) -> None:
        """Store the cookies of a response, and delete expired ones."""
        for line in set_cookies:
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self._cookies.pop(name, None)
            else:
                self._cookies[name] = value

    @property
    def cookie(self) -> str:
        """The `Cookie` header."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())


def fill_in(flow: Flow, **texts: str) -> dict[str, str]:
    """Return the fields that a browser submits: rendered inputs without buttons, updated with the texts."""
    inputs = [node.attributes for node in find_nodes(flow) if isinstance(node.attributes, UiNodeInputAttributes)]
    form = {
        attributes.name: str(attributes.value or "")
        for attributes in inputs
        if attributes.type not in ("submit", "button")
    }
    return form | {name.replace("__", "."): text for name, text in texts.items()}


async def register(client: FrontendClient, email: str, password: str) -> None:
    """Register an identity natively."""
    flow = await client.create_native_registration_flow()
    body = UpdateRegistrationFlowWithPasswordMethod(password=password, traits={"email": email})

    result = await client.update_registration_flow(flow=flow.id, body=body)

    assert result.identity.traits["email"] == email


async def log_in(client: FrontendClient, email: str, password: str) -> str:
    """Log in natively and return the token."""
    flow = await client.create_native_login_flow()
    body = UpdateLoginFlowWithPasswordMethod(identifier=email, password=password)

    result = await client.update_login_flow(flow=flow.id, body=body)

    assert isinstance(result.session, Session)
    assert result.session_token is not None
    return result.session_token


async def test_native_journey(client: FrontendClient, email: str) -> None:
    """Register, log in, change traits and password, list sessions and log out, with a token."""
    await register(client, email, "correct-horse-battery-9")
    token = await log_in(client, email, "correct-horse-battery-9")

    flow = await client.create_native_settings_flow(x_session_token=token)
    named = UpdateSettingsFlowWithProfileMethod(traits={"email": email, "name": {"first": "Ada"}})
    settings = await client.update_settings_flow(flow=flow.id, body=named, x_session_token=token)
    assert (settings.state, settings.identity.traits["name"]) == ("success", {"first": "Ada"})

    changed = UpdateSettingsFlowWithPasswordMethod(password="battery-staple-correct-7")
    settings = await client.update_settings_flow(flow=flow.id, body=changed, x_session_token=token)
    assert settings.state == "success"
    other = await log_in(client, email, "battery-staple-correct-7")

    sessions = [
        session.id
        async for page in client.iter_my_sessions(page_size=1, x_session_token=other)
        for session in page.sessions
    ]
    mine = await client.to_session(x_session_token=token)
    assert mine.id in sessions
    await client.disable_my_session(id=mine.id, x_session_token=other)
    with pytest.raises(KratosAPIError) as caught:
        await client.to_session(authorization=f"Bearer {token}")
    assert caught.value.status_code == 401

    await client.perform_native_logout(body=PerformNativeLogoutBody(session_token=other))
    with pytest.raises(KratosAPIError):
        await client.to_session(x_session_token=other)


async def test_browser_journey(client: FrontendClient, email: str, request: pytest.FixtureRequest) -> None:
    """Register in two steps, log out, log in and change traits, with forms and cookies of a browser."""
    if "live" in request.node.callspec.id:
        live_kratos().require_two_steps()
    browser = Browser()
    started = await client.with_response.create_browser_registration_flow()
    browser.take(started.set_cookies)
    form = fill_in(started.parsed, traits__email=email, method="profile")
    with pytest.raises(FlowInvalid) as second_step:
        await client.update_registration_flow(
            flow=started.parsed.id, body=submit_body(form, started.parsed), cookie=browser.cookie
        )
    browser.take(second_step.value.set_cookies)
    flow = second_step.value.flow
    form = fill_in(flow, password="correct-horse-battery-9", method="password")
    registered = await client.with_response.update_registration_flow(
        flow=flow.id, body=submit_body(form, flow), cookie=browser.cookie
    )
    browser.take(registered.set_cookies)
    assert registered.parsed.identity.traits["email"] == email

    if registered.parsed.session is not None:  # the session hook of a real Kratos may be off
        await log_out(client, browser)
    await log_in_by_form(client, browser, email, "correct-horse-battery-9")

    settings = await client.with_response.create_browser_settings_flow(cookie=browser.cookie)
    browser.take(settings.set_cookies)
    form = fill_in(settings.parsed, traits__name__first="Ada", method="profile")
    changed = await client.update_settings_flow(
        flow=settings.parsed.id, body=submit_body(form, settings.parsed), cookie=browser.cookie
    )
    assert (changed.state, changed.identity.traits["name"]) == ("success", {"first": "Ada"})


async def log_out(client: FrontendClient, browser: Browser) -> None:
    """Log out a browser."""
    logout = await client.create_browser_logout_flow(cookie=browser.cookie)
    done = await client.with_response.update_logout_flow(token=logout.logout_token, cookie=browser.cookie)
    browser.take(done.set_cookies)
    with pytest.raises(KratosAPIError):
        await client.to_session(cookie=browser.cookie)


async def log_in_by_form(client: FrontendClient, browser: Browser, email: str, password: str) -> None:
    """Log in a browser."""
    started = await client.with_response.create_browser_login_flow(cookie=browser.cookie)
    browser.take(started.set_cookies)
    rendered = await client.get_login_flow(id=started.parsed.id, cookie=browser.cookie)
    form = fill_in(rendered, identifier=email, password=password, method="password")

    done = await client.with_response.update_login_flow(
        flow=rendered.id, body=submit_body(form, rendered), cookie=browser.cookie
    )

    browser.take(done.set_cookies)
    session = await client.to_session(cookie=browser.cookie)
    assert session.identity.traits["email"] == email
