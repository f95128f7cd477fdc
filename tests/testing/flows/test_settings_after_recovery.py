"""The settings flow that a recovery starts, beyond the recordings."""

from urllib.parse import quote

import pytest
from support.flow_client import client_for

from ory_guard.testing import FakeKratos, ManualClock

pytestmark = pytest.mark.anyio

ADDRESS = "ada@example.test"


@pytest.mark.parametrize(
    ("query", "return_to"),
    [
        ({"return_to": "http://127.0.0.1:4455/me?a=b"}, "http://127.0.0.1:4455/me?a=b"),
        ({}, "http://127.0.0.1:4455/recovered"),
    ],
    ids=["return_to", "configuration"],
)
async def test_settings_after_a_recovery_take_over_where_it_returns_to(
    clock: ManualClock, query: dict[str, str], return_to: str
) -> None:
    """As seen in v26.2.0; without either, the settings have no `return_to`."""
    fake = FakeKratos(clock=clock, return_urls={"recovery": "http://127.0.0.1:4455/recovered"})
    fake.add_identity(ADDRESS)
    browser = client_for(fake)
    flow = await browser.create_flow("recovery", **query)
    await browser.submit(flow, method="code", email=ADDRESS)
    response = await browser.submit(flow, method="code", code=fake.messages[0].code)

    settings_id = response.json()["continue_with"][0]["flow"]["id"]
    settings = (await browser.get_flow("settings", settings_id)).json()

    assert settings["return_to"] == return_to
    assert settings["request_url"] == (
        f"http://127.0.0.1:4433/self-service/recovery?flow={flow['id']}&return_to={quote(return_to, safe='')}"
    )
