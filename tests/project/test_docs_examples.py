"""The examples in the documentation behave as their pages describe."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from support.asgi_calls import http_scope
from support.doc_pages import ROOT, asking, run_page

from ory_guard.cli.fake_settings import make_settings
from ory_guard.testing import FakeKratos, Fault, SignedIn
from ory_guard.testing.fake_kratos import DEFAULT_PASSWORD

from .docs_examples import APP, EXAMPLES, NAVIGATE, USERS

Run = Callable[[str], SimpleNamespace]


@pytest.fixture
def fake() -> FakeKratos:
    """The Kratos of the examples."""
    return FakeKratos(allowed_return_urls=(APP,), login_ui_url=f"{APP}/login")


@pytest.fixture
def page(fake: FakeKratos, tmp_path: Path) -> Run:
    """Run a page and return the names that its blocks define."""
    return lambda name: SimpleNamespace(**run_page(name, tmp_path, fake, tests=False))


def client_of(app: Any, user: SignedIn | None = None, *, base_url: str = APP, **options: Any) -> TestClient:
    """Return a client for an example, which does not follow redirects and sends the user's cookie."""
    client = TestClient(app, base_url=base_url, follow_redirects=False, **options)
    if user is not None:
        client.cookies.set(user.cookie_name, user.cookie)
    return client


def describe(response: httpx2.Response) -> str:
    """Return the status, the headers and the body of a response."""
    return f"{response.status_code} {[*response.headers.values()]} {response.text}"


@pytest.mark.parametrize(("name", "app"), EXAMPLES, ids=lambda value: value.removeprefix("docs/how-to/"))
def test_example_responds_as_described(page: Run, fake: FakeKratos, name: str, app: str) -> None:
    application: Any = page(name)
    for attribute in app.split("."):
        application = getattr(application, attribute)
    signed_in = {
        user: fake.sign_in(fake.add_identity(**identity), **session) for user, (identity, session) in USERS.items()
    }
    for user, request, headers, texts in EXAMPLES[name, app]:
        response = client_of(application, signed_in.get(user)).request(*request.split(" "), headers=headers)
        assert [text for text in texts.split(" … ") if text not in describe(response)] == [], (user, request)


def test_custom_error_responses(page: Run) -> None:
    names = page("docs/how-to/fastapi.md")
    names.app.add_api_route("/legacy/name", names.name)

    assert client_of(names.app).get("/legacy/name").json() == {"problem": "session_inactive"}


def test_plain_asgi_applications(page: Run, fake: FakeKratos) -> None:
    names = page("docs/how-to/starlette.md")
    ada = fake.sign_in(fake.add_identity())

    with asking(fake):  # the middleware makes its guard when the first request comes
        assert client_of(names.small, ada).get("/me").status_code == 200
    assert asyncio.run(names.describe_user(http_scope())) == "anonymous"


def test_websockets(page: Run, fake: FakeKratos) -> None:
    """A WebSocket with a cookie needs a trusted origin, and is closed when its session is invalidated."""
    names = page("docs/how-to/websockets-and-streams.md")
    ada = fake.sign_in(fake.add_identity())
    client = client_of(names.app, ada)

    async def end() -> None:
        fake.revoke(ada.session)
        await names.guard.invalidate(session_id=ada.session.id)

    names.app.add_api_route("/end", end, methods=["POST"])
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass
    with client, client.websocket_connect("/ws", headers={"origin": APP}) as socket:
        socket.send_text("hello")
        assert socket.receive_text() == f"{ada.session.identity.id}: hello"
        client.post("/end")
        assert socket.receive()["code"] == 1008
    assert client_of(names.app).get("/events").status_code == 401


def test_websocket_tokens(page: Run, fake: FakeKratos) -> None:
    """A token in the first message or in a subprotocol authenticates a WebSocket, whatever its cookie is."""
    names = page("docs/how-to/websockets-and-streams.md")
    ada, ben = (fake.sign_in(fake.add_identity()) for _ in range(2))
    client = client_of(names.app, ben)

    with client, client.websocket_connect("/first-message", headers={"origin": APP}) as socket:
        socket.send_text(ada.token)
        socket.send_text("hello")
        assert socket.receive_text() == f"{ada.session.identity.id}: hello"
    with client, client.websocket_connect("/first-message", headers={"origin": APP}) as socket:
        socket.send_text("unknown")
        assert socket.receive()["code"] == 1008
    with client, client.websocket_connect("/subprotocol", subprotocols=["chat", f"token.{ada.token}"]) as socket:
        assert socket.accepted_subprotocol == "chat"
        socket.send_text("hello")
        assert socket.receive_text() == f"{ada.session.identity.id}: hello"
    for offered in (["chat"], ["chat", "token.unknown"], [f"token.{ada.token}", f"token.{ben.token}"]):
        with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/subprotocol", subprotocols=offered):
            pass


def test_sign_out_and_sliding_sessions(page: Run, fake: FakeKratos) -> None:
    names = page("docs/how-to/signing-out.md")
    ada = fake.add_identity()
    here, there = fake.sign_in(ada), fake.sign_in(ada)
    client, other = client_of(names.app, here), client_of(names.app, there)
    # The page's functions see the names of the page.
    names.me.__globals__["admin"] = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=fake.admin_app), base_url="http://127.0.0.1:4434"
    )
    fake.clock.advance(1_800)

    first, second = client.get("/me"), client.get("/me")
    assert datetime.fromisoformat(second.json()) > datetime.fromisoformat(first.json())
    assert ("set-cookie" in first.headers, "set-cookie" in second.headers) == (False, True)
    assert "/self-service/logout?" in client.get("/menu").text
    assert other.get("/menu").status_code == 200
    client.post(f"/sessions/{there.session.id}/end", headers={"origin": APP})
    assert other.get("/menu").status_code == 401
    fake.fail(Fault.server_error(), times=1)
    assert client.post("/logout", headers={"origin": APP}).status_code == 503
    left = client.post("/logout", headers={"origin": APP} | NAVIGATE)
    assert (left.status_code, left.headers["location"], here.session.active) == (303, f"{APP}/", False)


def test_custom_login_ui(page: Run, fake: FakeKratos) -> None:
    """The login page logs a user in, shows the messages of Kratos, and replaces a flow that is not found."""
    names = page("docs/how-to/custom-login-ui.md")
    fake.add_identity("ada@example.test")
    kratos = client_of(fake.app, base_url="http://127.0.0.1:4433")
    started = kratos.get("/self-service/login/browser", params={"return_to": f"{APP}/"})
    flow = parse_qs(urlsplit(started.headers["location"]).query)["flow"][0]
    client = client_of(names.app)
    client.cookies.update(kratos.cookies)

    shown = client.get("/login", params={"flow": flow})
    token = re.findall(r'name="csrf_token" value="([^"]+)"', shown.text)[0]
    fields = {"identifier": "ada@example.test", "method": "password", "csrf_token": token}
    wrong = client.post("/login", params={"flow": flow}, data=fields | {"password": "wrong"})
    right = client.post("/login", params={"flow": flow}, data=fields | {"password": DEFAULT_PASSWORD})

    assert f'action="http://127.0.0.1:4433/self-service/login?flow={flow}"' in shown.text
    assert (wrong.status_code, "role=alert" in wrong.text) == (400, True)
    assert right.json() == {"go_to": "/"}
    assert any(line.startswith("ory_kratos_session=") for line in right.headers.get_list("set-cookie"))
    assert client.get("/login", params={"flow": "nope"}).headers["location"] == names.START
    assert client.get("/start?aal=aal2").headers["location"] == f"{names.START}?aal=aal2"


def test_login_through_the_proxy_with_the_documented_fake(tmp_path: Path) -> None:
    name = "docs/how-to/kratos-proxy.md"
    options = dict(re.findall(r"--(\S+)-url (\S+)", (ROOT / name).read_text(encoding="utf-8")))
    fake = FakeKratos(make_settings({"ui_url": options["ui"]}, app_url=options["app"]))
    fake.add_identity("ada@example.test")
    app = run_page(name, tmp_path, fake, tests=False)["app"]
    browser = client_of(app, base_url=options["app"], headers={"Accept": "text/html", **NAVIGATE})

    response = browser.get("/me")
    while response.status_code == 303:
        response = browser.get(response.headers["location"])
    fields = dict(re.findall(r'name="(csrf_token)"[^>]*value="([^"]*)"', response.text))
    (action,) = set(re.findall(r'action="([^"]*)"', response.text))
    login = {"identifier": "ada@example.test", "password": DEFAULT_PASSWORD, "method": "password"}
    done = browser.post(action, data=fields | login, headers={"Origin": options["app"]})

    assert response.url.path == "/auth/login"
    assert action.startswith(f"{options['app']}/.ory/self-service/login?flow=")
    assert done.headers["location"] == f"{options['app']}/me"
    assert browser.get("/me").status_code == 200


def test_revocation_reaches_the_guards_of_all_hosts(page: Run, fake: FakeKratos) -> None:
    names = page("docs/how-to/many-hosts.md")
    ada = fake.sign_in(fake.add_identity(metadata_public={"tenants": ["acme", "umbrella"]}))
    clients = [client_of(names.app, ada, base_url=f"https://{name}.example.com") for name in ("acme", "umbrella")]

    assert [client.get("/orders").status_code for client in clients] == [200, 200]
    fake.revoke(ada.session)
    asyncio.run(names.revoke_everywhere(ada.session.identity.id))

    assert [client.get("/orders").status_code for client in clients] == [401, 401]
