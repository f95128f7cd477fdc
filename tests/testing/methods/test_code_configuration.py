"""Codes and the identifier-first login in configurations without passwordless codes, as on Kratos v26.2.0."""

import json
from typing import Any

import httpx2
import pytest
from support.flow_client import FlowClient, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos
from testing.release_bodies import RELEASE

pytestmark = pytest.mark.anyio

ADA = "ada@example.test"
SCHEMA = json.loads((RELEASE / "config" / "rich.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def fake() -> FakeKratos:
    """A fake whose schema marks the address for codes."""
    return FakeKratos(version="v26.2.0", identity_schemas={"default": SCHEMA}, login_style="identifier_first")


async def test_registration_with_a_code_keeps_the_first_form(fake: FakeKratos, app: FlowClient) -> None:
    """Kratos sends the code, although there is no form for it."""
    flow = await app.create_flow("registration")
    response = await app.submit(flow, method="code", traits={"email": ADA})

    assert (response.status_code, response.json()["state"], len(fake.messages)) == (400, "sent_email", 1)
    assert node_names(response.json()) == node_names(flow)


@pytest.mark.parametrize("fields", [{}, {"method": "nope"}, {"method": "oidc"}, {"method": "code"}], ids=str)
async def test_identifier_first_login_asks_for_the_identifier_whatever_the_method(
    app: FlowClient, fields: dict[str, Any]
) -> None:
    response = await app.submit(await app.create_flow("login"), **fields)

    assert (response.status_code, message_ids(response.json())) == (400, [4000037])


async def test_admin_api_shows_the_addresses_for_codes(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    ada = fake.add_identity(ADA)
    response = await admin.get(f"/admin/identities/{ada.id}", params={"include_credential": "code"})
    code = response.json()["credentials"]["code"]

    assert (code["identifiers"], code["version"]) == ([ADA], 1)
    assert code["config"] == {"addresses": [{"channel": "email", "address": ADA}]}


async def test_one_step_registration_has_no_back_button() -> None:
    schemas = {"default": SCHEMA}
    fake = FakeKratos(identity_schemas=schemas, code_passwordless_enabled=True, two_steps_registration=False)
    app = client_for(fake, native=True)
    first = await app.create_flow("registration")
    response = await app.submit(first, method="code", traits={"email": ADA})

    assert node_names(first).count("method") == 2
    assert "screen" not in node_names(response.json())
