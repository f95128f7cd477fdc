"""The examples in the documentation behave as their pages describe."""

import asyncio
import re
from datetime import datetime

import httpx2
import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from support.asgi_calls import http_scope
from support.doc_clients import APP, NAVIGATE, Run, client_of, error_of, query_of
from support.doc_pages import asking

from ory_guard.testing import FakeKratos, Fault, SignedIn


def test_readme(page: Run, fake: FakeKratos) -> None:
    """In the README's example, /me requires a session, and /vault a second factor."""
    app = page("README.md").app
    bob = fake.sign_in(fake.add_identity())
    ada = fake.sign_in(fake.add_identity(), aal="aal2")

    assert client_of(app).get("/me").status_code == 401
    assert client_of(app).get("/me", headers=NAVIGATE).status_code == 303
    assert client_of(app, bob).get("/me").json() == {"identity": bob.session.identity.id}
    assert error_of(client_of(app, bob).get("/vault")) == "session_aal2_enrollment_required"
    assert client_of(app, ada).get("/vault").status_code == 200


def test_tutorial(page: Run) -> None:
    """The responses to both users, and to a client without a session, are those in the tutorial."""
    names = page("docs/tutorial.md").on_fake
    client = client_of(names.app)
    login = client.get("/me", headers=NAVIGATE).headers["location"]
    bob, ada = names.bob.headers, names.ada.headers

    assert client.get("/me").headers["www-authenticate"] == 'Bearer realm="ory_guard"'
    assert error_of(client.get("/me")) == "session_inactive"
    assert login == "http://127.0.0.1:4433/self-service/login/browser?return_to=http%3A%2F%2F127.0.0.1%3A8000%2Fme"
    assert set(client.get("/me", headers=bob).json()) == {"identity"}
    assert error_of(client.get("/vault", headers=bob)) == "session_aal2_enrollment_required"
    assert client.get("/vault", headers=ada).json() == {"contents": "three spare keys"}


def test_fastapi(page: Run, fake: FakeKratos) -> None:
    """The routes on the FastAPI page enforce the conditions that the page describes."""
    names = page("docs/how-to/fastapi.md")
    ada = fake.sign_in(fake.add_identity(traits={"email": "a@b.test", "name": {"first": "Ada"}}), aal="aal2")
    nobody, client = client_of(names.app), client_of(names.app, ada)

    assert nobody.get("/").json() == "Welcome"
    assert client.get("/").json() == "Welcome back"
    assert client.get("/me").json()["aal"] == "aal2"
    assert client.get("/name").json() == "a@b.test"
    assert client.get("/vault").json() == "keys"
    assert client.post("/password").json() == "changed"
    assert error_of(client.get("/members")) == "requirement_not_met"
    assert error_of(nobody.get("/reports/daily")) == "session_inactive"
    assert error_of(nobody.get("/graphql")) == "session_inactive"
    assert client_of(names.typed_app, ada).get("/greeting").json() == "Good morning, Ada"


def test_uploads(page: Run, fake: FakeKratos) -> None:
    """Only users can upload files, and a body is not parsed for others."""
    app = page("docs/how-to/uploads.md").app
    ada = fake.sign_in(fake.add_identity())
    files = {"file": ("notes.txt", b"12345")}

    assert client_of(app).post("/uploads/", files=files).status_code == 401
    assert client_of(app).post("/uploads/", content=b"no form").status_code == 401
    assert client_of(app).put("/backup", content=b"12345").status_code == 401
    user = client_of(app, ada)
    owner = ada.session.identity.id
    assert user.post("/uploads/", files=files).json() == {"owner": owner, "name": "notes.txt", "size": 5}
    assert user.post("/uploads/", content=b"no form").status_code == 422
    assert user.put("/backup", content=b"12345").json() == 5


def test_custom_error_responses(page: Run) -> None:
    """The handler on the FastAPI page responds below /legacy, and uses the guard's response elsewhere."""
    names = page("docs/how-to/fastapi.md")
    names.app.add_api_route("/legacy/name", names.name)
    client = client_of(names.app)

    assert client.get("/legacy/name").json() == {"problem": "session_inactive"}
    assert error_of(client.get("/name")) == "session_inactive"


def test_starlette(page: Run, fake: FakeKratos) -> None:
    """The Starlette page's endpoints and plain ASGI applications accept sessions and reject other requests."""
    names = page("docs/how-to/starlette.md")
    ada = fake.sign_in(fake.add_identity(), aal="aal2")
    nobody, client = client_of(names.app), client_of(names.app, ada)

    assert (nobody.get("/").text, client.get("/").text) == ("Welcome", "Welcome back")
    assert (nobody.get("/me").status_code, client.get("/vault").text) == (401, "keys")
    assert (nobody.get("/archive").status_code, client.get("/archive").text) == (403, "old papers")
    with asking(fake):  # the middleware makes its guard when the first request comes
        assert client_of(names.small, ada).get("/me").status_code == 200
    assert client_of(names.plain_app).get("/").status_code == 401
    assert client_of(names.plain_app, ada).get("/").text == ada.session.identity.id
    assert asyncio.run(names.describe_user(http_scope())) == "anonymous"


def test_whole_app(page: Run, fake: FakeKratos) -> None:
    """The middleware leaves only the listed paths public, and protects the API documentation as well."""
    app = page("docs/how-to/whole-app.md").app
    ada = fake.sign_in(fake.add_identity())

    assert client_of(app).get("/").status_code == 200
    assert client_of(app).get("/health").status_code == 404
    assert [client_of(app).get(path).status_code for path in ("/reports", "/docs", "/health/")] == [401] * 3
    assert client_of(app, ada).get("/reports").status_code == 200


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


def test_step_up_from_a_form(page: Run, fake: FakeKratos) -> None:
    """A rejected form returns to its page, and a rejected fetch() receives the URL in its JSON."""
    names = page("docs/how-to/step-up.md")
    stale = client_of(names.app, fake.sign_in(fake.add_identity(), age=901))
    form = {"Referer": f"{APP}/transfer", "Sec-Fetch-Site": "same-origin"}

    sent = stale.post("/transfer", data={"to": "Bob"}, headers=form | NAVIGATE)
    fetched = stale.post("/transfer", data={"to": "Bob"}, headers=form | {"Sec-Fetch-Mode": "cors"})
    error = fetched.json()["error"]

    assert sent.status_code == 303
    assert query_of(sent.headers["location"]) == {"refresh": ["true"], "return_to": [f"{APP}/transfer"]}
    assert error == {
        "id": "session_refresh_required",
        "code": 403,
        "status": "Forbidden",
        "reason": "This resource requires a recent login. Log in again to continue.",
        "message": "The requested action was forbidden",
        "details": {
            "reason": "login_too_old",
            "failures": [{"id": "max_age", "expected": 300, "actual": 901}],
            "max_age": 300,
            "redirect_browser_to": sent.headers["location"],
        },
    }
    assert fetched.json()["redirect_browser_to"] == sent.headers["location"]
    assert fetched.headers["www-authenticate"] == (
        'Bearer realm="ory_guard", error="insufficient_user_authentication", max_age="300"'
    )


def test_step_up_with_htmx_and_links(page: Run, fake: FakeKratos) -> None:
    """HTMX receives the URL in its own header, and `return_to` never leads out of the application."""
    names = page("docs/how-to/step-up.md")
    stale = client_of(names.app, fake.sign_in(fake.add_identity(), age=901))
    htmx = {"HX-Request": "true", "HX-Current-URL": f"{APP}/transfer", "Origin": APP}

    told = stale.post("/transfer", headers=htmx).headers["hx-redirect"]
    links = stale.get("/account").text
    elsewhere = names.guard.login_url(http_scope(), return_to="https://evil.test/")

    assert query_of(told)["return_to"] == [f"{APP}/transfer"]
    assert "aal=aal2&return_to=http%3A%2F%2F127.0.0.1%3A8000%2Fvault" in links
    assert query_of(elsewhere)["return_to"] == [APP]


def test_logout(page: Run, fake: FakeKratos) -> None:
    """A logout ends the session at Kratos and expires the cookie, and fails while Kratos is unavailable."""
    names = page("docs/how-to/signing-out.md")
    ada = fake.sign_in(fake.add_identity())
    client = client_of(names.app, ada)
    link = client.get("/menu").text

    fake.fail(Fault.server_error(), times=1)
    unavailable = client.post("/logout", headers={"origin": APP})
    answer = client.post("/logout", headers={"origin": APP} | NAVIGATE)

    assert "/self-service/logout?" in link
    assert unavailable.status_code == 503
    assert (answer.status_code, answer.headers["location"]) == (303, f"{APP}/")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not ada.session.active


def test_revoking_another_session(page: Run, fake: FakeKratos) -> None:
    """A session that another session ends is rejected immediately."""
    names = page("docs/how-to/signing-out.md")
    ada = fake.add_identity()
    here, there = fake.sign_in(ada), fake.sign_in(ada)
    other = client_of(names.app, there)

    before = other.get("/menu").status_code
    client_of(names.app, here).post(f"/sessions/{there.session.id}/end", headers={"origin": APP})

    assert (before, other.get("/menu").status_code) == (200, 401)


def test_custom_login_ui(page: Run, fake: FakeKratos) -> None:
    """The login page logs a user in, shows the messages of Kratos, and replaces a flow that is not found."""
    names = page("docs/how-to/custom-login-ui.md")
    fake.add_identity("ada@example.test", password="correct horse 42")
    kratos = client_of(fake.app, base_url="http://127.0.0.1:4433")
    started = kratos.get("/self-service/login/browser", params={"return_to": f"{APP}/"})
    flow = query_of(started.headers["location"])["flow"][0]
    client = client_of(names.app)
    client.cookies.update(kratos.cookies)

    shown = client.get("/login", params={"flow": flow})
    token = re.findall(r'name="csrf_token" value="([^"]+)"', shown.text)[0]
    fields = {"identifier": "ada@example.test", "method": "password", "csrf_token": token}
    wrong = client.post("/login", params={"flow": flow}, data=fields | {"password": "wrong"})
    right = client.post("/login", params={"flow": flow}, data=fields | {"password": "correct horse 42"})

    assert shown.status_code == 200
    assert f'action="http://127.0.0.1:4433/self-service/login?flow={flow}"' in shown.text
    assert (wrong.status_code, "role=alert" in wrong.text) == (400, True)
    assert right.json() == {"go_to": "/"}
    assert any(line.startswith("ory_kratos_session=") for line in right.headers.get_list("set-cookie"))
    assert client.get("/login", params={"flow": "nope"}).headers["location"] == names.START
    assert client.get("/start?aal=aal2").headers["location"] == f"{names.START}?aal=aal2"


def test_cors(page: Run, fake: FakeKratos) -> None:
    """A script on the allowed origin can send requests and read error responses; one on another origin cannot."""
    app = page("docs/how-to/different-hosts.md").app
    ada = fake.sign_in(fake.add_identity())
    pages = {"Origin": "https://app.example.com"}

    preflight = client_of(app).options("/orders", headers=pages | {"Access-Control-Request-Method": "POST"})
    refused = client_of(app).post("/orders", headers=pages)
    foreign = client_of(app, ada).post("/orders", headers={"Origin": "https://evil.test"})

    assert preflight.status_code == 200
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, pages["Origin"])
    assert client_of(app, ada).post("/orders", headers=pages).status_code == 200
    assert error_of(foreign) == "security_csrf_violation"
    fake.assert_whoami_calls(1)


def test_roles(page: Run, fake: FakeKratos) -> None:
    """Roles in metadata_public authorize routes, and equal roles return the same dependency."""
    names = page("docs/how-to/roles.md")
    editor = fake.sign_in(fake.add_identity(metadata_public={"roles": ["editor"]}))
    nobody = fake.sign_in(fake.add_identity())

    assert client_of(names.app, editor).get("/drafts").status_code == 200
    assert error_of(client_of(names.app, nobody).get("/drafts")) == "requirement_not_met"
    assert error_of(client_of(names.app, editor).delete("/users")) == "requirement_not_met"
    assert error_of(client_of(names.app, editor).get("/team")) == "requirement_not_met"
    assert names.require_role("admin") is names.require_role("admin")


def test_sliding_sessions(page: Run, fake: FakeKratos) -> None:
    """A session that is used shortly before it expires is extended, and the browser receives a renewed cookie."""
    names = page("docs/how-to/signing-out.md")
    ada = fake.sign_in(fake.add_identity())
    admin = httpx2.ASGITransport(app=fake.admin_app)
    # The page's functions see the names of the page.
    names.me.__globals__["admin"] = httpx2.AsyncClient(transport=admin, base_url="http://127.0.0.1:4434")
    client = client_of(names.app, ada)
    fake.clock.advance(1_800)

    first = client.get("/me")
    second = client.get("/me")

    assert datetime.fromisoformat(second.json()) > datetime.fromisoformat(first.json())
    assert "set-cookie" not in first.headers
    assert second.headers["set-cookie"].startswith("ory_kratos_session=")
    assert second.headers["cache-control"] == "private, no-store"


def test_migrating(page: Run, fake: FakeKratos) -> None:
    """The new dependency returns the same identity as the old one."""
    names = page("docs/how-to/migrating.md")
    ada = fake.sign_in(fake.add_identity())

    assert client_of(names.new, ada).get("/me").json() == ada.session.identity.id
    assert client_of(names.after_me.app, ada).get("/me").json() == ada.session.identity.id


def test_troubleshooting(page: Run, fake: FakeKratos) -> None:
    """The route shows the outcome for each kind of credential, and that a token takes precedence over a cookie."""
    app = page("docs/how-to/troubleshooting.md").app
    ada, gone = (fake.sign_in(fake.add_identity(email)) for email in ("ada@example.test", "bob@example.test"))
    fake.revoke(gone.session)
    two = "; ".join(
        f"{user.cookie_name}={user.cookie}" for user in (ada, fake.sign_in(fake.add_identity("c@c.test")))
    )

    def why(user: SignedIn | None = None, headers: dict[str, str] | None = None) -> object:
        return client_of(app, user).get("/why", headers=headers).json()

    assert why() == "Anonymous"
    assert why(ada) == "Authenticated by cookie, from upstream"
    assert why(gone) == "Rejected cookie: inactive"
    assert why(ada, gone.headers) == "Rejected x_session_token: inactive"
    assert why(headers={"Cookie": two}) == "Rejected cookie: ambiguous"
    assert why(headers={"X-Session-Token": "with a space"}) == "Rejected x_session_token: malformed"
    fake.fail(Fault.server_error(), times=10)
    assert why(fake.sign_in(fake.add_identity("eve@example.test"))) == "Unavailable: unreachable"


def test_login_pages(page: Run) -> None:
    """The page of the guard's `login_url` starts a flow at Kratos."""
    client = client_of(page("docs/how-to/login-pages.md").app)

    response = client.get("/auth/login", params={"return_to": f"{APP}/me"})

    assert response.status_code == 303
    assert query_of(response.headers["location"]) == {"return_to": [f"{APP}/me"]}
