"""Another guard than the middleware's, called by the application: it leaves the request as it is."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from support.applications import reply
from support.asgi_calls import HTML, NAVIGATE, Application, call, http_scope, websocket_scope
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, guard_of
from support.scripted_kratos import SESSION_ID, ScriptedKratos, aal2_session, refused, session_body, signed_in

from ory_guard import Authenticated, OryGuard, OrySessionMiddleware, Rejected
from ory_guard.exceptions import EnrollmentRequired

pytestmark = pytest.mark.anyio

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
