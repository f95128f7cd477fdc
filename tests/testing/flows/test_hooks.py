"""Hooks, return URLs of flows and methods, and flows that are disabled."""

from typing import Any

import pytest
from support.flow_client import HTML, PASSWORD, FlowClient, client_for

from ory_guard.testing import FakeKratos, ManualClock

pytestmark = pytest.mark.anyio

ADDRESS = "ada@example.test"
PAGES = "http://127.0.0.1:4455"


def fake_with(clock: ManualClock, **settings: Any) -> FakeKratos:
    """Return a fake of the release with the settings."""
    return FakeKratos(clock=clock, version="v26.2.0", **settings)


def hooks(*names: str) -> tuple[dict[str, str], ...]:
    """Return hooks in the form of the configuration."""
    return tuple({"hook": name} for name in names)


async def submit_password(client: FlowClient, name: str, **query: str) -> Any:
    """Log in or register with a password in a form."""
    flow = await client.create_flow(name, **query)
    fields = {"identifier": ADDRESS} if name == "login" else {"traits__email": ADDRESS}
    return await client.submit_form(flow, method="password", password=PASSWORD, **fields)


async def test_account_without_address_cannot_satisfy_the_requirement(clock: ManualClock) -> None:
    fake = fake_with(clock, hooks={"login.after": hooks("require_verified_address")})
    fake.add_identity(ADDRESS).verifiable_addresses.clear()
    fake.add_identity("bob@example.test", verified=True)

    assert (await client_for(fake, native=True).log_in(ADDRESS)).status_code == 500
    assert (await client_for(fake, native=True).log_in("bob@example.test")).status_code == 200


@pytest.mark.parametrize(
    ("key", "is_revoked"),
    [("login.after.password", True), ("login.after", True), ("login.after.code", False)],
)
async def test_login_can_revoke_other_sessions(clock: ManualClock, key: str, is_revoked: bool) -> None:
    fake = fake_with(clock, hooks={key: hooks("revoke_active_sessions")})
    other = fake.sign_in(fake.add_identity(ADDRESS)).session
    browser = client_for(fake)
    await submit_password(browser, "login")

    assert (await browser.whoami()).status_code == 200
    assert other.active is not is_revoked


async def test_changed_password_and_recovery_can_revoke_other_sessions(clock: ManualClock) -> None:
    revoke = hooks("revoke_active_sessions")
    fake = fake_with(clock, hooks={"settings.after.password": revoke, "recovery.after": revoke})
    ada = fake.add_identity(ADDRESS)
    sessions = [fake.sign_in(ada).session for _ in range(2)]
    browser = client_for(fake)
    browser.use(fake.sign_in(ada))
    flow = await browser.create_flow("settings")
    await browser.submit(flow, method="password", password=f"{PASSWORD}-2")
    after_change = [session.active for session in sessions]
    app = client_for(fake, native=True)
    recovery = await app.create_flow("recovery")
    await app.submit(recovery, method="code", email=ADDRESS)
    await app.submit(recovery, method="code", code=fake.messages[0].code)

    assert after_change == [False, False]
    assert (await browser.whoami()).status_code == 401


async def test_verification_without_hook_only_sends_the_email(clock: ManualClock) -> None:
    fake = fake_with(clock, hooks={"registration.after": hooks("session")})
    response = await submit_password(client_for(fake), "registration")

    assert response.headers["location"] == f"{PAGES}/welcome"
    assert [message.recipient for message in fake.messages] == [ADDRESS]


async def test_disabled_verification_sends_no_email(clock: ManualClock) -> None:
    fake = fake_with(clock, verification_enabled=False)
    browser = client_for(fake)
    await submit_password(browser, "registration")
    flow = await browser.create_flow("settings")
    await browser.submit(flow, method="profile", traits={"email": "new@example.test"})

    assert (fake.messages, fake.identities[0].traits["email"]) == ((), "new@example.test")


@pytest.mark.parametrize("name", ["registration", "recovery", "verification"])
@pytest.mark.parametrize("native", [False, True])
async def test_disabled_flow_is_a_bad_request(clock: ManualClock, name: str, native: bool) -> None:
    client = client_for(fake_with(clock, **{f"{name}_enabled": False}), native=native)
    responses = [await client.start(name), await client.get_flow(name, "11111111-1111-4111-8111-111111111111")]

    error_id = "self_service_flow_disabled" if name == "registration" else None
    assert [(each.status_code, each.json()["error"].get("id")) for each in responses] == [(400, error_id)] * 2


@pytest.mark.parametrize("name", ["registration", "recovery", "verification"])
async def test_disabled_flow_leads_a_browser_to_the_error_page(clock: ManualClock, name: str) -> None:
    browser = client_for(fake_with(clock, **{f"{name}_enabled": False}))
    response = await browser.start(name, HTML)

    assert (response.status_code, response.headers["location"].partition("?")[0]) == (303, f"{PAGES}/error")


@pytest.mark.parametrize(
    ("return_urls", "expected"),
    [
        ({}, "/welcome"),
        ({"login": f"{PAGES}/a"}, "/a"),
        ({"login": f"{PAGES}/a", "login.password": f"{PAGES}/b"}, "/b"),
        ({"login.code": f"{PAGES}/c"}, "/welcome"),
    ],
    ids=str,
)
async def test_flows_and_methods_have_return_urls(
    clock: ManualClock, return_urls: dict[str, str], expected: str
) -> None:
    fake = fake_with(clock, return_urls=return_urls)
    fake.add_identity(ADDRESS)
    default = await submit_password(client_for(fake), "login")
    requested = await submit_password(client_for(fake), "login", return_to=f"{PAGES}/after")

    assert default.headers["location"] == f"{PAGES}{expected}"
    assert requested.headers["location"] == f"{PAGES}/after"


async def test_settings_have_a_return_url(clock: ManualClock) -> None:
    fake = fake_with(clock, return_urls={"settings.profile": f"{PAGES}/me"})
    browser = client_for(fake)
    browser.use(fake.sign_in(fake.add_identity(ADDRESS)))
    flow = await browser.create_flow("settings")
    response = await browser.submit_form(flow, method="profile", traits__email=ADDRESS)

    assert response.headers["location"] == f"{PAGES}/me"
