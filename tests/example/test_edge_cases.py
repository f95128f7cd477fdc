"""Edge cases: flows of other identities, ended sessions, JSON errors, and limits."""

import asyncio
import re
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from support.asgi_calls import NAVIGATE, call

from example_app.app import create_app
from example_app.kratos_backend import Backend
from example_app.transfers import Ledger, Transfer
from ory_guard import GuardSettings
from ory_guard.ui.translations import Catalogs
from ory_guard.ui.user_agents import device_name

from .deployment import APP_URL, Deployment
from .visitor import Visitor

pytestmark = pytest.mark.anyio

EMAIL = "ada@example.test"


async def test_settings_flow_of_another_identity_is_replaced(visitor: Visitor) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/settings")
    address = visitor.url
    await visitor.press("Sign out")
    await visitor.register("grace@example.test")

    await visitor.open(address)

    assert "The form no longer exists" in visitor.page.text
    assert ("traits.email", "grace@example.test") in visitor.page.form_with("method=profile")[0].fields


async def test_settings_lead_to_sign_in_or_second_factor_first(visitor: Visitor) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/settings")
    await visitor.enroll_totp()
    await visitor.open("/settings")
    address = visitor.url
    await visitor.press("Sign out")
    await visitor.open(address)
    assert visitor.page.title == "Sign in · Postern"

    await visitor.sign_in(EMAIL)
    assert visitor.page.title == "Second factor · Postern"
    await visitor.open(address)

    assert visitor.page.title == "Second factor · Postern"
    assert "You will then continue to /settings" in visitor.page.text


async def test_session_that_kratos_ended_leads_to_sign_in(visitor: Visitor, deployment: Deployment) -> None:
    """The guard's cache still has the session, but the page calls Kratos."""
    await visitor.register(EMAIL)
    await visitor.open("/me")
    (session,) = deployment.fake._server.store.sessions.values()
    deployment.fake.revoke(session)

    await visitor.open("/sessions")
    assert visitor.page.title == "Sign in · Postern"
    await visitor.open("/me")

    assert visitor.path == "/login"


async def test_page_shows_an_error_of_kratos_and_invalidates_the_session(
    visitor: Visitor, deployment: Deployment
) -> None:
    """Kratos requires a second factor since the guard cached the session."""
    await visitor.register(EMAIL)
    await visitor.open("/me")
    (identity,) = deployment.fake.identities
    identity.credentials.totp_secret = "JBSWY3DPEHPK3PXP"

    await visitor.open("/sessions")
    assert (visitor.status, visitor.page.title) == (403, "Request failed · Postern")
    await visitor.open("/me")

    assert visitor.page.title == "Second factor · Postern"


async def test_only_other_sessions_can_be_revoked(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register(EMAIL)
    (session,) = deployment.fake._server.store.sessions.values()
    headers = {"sec-fetch-site": "same-origin"}
    for session_id, status in ((session.id, 200), ("x", 404), (str(uuid4()), 200)):
        response = await visitor.client.post(f"{APP_URL}/sessions/{session_id}/revoke", headers=headers)
        assert response.status_code == status

    await visitor.open("/me")

    assert visitor.status == 200


async def test_api_clients_get_json_errors(deployment: Deployment) -> None:
    signed_in = deployment.fake.sign_in(deployment.fake.add_identity())
    token = [(b"x-session-token", signed_in.token.encode())]
    missing = await call(deployment.app, "/nothing", headers=token)

    assert (missing.status, missing.json) == (404, {"detail": "Not Found"})


async def test_api_requires_aal2_for_the_vault(deployment: Deployment) -> None:
    identity = deployment.fake.add_identity()
    weak = deployment.fake.sign_in(identity).token.encode()
    refused = await call(deployment.app, "/api/vault", headers=[(b"x-session-token", weak)])
    strong = deployment.fake.sign_in(identity, aal="aal2").token.encode()
    response = await call(deployment.app, "/api/vault", headers=[(b"x-session-token", strong)])

    assert (refused.status, refused.error_id) == (403, "session_aal2_enrollment_required")
    assert response.json["documents"] == ["contract.pdf", "insurance.pdf", "certificates.pdf"]


async def test_concurrent_requests_report_a_shared_call(deployment: Deployment) -> None:
    token = [(b"x-session-token", deployment.fake.sign_in(deployment.fake.add_identity()).token.encode())]
    responses = await asyncio.gather(*(call(deployment.app, "/debug/guard", headers=token) for _ in range(3)))
    results = sorted(response.json["request"]["cache"] for response in responses)

    assert results == ["miss", "shared", "shared"]


async def test_session_page_lists_traits_and_addresses_as_values(visitor: Visitor) -> None:
    """Labels are short, so that they fit on a phone, and empty traits are omitted."""
    await visitor.register(EMAIL)
    html = (await visitor.client.get(f"{APP_URL}/me")).text
    labels = re.findall(r"<dt>(.*?)</dt>", html)
    values = re.findall(r"<dd>(.*?)</dd>", html)

    assert labels[:4] == ["email", "name.first", "Not verified", "Identity ID"]
    assert values[:3] == [EMAIL, "Ada", EMAIL]


async def test_real_kratos_is_in_form_action() -> None:
    settings = GuardSettings(kratos_public_url="http://127.0.0.1:4433", app_url=APP_URL)
    app = create_app(Backend(settings), provider_origins=["https://accounts.example/"])
    home = await call(app, "/", headers=[NAVIGATE])
    policy = (home.header(b"content-security-policy") or b"").decode()

    assert "form-action 'self' http://127.0.0.1:4433 https://accounts.example;" in policy


def test_ledger_is_limited_per_identity_and_in_total() -> None:
    ledger = Ledger()
    for identity in range(1_001):
        for number in range(6):
            ledger.add(str(identity), Transfer(f"{number}", Decimal(1), "", datetime.now(UTC)))

    assert ledger.latest("0") == []
    assert [transfer.recipient for transfer in ledger.latest("1000")] == ["5", "4", "3", "2", "1"]


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/1 Safari/537.36 Edg/1", "Edge on Windows"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604.1", "Safari on iPhone"),
        ("curl/8", "unknown browser"),
    ],
)
async def test_device_name_contains_browser_and_system(deployment: Deployment, agent: str, name: str) -> None:
    signed_in = deployment.fake.sign_in(deployment.fake.add_identity())
    signed_in.session.devices[0].user_agent = agent

    assert device_name(signed_in.session, Catalogs().for_header("")) == name
