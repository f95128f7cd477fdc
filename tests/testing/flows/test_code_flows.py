"""Recovery and verification flows, beyond the recordings."""

import pytest
from support.flow_client import HTML, FlowClient, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio

ADDRESS = "ada@example.test"


@pytest.mark.parametrize("email", [None, "", 5, [ADDRESS]], ids=repr)
async def test_address_is_required(browser: FlowClient, email: object) -> None:
    response = await browser.submit(await browser.create_flow("recovery"), method="code", email=email)

    assert message_ids(response.json()) == [4000002]


@pytest.mark.usefixtures("ada")
async def test_code_is_required_after_it_was_sent(browser: FlowClient) -> None:
    flow = await browser.create_flow("recovery")
    await browser.submit(flow, method="code", email="Ada@Example.test ")
    response = await browser.submit(flow, method="code")

    assert (response.status_code, message_ids(response.json())) == (400, [4000002])


@pytest.mark.usefixtures("ada")
async def test_response_does_not_reveal_whether_an_address_exists(fake: FakeKratos) -> None:
    forms = []
    for email in (ADDRESS, "unknown@example.test"):
        browser = client_for(fake)
        response = await browser.submit(await browser.create_flow("recovery"), method="code", email=email)
        forms.append((response.status_code, node_names(response.json()), message_ids(response.json())))

    assert forms[0] == forms[1]
    assert [message.recipient for message in fake.messages] == [ADDRESS]


@pytest.mark.usefixtures("ada")
async def test_code_works_once_and_expires(fake: FakeKratos, clock: ManualClock, browser: FlowClient) -> None:
    flow = await browser.create_flow("verification")
    await browser.submit(flow, method="code", email=ADDRESS)
    in_time = await browser.submit(flow, method="code", code=fake.messages[0].code)
    await browser.submit(flow, method="code", email=ADDRESS)
    clock.advance(3599)
    fake._server.store.flows[flow["id"]].internal["code_expires_at"] = 0
    late = await browser.submit(flow, method="code", code=fake.messages[0].code)

    assert (in_time.json()["state"], late.json()["state"]) == ("passed_challenge", "sent_email")
    assert message_ids(late.json()) == [4070006]


@pytest.mark.usefixtures("ada")
async def test_recovery_verifies_the_address_once(
    fake: FakeKratos, clock: ManualClock, browser: FlowClient
) -> None:
    """A second recovery keeps the time of the verification."""
    times = []
    for _ in range(2):
        browser.client.cookies.clear()
        flow = await browser.create_flow("recovery")
        await browser.submit(flow, method="code", email=ADDRESS)
        await browser.submit(flow, method="code", code=fake.messages[0].code)
        clock.advance(60)
        (address,) = (await browser.whoami()).json()["identity"]["verifiable_addresses"]
        times.append((address["verified"], address["verified_at"]))

    assert times == [(True, times[0][1])] * 2


async def test_deleted_identity_cannot_be_recovered(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    flow = await browser.create_flow("recovery")
    await browser.submit(flow, method="code", email=ADDRESS)
    fake.delete_identity(ada)
    response = await browser.submit(flow, method="code", code=fake.messages[0].code)

    assert message_ids(response.json()) == [4060006]


async def test_recovery_continues_with_a_new_password(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    flow = await browser.create_flow("recovery")
    await browser.submit(flow, method="code", email=ADDRESS)
    recovered = await browser.submit(flow, method="code", code=fake.messages[0].code)
    settings_id = recovered.json()["continue_with"][0]["flow"]["id"]
    settings = (await browser.get_flow("settings", settings_id)).json()
    response = await browser.submit(settings, method="password", password="a-new-password-1")

    assert message_ids(settings) == [1060001]
    assert (response.status_code, ada.credentials.password) == (200, "a-new-password-1")
    assert (await browser.whoami()).json()["authentication_methods"][0]["method"] == "code_recovery"


async def test_recovery_redirects_a_logged_in_browser(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    browser.use(fake.sign_in(ada))

    assert (await browser.start("recovery", HTML)).headers["location"] == "http://127.0.0.1:4455/welcome"


@pytest.mark.usefixtures("ada")
async def test_verification_of_an_unknown_address_sends_no_code(fake: FakeKratos, app: FlowClient) -> None:
    flow = await app.create_flow("verification")
    response = await app.submit(flow, method="code", email="unknown@example.test")
    guess = await app.submit(flow, method="code", code="123456")

    assert (response.json()["state"], fake.messages) == ("sent_email", ())
    assert message_ids(guess.json()) == [4070006]


async def test_on_message_is_called_with_each_email(clock: ManualClock) -> None:
    codes: list[str] = []
    fake = FakeKratos(clock=clock, on_message=lambda message: codes.append(message.code))
    fake.add_identity(ADDRESS)
    browser = client_for(fake)
    await browser.submit(await browser.create_flow("recovery"), method="code", email=ADDRESS)

    assert codes == [fake.messages[0].code]
    assert codes[0] in fake.messages[0].body
