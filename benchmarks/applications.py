"""The compared applications: one route without authentication, with the guard, and with alternatives.

Every route returns `{"id": …}`, so the applications differ only in their authentication.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Annotated, Any, Final

import httpx2
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.traffic import FORWARD_AUTH_SECRET
from ory_guard import GuardSettings, OryGuard, OrySessionMiddleware, Requirement, Session
from ory_guard.cache import SessionStore
from ory_guard.fastapi import install, require, require_session
from ory_guard.forward_auth import ForwardAuth
from ory_guard.guard.jwt import TokenVerifierProtocol
from ory_guard.models import Clock

__all__ = [
    "BARE",
    "DICT_CACHE",
    "EXEMPT",
    "FASTAPI",
    "FORWARD_AUTH",
    "HELLO",
    "MIDDLEWARE",
    "SESSION",
    "STEPPED_UP",
    "TRIVIAL",
    "Application",
    "asgi_hello",
    "fastapi_bare",
    "fastapi_dict_cache",
    "fastapi_guarded",
    "fastapi_stepped_up",
    "fastapi_trivial_behind_middleware",
    "fastapi_trivial_dependency",
    "forward_auth",
    "new_guard",
    "starlette_bare",
    "starlette_guarded",
]

Application = Callable[[Any, Any, Any], Awaitable[None]]

# The names in the tables and the chart.
HELLO: Final = "ASGI, fixed response"
FORWARD_AUTH: Final = "ForwardAuth"
BARE: Final = "Starlette"
MIDDLEWARE: Final = "Starlette, middleware"
EXEMPT: Final = "Starlette, middleware, exempt path"
FASTAPI: Final = "FastAPI"
TRIVIAL: Final = "FastAPI, trivial dependency"
DICT_CACHE: Final = "FastAPI, hand-written dict cache"
SESSION: Final = "FastAPI, Depends(require_session)"
STEPPED_UP: Final = "FastAPI, require(aal='aal2', max_age=…)"

_ID: Final = "67d599b6-6556-48de-8213-2a83774eb46e"
_TTL: Final = 3_600.0
_HOSTS: Final = {"app_url": "https://app.example.test", "kratos_browser_url": "https://auth.example.test"}


def new_guard(
    upstream: str,
    transport: httpx2.AsyncBaseTransport | None = None,
    clock: Clock | None = None,
    store: SessionStore | None = None,
    tokens: TokenVerifierProtocol | None = None,
    **settings: Any,
) -> OryGuard:
    """Return a guard with production settings, but with a `cache_ttl` that is longer than a run."""
    chosen = {"cache_ttl": _TTL, **_HOSTS, "exempt_paths": ("/health",), **settings}
    return OryGuard(
        GuardSettings(kratos_public_url=upstream, **chosen),
        transport=transport,
        clock=clock,
        store=store,
        tokens=tokens,
    )


async def _endpoint(_request: StarletteRequest) -> JSONResponse:
    return JSONResponse({"id": _ID})


def _routes() -> list[Route]:
    return [Route("/me", _endpoint), Route("/health", _endpoint)]


def asgi_hello() -> Application:
    """Return an ASGI application that sends a fixed response, without a framework."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}

    async def hello(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(start)
            await send({"type": "http.response.body", "body": b"hello"})

    return hello


def forward_auth(guard: OryGuard) -> Application:
    """Return `ForwardAuth` with a few routes, for a proxy with a secret."""
    routes = {"/": None, "/static/*": None, "/admin/*": Requirement(aal="aal2")}
    return ForwardAuth(guard, routes=routes, secret=FORWARD_AUTH_SECRET)


def starlette_bare() -> Application:
    """Return Starlette without authentication."""
    return Starlette(routes=_routes())


def starlette_guarded(guard: OryGuard) -> Application:
    """Return Starlette with the middleware."""
    return Starlette(routes=_routes(), middleware=[Middleware(OrySessionMiddleware, guard=guard)])


def fastapi_bare() -> Application:
    """Return FastAPI without authentication."""
    app = FastAPI()

    @app.get("/me")
    async def me() -> dict[str, str]:
        return {"id": _ID}

    return app


async def _constant() -> str:
    return _ID


def _with_trivial_dependency(app: FastAPI) -> FastAPI:
    @app.get("/me")
    async def me(identity_id: Annotated[str, Depends(_constant)]) -> dict[str, str]:
        return {"id": identity_id}

    return app


def fastapi_trivial_dependency() -> Application:
    """Return FastAPI with a dependency that does nothing."""
    return _with_trivial_dependency(FastAPI())


def fastapi_trivial_behind_middleware(guard: OryGuard) -> Application:
    """Return FastAPI with the middleware and a dependency that does nothing."""
    app = FastAPI()
    install(app, guard)
    return _with_trivial_dependency(app)


def fastapi_dict_cache(
    upstream: str, transport: httpx2.AsyncBaseTransport | None = None, ttl: float = _TTL
) -> Application:
    """Return FastAPI with a hand-written dependency that caches the JSON of whoami in a dict."""
    app = FastAPI()
    client = httpx2.AsyncClient(base_url=upstream, transport=transport)
    cache: dict[str, tuple[float, dict[str, Any]]] = {}

    async def call_whoami(headers: dict[str, str]) -> dict[str, Any]:
        response = await client.get("/sessions/whoami", headers=headers)
        if response.status_code != 200:
            raise HTTPException(401)
        session: dict[str, Any] = response.json()
        return session

    async def current_session(request: Request) -> dict[str, Any]:
        token = request.headers.get("x-session-token")
        credential = token or request.cookies.get("ory_kratos_session")
        if credential is None:
            raise HTTPException(401)
        entry = cache.get(credential)
        if entry is None or entry[0] <= monotonic():
            headers = {"X-Session-Token": token} if token else {"Cookie": f"ory_kratos_session={credential}"}
            entry = cache[credential] = (monotonic() + ttl, await call_whoami(headers))
        return entry[1]

    @app.get("/me")
    async def me(session: Annotated[dict[str, Any], Depends(current_session)]) -> dict[str, str]:
        return {"id": session["identity"]["id"]}

    return app


def fastapi_guarded(guard: OryGuard) -> Application:
    """Return FastAPI with `Depends(require_session)`."""
    return _with_dependency(guard, require_session)


def fastapi_stepped_up(guard: OryGuard) -> Application:
    """Return FastAPI with a route that requires a second factor within the last hour."""
    return _with_dependency(guard, require(aal="aal2", max_age=3_600))


def _with_dependency(guard: OryGuard, dependency: Callable[..., Any]) -> Application:
    app = FastAPI()
    install(app, guard)

    @app.get("/me")
    async def me(session: Annotated[Session, Depends(dependency)]) -> dict[str, str]:
        return {"id": session.identity.id}

    return app
