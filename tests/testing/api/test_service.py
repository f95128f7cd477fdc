"""Identity schemas and FedCM."""

import httpx2
import pytest
from support.flow_client import FlowClient, field_value

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("schema_id", "status"), [("ZGVmYXVsdA", 200), ("default", 200), ("none", 404), ("YWJj", 404), ("!", 404)]
)
async def test_schema_is_served_by_its_encoded_or_plain_id(
    browser: FlowClient, schema_id: str, status: int
) -> None:
    response = await browser.get(f"/schemas/{schema_id}")

    assert response.status_code == status
    if status == 200:
        assert response.json()["properties"]["traits"]["required"] == ["email"]


@pytest.mark.parametrize("body", [b"{", b'{"csrf_token": "x"}'])
async def test_fedcm_requires_a_csrf_token(browser: FlowClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = await browser.client.post("/self-service/fed-cm/token", content=body, headers=headers)

    assert response.status_code == 403


async def test_fedcm_is_not_available(browser: FlowClient) -> None:
    token = field_value(await browser.create_flow("login"), "csrf_token")
    fields, headers = {"csrf_token": token}, {"x-csrf-token": token}
    without_header = await browser.client.post("/self-service/fed-cm/token", json=fields)
    response = await browser.client.post("/self-service/fed-cm/token", json=fields, headers=headers)

    assert without_header.status_code == 403
    assert response.status_code == 404


async def test_schemas_are_listed(fake: FakeKratos, app: FlowClient) -> None:
    response = await app.get("/schemas")

    assert [entry["id"] for entry in response.json()] == ["default"]
    assert response.headers["x-total-count"] == "1"


async def test_admin_api_has_a_version(fake: FakeKratos) -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=fake.admin_app), base_url="http://x"
    ) as client:
        response = await client.get("/admin/version")

    assert response.json() == {"version": "v26.2.0"}
