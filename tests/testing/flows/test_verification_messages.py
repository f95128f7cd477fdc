"""The messages and the email of verification flows, as on Kratos v26.2.0."""

import pytest
from support.flow_client import HTML, FlowClient, message_ids

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio


async def test_invalid_addresses_add_up(app: FlowClient) -> None:
    flow = await app.create_flow("verification")
    await app.submit(flow, method="code", email="nope")
    response = await app.submit(flow, method="code", email="nope")

    assert message_ids(response.json()) == [4000040, 4000040]


@pytest.mark.usefixtures("ada")
async def test_empty_code_keeps_the_message_and_its_error_remains(app: FlowClient) -> None:
    flow = await app.create_flow("verification")
    await app.submit(flow, method="code", email="ada@example.test")
    empty = await app.submit(flow, method="code", code="")
    wrong = await app.submit(flow, method="code", code="abcdef")

    assert message_ids(empty.json()) == [1080003, 4000002]
    assert message_ids(wrong.json()) == [4070006, 4000002]


@pytest.mark.usefixtures("ada")
async def test_email_has_a_link_with_the_code(fake: FakeKratos, app: FlowClient, browser: FlowClient) -> None:
    flow = await app.create_flow("verification")
    await app.submit(flow, method="code", email="ada@example.test")
    message = fake.messages[-1]
    link = message.body.split()[-1]
    opened = await browser.get(link, HTML)

    assert link == f"{fake.settings.public_url}/self-service/verification?code={message.code}&flow={flow['id']}"
    assert opened.headers["location"].endswith(flow["id"])
