"""`FlowPages` at a mount: URLs, headers, cookies, languages, and templates of the application."""

import json
import logging
import re
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from example.html_page import parse
from support.asgi_calls import HTML, NAVIGATE, call
from support.guard_bench import settings_of
from support.scripted_kratos import KratosRequest, KratosResponse, ScriptedKratos, refused

from ory_guard import OryGuard
from ory_guard.kratos.caller import Caller, current_caller
from ory_guard.testing import Fault, OidcProvider
from ory_guard.ui import FlowPages

from .mounted_pages import APP_URL, KRATOS_URL, Mounted
from .rendered_flows import Elements

pytestmark = pytest.mark.anyio

LOGIN_FLOWS = f"{KRATOS_URL}/self-service/login/flows?id="
MOUNTS = [
    pytest.param({}, id="mount"),
    pytest.param({"mount": "/a/b"}, id="deep mount"),
    pytest.param({"root_path": "/shop"}, id="root path"),
    pytest.param({"with_middleware": False}, id="without middleware"),
    pytest.param({"with_middleware": False, "root_path": "/shop"}, id="root path without middleware"),
]


@pytest.mark.parametrize("options", MOUNTS)
async def test_links_and_files_are_below_the_mount(options: dict[str, Any]) -> None:
    mounted = Mounted(**options)
    mount = urlsplit(mounted.mount_url).path

    response = await mounted.get("/login")

    assert str(response.url).startswith(f"{mounted.mount_url}/login?flow=")
    elements = Elements(response.text)
    files = [link["href"] for link in elements.of("link") if link["rel"] == "stylesheet"]
    files += [script["src"] for script in elements.of("script")]
    for file in files:
        assert file is not None
        assert file.startswith(f"{mount}/assets/")
        asset = await mounted.client.get(APP_URL + file)
        assert (asset.status_code, asset.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert (await mounted.client.get(f"{mounted.mount_url}/assets/pages.css")).headers[
        "cache-control"
    ] == "no-cache"
    assert (await mounted.client.get(f"{mounted.mount_url}/assets/x.css")).status_code == 404


@pytest.mark.parametrize("options", MOUNTS)
async def test_protected_page_returns_to_its_own_url_after_the_login(options: dict[str, Any]) -> None:
    mounted = Mounted(**options)

    response = await mounted.get("/sessions", follow_redirects=False)

    query = parse_qs(urlsplit(response.headers["location"]).query)
    assert query["return_to"] == [f"{mounted.mount_url}/sessions"]


@pytest.mark.parametrize("login_url", ["/auth", "/auth/", "/auth/login"])
async def test_login_url_of_the_guard_can_be_the_mount(login_url: str) -> None:
    mounted = Mounted(settings={"login_url": APP_URL + login_url})

    response = await mounted.client.get(f"{APP_URL}/vault")

    assert str(response.url).startswith(f"{mounted.mount_url}/login?flow=")
    assert str(response.history[0].headers["location"]).startswith(APP_URL + login_url)
    assert "You will then continue to /vault" in parse(response.text).text


@pytest.mark.parametrize("path", ["/login/", "/registration/", "/error/", "/sessions/", "/cookies/", "/x/"])
async def test_no_redirect_goes_to_the_host_of_the_request(path: str) -> None:
    """A page has the same response with a trailing slash, whatever the host and the query are."""
    mounted = Mounted()

    async def response(path: str) -> tuple[int, str]:
        headers = [(b"host", b"evil.example"), NAVIGATE, HTML]
        sent = await call(mounted.app, f"/auth{path}", headers=headers, query_string=b"flow=x&\x8d")
        return sent.status, str(sent.header(b"location")).partition("return_to")[0]

    assert "evil" not in (await response(path))[1]
    assert await response(path) == await response(path.rstrip("/"))


async def test_pages_are_private_and_have_a_strict_policy() -> None:
    mounted = Mounted()
    for path in ("/login", "/registration", "/recovery", "/error", "/cookies", "/login?flow=x"):
        response = await mounted.get(path)
        policy = response.headers["content-security-policy"]
        nonces = re.findall(r"nonce-([\w-]{20,})", policy)

        assert response.headers["cache-control"] == "no-store"
        assert policy.startswith("default-src 'none'; script-src 'nonce-")
        assert "unsafe" not in policy
        assert "https:" not in policy
        assert {script["nonce"] for script in Elements(response.text).of("script")} == set(nonces)
        assert "style=" not in response.text


async def test_pages_with_a_provider_allow_forms_to_lead_there() -> None:
    fake = {"methods": frozenset({"password", "oidc"}), "oidc_providers": (OidcProvider("Harbor", client_id="x"),)}
    for form_origins, sources in (
        (None, f"'self' {APP_URL} {KRATOS_URL} https:"),
        (["https://harbor.example"], f"'self' {APP_URL} {KRATOS_URL} https://harbor.example"),
    ):
        mounted = Mounted(fake=fake, form_origins=form_origins)
        policy = (await mounted.get("/login")).headers["content-security-policy"]
        assert f"form-action {sources}; " in policy


async def test_flows_of_another_browser_are_not_shown() -> None:
    mounted = Mounted()
    own = await mounted.get("/login")
    mounted.client.cookies.clear()

    response = await mounted.client.get(str(own.url))

    assert response.status_code == 403
    assert "csrf_token" not in response.text
    assert "different browser" in response.text


@pytest.mark.parametrize("flow_id", ["../../admin", "x" * 65, "a b", "%00", "1?x=2"])
async def test_invalid_flow_ids_are_not_sent_to_kratos(flow_id: str) -> None:
    mounted = Mounted()
    mounted.fake.requests.clear()

    response = await mounted.get(f"/login?flow={quote(flow_id, safe='')}", follow_redirects=False)

    assert response.status_code == 303
    assert response.headers["location"] == f"{KRATOS_URL}/self-service/login/browser"
    assert [request.path for request in mounted.fake.requests] == []


async def test_start_keeps_known_parameters_and_drops_foreign_return_urls() -> None:
    mounted = Mounted()
    query = (
        "aal=aal2&refresh=true&via=sms&organization=o&identity_schema=s&login_challenge=c&x=1"
        "&return_to=https%3A%2F%2Fevil.example%2F"
    )

    response = await mounted.get(f"/login?{query}", follow_redirects=False)

    assert parse_qs(urlsplit(response.headers["location"]).query) == {
        "aal": ["aal2"],
        "refresh": ["true"],
        "via": ["sms"],
        "organization": ["o"],
        "identity_schema": ["s"],
        "login_challenge": ["c"],
    }


async def test_links_between_flows_carry_the_parameters() -> None:
    mounted = Mounted()
    parameters = {
        "identity_schema": ["default"],
        "organization": ["o"],
        "via": ["email"],
        "return_to": [f"{APP_URL}/vault"],
    }
    response = await mounted.get(f"/login?{urlencode(parameters, doseq=True)}")

    for link in ("Forgot your password?", "Sign in", "Create an account", "Sign in", "Forgot your password?"):
        url = parse(response.text).links[link]
        query = parse_qs(urlsplit(url).query)
        assert {name: query[name] for name in query.keys() - {"after_verification_return_to"}} == parameters, link
        response = await mounted.client.get(url)


async def test_links_between_flows_carry_the_login_challenge() -> None:
    """The fake has no OAuth2 server, so that it starts a recovery with a challenge, but no login."""
    mounted = Mounted()
    recovery = parse((await mounted.get("/recovery?login_challenge=c")).text)
    address = str((await mounted.get("/login")).url)
    flow = (await mounted.client.get(address.replace(f"{mounted.mount_url}/login?flow=", LOGIN_FLOWS))).json()
    mounted.fake.fail(Fault(body=json.dumps({**flow, "oauth2_login_challenge": "c"}).encode()))
    login = parse((await mounted.client.get(address)).text)

    for link in (recovery.links["Sign in"], login.links["Create an account"], login.links["Forgot your password?"]):
        assert parse_qs(urlsplit(link).query)["login_challenge"] == ["c"]


async def test_conflicting_cookies_can_be_deleted() -> None:
    mounted = Mounted()
    cookies = {"cookie": "; ".join(f"ory_kratos_session={number}" for number in range(3))}
    for path in ("/login", "/?return_to=x"):
        page = await mounted.get(path, headers=cookies, follow_redirects=False)
        assert (page.status_code, parse(page.text).title) == (200, "Conflicting cookies · 127.0.0.1")
    action = f"{mounted.mount_url}/cookies"

    foreign = await mounted.client.post(
        action, headers={**cookies, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    )
    own = await mounted.client.post(
        action, headers={**cookies, "origin": APP_URL, "sec-fetch-site": "same-origin"}, follow_redirects=False
    )

    assert (foreign.status_code, "set-cookie" in foreign.headers) == (403, False)
    assert own.headers["location"] == f"{mounted.mount_url}/login"
    deleted = [value for value in own.headers.get_list("set-cookie") if value.startswith("ory_kratos_session=;")]
    assert deleted == ["ory_kratos_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"]


async def test_flow_page_offers_to_delete_malformed_cookies() -> None:
    mounted = Mounted()
    address = str((await mounted.get("/login")).url)
    mounted.client.cookies.set("ory_kratos_session", 'a"b', domain="127.0.0.1", path="/")

    response = await mounted.client.get(address)

    assert "a session cookie that is not valid" in response.text
    assert parse(response.text).form_with("Delete the session cookies")


@pytest.mark.parametrize(
    ("page", "record"), [("script-failure", "ui.script_failed"), ("credential-failure", "ui.credential_rejected")]
)
async def test_failure_in_browsers_is_logged_once_a_minute(
    page: str, record: str, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = Mounted()
    address = f"{mounted.mount_url}/{page}"
    with caplog.at_level(logging.WARNING, "ory_guard"):
        statuses = [(await mounted.client.post(address)).status_code for _ in range(3)]
        mounted.fake.clock.advance(61)
        await mounted.client.post(address)
        foreign = await mounted.client.post(address, headers={"sec-fetch-site": "cross-site"})

    records = [each for each in caplog.records if each.msg.startswith(record)]
    assert statuses == [204, 204, 204]
    assert foreign.status_code == 403
    assert len(records) == 2
    assert f"kratos={KRATOS_URL} origin={APP_URL}" in records[0].getMessage()


async def test_unavailable_kratos_is_a_page_with_retry_after() -> None:
    mounted = Mounted()
    mounted.fake.fail(Fault.rate_limited(7), times=100)

    response = await mounted.get("/login?flow=x", follow_redirects=False)

    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert "temporarily unavailable" in response.text


async def test_logout_returns_to_the_application() -> None:
    mounted = Mounted()
    mounted.sign_in()
    headers = {"origin": APP_URL, "sec-fetch-site": "same-origin"}

    response = await mounted.client.post(f"{mounted.mount_url}/logout", headers=headers, follow_redirects=False)
    api = await mounted.client.post(
        f"{mounted.mount_url}/logout", headers={**headers, "sec-fetch-mode": "cors"}, follow_redirects=False
    )

    assert (response.status_code, response.headers["location"]) == (303, APP_URL)
    assert any(value.startswith("ory_kratos_session=;") for value in response.headers.get_list("set-cookie"))
    assert api.status_code == 204


async def test_skip_link_is_not_shown_without_a_session() -> None:
    """Without a session, it would lead back to the login."""
    mounted = Mounted()
    assert "Skip for now" not in (await mounted.get("/verification")).text
    mounted.sign_in()

    assert "Skip for now" in (await mounted.get("/verification")).text


async def test_clients_take_turns_to_read_their_flows() -> None:
    """Anyone can request a page, so one client must not take all slots for calls to Kratos."""
    callers: list[Caller] = []

    def respond(_asked: KratosRequest) -> KratosResponse:
        callers.append(current_caller())
        return refused(404)

    pages = FlowPages(OryGuard(settings_of(), transport=ScriptedKratos(respond)))

    assert (await call(pages, "/login", query_string=b"flow=x", client=("192.0.2.9", 1))).status == 303
    assert [caller.client for caller in callers] == ["192.0.2.9"]
