"""The hooks of the documentation, sent by the fake to a `WebhookReceiver` that invalidates sessions."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import Route
from support.asgi_calls import http_scope
from support.flow_client import FlowClient, client_for

from ory_guard import Authenticated, GuardSettings, OryGuard
from ory_guard.fastapi import install
from ory_guard.testing import FakeKratos, Identity, SignedIn
from ory_guard.webhooks import WebhookReceiver

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs/how-to/several-workers.md"
EMAIL = "ada@example.test"
KEY = "the-key-that-kratos-sends"


class Deployment:
    """A fake with the hooks of the documentation, and an application that receives them."""

    def __init__(self, folder: Path, key: str = KEY) -> None:
        text = PAGE.read_text(encoding="utf-8")
        (config,) = (block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "web_hook" in block)
        (folder / "kratos.yml").write_text(config)
        self.fake = FakeKratos.from_config(folder / "kratos.yml")
        settings = GuardSettings(kratos_public_url=self.fake.settings.public_url, app_url="http://app.test")
        self.guard = OryGuard(settings, transport=httpx2.ASGITransport(app=self.fake.app))
        app = FastAPI()
        install(app, self.guard)
        app.router.routes.append(Route("/hooks/kratos", WebhookReceiver(self.guard, api_key=key)))
        self.fake.web_hook_app = app
        self.identity: Identity = self.fake.add_identity(EMAIL)
        self.session: SignedIn = self.fake.sign_in(self.identity)
        self.other: SignedIn = self.fake.sign_in(self.identity)

    async def outcome(self, session: SignedIn) -> Any:
        """Return the outcome of a request with a session."""
        return await self.guard.authenticate(
            http_scope("/", headers=[(b"x-session-token", session.token.encode())])
        )

    async def change(self, app: FlowClient, **fields: Any) -> None:
        """Change settings and wait for the hooks."""
        response = await app.submit(await app.create_flow("settings"), **fields)
        assert response.status_code == 200, response.text
        await self.fake.wait_for_web_hooks()


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A deployment with the correct key."""
    return Deployment(tmp_path)


async def test_changed_profile_is_visible_in_the_next_request(deployment: Deployment) -> None:
    assert isinstance(await deployment.outcome(deployment.session), Authenticated)
    app = client_for(deployment.fake, native=True)
    app.use(deployment.session)
    await deployment.change(app, method="profile", traits={"email": EMAIL, "name": {"first": "Ada"}})

    outcome = await deployment.outcome(deployment.session)
    assert (outcome.source, outcome.session.identity.traits["name"]["first"]) == ("upstream", "Ada")


async def test_changed_password_rejects_other_sessions_in_the_next_request(deployment: Deployment) -> None:
    assert isinstance(await deployment.outcome(deployment.other), Authenticated)
    app = client_for(deployment.fake, native=True)
    app.use(deployment.session)
    await deployment.change(app, method="password", password="battery-staple-correct-7")

    assert not isinstance(await deployment.outcome(deployment.other), Authenticated)
    assert isinstance(await deployment.outcome(deployment.session), Authenticated)


async def test_recovery_asks_kratos_again(deployment: Deployment) -> None:
    await deployment.outcome(deployment.other)
    app = client_for(deployment.fake, native=True)
    flow = await app.create_flow("recovery")
    await app.submit(flow, method="code", email=EMAIL)
    await app.submit(flow, method="code", code=deployment.fake.messages[0].code)
    await deployment.fake.wait_for_web_hooks()

    assert (await deployment.outcome(deployment.other)).source == "upstream"


async def test_wrong_key_is_logged_and_invalidates_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = Deployment(tmp_path, key="another-key")
    await deployment.outcome(deployment.session)
    app = client_for(deployment.fake, native=True)
    app.use(deployment.session)
    await deployment.change(app, method="profile", traits={"email": EMAIL})

    assert (await deployment.outcome(deployment.session)).source == "cache"
    assert "webhook.rejected status=401 count=1" in caplog.text
    assert "the status is 401" in caplog.text
