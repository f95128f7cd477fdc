"""Registration flows, beyond the recordings."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.flow_client import HTML, FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos, ManualClock, OidcProvider

pytestmark = pytest.mark.anyio

PASSWORD = "a-long-enough-one"
TRAITS = {"email": "ada@example.test"}
AFTER = "http://127.0.0.1:4455/after"


async def test_second_step_shows_a_weak_password_at_its_field(browser: FlowClient) -> None:
    flow = await browser.create_flow("registration")
    second = (await browser.submit(flow, method="profile", traits=TRAITS)).json()
    response = await browser.submit(second, method="password", password="short", traits=TRAITS)

    assert (response.status_code, message_ids(response.json())) == (400, [4000032])
    assert node_names(response.json()) == node_names(second)


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


async def test_first_step_shows_missing_traits(browser: FlowClient) -> None:
    flow = await browser.create_flow("registration")
    response = await browser.submit(flow, method="profile", traits={"name": {"first": "Ada"}})

    assert message_ids(response.json()) == [4000002]
    assert field_value(response.json(), "traits.name.first") == "Ada"


@pytest.mark.parametrize("traits", [{"email": 5}, {"email": "no address"}, {"name": "Ada", "email": "a@b.test"}, 7])
async def test_invalid_traits_are_rejected(browser: FlowClient, traits: Any) -> None:
    flow = await browser.create_flow("registration")
    response = await browser.submit(flow, method="password", password=PASSWORD, traits=traits)

    assert response.status_code == 400
    assert message_ids(response.json())


async def test_logged_in_browser_is_redirected(fake: FakeKratos, browser: FlowClient) -> None:
    flow = await browser.create_flow("registration")
    fake.add_identity("ada@example.test")
    await browser.log_in("ada@example.test")

    assert (await browser.start("registration", HTML, return_to=AFTER)).headers["location"] == AFTER
    assert (await browser.submit_form(flow, method="profile")).headers["location"].endswith("/welcome")


async def test_registration_can_be_configured_to_one_step(clock: ManualClock) -> None:
    browser = client_for(FakeKratos(clock=clock, two_steps_registration=False))
    flow = await browser.create_flow("registration")
    response = await browser.submit(flow, method="password", password=PASSWORD, traits=TRAITS)

    assert node_names(flow)[1:3] == ["traits.email", "password"]
    assert response.status_code == 200


async def test_form_omits_a_disabled_password_method(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, two_steps_registration=False, methods=frozenset({"oidc"}))

    assert "password" not in node_names(await client_for(fake).create_flow("registration"))


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
    flow_id = parse_qs(urlsplit(page).query)["flow"][0]
    verification = (await browser.get_flow("verification", flow_id)).json()
    response = await browser.submit(verification, method="code", code=fake.messages[0].code)

    assert response.json()["state"] == "passed_challenge"
    assert (await browser.whoami()).json()["identity"]["verifiable_addresses"][0]["verified"] is True


async def test_providers_come_first_in_the_form(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, oidc_providers=(OidcProvider("mini"),))

    assert node_names(await client_for(fake).create_flow("registration"))[0] == "provider"


@pytest.mark.parametrize(
    ("fields", "message_id"),
    [
        ({"method": "profile", "screen": "nope"}, 4000001),
        ({"method": "code"}, 4000009),
        ({"method": "nope"}, 4010003),
        ({"screen": "credential-selection"}, 1040009),
    ],
    ids=str,
)
async def test_odd_methods_and_screens(browser: FlowClient, fields: dict[str, str], message_id: int) -> None:
    flow = await browser.create_flow("registration")
    response = await browser.submit(flow, traits={"email": "ada@example.test"}, **fields)

    assert (response.status_code, message_ids(response.json())) == (400, [message_id])


@pytest.mark.parametrize(
    "fields",
    [
        {"traits.email": "ada@example.test"},
        {"traits": '{"email": "ada@example.test"}'},
        {"traits": None, "traits.email": "ada@example.test", "traits.shoe": "42"},
    ],
    ids=str,
)
async def test_traits_can_be_sent_as_text(fake: FakeKratos, browser: FlowClient, fields: dict[str, Any]) -> None:
    flow = await browser.create_flow("registration")
    response = await browser.submit(flow, method="password", password=PASSWORD, **fields)

    assert response.status_code == 200
    assert fake.identities[0].traits == {"email": "ada@example.test", "name": {}}


async def test_forms_ignore_unknown_traits(fake: FakeKratos, browser: FlowClient) -> None:
    flow = await browser.create_flow("registration")
    form = {"traits__email": "ada@example.test", "traits__shoe": "42", "traits__name__first": ""}
    await browser.submit_form(flow, method="password", password=PASSWORD, **form)

    assert fake.identities[0].traits == {"email": "ada@example.test", "name": {}}


async def test_unknown_traits_are_rejected_in_json(browser: FlowClient) -> None:
    flow = await browser.create_flow("registration")
    traits = {"email": "ada@example.test", "shoe": 42, "name": ["Ada"]}
    response = await browser.submit(flow, method="password", password=PASSWORD, traits=traits)
    messages = {
        node["attributes"]["name"]: [message["id"] for message in node["messages"]]
        for node in response.json()["ui"]["nodes"]
        if node["messages"]
    }

    assert messages == {"traits": [4000001], "traits.name": [4000026]}
