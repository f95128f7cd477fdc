"""The how-to pages about whole scenarios, such as an SPA with an API, behave as they describe."""

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from support.certificates import make_certificate
from support.doc_clients import APP, NAVIGATE, Run, client_of, error_of, query_of
from support.doc_pages import ROOT, run_page

from ory_guard.cli.fake_settings import make_settings
from ory_guard.starlette import audit_routes
from ory_guard.testing import FakeKratos, Fault, SignedIn
from ory_guard.testing.fake_kratos import DEFAULT_PASSWORD

HTMX = {"HX-Request": "true", "HX-Current-URL": f"{APP}/account", "Origin": APP}


def test_spa_has_one_origin_for_pages_api_and_kratos(page: Run, fake: FakeKratos) -> None:
    app = page("docs/how-to/spa.md").app
    ada = fake.sign_in(fake.add_identity("ada@example.test"))
    stranger, client = client_of(app), client_of(app, ada)

    refused = stranger.get("/api/me", headers={"Sec-Fetch-Mode": "cors", "Referer": f"{APP}/orders/17"})
    login = urlsplit(refused.json()["redirect_browser_to"])

    assert stranger.get("/orders/17").text.startswith("<!doctype html>")
    assert (refused.status_code, login.path) == (401, "/.ory/self-service/login/browser")
    assert query_of(login.geturl()) == {"return_to": [f"{APP}/orders/17"]}
    assert stranger.get(f"{login.path}?{login.query}").status_code == 303
    assert client.get("/api/me").json() == {"id": ada.session.identity.id, "email": "ada@example.test"}
    assert client.post("/api/orders").json() == {"ordered_by": ada.session.identity.id}
    assert error_of(client_of(app, fake.sign_in(fake.add_identity(), age=301)).post("/api/orders")) == (
        "session_refresh_required"
    )
    assert (client.post("/logout", headers={"Origin": APP}).status_code, ada.session.active) == (204, False)


def test_login_through_the_proxy_with_the_documented_fake(tmp_path: Path) -> None:
    name = "docs/how-to/kratos-proxy.md"
    options = dict(re.findall(r"--(\S+)-url (\S+)", (ROOT / name).read_text(encoding="utf-8")))
    fake = FakeKratos(make_settings({"ui_url": options["ui"]}, app_url=options["app"]))
    fake.add_identity("ada@example.test")
    names = run_page(name, tmp_path, fake, tests=False)
    browser = client_of(names["app"], base_url=options["app"], headers={"Accept": "text/html", **NAVIGATE})

    response = browser.get("/me")
    places = []
    while response.status_code == 303:
        places.append(urlsplit(response.headers["location"]).path)
        response = browser.get(response.headers["location"])
    fields = dict(re.findall(r'name="(csrf_token)"[^>]*value="([^"]*)"', response.text))
    (action,) = set(re.findall(r'action="([^"]*)"', response.text))
    login = {"identifier": "ada@example.test", "password": DEFAULT_PASSWORD, "method": "password"}
    done = browser.post(action, data=fields | login, headers={"Origin": options["app"]})

    assert places == ["/.ory/self-service/login/browser", "/auth/login"]
    assert action.startswith(f"{options['app']}/.ory/self-service/login?flow=")
    assert done.headers["location"] == f"{options['app']}/me"
    assert browser.get("/me").status_code == 200


def test_htmx_is_sent_to_the_login_and_back_to_the_page(page: Run, fake: FakeKratos) -> None:
    app = page("docs/how-to/htmx.md").app
    ada, stale = fake.sign_in(fake.add_identity()), fake.sign_in(fake.add_identity(), age=301)
    stranger, client = client_of(app), client_of(app, ada)

    refused = stranger.get("/balance", headers=HTMX)
    step_up = client_of(app, stale).post("/transfer", data={"to": "Bob"}, headers=HTMX)
    foreign = client.post("/transfer", data={"to": "Bob"}, headers=HTMX | {"Origin": "https://evil.test"})

    assert (refused.status_code, query_of(refused.headers["hx-redirect"])) == (
        401,
        {"return_to": [f"{APP}/account"]},
    )
    assert step_up.status_code == 403
    assert query_of(step_up.headers["hx-redirect"]) == {"refresh": ["true"], "return_to": [f"{APP}/account"]}
    assert (error_of(foreign), "hx-redirect" in foreign.headers) == ("security_csrf_violation", False)
    assert client.get("/balance", headers=HTMX).text == "<b>100 €</b>"
    assert client.post("/transfer", data={"to": "Bob"}, headers=HTMX).text == "Sent"
    left = client.post("/logout", headers=HTMX)
    assert (left.status_code, left.headers["hx-redirect"]) == (204, "/")
    fake.fail(Fault.server_error(), times=10)
    assert client_of(app, fake.sign_in(fake.add_identity())).get("/balance", headers=HTMX).status_code == 503


def tenant_client(app: Any, name: str, user: SignedIn) -> TestClient:
    """Return a client that sends the user's cookie to the host of a tenant."""
    return client_of(app, user, base_url=f"https://{name}.example.com")


def test_hosts_of_one_kratos_have_their_own_users_and_redirects(page: Run, fake: FakeKratos) -> None:
    names = page("docs/how-to/many-hosts.md")
    ada = fake.sign_in(fake.add_identity(metadata_public={"tenants": ["acme"]}))
    acme, umbrella = (tenant_client(names.app, name, ada) for name in ("acme", "umbrella"))
    stranger = client_of(names.app, base_url="https://acme.example.com")

    refused = stranger.get("/orders", headers={"Sec-Fetch-Mode": "navigate"})
    origin = {"Origin": "https://umbrella.example.com", "Sec-Fetch-Site": "same-site"}

    assert query_of(refused.headers["location"]) == {"return_to": ["https://acme.example.com/orders"]}
    assert acme.get("/orders").json() == "the orders of acme"
    assert umbrella.get("/orders").status_code == 403
    assert client_of(names.app, ada, base_url="https://evil.test").get("/orders").status_code == 421
    names.app.add_api_route("/orders", names.orders, methods=["POST"])
    assert error_of(acme.post("/orders", headers=origin)) == "security_csrf_violation"


def test_revocation_reaches_the_guards_of_all_hosts(page: Run, fake: FakeKratos) -> None:
    names = page("docs/how-to/many-hosts.md")
    ada = fake.sign_in(fake.add_identity(metadata_public={"tenants": ["acme", "umbrella"]}))
    clients = [tenant_client(names.app, name, ada) for name in ("acme", "umbrella")]

    before = [client.get("/orders").status_code for client in clients]
    fake.revoke(ada.session)
    asyncio.run(names.revoke_everywhere(ada.session.identity.id))

    assert before == [200, 200]
    assert [client.get("/orders").status_code for client in clients] == [401, 401]


@pytest.mark.parametrize(
    ("headers", "signed_in", "status", "body"),
    [
        pytest.param({}, False, 401, None, id="neither"),
        pytest.param({}, True, 200, "for identity ", id="session"),
        pytest.param(
            {"X-API-Key": "example-key-of-the-billing-service"}, False, 200, "for service billing", id="key"
        ),
        pytest.param({"X-API-Key": "wrong"}, True, 401, None, id="wrong key beside a session"),
    ],
)
def test_api_key_or_session(
    page: Run, fake: FakeKratos, headers: dict[str, str], *, signed_in: bool, status: int, body: str | None
) -> None:
    app = page("docs/how-to/api-keys.md").app
    user = fake.sign_in(fake.add_identity()) if signed_in else None

    response = client_of(app, user).get("/invoices", headers=headers)

    assert response.status_code == status
    assert body is None or response.json().startswith(body)
    fake.assert_whoami_calls(1 if signed_in else 0)


def test_key_does_not_open_a_route_for_people(page: Run) -> None:
    app = page("docs/how-to/api-keys.md").app
    key = {"X-API-Key": "example-key-of-the-billing-service"}

    assert client_of(app).post("/password", headers=key).status_code == 401
    unguarded = [route.path for route in audit_routes(app) if not route.guarded]
    assert "/invoices" in unguarded
    assert "/password" not in unguarded


def test_guard_reads_the_private_ca(page: Run, tmp_path: Path) -> None:
    names = page("docs/how-to/private-ca.md")
    context, ca_file = make_certificate(tmp_path)

    guard = names.create_guard(str(ca_file))

    assert guard.settings.ca_file == str(ca_file)
    assert names.create_guard_with_certificate(guard.settings, context).settings == guard.settings
