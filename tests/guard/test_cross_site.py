"""A cross-site request with a session cookie is anonymous wherever an application can look."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from support.asgi_calls import SentResponse, call
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, Pair, request
from support.scripted_kratos import APP, SESSION_ID

from ory_guard import Authenticated, OrySessionMiddleware, Rejected
from ory_guard.exceptions import CsrfViolation
from ory_guard.starlette import session_required

pytestmark = pytest.mark.anyio

FOREIGN = (b"sec-fetch-site", b"cross-site")
OURS = (b"sec-fetch-site", b"same-origin")


async def whose(request: Request) -> JSONResponse:
    """Answer with each place that names the caller."""
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
    """Return an application that looks at the session in every way, one a path."""
    routes = [
        Route("/state", whose, methods=["POST", "GET"]),
        Route("/requires", requires("authenticated")(whose), methods=["POST", "GET"]),
        Route("/gate", session_required(whose), methods=["POST", "GET"]),
        Route("/again", session_required(revalidate=True)(whose), methods=["POST", "GET"]),
        Route("/exempt", session_required(whose), methods=["POST", "GET"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(OrySessionMiddleware, guard=bench.guard)])


async def send(bench: Bench, path: str, *headers: Pair, method: str = "POST") -> SentResponse:
    """Send a request to the application."""
    return await call(application(bench), path, method=method, headers=headers)


ANONYMOUS = {
    "session": None,
    "authenticated": False,
    "truth": [False, False],
    "scopes": [],
    "outcome": "Rejected",
}
SIGNED_IN = {
    "session": SESSION_ID,
    "authenticated": True,
    "truth": [True, True],
    "scopes": ["authenticated", "aal1"],
    "outcome": "Authenticated",
}


async def test_a_cross_site_request_is_anonymous_in_state_and_user() -> None:
    """A handler without a gate acts for nobody, and Kratos is not asked."""
    bench = Bench()

    answered = await send(bench, "/state", SESSION_COOKIE, FOREIGN)

    assert (answered.status, answered.json) == (200, ANONYMOUS)
    assert bench.calls == 0


@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
@pytest.mark.parametrize("path", ["/requires", "/gate", "/again", "/exempt"])
async def test_everything_that_asks_for_a_session_refuses_a_cross_site_request(path: str, cached: bool) -> None:
    """Starlette's own decorator and the gates alike, on exempt paths too."""
    bench = Bench(exempt_paths=("/exempt",))
    if cached:
        await send(bench, "/state", SESSION_COOKIE)
    calls = bench.calls

    answered = await send(bench, path, SESSION_COOKIE, FOREIGN)

    assert answered.status == 403
    assert path == "/requires" or answered.error_id == "security_csrf_violation"
    assert bench.calls == calls


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", (SESSION_COOKIE, FOREIGN)),
        ("POST", (SESSION_COOKIE, OURS)),
        ("POST", (SESSION_COOKIE,)),
        ("POST", (SESSION_COOKIE, FOREIGN, (b"origin", APP.encode()))),
        ("POST", (SESSION_TOKEN, FOREIGN)),
        ("POST", (SESSION_TOKEN, SESSION_COOKIE, FOREIGN)),
    ],
)
async def test_other_requests_keep_their_session(method: str, headers: tuple[Pair, ...]) -> None:
    """Safe methods, pages of ours, programs that are not browsers, and credentials that no page can send."""
    bench = Bench(exempt_paths=("/exempt",))
    for path in ("/state", "/requires", "/gate", "/again", "/exempt"):
        answered = await send(bench, path, *headers, method=method)
        assert (answered.status, answered.json) == (200, SIGNED_IN), path


async def test_the_guard_judges_a_scope_without_middleware_too() -> None:
    """`guard.authenticate`, `guard.require` and a watch see the outcome that a gate sees."""
    bench = Bench()

    assert await bench.outcome(SESSION_COOKIE, FOREIGN, method="POST") == Rejected("origin", "cookie")
    with pytest.raises(CsrfViolation):
        await bench.guard.require(request(SESSION_COOKIE, FOREIGN, method="POST"), revalidate=True)
    assert bench.calls == 0


async def test_a_watch_on_a_cross_site_request_ends_at_once() -> None:
    """Even when the session is cached, and without a call."""
    bench = Bench()
    assert isinstance(await bench.outcome(SESSION_COOKIE), Authenticated)
    watch = bench.guard.watch(Request(request(SESSION_COOKIE, FOREIGN, method="POST")))

    async with watch:
        await asyncio.Event().wait()

    assert isinstance(watch.refusal, CsrfViolation)
    assert bench.calls == 1
