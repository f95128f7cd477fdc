"""Social sign-in of an address that is taken, and without a required trait, as recorded from releases."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from support.flow_client import HTML, PASSWORD, FlowClient, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos, Identity, ManualClock, OidcProvider
from testing.normalize import diff, normalize, normalize_url
from testing.release_story import RELEASE

pytestmark = pytest.mark.anyio

TAKEN = "carl@example.test"
RECORDED = [json.loads(line) for line in (RELEASE / "oidc.jsonl").read_text(encoding="utf-8").splitlines()]
# Before v25.4.0, the flow has another request_url, and traits have the group oidc.
FOLLOWED = [case for case in RECORDED if case["version"] != "v1.3.1"]


def origin(url: str) -> str:
    """Return scheme and host of a URL."""
    return "://".join(urlsplit(url)[:2])


def fake_for(clock: ManualClock, case: dict[str, Any], **settings: Any) -> FakeKratos:
    """Return a fake with the URLs and the provider of a recording."""
    return FakeKratos(
        clock=clock,
        version=case["version"],
        public_url=origin(case["flow"]["ui"]["action"]),
        ui_url=origin(case["location"]),
        oidc_providers=(OidcProvider("local", label="Local"),),
        **settings,
    )


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake with the setup of the recorded v26.2.0."""
    return fake_for(clock, RECORDED[0])


async def sign_in(
    client: FlowClient, email: str, subject: str = "", name: str = "login", **query: str
) -> httpx2.Response:
    """Sign in with the provider, and return the response of the callback."""
    flow = await client.create_flow(name, **query)
    return await consent(client, flow, email, subject)


async def consent(
    client: FlowClient, flow: dict[str, Any], email: str, subject: str = "", **fields: str
) -> httpx2.Response:
    """Select the provider in a flow and submit its consent page."""
    if client.kind == "api":
        url = (await client.submit(flow, method="oidc", provider="local")).json()["redirect_browser_to"]
        browser = FlowClient(client.client._transport, str(client.client.base_url).rstrip("/"))
    else:
        url = (await client.submit_form(flow, provider="local", **fields)).headers["location"]
        browser = client
    form = {"consent": "allow", "email": email} | ({"subject": subject} if subject else {})
    redirect = await browser.client.post(url, data=form)
    return await browser.get(redirect.headers["location"], HTML)


async def flow_of(client: FlowClient, response: httpx2.Response) -> dict[str, Any]:
    """Return the flow that a redirect to the UI names."""
    url = urlsplit(response.headers["location"])
    name = "registration" if url.path == "/registration" else "login"
    return dict((await client.get_flow(name, parse_qs(url.query)["flow"][0])).json())


@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: f"{case['version']} {case['case']}")
async def test_flow_after_the_callback_is_that_of_the_recording(clock: ManualClock, case: dict[str, Any]) -> None:
    fake = fake_for(clock, case)
    taken = "".join(node["attributes"].get("value") or "" for node in case["flow"]["ui"]["nodes"][1:2])
    is_conflict = case["case"] == "conflict"
    if is_conflict:
        fake.add_identity(taken)
    browser = client_for(fake)
    response = await sign_in(browser, taken if is_conflict else "")
    flow = await flow_of(browser, response)

    assert normalize_url(response.headers["location"]) == normalize_url(case["location"])
    assert list(diff(normalize(case["flow"]), normalize(flow))) == []


async def log_in(client: FlowClient, flow: dict[str, Any], identity: Identity) -> httpx2.Response:
    """Log in with a password in a flow; apps send no cookies."""
    if client.kind == "api":
        client.client.cookies.clear()
    return await client.submit(flow, method="password", identifier=identity.traits["email"], password=PASSWORD)


@pytest.mark.parametrize("native", [False, True], ids=["browser", "app"])
async def test_login_of_the_owner_links_the_provider(fake: FakeKratos, native: bool) -> None:
    carl = fake.add_identity(TAKEN)
    client = client_for(fake, native=native)
    response = await sign_in(client, TAKEN, name="registration")
    linked = await log_in(client, await flow_of(client, response), carl)
    other = client_for(fake)
    signed_in = await sign_in(other, TAKEN)

    assert response.headers["location"].endswith("&no_org_ui=true")
    assert (linked.status_code, carl.credentials.oidc_subjects) == (200, {"local": TAKEN})
    assert signed_in.headers["location"] == f"{fake.settings.ui_url}/welcome"
    assert (await other.whoami()).json()["identity"]["id"] == carl.id


async def test_login_of_another_user_links_nothing(fake: FakeKratos, browser: FlowClient) -> None:
    fake.add_identity(TAKEN)
    eve = fake.add_identity("eve@example.test")
    flow = await flow_of(browser, await sign_in(browser, TAKEN))
    rejected = await log_in(browser, flow, eve)

    assert (rejected.status_code, message_ids(rejected.json())) == (400, [4010009])
    assert eve.credentials.oidc_subjects == {}
    assert (await browser.whoami()).status_code == 401


async def test_provider_is_linked_after_the_second_factor(fake: FakeKratos, browser: FlowClient) -> None:
    carl = fake.add_identity(TAKEN, totp=True)
    first = await log_in(browser, await flow_of(browser, await sign_in(browser, TAKEN)), carl)
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
    flow = await flow_of(browser, await sign_in(browser, TAKEN))
    (button,) = [node for node in flow["ui"]["nodes"] if node["group"] == "oidc"]

    assert (button["attributes"]["value"], button["meta"]["label"]["id"]) == ("other", 1010018)
    assert "identifier" not in node_names(flow)
    assert flow["ui"]["messages"][0]["context"]["provider"] == "generic"


@pytest.mark.parametrize("name", ["login", "registration"])
async def test_entered_traits_complete_the_registration(fake: FakeKratos, browser: FlowClient, name: str) -> None:
    response = await sign_in(browser, "", name=name)
    flow = await flow_of(browser, response)
    await consent(browser, flow, "", "subject-1", traits__email="dora@example.test")

    (dora,) = fake.identities
    assert message_ids(flow) == [4000002]
    assert (dora.traits["email"], dora.credentials.oidc_subjects) == ("dora@example.test", {"local": "subject-1"})
    assert (await browser.whoami()).json()["identity"]["id"] == dora.id
