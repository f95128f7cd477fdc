"""Login flows, beyond the recordings."""

from urllib.parse import parse_qs, urlsplit

import pytest
from support.flow_client import PASSWORD, FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos, Identity, ManualClock, OidcProvider

pytestmark = pytest.mark.anyio

AFTER = "http://127.0.0.1:4455/after"


@pytest.fixture
def totp_user(fake: FakeKratos) -> Identity:
    """An identity with a password and an authenticator app."""
    return fake.add_identity("ada@example.test", totp=True)


@pytest.mark.usefixtures("ada")
async def test_identifier_is_case_insensitive(browser: FlowClient) -> None:
    assert (await browser.log_in(" Ada@Example.TEST ")).status_code == 200


async def test_missing_fields_have_an_error_each(browser: FlowClient) -> None:
    response = await browser.submit(await browser.create_flow("login"), method="password", password="")

    assert (response.status_code, message_ids(response.json())) == (400, [4000002, 4000002])


@pytest.mark.parametrize("method", ["link_recovery", "totp", "profile", 7], ids=str)
async def test_first_factor_flow_rejects_other_methods(browser: FlowClient, method: object) -> None:
    response = await browser.submit(await browser.create_flow("login"), method=method)

    assert (response.status_code, message_ids(response.json())) == (400, [4010002])


async def test_second_factor_flow_rejects_a_password(
    fake: FakeKratos, browser: FlowClient, totp_user: Identity
) -> None:
    browser.use(fake.sign_in(totp_user))
    flow = await browser.create_flow("login", aal="aal2")
    response = await browser.submit(flow, method="password", identifier="ada@example.test", password=PASSWORD)

    assert message_ids(response.json()) == [4010002]


async def test_unknown_aal_is_rejected(browser: FlowClient) -> None:
    assert (await browser.start("login", aal="aal3")).status_code == 400


@pytest.mark.usefixtures("ada")
async def test_submission_after_login_in_another_tab_is_redirected(browser: FlowClient) -> None:
    flow = await browser.create_flow("login")
    await browser.log_in("ada@example.test")
    as_form = await browser.submit_form(flow, method="password")
    as_json = await browser.submit(flow, method="password")

    assert as_form.headers["location"].endswith("/welcome")
    assert (as_json.status_code, message_ids(as_json.json())) == (400, [4000001])


async def test_second_factor_requires_an_active_session(
    fake: FakeKratos, browser: FlowClient, totp_user: Identity
) -> None:
    signed_in = fake.sign_in(totp_user)
    browser.use(signed_in)
    flow = await browser.create_flow("login", aal="aal2")
    fake.revoke(signed_in.session)
    response = await browser.submit(flow, method="totp", totp_code=fake.totp_code(totp_user))

    assert (response.status_code, response.json()["error"]["id"]) == (401, "session_aal1_required")


@pytest.mark.usefixtures("ada")
async def test_expired_refresh_flow_redirects_to_a_new_one(browser: FlowClient, clock: ManualClock) -> None:
    await browser.log_in("ada@example.test")
    flow = await browser.create_flow("login", refresh="true")
    clock.advance(601)
    response = await browser.submit_form(flow, method="password")
    flow_id = parse_qs(urlsplit(response.headers["location"]).query)["flow"][0]
    replacement = (await browser.get_flow("login", flow_id)).json()

    assert response.status_code == 303
    assert (replacement["refresh"], message_ids(replacement)) == (True, [1010003, 4010001])


async def test_replacement_of_an_expired_flow_keeps_return_to(browser: FlowClient, clock: ManualClock) -> None:
    flow = await browser.create_flow("login", return_to=AFTER)
    clock.advance(600)
    response = await browser.submit(flow, method="password")
    replacement = (await browser.get_flow("login", response.json()["use_flow_id"])).json()

    assert (replacement["return_to"], replacement["request_url"]) == (AFTER, flow["request_url"])


async def test_reading_an_expired_flow_returns_the_url_of_a_new_one(
    browser: FlowClient, clock: ManualClock
) -> None:
    flow = await browser.create_flow("login", return_to=AFTER)
    clock.advance(601)
    response = await browser.get_flow("login", flow["id"])

    assert response.status_code == 410
    assert response.json()["error"]["details"] == {
        "redirect_to": "http://127.0.0.1:4433/self-service/login/browser"
        "?return_to=http%3A%2F%2F127.0.0.1%3A4455%2Fafter",
        "return_to": AFTER,
    }


async def test_login_form_of_a_schema_without_identifier_has_a_general_label(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, identity_schemas={"default": {}})
    fake.add_identity("ada@example.test", traits={"name": "Ada"})
    browser = client_for(fake)
    flow = await browser.create_flow("login")
    response = await browser.submit(flow, method="password", identifier="ada@example.test", password="x")

    assert node_names(flow) == ["csrf_token", "identifier", "password", "method"]
    assert flow["ui"]["nodes"][1]["meta"]["label"]["id"] == 1070004
    assert message_ids(response.json()) == [4000006]


async def test_lookup_secret_works_once(fake: FakeKratos, ada: Identity) -> None:
    ada.credentials.lookup_codes = {"abcd1234": False}
    responses = []
    for _ in range(2):
        browser = client_for(fake)
        browser.use(fake.sign_in(ada))
        flow = await browser.create_flow("login", aal="aal2")
        assert node_names(flow) == ["csrf_token", "lookup_secret", "method"]
        responses.append(await browser.submit(flow, method="lookup_secret", lookup_secret="abcd1234"))

    assert [response.status_code for response in responses] == [200, 400]
    assert message_ids(responses[1].json()) == [4000012]


@pytest.mark.parametrize(
    ("factors", "fields", "message_id"),
    [
        ("totp", {"method": "lookup_secret", "lookup_secret": "abcd1234"}, 4000014),
        ("totp", {"method": "totp", "totp_code": "not a code"}, 4000008),
        ("totp", {"method": "totp", "totp_code": "\uff11\uff12\uff13\uff14\uff15\uff16"}, 4000008),
        ("totp", {"method": "totp"}, 4000002),
        ("totp", {"method": "totp", "totp_code": "abc"}, 4000003),
        ("lookup_secret", {"method": "lookup_secret", "lookup_secret": "zzzz"}, 4000016),
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


@pytest.mark.usefixtures("ada")
async def test_refresh_as_another_identity_creates_a_new_session(fake: FakeKratos, browser: FlowClient) -> None:
    fake.add_identity("bob@example.test")
    first = (await browser.log_in("ada@example.test")).json()["session"]["id"]
    flow = await browser.create_flow("login", refresh="true")
    response = await browser.submit(flow, method="password", identifier="bob@example.test", password=PASSWORD)

    assert response.json()["session"]["id"] != first
    assert (await browser.whoami()).json()["identity"]["traits"]["email"] == "bob@example.test"


async def test_forms_omit_disabled_methods(clock: ManualClock) -> None:
    providers = (OidcProvider("mini"),)
    fake = FakeKratos(clock=clock, methods=frozenset({"totp"}), oidc_providers=providers)
    identity = fake.add_identity(totp=True)
    identity.credentials.lookup_codes = {"x": False}
    browser = client_for(fake)
    first_factor = await browser.create_flow("login")
    browser.use(fake.sign_in(identity))
    second_factor = await browser.create_flow("login", aal="aal2")
    refresh = await browser.create_flow("login", refresh="true")

    assert (node_names(first_factor), node_names(refresh)) == (["csrf_token"], ["csrf_token"])
    assert node_names(second_factor) == ["csrf_token", "totp_code", "method"]


async def test_refresh_form_only_has_the_methods_of_the_identity(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, oidc_providers=(OidcProvider("mini"), OidcProvider("other")))
    identity = fake.add_identity(password=None)
    identity.credentials.oidc_subjects["mini"] = "ada"
    browser = client_for(fake)
    browser.use(fake.sign_in(identity))

    assert node_names(await browser.create_flow("login", refresh="true")) == ["provider", "csrf_token"]


@pytest.mark.usefixtures("ada")
async def test_login_redirects_to_return_to(browser: FlowClient) -> None:
    """A missing scheme and host are taken from the default return URL."""
    flow = await browser.create_flow("login", return_to="/vault?a=ü b")
    form = {"method": "password", "identifier": "ada@example.test", "password": PASSWORD}
    response = await browser.submit_form(flow, **form)

    assert response.headers["location"] == "http://127.0.0.1:4455/vault?a=%C3%BC%20b"


async def test_disabled_method_is_not_found(browser: FlowClient) -> None:
    response = await browser.submit(await browser.create_flow("login"), method="oidc", provider="mini")

    assert response.status_code == 404


@pytest.mark.usefixtures("ada")
async def test_failed_login_keeps_the_identifier(browser: FlowClient) -> None:
    flow = await browser.create_flow("login")
    response = await browser.submit(flow, method="password", identifier="ada@example.test")

    assert message_ids(response.json()) == [4000002]
    assert field_value(response.json(), "identifier") == "ada@example.test"


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("payload", [{"a": [1]}, '{"a": 1}', ""], ids=str)
async def test_fields_of_former_releases_are_accepted(app: FlowClient, payload: object) -> None:
    fields = {"password_identifier": "ada@example.test", "password": PASSWORD, "transient_payload": payload}
    response = await app.submit(await app.create_flow("login"), method="password", **fields)

    assert response.status_code == 200


@pytest.mark.parametrize("flow", ["login", "registration"])
async def test_organization_without_methods_has_an_empty_form(browser: FlowClient, flow: str) -> None:
    organization = "7942aef0-8fde-48cb-bc04-456236edafde"
    of_organization = await browser.create_flow(flow, organization=organization)
    of_other = await browser.create_flow(flow, organization="nope")

    assert (of_organization["organization_id"], of_other["organization_id"]) == (organization, None)
    assert len(of_organization["ui"]["nodes"] or ()) <= 1 < len(node_names(of_other))


async def test_password_is_accepted_without_a_form_for_it(fake: FakeKratos, app: FlowClient) -> None:
    fake.add_identity("ada@example.test")
    flow = await app.create_flow("login", organization="7942aef0-8fde-48cb-bc04-456236edafde")
    rejected = await app.submit(flow, method="password", identifier="ada@example.test", password="wrong")
    response = await app.submit(flow, method="password", identifier="ada@example.test", password=PASSWORD)

    assert (message_ids(rejected.json()), response.status_code) == ([4000006], 200)


@pytest.mark.parametrize("flow", ["login", "registration"])
async def test_identity_schema_can_be_chosen(browser: FlowClient, flow: str) -> None:
    assert (await browser.create_flow(flow, identity_schema="default"))["identity_schema"] == "default"
    assert (await browser.start(flow, identity_schema="nope")).status_code == 400


async def test_login_challenge_needs_an_oauth2_provider(browser: FlowClient) -> None:
    response = await browser.start("login", login_challenge="nope")

    assert (response.status_code, response.json()["error"]["id"]) == (500, "invalid_configuration")
