"""Tests of the demo's forms: they need a session, and only exist with the fake."""

import re

import pytest
from asgi_lifespan import LifespanManager
from support.doc_pages import ROOT

from example_app.app import create_app
from example_app.kratos_backend import Backend
from example_app.rendering import GUIDES, REPOSITORY
from ory_guard import GuardSettings

from .deployment import APP_URL, Deployment
from .test_bad_inputs import DEMO_FORMS
from .visitor import Visitor

pytestmark = pytest.mark.anyio

CLOCK = "Advance the clock by a minute"
EMAIL = "ada@example.test"


async def test_clock_ends_the_recent_sign_in(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/me")
    assert re.search(r"Recent for (60|59|5\d) s", visitor.page.text)
    before = deployment.fake.clock.time()

    await visitor.press(CLOCK)

    assert visitor.path == "/me"
    assert 60 <= deployment.fake.clock.time() - before < 90
    assert "No longer recent" in visitor.page.text
    await visitor.open("/transfer")
    assert visitor.page.title == "Sign-in confirmation · Postern"


async def test_real_authenticator_app_works_after_the_clock_was_advanced(visitor: Visitor) -> None:
    await visitor.register(EMAIL)
    await visitor.press(CLOCK)
    await visitor.open("/vault")
    secret = await visitor.enroll_totp()
    assert visitor.page.title == "Vault · Postern"
    await visitor.press(CLOCK)
    await visitor.press("Sign out")
    await visitor.open("/vault")
    await visitor.sign_in(EMAIL)

    await visitor.press("method=totp", totp_code=visitor.deployment.totp(secret))

    assert visitor.page.title == "Vault · Postern"


async def test_revocation_ends_the_session_of_the_other_browser(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/me")
    await visitor.press("Sign in there")
    assert "Ada is signed in there too." in visitor.page.text
    await visitor.press("Open /me there again")
    browsers = deployment.app.state.site.other_browsers
    (browser,) = browsers._by_identity.values()
    assert (browser.activity.cache_result, browser.activity.status) == ("hit", 200)

    await visitor.press("Revoke session")

    assert (visitor.path, visitor.status) == ("/me", 200)
    assert "Ada is signed out there." in visitor.page.text
    assert (browser.activity.outcome.reason, browser.activity.status) == ("inactive", 303)
    await visitor.press("Sign in there")
    assert "Ada is signed in there too." in visitor.page.text
    assert browser.browser_id not in visitor.page.text
    assert browser.signed_in.cookie not in visitor.page.text


async def test_other_accounts_do_not_see_the_other_browser(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/me")
    await visitor.press("Sign in there")
    async with Visitor(deployment) as stranger:
        await stranger.register("grace@example.test")
        await stranger.open("/me")
        assert "signed in there" not in stranger.page.text
        await stranger.client.post(f"{APP_URL}/demo/other-browser/revoke")

    await visitor.press("Open /me there again")
    assert "Ada is signed in there too." in visitor.page.text


async def test_form_returns_only_to_the_application(visitor: Visitor) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/me")
    response = await visitor.client.post(
        f"{APP_URL}/demo/clock", data={"return_to": "https://evil.example/"}, follow_redirects=False
    )

    assert (response.status_code, response.headers["location"]) == (303, APP_URL)


async def test_each_page_links_to_its_documentation_and_source(visitor: Visitor) -> None:
    await visitor.register(EMAIL)
    for path in (*GUIDES, "/settings"):
        await visitor.open(path)
        for text in ("Documentation", "Source code"):
            file = visitor.page.links[text].removeprefix(f"{REPOSITORY}/")
            assert (ROOT / file).is_file(), file


@pytest.mark.parametrize("path", DEMO_FORMS)
async def test_form_requires_a_session(visitor: Visitor, deployment: Deployment, path: str) -> None:
    before = deployment.fake.clock.time()
    response = await visitor.client.post(APP_URL + path, follow_redirects=False)

    assert response.status_code == 303
    assert "/self-service/login/browser" in response.headers["location"]
    assert deployment.fake.clock.time() - before < 50


@pytest.mark.parametrize("path", ["/outbox", "/debug/guard", *DEMO_FORMS])
async def test_demo_does_not_exist_with_a_real_kratos(path: str) -> None:
    app = create_app(Backend(GuardSettings(kratos_public_url="http://127.0.0.1:9", app_url=APP_URL)))
    async with LifespanManager(app):
        deployment = Deployment(app, Backend(app.state.site.guard.settings))
        async with Visitor(deployment) as visitor:
            responses = [await visitor.client.request(method, APP_URL + path) for method in ("GET", "POST")]

    assert {response.status_code for response in responses} <= {404, 405}
