"""Login and registration flows, beyond the recordings."""

import pytest
from support.flow_client import PASSWORD, FlowClient, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos, ManualClock, OidcProvider

pytestmark = pytest.mark.anyio

AFTER = "http://127.0.0.1:4455/after"


async def test_unknown_aal_is_rejected(browser: FlowClient) -> None:
    assert (await browser.start("login", aal="aal3")).status_code == 400


async def test_login_form_of_a_schema_without_identifier_has_a_general_label(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, identity_schemas={"default": {}})
    fake.add_identity("ada@example.test", traits={"name": "Ada"})
    browser = client_for(fake)
    flow = await browser.create_flow("login")
    response = await browser.submit(flow, method="password", identifier="ada@example.test", password="x")

    assert node_names(flow) == ["csrf_token", "identifier", "password", "method"]
    assert flow["ui"]["nodes"][1]["meta"]["label"]["id"] == 1070004
    assert message_ids(response.json()) == [4000006]


@pytest.mark.parametrize(
    ("factors", "fields", "message_id"),
    [
        ("totp", {"method": "lookup_secret", "lookup_secret": "abcd1234"}, 4000014),
        ("totp", {"method": "totp", "totp_code": "\uff11\uff12\uff13\uff14\uff15\uff16"}, 4000008),
        ("lookup_secret", {"method": "totp", "totp_code": "123456"}, 4000011),
    ],
    ids=str,
)
async def test_wrong_second_factor_has_a_specific_error(
    fake: FakeKratos, browser: FlowClient, factors: str, fields: dict[str, str], message_id: int
) -> None:
    identity = fake.add_identity(totp=factors == "totp")
    identity.credentials.lookup_codes = {"abcd1234": False} if factors == "lookup_secret" else {}
    browser.use(fake.sign_in(identity))
    response = await browser.submit(await browser.create_flow("login", aal="aal2"), **fields)

    assert (response.status_code, message_ids(response.json())) == (400, [message_id])


async def test_refresh_form_only_has_the_methods_of_the_identity(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, oidc_providers=(OidcProvider("mini"), OidcProvider("other")))
    identity = fake.add_identity(password=None)
    identity.credentials.oidc_subjects["mini"] = "ada"
    browser = client_for(fake)
    browser.use(fake.sign_in(identity))

    assert node_names(await browser.create_flow("login", refresh="true")) == ["provider", "csrf_token"]


async def test_password_is_accepted_without_a_form_for_it(fake: FakeKratos, app: FlowClient) -> None:
    fake.add_identity("ada@example.test")
    flow = await app.create_flow("login", organization="7942aef0-8fde-48cb-bc04-456236edafde")
    rejected = await app.submit(flow, method="password", identifier="ada@example.test", password="wrong")
    response = await app.submit(flow, method="password", identifier="ada@example.test", password=PASSWORD)

    assert (message_ids(rejected.json()), response.status_code) == ([4000006], 200)


async def test_session_and_verification_are_optional(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, session_after_registration=False, verification_after_registration=False)
    app = client_for(fake, native=True)
    flow = await app.create_flow("registration")
    native = await app.submit(flow, method="password", password=PASSWORD, traits={"email": "ada@example.test"})
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
