"""Session cookies."""

import pytest
from support.flow_client import client_for

from ory_guard.testing import FakeKratos, ManualClock

pytestmark = pytest.mark.anyio


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
