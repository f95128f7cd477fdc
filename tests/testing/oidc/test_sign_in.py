"""Social sign-in with the fake's own provider, also of an address that is taken or missing, as in recordings."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from support.flow_client import HTML, PASSWORD, FlowClient, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos, Identity, ManualClock, OidcProvider
from testing.normalize import diff, normalize, normalize_url
from testing.release_bodies import RELEASE

pytestmark = pytest.mark.anyio

TAKEN = "carl@example.test"
RECORDED = [json.loads(line) for line in (RELEASE / "oidc.jsonl").read_text(encoding="utf-8").splitlines()]
# Before v25.4.0, the flow has another request_url, and traits have the group oidc.
FOLLOWED = [case for case in RECORDED if case["version"] != "v1.3.1"]


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake with a provider."""
    return FakeKratos(clock=clock, version="v26.2.0", oidc_providers=(OidcProvider("local"),))


async def consent(
    client: FlowClient,
    flow: dict[str, Any],
    email: str = TAKEN,
    *,
    subject: str = "",
    decision: str = "allow",
    browser: FlowClient | None = None,
    **fields: str,
) -> httpx2.Response:
    """Select the provider in a flow, submit its consent page in a browser, and return the response of Kratos."""
    if client.kind == "api":
        url = (await client.submit(flow, method="oidc", provider="local")).json()["redirect_browser_to"]
        browser = browser or FlowClient(client.client._transport, str(client.client.base_url).rstrip("/"))
    else:
        url = (await client.submit_form(flow, **fields or {"provider": "local"})).headers["location"]
        browser = browser or client
    assert "This provider is a fake" in (await browser.get(url, HTML)).text
    form = {"consent": decision, "email": email} | ({"subject": subject} if subject else {})
    redirect = await browser.client.post(url, data=form)
    return await browser.get(redirect.headers["location"], HTML)


async def sign_in(client: FlowClient, email: str = TAKEN, name: str = "login", **choices: Any) -> httpx2.Response:
    """Start a flow, and sign in with the provider."""
    return await consent(client, await client.create_flow(name), email, **choices)


def query_of(response: httpx2.Response) -> dict[str, str]:
    """Return the query parameters of a redirect."""
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


async def flow_of(client: FlowClient, response: httpx2.Response) -> dict[str, Any]:
    """Return the flow that a redirect to the UI names."""
    name = "registration" if urlsplit(response.headers["location"]).path == "/registration" else "login"
    return dict((await client.get_flow(name, query_of(response)["flow"])).json())


async def log_in(client: FlowClient, flow: dict[str, Any], identity: Identity) -> httpx2.Response:
    """Log in with a password in a flow; apps send no cookies."""
    if client.kind == "api":
        client.client.cookies.clear()
    return await client.submit(flow, method="password", identifier=identity.traits["email"], password=PASSWORD)


@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: f"{case['version']} {case['case']}")
async def test_flow_after_the_callback_is_that_of_the_recording(clock: ManualClock, case: dict[str, Any]) -> None:
    urls = case["flow"]["ui"]["action"], case["location"]
    public_url, ui_url = ("://".join(urlsplit(url)[:2]) for url in urls)
    providers = (OidcProvider("local", label="Local"),)
    fake = FakeKratos(
        clock=clock, version=case["version"], public_url=public_url, ui_url=ui_url, oidc_providers=providers
    )
    taken = ""
    if case["case"] == "conflict":
        taken = case["flow"]["ui"]["nodes"][1]["attributes"]["value"]
        fake.add_identity(taken)
    browser = client_for(fake)
    response = await sign_in(browser, taken)

    assert normalize_url(response.headers["location"]) == normalize_url(case["location"])
    assert list(diff(normalize(case["flow"]), normalize(await flow_of(browser, response)))) == []


@pytest.mark.parametrize("native", [False, True], ids=["browser", "app"])
async def test_login_of_the_owner_links_the_provider(fake: FakeKratos, native: bool) -> None:
    carl = fake.add_identity(TAKEN)
    client = client_for(fake, native=native)
    response = await sign_in(client, name="registration")
    linked = await log_in(client, await flow_of(client, response), carl)
    other = client_for(fake)
    signed_in = await sign_in(other)

    assert response.headers["location"].endswith("&no_org_ui=true")
    assert (linked.status_code, carl.credentials.oidc_subjects) == (200, {"local": TAKEN})
    assert signed_in.headers["location"] == f"{fake.settings.ui_url}/welcome"
    assert (await other.whoami()).json()["identity"]["id"] == carl.id


async def test_login_of_another_user_links_nothing(fake: FakeKratos, browser: FlowClient) -> None:
    fake.add_identity(TAKEN)
    eve = fake.add_identity("eve@example.test")
    rejected = await log_in(browser, await flow_of(browser, await sign_in(browser)), eve)

    assert (rejected.status_code, message_ids(rejected.json())) == (400, [4010009])
    assert eve.credentials.oidc_subjects == {}
    assert (await browser.whoami()).status_code == 401


async def test_provider_is_linked_after_the_second_factor(fake: FakeKratos, browser: FlowClient) -> None:
    carl = fake.add_identity(TAKEN, totp=True)
    first = await log_in(browser, await flow_of(browser, await sign_in(browser)), carl)
    after_first = dict(carl.credentials.oidc_subjects)
    flow = await browser.create_flow("login", aal="aal2")
    second = await browser.submit(flow, method="totp", totp_code=fake.totp_code(carl))

    assert (first.status_code, after_first) == (422, {})
    assert (second.status_code, carl.credentials.oidc_subjects) == (200, {"local": TAKEN})


async def test_link_flow_has_the_other_providers(clock: ManualClock) -> None:
    providers = (OidcProvider("local"), OidcProvider("other"))
    fake = FakeKratos(clock=clock, version="v26.2.0", oidc_providers=providers, methods=frozenset({"oidc"}))
    fake.add_identity(TAKEN)
    browser = client_for(fake)
    flow = await flow_of(browser, await sign_in(browser))
    (button,) = [node for node in flow["ui"]["nodes"] if node["group"] == "oidc"]

    assert (button["attributes"]["value"], button["meta"]["label"]["id"]) == ("other", 1010018)
    assert "identifier" not in node_names(flow)
    assert flow["ui"]["messages"][0]["context"]["provider"] == "generic"


@pytest.mark.parametrize("name", ["login", "registration"])
async def test_entered_traits_complete_the_registration(fake: FakeKratos, browser: FlowClient, name: str) -> None:
    flow = await flow_of(browser, await sign_in(browser, "", name))
    entered: dict[str, Any] = {"provider": "local", "traits__email": "dora@example.test"}
    await consent(browser, flow, "", subject="subject-1", **entered)

    (dora,) = fake.identities
    assert message_ids(flow) == [4000002]
    assert (dora.traits["email"], dora.credentials.oidc_subjects) == ("dora@example.test", {"local": "subject-1"})
    assert (await browser.whoami()).json()["identity"]["id"] == dora.id


@pytest.mark.parametrize(
    ("decision", "email", "message_id"),
    [("deny", "ada@example.test", 4000001), ("allow", "eve@example.test", 4010011)],
    ids=["denied", "inactive identity"],
)
async def test_failed_sign_in_shows_the_form_again(
    fake: FakeKratos, browser: FlowClient, decision: str, email: str, message_id: int
) -> None:
    eve = fake.add_identity("eve@example.test", state="inactive")
    eve.credentials.oidc_subjects["local"] = "eve@example.test"
    response = await sign_in(browser, email, decision=decision)

    assert response.headers["location"].startswith("http://127.0.0.1:4455/login?flow=")
    assert message_ids(await flow_of(browser, response)) == [message_id]


async def test_app_exchanges_both_codes_for_a_session_token(browser: FlowClient, app: FlowClient) -> None:
    """The app gets one code when it creates the flow, and the other from the browser."""
    query = {"return_session_token_exchange_code": "true", "return_to": "myapp://callback?x=1"}
    flow = await app.create_flow("login", **query)
    response = await consent(app, flow, browser=browser)
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
    await consent(browser, unlinked, link="local")
    linked = await browser.create_flow("settings")
    response = await browser.submit(linked, unlink="local")

    assert ("link" in node_names(unlinked), "unlink" in node_names(linked)) == (True, True)
    assert (response.status_code, ada.credentials.oidc_subjects) == (200, {})


async def test_last_first_factor_cannot_be_unlinked(fake: FakeKratos, browser: FlowClient) -> None:
    ada = fake.add_identity(password=None)
    ada.credentials.oidc_subjects["local"] = "ada"
    browser.use(fake.sign_in(ada))
    flow = await browser.create_flow("settings")
    response = await browser.submit(flow, method="oidc", unlink="local")

    assert "unlink" not in node_names(flow)
    assert message_ids(response.json()) == [4000001]


async def test_subject_cannot_be_linked_to_two_identities(fake: FakeKratos, browser: FlowClient) -> None:
    fake.add_identity("ada@example.test").credentials.oidc_subjects["local"] = TAKEN
    browser.use(fake.sign_in(fake.add_identity("bob@example.test")))
    flow = await browser.create_flow("settings")
    await consent(browser, flow, link="local")

    assert message_ids((await browser.get_flow("settings", flow["id"])).json()) == [4000007]


async def test_linking_requires_the_session_that_started_it(fake: FakeKratos, browser: FlowClient) -> None:
    browser.use(fake.sign_in(fake.add_identity("ada@example.test")))
    flow = await browser.create_flow("settings")
    response = await consent(browser, flow, browser=client_for(fake), link="local")

    assert response.headers["location"].startswith("http://127.0.0.1:4455/error?id=")


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/self-service/methods/oidc/callback/local?state=unknown&code=x", "application/json", 400),
        ("/self-service/methods/oidc/callback/other?state=unknown", "application/json", 404),
        ("/fake-oidc/none/auth", HTML, 404),
        ("/fake-oidc/local/auth?redirect_uri=http://evil.test", HTML, 400),
    ],
)
async def test_forged_urls_are_rejected(browser: FlowClient, path: str, accept: str, status: int) -> None:
    """The provider only redirects to Kratos, and the callback only accepts known states."""
    assert (await browser.get(path, accept)).status_code == status


async def test_unknown_provider_is_not_found(browser: FlowClient) -> None:
    response = await browser.submit(await browser.create_flow("login"), method="oidc", provider=["local"])

    assert response.status_code == 404


@pytest.mark.parametrize("base_url", ["https://app.example/.ory", "https://app.example/.ory/"])
async def test_provider_redirects_to_the_configured_url(base_url: str) -> None:
    """As with `base_redirect_uri` in Kratos, if browsers reach it through a proxy."""
    browser = client_for(FakeKratos(oidc_providers=(OidcProvider("mini"),), oidc_base_redirect_uri=base_url))
    response = await browser.submit(await browser.create_flow("login"), method="oidc", provider="mini")
    query = dict(parse_qsl(urlsplit(response.json()["redirect_browser_to"]).query))

    assert query["redirect_uri"] == "https://app.example/.ory/self-service/methods/oidc/callback/mini"


async def test_verification_code_is_sent_at_registration_only(fake: FakeKratos) -> None:
    for name in ("registration", "login"):
        await sign_in(client_for(fake, native=True), name=name)

    assert [message.template_type for message in fake.messages] == ["verification_code_valid"]
    assert fake.identities[0].verifiable_addresses[0].status == "sent"
