"""The example in Chromium, with Kratos on another host behind `KratosProxy`: the fake, and (`live`) a real one.

The browser opens the application at 127.0.0.1, and Kratos is at `localhost`, so they share no cookie. For passkeys
it is the reverse, because browsers accept no address as a relying party.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Request, expect
from support.live_kratos import fake_and_live, live_kratos
from support.threaded_server import LateApplication, served

from example_app.app import create_app
from example_app.kratos_backend import Backend
from ory_guard import GuardSettings
from ory_guard.testing import FakeKratos, OidcProvider

from .authenticator import add_authenticator, add_security_key, expect_signed_in, sign_up_with_passkey, trigger
from .browser_steps import register, sign_out
from .browser_window import BrowserWindow, open_window
from .deployment import LIVE_TIMEOUT, Deployment, new_email, serve

pytestmark = pytest.mark.browser


def deployment_for(app_url: str, public_url: str, provider: str = "http://idp.localhost") -> Deployment:
    """Return the application whose browsers reach Kratos through its proxy."""
    settings = GuardSettings(
        kratos_public_url=public_url, kratos_browser_url=f"{app_url}/.ory", app_url=app_url, timeout=LIVE_TIMEOUT
    )
    backend = Backend(settings)
    return Deployment(create_app(backend, provider_origins=[provider]), backend)


@contextmanager
def fake_behind_the_proxy(host: str = "127.0.0.1", kratos_host: str = "localhost") -> Iterator[Deployment]:
    """Serve the application and a fake on another host."""

    def make_kratos(url: str) -> tuple[Any, FakeKratos]:
        provider = f"http://idp.localhost:{urlsplit(url).port}"
        fake = FakeKratos(
            public_url=url.replace("127.0.0.1", kratos_host),
            ui_url=app_url,
            allowed_return_urls=(app_url,),
            methods=frozenset({"password", "totp", "code", "profile", "oidc", "passkey", "webauthn"}),
            oidc_providers=(
                OidcProvider("Harbor", issuer_url=f"{provider}/fake-oidc/Harbor", client_id="Postern"),
            ),
            oidc_base_redirect_uri=f"{app_url}/.ory/",
            webauthn_name="Postern",
            webauthn_id=host,
            webauthn_origins=(app_url,),
            passkey_name="Postern",
            passkey_id=host,
            passkey_origins=(app_url,),
        )
        return fake.app, fake

    late = LateApplication()
    with served(lambda url: (late, url.replace("127.0.0.1", host))) as app_url, served(make_kratos) as fake:
        public_url = fake.settings.public_url
        deployment = deployment_for(app_url, public_url, f"http://idp.localhost:{urlsplit(public_url).port}")
        late.app = deployment.app
        yield deployment


def fake_for_passkeys() -> AbstractContextManager[Deployment]:
    """Serve the application on a domain, and a fake on another host."""
    return fake_behind_the_proxy("localhost", "127.0.0.1")


@contextmanager
def real_behind_the_proxy() -> Iterator[Deployment]:
    """Serve the application for the real Kratos of the environment, or skip the test."""
    real = live_kratos()
    real.require_two_steps()
    with serve(lambda: deployment_for(real.ui_url, real.public)) as deployment:
        yield deployment


def real_for_passkeys() -> AbstractContextManager[Deployment]:
    """Serve the application for a real Kratos whose pages are on a domain, or skip the test."""
    if urlsplit(live_kratos().ui_url).hostname != "localhost":
        pytest.skip("the pages in Kratos' configuration are not on localhost")
    return real_behind_the_proxy()


@pytest.fixture(params=fake_and_live(fake_behind_the_proxy, real_behind_the_proxy))
def proxied(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The application and a Kratos on another host."""
    create: Callable[[], Any] = request.param
    with create() as deployment:
        yield deployment


@pytest.fixture
def requests() -> list[str]:
    """The URLs that the browser has requested."""
    return []


@pytest.fixture
def window(browser: Browser, proxied: Deployment, requests: list[str]) -> Iterator[BrowserWindow]:
    """A window of Chromium that records its requests."""

    def record(request: Request) -> None:
        requests.append(request.url)

    with open_window(browser, proxied.app_url) as opened:
        opened.page.context.on("request", record)
        yield opened


def hosts_of(requests: list[str]) -> set[str]:
    """Return the origins of requests."""
    return {re.sub(r"^(\w+://[^/]*).*", r"\1", url) for url in requests if url.startswith("http")}


def test_scripts_use_the_same_origin(window: BrowserWindow) -> None:
    page = window.page
    register(page, new_email())
    page.goto("/me")
    fetch = "(path) => fetch(path, {headers: {accept: 'application/json'}}).then((response) => response.status)"

    assert page.evaluate(fetch, "/.ory/sessions/whoami") == 200
    assert page.evaluate(fetch, "/.ory/admin/identities") == 404
    assert page.evaluate("() => fetch('/.ory/sessions', {method: 'DELETE'}).then((r) => r.json())") == {"count": 0}


@pytest.mark.parametrize("proxied", [fake_behind_the_proxy], indirect=True)
def test_social_sign_in(window: BrowserWindow, proxied: Deployment, requests: list[str]) -> None:
    page, email = window.page, new_email()
    page.goto("/registration")
    page.get_by_role("button", name="Sign up with Harbor").click()
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Allow").click()
    expect(page).to_have_url(re.compile(re.escape(proxied.app_url)))
    page.goto("/me")

    expect(page.get_by_text(email).first).to_be_visible()
    assert {host.rpartition(":")[0] for host in hosts_of(requests)} == {"http://127.0.0.1", "http://idp.localhost"}


@pytest.mark.parametrize("proxied", fake_and_live(fake_for_passkeys, real_for_passkeys), indirect=True)
def test_passkey_and_security_key(window: BrowserWindow, proxied: Deployment, requests: list[str]) -> None:
    """Both need Kratos' script, which pages load through the proxy."""
    page = window.page
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    add_authenticator(page)
    sign_up_with_passkey(page)
    page.goto("/vault")
    add_security_key(page, "Key on my ring")
    expect(page.get_by_role("heading", name="Vault", exact=True)).to_be_visible()
    sign_out(page)
    page.goto("/login")
    trigger(page, "passkey_login_trigger")
    expect_signed_in(page)
    page.goto("/vault")
    trigger(page, "webauthn_login_trigger")

    expect(page).to_have_url(re.compile("/vault$"))
    assert f"{proxied.app_url}/.ory/.well-known/ory/webauthn.js" in {url.partition("?")[0] for url in requests}
    assert hosts_of(requests) == {proxied.app_url}
    assert {cookie["domain"] for cookie in page.context.cookies()} == {"localhost"}
