"""Registration flows, beyond the recordings."""

import pytest
from support.flow_client import FlowClient, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos, ManualClock

pytestmark = pytest.mark.anyio

PASSWORD = "a-long-enough-one"
TRAITS = {"email": "ada@example.test"}
AFTER = "http://127.0.0.1:4455/after"


@pytest.mark.parametrize(
    ("password", "message_id"),
    [("", 4000002), ("ada@example.test", 4000031), ("xx-ada@example.test", 4000031)],
    ids=["empty", "equals the identifier", "contains the identifier"],
)
async def test_unacceptable_password_has_a_specific_error(
    browser: FlowClient, password: str, message_id: int
) -> None:
    flow = await browser.create_flow("registration")
    response = await browser.submit(flow, method="password", password=password, traits=TRAITS)

    assert message_ids(response.json()) == [message_id]


async def test_missing_password_and_missing_traits_are_shown_together(browser: FlowClient) -> None:
    response = await browser.submit(await browser.create_flow("registration"), method="password")

    assert (response.status_code, message_ids(response.json())) == (400, [4000002, 4000002])
    assert node_names(response.json())[1:3] == ["traits.email", "password"]


async def test_registration_can_be_configured_to_one_step(clock: ManualClock) -> None:
    browser = client_for(FakeKratos(clock=clock, two_steps_registration=False))
    flow = await browser.create_flow("registration")
    response = await browser.submit(flow, method="password", password=PASSWORD, traits=TRAITS)

    assert node_names(flow)[1:3] == ["traits.email", "password"]
    assert response.status_code == 200


async def test_session_and_verification_are_optional(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, session_after_registration=False, verification_after_registration=False)
    app = client_for(fake, native=True)
    flow = await app.create_flow("registration")
    native = await app.submit(flow, method="password", password=PASSWORD, traits=TRAITS)
    browser = client_for(fake)
    flow = await browser.create_flow("registration", return_to=AFTER)
    form = {"method": "password", "password": PASSWORD, "traits__email": "bob@example.test"}
    response = await browser.submit_form(flow, **form)

    assert native.json().keys() == {"identity", "continue_with"}
    assert native.json()["continue_with"] == []
    assert response.headers["location"] == AFTER
    assert (await browser.whoami()).status_code == 401


async def test_verification_flow_uses_the_new_csrf_cookie(fake: FakeKratos, browser: FlowClient) -> None:
    """Registration replaces the anti-CSRF cookie; the verification page must still be able to read its flow."""
    flow = await browser.create_flow("registration")
    form = {"method": "password", "password": PASSWORD, "traits__email": "ada@example.test"}
    page = (await browser.submit_form(flow, **form)).headers["location"]
    verification = (await browser.get_flow("verification", page.partition("?flow=")[2])).json()
    response = await browser.submit(verification, method="code", code=fake.messages[0].code)

    assert response.json()["state"] == "passed_challenge"
    assert fake.identities[0].verifiable_addresses[0].verified is True
