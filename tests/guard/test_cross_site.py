"""Cross-site requests with a session cookie have no session anywhere in an application."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from support.asgi_calls import SentResponse, call
from support.guard_bench import SESSION_COOKIE, Bench, Pair, request

from ory_guard import Authenticated, OrySessionMiddleware
from ory_guard.exceptions import CsrfViolation
from ory_guard.starlette import session_required

pytestmark = pytest.mark.anyio

FOREIGN = (b"sec-fetch-site", b"cross-site")


async def show_session(request: Request) -> JSONResponse:
    state, session = request.state, request.state.session
    return JSONResponse(
        {
            "session": session and session.id,
            "authenticated": request.user.is_authenticated,
            "truth": [bool(request.user), bool(request.auth)],
            "scopes": list(request.auth.scopes),
            "outcome": type(state.auth).__name__,
        }
    )


def application(bench: Bench) -> Starlette:
    """Return an application that uses the session in a different way for each path."""
    routes = [
        Route("/state", show_session, methods=["POST", "GET"]),
        Route("/requires", requires("authenticated")(show_session), methods=["POST", "GET"]),
        Route("/gate", session_required(show_session), methods=["POST", "GET"]),
        Route("/again", session_required(revalidate=True)(show_session), methods=["POST", "GET"]),
        Route("/exempt", session_required(show_session), methods=["POST", "GET"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(OrySessionMiddleware, guard=bench.guard)])


async def send(bench: Bench, path: str, *headers: Pair, method: str = "POST") -> SentResponse:
    return await call(application(bench), path, method=method, headers=headers)


ANONYMOUS = {"session": None, "authenticated": False, "truth": [False, False], "scopes": [], "outcome": "Rejected"}


async def test_cross_site_request_has_no_session_in_state_and_user() -> None:
    bench = Bench()

    response = await send(bench, "/state", SESSION_COOKIE, FOREIGN)

    assert (response.status, response.json) == (200, ANONYMOUS)
    assert bench.calls == 0


@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
@pytest.mark.parametrize("path", ["/requires", "/gate", "/again", "/exempt"])
async def test_cross_site_request_is_refused_by_every_requirement(path: str, cached: bool) -> None:
    bench = Bench(exempt_paths=("/exempt",))
    if cached:
        await send(bench, "/state", SESSION_COOKIE)
    calls = bench.calls

    response = await send(bench, path, SESSION_COOKIE, FOREIGN)

    assert response.status == 403
    if path != "/requires":
        assert response.error_id == "security_csrf_violation"
        assert response.json["error"]["reason"].startswith("This request")  # not the text for a websocket
    assert bench.calls == calls


async def test_watch_of_a_cross_site_request_ends_at_once() -> None:
    """Even if the session is cached."""
    bench = Bench()
    assert isinstance(await bench.outcome(SESSION_COOKIE), Authenticated)
    watch = bench.guard.watch(Request(request(SESSION_COOKIE, FOREIGN, method="POST")))

    async with watch:
        await asyncio.Event().wait()

    assert isinstance(watch.refusal, CsrfViolation)
    assert bench.calls == 1
