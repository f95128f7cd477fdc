"""Kratos' flows through the proxy, with the fake on sockets and with a real Kratos."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import httpx2
import pyotp
import pytest
from starlette.applications import Starlette
from support.flow_client import HTML, PASSWORD, FlowClient, message_ids, totp_secret
from support.kratos_servers import KratosServer, live, on_sockets
from support.live_kratos import fake_and_live

from ory_guard import OryGuard

from .upstream import PROXY, guard_for
from .walk import guarded_application, status

pytestmark = pytest.mark.anyio

Servers = Callable[[], AbstractAsyncContextManager[KratosServer]]


class Deployment:
    """An application, its Kratos on another host, and a browser that calls only the application.

    Attributes:
        kratos: The Kratos.
        app: The application.
        email: The address of the user.
    """

    def __init__(self, kratos: KratosServer) -> None:
        self.kratos = kratos
        settings = guard_for(None, kratos_public_url=kratos.public, timeout=10).settings
        self.guard = OryGuard(settings, transport=kratos.transport)
        self.app: Starlette = guarded_application(self.guard)
        self.email = f"ada-{uuid4().hex[:12]}@example.test"

    def client(self, *, native: bool = False) -> FlowClient:
        """Return a browser or an app."""
        return FlowClient(httpx2.ASGITransport(app=self.app), PROXY, native=native)

    async def register(self, client: FlowClient) -> httpx2.Response:
        """Create an account."""
        flow = await client.create_flow("registration")
        return await client.submit(flow, method="password", password=PASSWORD, traits={"email": self.email})

    async def code(self) -> str:
        """Return the code in the newest email to the user."""
        request = httpx2.Request("GET", f"{self.kratos.admin}/admin/courier/messages?recipient={self.email}")
        response = await self.kratos.transport.handle_async_request(request)
        messages = httpx2.Response(200, content=await response.aread()).json()
        newest = max(messages, key=lambda message: str(message["created_at"]).removesuffix("Z"))
        return str(re.findall(r"\b[0-9]{6}\b", newest["body"])[0])

    def totp(self, secret: str) -> str:
        """Return the current code of an authenticator app."""
        return pyotp.TOTP(secret).at(int(self.kratos.time()))


@pytest.fixture(params=fake_and_live(on_sockets, live))
async def deployment(request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """An application with each kind of Kratos."""
    servers: Servers = request.param
    async with servers() as kratos:
        created = Deployment(kratos)
        yield created
        await created.guard.aclose()


def assert_no_url_of(kratos: KratosServer, document: Any) -> None:
    """Check that a document has no URL of Kratos besides texts."""
    for position in ("ui", "continue_with", "redirect_browser_to", "logout_url", "request_url", "return_to"):
        assert kratos.public.removeprefix("http://") not in str(document.get(position, ""))


async def test_registration_login_and_logout(deployment: Deployment) -> None:
    client = deployment.client()
    registered = await deployment.register(client)
    assert registered.status_code == 200
    assert_no_url_of(deployment.kratos, registered.json())
    assert await status(client) == 200
    logout = (await client.get("/self-service/logout/browser")).json()
    assert logout["logout_url"].startswith(f"{PROXY}/self-service/logout?")
    assert (await client.get(logout["logout_url"])).status_code == 204
    assert await status(client) == 401
    logged_in = await client.log_in(deployment.email)
    assert logged_in.status_code == 200
    assert await status(client) == 200
    assert all(cookie.domain == "app.test" and cookie.path == "/" for cookie in client.client.cookies.jar)
    assert (await client.whoami()).json()["identity"]["schema_url"].startswith(f"{PROXY}/schemas/")


async def test_forms_are_redirected_within_the_application(deployment: Deployment) -> None:
    client = deployment.client()
    await deployment.register(client)
    client.client.cookies.clear()
    started = await client.start("login", HTML)
    assert started.status_code == 303
    flow = (await client.get_flow("login", started.headers["location"].partition("flow=")[2])).json()
    assert flow["ui"]["action"].startswith(f"{PROXY}/self-service/login?flow=")
    wrong = await client.submit_form(flow, method="password", identifier=deployment.email, password="wrong-one")
    flow = (await client.get_flow("login", flow["id"])).json()
    assert (wrong.status_code, message_ids(flow)) == (303, [4000006])
    right = await client.submit_form(flow, method="password", identifier=deployment.email, password=PASSWORD)
    assert right.status_code == 303
    assert await status(client) == 200


async def test_second_factor(deployment: Deployment) -> None:
    client = deployment.client()
    await deployment.register(client)
    assert await status(client, "/vault") == 403
    flow = await client.create_flow("settings")
    secret = totp_secret(flow)
    enrolled = await client.submit(flow, method="totp", totp_code=deployment.totp(secret))
    assert (enrolled.status_code, enrolled.json()["state"]) == (200, "success")
    assert await status(client, "/vault") == 200
    other = deployment.client()
    first = await other.log_in(deployment.email)
    assert first.status_code == 422
    assert first.json()["redirect_browser_to"].startswith(f"{PROXY}/self-service/login/browser?aal=aal2")
    assert await status(other, "/vault") == 403
    flow = await other.create_flow("login", aal="aal2")
    second = await other.submit(flow, method="totp", totp_code=deployment.totp(secret))
    assert second.status_code == 200
    assert await status(other, "/vault") == 200
    links = (await other.get("/sessions")).headers["link"]
    assert links.startswith(f"<{PROXY}/sessions?")
    assert (await other.client.delete("/sessions")).json() == {"count": 1}
    assert [await status(each) for each in (client, other)] == [401, 200]


async def test_recovery_and_a_new_password(deployment: Deployment) -> None:
    client = deployment.client()
    await deployment.register(client)
    recovering = deployment.client()
    flow = await recovering.create_flow("recovery")
    sent = await recovering.submit(flow, method="code", email=deployment.email)
    assert sent.json()["state"] == "sent_email"
    passed = await recovering.submit(sent.json(), method="code", code=await deployment.code())
    assert passed.status_code in (200, 422)
    assert_no_url_of(deployment.kratos, passed.json())
    assert await status(recovering) == 200
    assert await status(client) == 200
    flow = await recovering.create_flow("settings")
    changed = await recovering.submit(flow, method="password", password="a-new-lantern-9")
    assert (changed.status_code, changed.json()["state"]) == (200, "success")
    assert await status(recovering) == 200
    relogged = await deployment.client().log_in(deployment.email, "a-new-lantern-9")
    assert relogged.status_code == 200
