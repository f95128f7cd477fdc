"""The ASGI applications: routing, mounting, content negotiation, and the error page."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from support.flow_client import FlowClient, message_ids

from ory_guard.testing import FakeKratos, ManualClock
from ory_guard.testing.server.response import ApiError

pytestmark = pytest.mark.anyio

SPEC = Path(__file__).parents[2] / "spec" / "openapi-frontend-v26.2.0.json"
JSON = {"accept": "application/json"}


def test_public_api_has_every_operation_of_the_openapi_document(fake: FakeKratos) -> None:
    document = json.loads(SPEC.read_text())
    operations = [
        (method.upper(), path.replace("{id}", "some"), operation["operationId"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    missing = [name for method, path, name in operations if fake.app._router.find(method, path)[0] is None]

    # Only Ory Network has these; Kratos has no routes for them.
    assert (len(operations), missing) == (32, ["createFedcmFlow", "updateFedcmFlow"])


async def test_mounted_app_uses_the_prefix_of_its_public_url(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, public_url="http://127.0.0.1:4455/.ory/")
    transport = httpx2.ASGITransport(app=Starlette(routes=[Mount("/.ory", fake.app)]))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:4455") as client:
        response = await client.get("/.ory/self-service/login/browser", headers=JSON)

    flow = response.json()
    assert flow["ui"]["action"] == f"http://127.0.0.1:4455/.ory/self-service/login?flow={flow['id']}"
    assert flow["request_url"] == "http://127.0.0.1:4455/.ory/self-service/login/browser"
    assert "Path=/;" in response.headers["set-cookie"]


def test_app_supports_the_lifespan_protocol(fake: FakeKratos) -> None:
    with TestClient(fake.app) as client:
        assert client.get("/health/ready").json() == {"status": "ok"}


def test_app_closes_websockets(fake: FakeKratos) -> None:
    with pytest.raises(WebSocketDisconnect), TestClient(fake.app).websocket_connect("/ws"):
        pytest.fail("the connection was accepted")


async def test_app_reads_a_body_sent_in_chunks(app: FlowClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"method"'
        yield b': "password"}'

    flow = await app.create_flow("login")
    headers = {"content-type": "application/json"}
    response = await app.client.post(flow["ui"]["action"], content=chunks(), headers=headers)

    assert (response.status_code, message_ids(response.json())) == (400, [4000002, 4000002])


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("application/json", True),
        ("APPLICATION/JSON", False),
        ("application/*", True),
        ("application/json, text/plain, */*", True),
        ("text/html, application/json;q=0.9", False),
        ("text/html;q=0.5, application/json", True),
        ("application/json; q=0.9", True),
        ("application/json, text/html", False),
        ("application/json, text/html;level=1", True),
        ("application/json; charset=utf-8", False),
        ("application/json;q=nonsense", False),
        ("text/html;level=1;q=0.5, application/json", False),
        ("text/html;level=1;q=nonsense, application/json;q=0.1", False),
    ],
)
async def test_accept_header_selects_json_or_redirect(browser: FlowClient, accept: str, is_json: bool) -> None:
    """HTML is the default, and is preferred on a tie; reading ends at a range with other parameters than `q`."""
    assert (await browser.start("login", accept)).status_code == (200 if is_json else 303)


async def test_errors_and_expired_flows_are_deleted(
    fake: FakeKratos, clock: ManualClock, browser: FlowClient
) -> None:
    """The last 1,000 errors are kept, and flows for a day after they expire."""
    for _ in range(1_001):
        fake._server.error_page_url(ApiError(400))
    await browser.create_flow("login")
    clock.advance(86_400 + 601)
    await browser.create_flow("login")

    assert (len(fake._server.store.errors), len(fake._server.store.flows)) == (1_000, 1)
