"""Identity schemas and FedCM."""

import pytest
from support.flow_client import FlowClient, field_value

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
    response = await browser.client.post("/self-service/fed-cm/token", json={"csrf_token": token})

    assert response.status_code == 404
