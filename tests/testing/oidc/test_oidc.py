"""Social sign-in with the fake's own provider."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from support.flow_client import HTML, FlowClient, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos, ManualClock, OidcProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake with a provider."""
    return FakeKratos(clock=clock, oidc_providers=(OidcProvider("mini"),))


async def consent_url(client: FlowClient, name: str, **query: str) -> str:
    """Start a flow, select the provider, and return the URL of its consent page."""
    flow = await client.create_flow(name, **query)
    if client.kind == "api":
        response = await client.submit(flow, method="oidc", provider="mini")
        return str(response.json()["redirect_browser_to"])
    return (await client.submit_form(flow, method="oidc", provider="mini")).headers["location"]


async def link_url(browser: FlowClient) -> str:
    """Start linking the provider in the settings, and return the URL of its consent page."""
    flow = await browser.create_flow("settings")
    return (await browser.submit_form(flow, link="mini")).headers["location"]


async def consent(
    browser: FlowClient, url: str, decision: str = "allow", email: str = "ada@example.test"
) -> httpx2.Response:
    """Submit the consent page and follow the redirect to Kratos."""
    assert "This provider is a fake" in (await browser.get(url, HTML)).text
    redirect = await browser.client.post(url, data={"consent": decision, "email": email})
    return await browser.get(redirect.headers["location"], HTML)


def query_of(response: httpx2.Response) -> dict[str, str]:
    """Return the query parameters of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


@pytest.mark.parametrize(
    ("decision", "email", "message_id"),
    [
        ("deny", "ada@example.test", 4000001),
        ("allow", "eve@example.test", 4010011),
    ],
    ids=["denied", "inactive identity"],
)
async def test_failed_sign_in_shows_the_form_again(
    fake: FakeKratos, browser: FlowClient, decision: str, email: str, message_id: int
) -> None:
    eve = fake.add_identity("eve@example.test", state="inactive")
    eve.credentials.oidc_subjects["mini"] = "eve@example.test"
    response = await consent(browser, await consent_url(browser, "login"), decision, email)
    flow = (await browser.get_flow("login", query_of(response)["flow"])).json()

    assert response.headers["location"].startswith("http://127.0.0.1:4455/login?flow=")
    assert message_ids(flow) == [message_id]


async def test_app_exchanges_both_codes_for_a_session_token(browser: FlowClient, app: FlowClient) -> None:
    """The app gets one code when it creates the flow, and the other from the browser."""
    return_to = "myapp://callback?x=1"
    flow = await app.create_flow("login", return_session_token_exchange_code="true", return_to=return_to)
    url = (await app.submit(flow, method="oidc", provider="mini")).json()["redirect_browser_to"]
    response = await consent(browser, url)
    codes = {"init_code": flow["session_token_exchange_code"], "return_to_code": query_of(response)["code"]}
    token = (await app.get("/sessions/token-exchange", **codes)).json()["session_token"]
    rejected = await app.get("/sessions/token-exchange", **codes | {"return_to_code": "x"})
    app.client.headers["x-session-token"] = token

    assert response.headers["location"].startswith("myapp://callback?x=1&code=")
    assert ((await app.whoami()).status_code, rejected.status_code) == (200, 404)


async def test_provider_is_linked_and_unlinked_in_settings(fake: FakeKratos, browser: FlowClient) -> None:
    ada = fake.add_identity("ada@example.test")
    browser.use(fake.sign_in(ada))
    unlinked = await browser.create_flow("settings")
    await consent(browser, await link_url(browser))
    linked = await browser.create_flow("settings")
    response = await browser.submit(linked, unlink="mini")

    assert ("link" in node_names(unlinked), "unlink" in node_names(linked)) == (True, True)
    assert (response.status_code, ada.credentials.oidc_subjects) == (200, {})


async def test_last_first_factor_cannot_be_unlinked(fake: FakeKratos, browser: FlowClient) -> None:
    ada = fake.add_identity(password=None)
    ada.credentials.oidc_subjects["mini"] = "ada"
    browser.use(fake.sign_in(ada))
    flow = await browser.create_flow("settings")
    response = await browser.submit(flow, method="oidc", unlink="mini")

    assert "unlink" not in node_names(flow)
    assert message_ids(response.json()) == [4000001]


async def test_subject_cannot_be_linked_to_two_identities(fake: FakeKratos, browser: FlowClient) -> None:
    fake.add_identity("ada@example.test").credentials.oidc_subjects["mini"] = "ada@example.test"
    browser.use(fake.sign_in(fake.add_identity("bob@example.test")))
    flow = await browser.create_flow("settings")
    await consent(browser, (await browser.submit_form(flow, link="mini")).headers["location"])

    assert message_ids((await browser.get_flow("settings", flow["id"])).json()) == [4000007]


async def test_linking_requires_the_session_that_started_it(fake: FakeKratos, browser: FlowClient) -> None:
    browser.use(fake.sign_in(fake.add_identity("ada@example.test")))
    response = await consent(client_for(fake), await link_url(browser))

    assert response.headers["location"].startswith("http://127.0.0.1:4455/error?id=")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/self-service/methods/oidc/callback/mini?state=unknown&code=x", 400),
        ("/self-service/methods/oidc/callback/other?state=unknown", 404),
        ("/fake-oidc/none/auth", 404),
        ("/fake-oidc/mini/auth?redirect_uri=http://evil.test", 400),
    ],
)
async def test_forged_urls_are_rejected(browser: FlowClient, path: str, status: int) -> None:
    """The provider only redirects to Kratos, and the callback only accepts known states."""
    assert (
        await browser.get(path, HTML if path.startswith("/fake-oidc") else "application/json")
    ).status_code == status


async def test_unknown_provider_is_not_found(browser: FlowClient) -> None:
    response = await browser.submit(await browser.create_flow("login"), method="oidc", provider=["mini"])

    assert response.status_code == 404


@pytest.mark.parametrize("base_url", ["https://app.example/.ory", "https://app.example/.ory/"])
async def test_provider_redirects_to_the_configured_url(base_url: str) -> None:
    """As with `base_redirect_uri` in Kratos, if browsers reach it through a proxy."""
    fake = FakeKratos(oidc_providers=(OidcProvider("mini"),), oidc_base_redirect_uri=base_url)
    browser = client_for(fake)
    response = await browser.submit(await browser.create_flow("login"), method="oidc", provider="mini")
    query = parse_qs(urlsplit(response.json()["redirect_browser_to"]).query)

    assert query["redirect_uri"] == ["https://app.example/.ory/self-service/methods/oidc/callback/mini"]


async def test_verification_code_is_sent_at_registration_only(fake: FakeKratos) -> None:
    for name in ("registration", "login"):
        await consent(client_for(fake), await consent_url(client_for(fake, native=True), name))

    assert [message.template_type for message in fake.messages] == ["verification_code_valid"]
    assert fake.identities[0].verifiable_addresses[0].status == "sent"
