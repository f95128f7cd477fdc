"""Several guards in one application: the one that a resolver selects, and one that the application calls."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from support.applications import reply
from support.asgi_calls import (
    HTML,
    NAVIGATE,
    Application,
    SentResponse,
    call,
    connect,
    http_scope,
    run_lifespan,
    websocket_scope,
)
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, guard_of
from support.scripted_kratos import SESSION_ID, ScriptedKratos, aal2_session, refused, session_body, signed_in

from ory_guard import Authenticated, OryGuard, OrySessionMiddleware, Rejected
from ory_guard.exceptions import ConfigurationError, EnrollmentRequired
from ory_guard.guard.guard import get_guard
from ory_guard.guard.responses.asgi import Scope

pytestmark = pytest.mark.anyio

TOKEN = (b"x-session-token", b"one-token-for-both")


class Tenants:
    """Two tenants with a Kratos each, selected by host."""

    def __init__(self) -> None:
        self.kratos = {
            name: ScriptedKratos(signed_in(session_body(identity={"id": name}))) for name in ("acme", "umbrella")
        }
        self.guards = {
            f"{name}.example.com": guard_of(
                kratos, kratos_public_url=f"http://{name}.test", cookie_names=(f"{name}_session",)
            )
            for name, kratos in self.kratos.items()
        }
        self.app = OrySessionMiddleware(_respond, guard=self.select)

    def select(self, scope: Scope) -> OryGuard | None:
        """Select the guard by host."""
        return self.guards.get(HTTPConnection(scope).headers.get("host", "").partition(":")[0])

    async def get(self, host: str, *headers: tuple[bytes, bytes]) -> SentResponse:
        """Send a request."""
        return await call(self.app, "/", headers=[(b"host", host.encode()), *headers])


async def _respond(scope: Any, _receive: Any, send: Any) -> None:
    """Send the identity and the URL of its Kratos."""
    session = scope["state"]["session"]
    text = f"{session.identity.id if session else 'anonymous'} {get_guard(scope).settings.kratos_public_url}"
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": text})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


async def test_each_request_has_the_guard_that_the_resolver_returns() -> None:
    """The same token belongs to another identity at each Kratos, and the caches are separate."""
    tenants = Tenants()
    for _ in range(2):
        assert (await tenants.get("acme.example.com", TOKEN)).body == b"acme http://acme.test"
        assert (await tenants.get("umbrella.example.com:8443", TOKEN)).body == b"umbrella http://umbrella.test"

    assert [len(kratos.requests) for kratos in tenants.kratos.values()] == [1, 1]
    sent = await connect(tenants.app, headers=[(b"host", b"acme.example.com"), TOKEN])
    assert sent[0]["reason"] == "acme http://acme.test"


async def test_a_cookie_of_one_guard_is_not_a_credential_for_the_other() -> None:
    """Each guard reads only cookies with its own name."""
    tenants, cookie = Tenants(), (b"cookie", b"acme_session=ck; umbrella_session=")

    assert (await tenants.get("acme.example.com", cookie)).body.startswith(b"acme ")
    assert (await tenants.get("umbrella.example.com", cookie)).body.startswith(b"anonymous ")
    assert tenants.kratos["acme"].requests[0].credentials() == [("cookie", "acme_session=ck")]
    assert tenants.kratos["umbrella"].requests == []


@pytest.mark.parametrize("headers", [[], [(b"host", b"unknown.example.com")]], ids=["no host", "unknown"])
async def test_a_request_without_a_guard_is_misdirected(headers: list[tuple[bytes, bytes]]) -> None:
    """The status is 421, and the application is not called."""
    tenants = Tenants()
    response = await call(tenants.app, "/", headers=headers)

    assert response.status == 421
    assert response.error_id == "misdirected_request"
    sent = await connect(tenants.app, headers=headers, denial=False)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def _coroutine(_scope: Scope) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    "resolve",
    [lambda _scope: "acme", lambda _scope: 5, lambda scope: _coroutine(scope)],  # noqa: PLW0108 - not a coroutine function
)
async def test_a_resolver_must_return_a_guard(resolve: Any) -> None:
    """Otherwise the application is not called; a coroutine is closed, so that Python does not warn about it."""
    with pytest.raises(ConfigurationError, match="the guard resolver must return an OryGuard or None"):
        await call(OrySessionMiddleware(_respond, guard=resolve), "/")


async def test_all_selected_guards_are_closed_before_the_shutdown_completes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenants = Tenants()
    closed: list[Any] = []
    for host, guard in tenants.guards.items():

        async def close(host: str = host) -> None:
            closed.append(host)
            if len(closed) == 2:
                await tenants.get("umbrella.example.com")  # a last request

        monkeypatch.setattr(guard, "aclose", close)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await _respond(scope, receive, send)
            return
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    tenants.app = OrySessionMiddleware(application, guard=tenants.select)
    await tenants.get("acme.example.com")
    await run_lifespan(tenants.app, closed)

    assert closed[1:] == ["acme.example.com", "umbrella.example.com", {"type": "lifespan.shutdown.complete"}]


# --- another guard, called by the application


_KEYS = ("ory_session", "session", "auth")


def _published(scope: Any) -> list[Any]:
    """Return everything that the middleware publishes, and its auth context."""
    return [scope["state"][key] for key in _KEYS] + [scope[key] for key in ("user", "auth", "ory_guard")]


def _app(shop: OryGuard, staff: OryGuard, outcomes: list[Any], **conditions: Any) -> Application:
    """Return an application of the shop's guard, whose handler calls the staff's guard."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        before = _published(scope)
        outcomes.append(await staff.authenticate(scope))
        session = await staff.require(scope, **conditions)
        assert all(new is old for new, old in zip(_published(scope), before, strict=True))
        await reply(send, [session.id, (await shop.require(scope)).id])

    return OrySessionMiddleware(app, guard=shop)


async def test_another_guard_leaves_the_request_as_it_is() -> None:
    """It returns its own session; the published outcome and later requirements are the middleware's."""
    shop, staff = Bench(), Bench(signed_in(session_body(id="staff")))
    outcomes: list[Any] = []

    response = await call(_app(shop.guard, staff.guard, outcomes), headers=[SESSION_TOKEN])

    assert response.json == ["staff", SESSION_ID]
    assert [outcome.session.id for outcome in outcomes] == ["staff"]
    assert (shop.calls, staff.calls) == (1, 1)


async def test_a_refusal_of_another_guard_redirects_to_its_own_kratos() -> None:
    """The login of the middleware's Kratos would not help."""
    staff = guard_of(ScriptedKratos(refused(401)), kratos_browser_url="http://staff.test")

    response = await call(_app(Bench().guard, staff, []), headers=[SESSION_TOKEN, NAVIGATE, HTML])

    assert response.status == 303
    assert (response.header(b"location") or b"").startswith(b"http://staff.test/self-service/login/browser?")


async def test_another_guard_authenticates_other_headers_again() -> None:
    """Its auth context is kept for the request only as long as the credential is the same."""
    staff = Bench(signed_in(session_body(id="first")), signed_in(session_body(id="second")))
    shop = Bench()
    scope = http_scope(headers=[SESSION_TOKEN])
    await shop.guard.require(scope)

    ids = [
        (await staff.guard.require({**scope, "headers": [header]})).id
        for header in (SESSION_TOKEN, (b"x-session-token", b"other"), SESSION_TOKEN)
    ]

    assert ids == ["first", "second", "first"]


async def test_another_guard_rejects_the_cookie_of_a_cross_site_request() -> None:
    """Also if a middleware has changed the method after the first call."""
    shop, staff = Bench(), Bench()
    scope = http_scope(headers=[SESSION_COOKIE, (b"origin", b"https://evil.example")])
    await shop.guard.require(scope)
    assert isinstance(await staff.guard.authenticate(scope), Authenticated)

    scope["method"] = "POST"

    assert await staff.guard.authenticate(scope) == Rejected("origin", "cookie")


async def test_another_guard_watches_its_own_requirements() -> None:
    """The requirements that it has enforced are kept for the connection."""
    staff = Bench(signed_in(aal2_session()), signed_in(session_body()))
    refusals: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        connection = HTTPConnection(scope)
        await staff.guard.require(connection, aal="aal2")
        staff.clock.advance(20)
        async with staff.guard.watch(connection, every=10) as watch:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        refusals.append(type(watch.refusal))

    scope = websocket_scope(headers=[SESSION_TOKEN])
    await OrySessionMiddleware(app, guard=Bench().guard)(scope, None, None)

    assert refusals == [EnrollmentRequired]
