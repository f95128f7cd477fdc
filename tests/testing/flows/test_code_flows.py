"""Recovery and verification flows, beyond the recordings."""

from typing import Any

import pytest
from support.flow_client import HTML, FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio

ADDRESS = "ada@example.test"


@pytest.mark.parametrize("flow", ["recovery", "verification"])
@pytest.mark.parametrize(
    ("email", "message_id"),
    [(None, 4000002), ("", 4000002), ("nope", 4000040), (5, 4000040), ([ADDRESS], 4000040)],
    ids=repr,
)
async def test_valid_address_is_required(browser: FlowClient, flow: str, email: object, message_id: int) -> None:
    response = await browser.submit(await browser.create_flow(flow), method="code", email=email)

    assert (response.status_code, message_ids(response.json())) == (400, [message_id])


@pytest.mark.usefixtures("ada")
async def test_missing_code_is_a_wrong_code(browser: FlowClient) -> None:
    flow = await browser.create_flow("recovery")
    await browser.submit(flow, method="code", email="Ada@Example.test")
    response = await browser.submit(flow, method="code")

    assert (response.status_code, message_ids(response.json())) == (200, [4060006])


@pytest.mark.usefixtures("ada")
async def test_response_does_not_reveal_whether_an_address_exists(fake: FakeKratos) -> None:
    forms = []
    for email in (ADDRESS, "unknown@example.test"):
        browser = client_for(fake)
        response = await browser.submit(await browser.create_flow("recovery"), method="code", email=email)
        forms.append((response.status_code, node_names(response.json()), message_ids(response.json())))

    assert forms[0] == forms[1]
    assert [message.recipient for message in fake.messages] == [ADDRESS]


async def test_code_expires(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, code_lifespan=60)
    fake.add_identity(ADDRESS)
    browser = client_for(fake)
    flow = await browser.create_flow("verification")
    await browser.submit(flow, method="code", email=ADDRESS)
    clock.advance(61)
    response = await browser.submit(flow, method="code", code=fake.messages[0].code)

    assert (response.json()["state"], message_ids(response.json())) == ("sent_email", [4070006])


async def start_code(client: FlowClient, name: str) -> dict[str, Any]:
    """Start a flow and let it send a code."""
    flow = await client.create_flow(name)
    await client.submit(flow, method="code", email=ADDRESS)
    return flow


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("native", [True, False], ids=["native", "browser"])
@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_flow_accepts_five_codes(fake: FakeKratos, name: str, native: bool) -> None:
    client = client_for(fake, native=native)
    flow = await start_code(client, name)
    wrong = [(await client.submit(flow, method="code", code="x")).status_code for _ in range(5)]
    sixth = (await client.submit(flow, method="code", code=fake.messages[0].code)).json()
    replacement = sixth.get("use_flow_id") or sixth["error"]["details"]["continue_with"][0]["flow"]["id"]
    new_flow = (await client.get_flow(name, replacement)).json()

    assert wrong == [200] * 5
    assert (new_flow["state"], message_ids(new_flow)) == ("choose_method", [4000001])
    if name == "recovery":
        assert sixth["error"]["reason"].startswith("The request was submitted too often.")
        assert sixth["error"]["details"]["continue_with"][0]["flow"].keys() == {"id"}
    else:
        assert sixth["error"]["id"] == "self_service_flow_replaced"


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_form_with_too_many_codes_is_redirected_to_a_new_flow(browser: FlowClient, name: str) -> None:
    flow = await start_code(browser, name)
    pages = [(await browser.submit_form(flow, method="code", code="x")).headers["location"] for _ in range(7)]

    assert pages[:5] == [f"http://127.0.0.1:4455/{name}?flow={flow['id']}"] * 5
    assert pages[5].startswith(f"http://127.0.0.1:4455/{name}?flow=")
    assert pages[5] != pages[0]


@pytest.mark.usefixtures("ada")
async def test_recovery_form_after_a_replacement_is_a_csrf_violation(browser: FlowClient) -> None:
    flow = await start_code(browser, "recovery")
    for _ in range(6):
        await browser.submit_form(flow, method="code", code="x")
    seventh = await browser.submit_form(flow, method="code", code="x")

    assert seventh.headers["location"].startswith("http://127.0.0.1:4455/error?id=")
    assert (await browser.get_flow("recovery", flow["id"])).status_code == 403


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
@pytest.mark.parametrize("fields", [{"code": "x"}, {"email": ADDRESS}], ids=str)
async def test_passed_verification_is_replaced(
    fake: FakeKratos, browser: FlowClient, fields: dict[str, str]
) -> None:
    flow = await start_code(browser, "verification")
    await browser.submit(flow, method="code", code=fake.messages[0].code)
    response = await browser.submit(flow, method="code", **fields)

    assert (response.status_code, response.json()["error"]["id"]) == (410, "self_service_flow_replaced")


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
@pytest.mark.parametrize(("email", "sent"), [(ADDRESS, [ADDRESS]), ("unknown@example.test", [])])
async def test_recovery_can_send_a_link(fake: FakeKratos, browser: FlowClient, email: str, sent: list[str]) -> None:
    flow = (await browser.submit(await browser.create_flow("recovery"), method="link", email=email)).json()

    assert (flow["active"], flow["state"], message_ids(flow)) == ("link", "sent_email", [1060002])
    assert [message.recipient for message in fake.messages] == sent


async def test_disabled_link_method_is_not_found(clock: ManualClock) -> None:
    browser = client_for(FakeKratos(clock=clock, methods=frozenset({"password", "code"})))
    response = await browser.submit(await browser.create_flow("recovery"), method="link", email=ADDRESS)

    assert response.status_code == 404


async def test_email_of_a_logged_in_browser_is_rejected(
    fake: FakeKratos, browser: FlowClient, ada: Identity
) -> None:
    flow = await browser.create_flow("recovery")
    browser.use(fake.sign_in(ada))
    as_json = await browser.submit(flow, method="code", email=ADDRESS)
    as_form = await browser.submit_form(flow, method="code", email=ADDRESS)

    assert as_json.json()["error"]["id"] == "session_already_available"
    assert as_form.headers["location"] == "http://127.0.0.1:4455/welcome"


@pytest.mark.usefixtures("ada")
async def test_link_of_a_recovery_email_shows_the_form(browser: FlowClient) -> None:
    flow = await start_code(browser, "recovery")
    response = await browser.get("/self-service/recovery", HTML, flow=flow["id"], code="123456")

    assert response.headers["location"] == f"http://127.0.0.1:4455/recovery?flow={flow['id']}"


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("native", [True, False], ids=["native", "browser"])
async def test_link_of_a_verification_email_fills_in_the_code(fake: FakeKratos, native: bool) -> None:
    flow = await start_code(client_for(fake, native=native), "verification")
    browser = client_for(fake)
    response = await browser.get("/self-service/verification", HTML, flow=flow["id"], code="123456")
    form = (await browser.get_flow("verification", flow["id"])).json()

    assert response.headers["location"] == f"http://127.0.0.1:4455/verification?flow={flow['id']}"
    assert field_value(form, "code") == "123456"


async def test_code_of_a_link_without_a_form_for_it(browser: FlowClient) -> None:
    flow = await browser.create_flow("verification")
    response = await browser.get("/self-service/verification", HTML, flow=flow["id"], code="123456")

    assert response.status_code == 303


@pytest.mark.usefixtures("ada")
async def test_verification_without_method_can_not_be_continued(app: FlowClient) -> None:
    flow = await start_code(app, "verification")
    answers = [
        (await app.submit(flow, **fields)).json()
        for fields in ({"email": ADDRESS}, {"method": "code", "code": "123456"})
    ]

    assert [(answer["active"], message_ids(answer)) for answer in answers] == [
        ("default", [1080003, 4010006]),
        ("default", [1080003, 4010006, 4010006]),
    ]


async def test_verification_has_two_methods(app: FlowClient) -> None:
    response = await app.submit(await app.create_flow("verification"), method="password", email=ADDRESS)

    assert (response.status_code, message_ids(response.json())) == (400, [4000001])


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
