"""Recovery and verification flows, beyond the recordings."""

from typing import Any
from urllib.parse import quote

import pytest
from support.flow_client import HTML, FlowClient, client_for, field_value, message_ids

from ory_guard.testing import CourierMessage, FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio

ADDRESS = "ada@example.test"
UI = "http://127.0.0.1:4455"


async def start_code(client: FlowClient, name: str, **query: str) -> dict[str, Any]:
    """Start a flow and let it send a code."""
    flow = await client.create_flow(name, **query)
    await client.submit(flow, method="code", email=ADDRESS)
    return flow


async def test_code_expires(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, code_lifespan=60)
    fake.add_identity(ADDRESS)
    browser = client_for(fake)
    flow = await start_code(browser, "verification")
    clock.advance(61)
    response = await browser.submit(flow, method="code", code=fake.messages[0].code)

    assert (response.json()["state"], message_ids(response.json())) == ("sent_email", [4070006])


@pytest.mark.usefixtures("ada")
async def test_code_works_once(fake: FakeKratos, app: FlowClient) -> None:
    flow = await start_code(app, "recovery")
    code = fake.messages[0].code
    first = await app.submit(flow, method="code", code=code)
    again = await app.submit(flow, method="code", code=code)
    app.client.cookies.clear()
    resend = await app.submit(flow, method="code", email=ADDRESS)

    assert first.json()["state"] == "passed_challenge"
    assert again.json()["error"]["reason"].startswith("The code was already used.")
    assert resend.json()["error"]["details"]["continue_with"][0]["action"] == "show_recovery_ui"


@pytest.mark.usefixtures("ada")
async def test_recovery_without_method_ends_the_code_method(browser: FlowClient) -> None:
    flow = await browser.create_flow("recovery")
    answers = [
        (await browser.submit(flow, **fields)).json()
        for fields in ({"email": ADDRESS}, {"method": "code", "email": ADDRESS}, {"method": "link"})
    ]

    assert [(answer["active"], message_ids(answer)) for answer in answers] == [
        ("default", [4010005]),
        ("default", [4010005]),
        ("default", [4000002]),
    ]


@pytest.mark.usefixtures("ada")
async def test_recovery_verifies_the_address_once(
    fake: FakeKratos, clock: ManualClock, browser: FlowClient
) -> None:
    """A second recovery keeps the time of the verification."""
    times = []
    for _ in range(2):
        browser.client.cookies.clear()
        flow = await start_code(browser, "recovery")
        await browser.submit(flow, method="code", code=fake.messages[0].code)
        clock.advance(60)
        (address,) = (await browser.whoami()).json()["identity"]["verifiable_addresses"]
        times.append((address["verified"], address["verified_at"]))

    assert times == [(True, times[0][1])] * 2


@pytest.mark.parametrize("native", [False, True])
async def test_inactive_identity_is_not_recovered(fake: FakeKratos, ada: Identity, native: bool) -> None:
    client = client_for(fake, native=native)
    flow = await start_code(client, "recovery")
    fake.set_state(ada, "inactive")
    response = await client.submit(flow, method="code", code=fake.messages[0].code)

    assert (response.status_code, response.json()["error"]["message"]) == (401, "identity is disabled")


async def test_deleted_identity_cannot_be_recovered(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    flow = await start_code(browser, "recovery")
    fake.delete_identity(ada)
    response = await browser.submit(flow, method="code", code=fake.messages[0].code)

    assert message_ids(response.json()) == [4060006]


async def test_logged_in_browser_cannot_start_a_recovery(
    fake: FakeKratos, browser: FlowClient, ada: Identity
) -> None:
    flow = await browser.create_flow("recovery")
    browser.use(fake.sign_in(ada))
    as_json = await browser.submit(flow, method="code", email=ADDRESS)
    as_form = await browser.submit_form(flow, method="code", email=ADDRESS)

    assert as_json.json()["error"]["id"] == "session_already_available"
    assert as_form.headers["location"] == f"{UI}/welcome"


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("native", [True, False], ids=["native", "browser"])
async def test_link_of_a_verification_email_fills_in_the_code(fake: FakeKratos, native: bool) -> None:
    """Any browser can use the link."""
    flow = await start_code(client_for(fake, native=native), "verification")
    browser = client_for(fake)
    response = await browser.get("/self-service/verification", HTML, flow=flow["id"], code="123456")
    form = (await browser.get_flow("verification", flow["id"])).json()

    assert response.headers["location"] == f"{UI}/verification?flow={flow['id']}"
    assert field_value(form, "code") == "123456"


async def test_on_message_is_called_with_each_email(clock: ManualClock) -> None:
    """The email has a link with the code."""
    received: list[CourierMessage] = []
    fake = FakeKratos(clock=clock, on_message=received.append)
    fake.add_identity(ADDRESS)
    flow = await start_code(client_for(fake, native=True), "verification")
    (message,) = fake.messages

    assert received == [message]
    assert message.body.endswith(
        f"{fake.settings.public_url}/self-service/verification?code={message.code}&flow={flow['id']}\n"
    )


@pytest.mark.parametrize(
    ("query", "return_to"), [({"return_to": f"{UI}/me?a=b"}, f"{UI}/me?a=b"), ({}, f"{UI}/recovered")], ids=str
)
async def test_settings_after_a_recovery_take_over_where_it_returns_to(
    clock: ManualClock, query: dict[str, str], return_to: str
) -> None:
    """As seen in v26.2.0; without either, the settings have no `return_to`."""
    fake = FakeKratos(clock=clock, return_urls={"recovery": f"{UI}/recovered"})
    fake.add_identity(ADDRESS)
    browser = client_for(fake)
    flow = await start_code(browser, "recovery", **query)
    response = await browser.submit(flow, method="code", code=fake.messages[0].code)

    settings_id = response.json()["continue_with"][0]["flow"]["id"]
    settings = (await browser.get_flow("settings", settings_id)).json()

    assert settings["return_to"] == return_to
    assert settings["request_url"] == (
        f"http://127.0.0.1:4433/self-service/recovery?flow={flow['id']}&return_to={quote(return_to, safe='')}"
    )


async def test_code_of_a_link_without_a_form_for_it(browser: FlowClient) -> None:
    flow = await browser.create_flow("verification")
    response = await browser.get("/self-service/verification", HTML, flow=flow["id"], code="123456")

    assert response.status_code == 303
