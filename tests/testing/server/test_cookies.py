"""Session cookies."""

import pytest
from support.flow_client import FlowClient, client_for

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "value", ["", "abc", "nope", "bm9wZQ==", "ü", "MTIzfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"], ids=repr
)
async def test_forged_session_cookie_is_rejected(browser: FlowClient, value: str) -> None:
    cookie = f"ory_kratos_session={value}".encode()
    response = await browser.client.get("/sessions/whoami", headers=[(b"cookie", cookie)])

    assert (response.status_code, response.headers["ory-session-cache-for"]) == (401, "60")


async def test_continuity_cookie_is_not_a_session_cookie(fake: FakeKratos, browser: FlowClient) -> None:
    value = fake._server.jar.encode({"continuity": "x"}, 0)
    browser.client.cookies.set("ory_kratos_session", value)

    assert (await browser.whoami()).status_code == 401


async def test_cookies_have_the_configured_attributes(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, cookie_domain="example.test", cookie_secure=True, cookie_same_site="Strict")
    fake.add_identity("ada@example.test")
    response = await client_for(fake).start("login")

    assert response.headers["set-cookie"].endswith(
        "Path=/; Domain=example.test; Max-Age=31536000; HttpOnly; Secure; SameSite=Strict"
    )
    assert (await client_for(fake, native=True).log_in("ada@example.test")).status_code == 200


async def test_session_cookie_has_attributes_of_its_own() -> None:
    fake = FakeKratos(
        session_cookie_domain="example.test", session_cookie_path="/app", session_cookie_same_site="Strict"
    )
    fake.add_identity("ada@example.test")
    browser = client_for(fake)
    started = await browser.start("login")
    response = await browser.log_in("ada@example.test")
    session = response.headers.get_list("set-cookie")[-1]

    assert started.headers["set-cookie"].endswith("Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")
    assert "Path=/app; Domain=example.test; " in session
    assert session.endswith("SameSite=Strict")


async def test_extended_session_gets_a_new_cookie_once(
    fake: FakeKratos, clock: ManualClock, browser: FlowClient, ada: Identity
) -> None:
    signed_in = fake.sign_in(ada)
    browser.use(signed_in)
    before = await browser.whoami()
    clock.advance(60)
    fake.extend(signed_in.session)
    extended = await browser.whoami()
    browser.client.cookies.clear()
    browser.client.cookies.update(extended.cookies)
    after = await browser.whoami()

    assert [len(response.cookies) for response in (before, extended, after)] == [0, 1, 0]
    assert after.status_code == 200
