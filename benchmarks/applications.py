"""The applications that are compared: the same one route, behind nothing, behind the guard, and behind the rest.

Every route answers `{"id": …}`, so that they differ only in how they learn who asks.
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

from ory_guard import GuardSettings, OryGuard, OrySessionMiddleware, Session
from ory_guard.cache import SessionStore
from ory_guard.fastapi import install, require, require_session
from ory_guard.guard.jwt import TokenVerifierProtocol
from ory_guard.models import Clock

__all__ = [
    "BARE",
    "DICT_CACHE",
    "EXEMPT",
    "FASTAPI",
    "MIDDLEWARE",
    "SESSION",
    "STEPPED_UP",
    "TRIVIAL",
    "Application",
    "fastapi_bare",
    "fastapi_dict_cache",
    "fastapi_guarded",
    "fastapi_stepped_up",
    "fastapi_trivial_behind_middleware",
    "fastapi_trivial_dependency",
    "new_guard",
    "starlette_bare",
    "starlette_guarded",
]

Application = Callable[[Any, Any, Any], Awaitable[None]]

# As the tables and the chart name them.
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


def new_guard(
    upstream: str,
    transport: httpx2.AsyncBaseTransport | None = None,
    clock: Clock | None = None,
    store: SessionStore | None = None,
    tokens: TokenVerifierProtocol | None = None,
    **settings: Any,
) -> OryGuard:
    """Return a guard with production's settings, save that nothing kept ends within a run."""
    chosen = {"cache_ttl": _TTL, "app_url": "https://app.example.test", "exempt_paths": ("/health",), **settings}
    return OryGuard(
        GuardSettings(kratos_public_url=upstream, **chosen),
        transport=transport,
        clock=clock,
        store=store,
        tokens=tokens,
    )


async def _answer(_request: StarletteRequest) -> JSONResponse:
    return JSONResponse({"id": _ID})


def _routes() -> list[Route]:
    return [Route("/me", _answer), Route("/health", _answer)]


def starlette_bare() -> Application:
    """Return Starlette with nothing in front."""
    return Starlette(routes=_routes())


def starlette_guarded(guard: OryGuard) -> Application:
    """Return Starlette with the middleware."""
    return Starlette(routes=_routes(), middleware=[Middleware(OrySessionMiddleware, guard=guard)])


def fastapi_bare() -> Application:
    """Return FastAPI with nothing in front."""
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
    """Return FastAPI with the guard's middleware, and a dependency that does nothing."""
    app = FastAPI()
    install(app, guard)
    return _with_trivial_dependency(app)


def fastapi_dict_cache(upstream: str, transport: httpx2.AsyncBaseTransport | None = None) -> Application:
    """Return FastAPI with the dependency that people write themselves: whoami's JSON in a dict, for a while."""
    app = FastAPI()
    client = httpx2.AsyncClient(base_url=upstream, transport=transport)
    kept: dict[str, tuple[float, dict[str, Any]]] = {}

    async def ask(headers: dict[str, str]) -> dict[str, Any]:
        answer = await client.get("/sessions/whoami", headers=headers)
        if answer.status_code != 200:
            raise HTTPException(401)
        session: dict[str, Any] = answer.json()
        return session

    async def current_session(request: Request) -> dict[str, Any]:
        token = request.headers.get("x-session-token")
        credential = token or request.cookies.get("ory_kratos_session")
        if credential is None:
            raise HTTPException(401)
        entry = kept.get(credential)
        if entry is None or entry[0] <= monotonic():
            headers = {"X-Session-Token": token} if token else {"Cookie": f"ory_kratos_session={credential}"}
            entry = kept[credential] = (monotonic() + _TTL, await ask(headers))
        return entry[1]

    @app.get("/me")
    async def me(session: Annotated[dict[str, Any], Depends(current_session)]) -> dict[str, str]:
        return {"id": session["identity"]["id"]}

    return app


def fastapi_guarded(guard: OryGuard) -> Application:
    """Return FastAPI with `Depends(require_session)`."""
    return _with_gate(guard, require_session)


def fastapi_stepped_up(guard: OryGuard) -> Application:
    """Return FastAPI with a gate that asks for a second factor within the hour."""
    return _with_gate(guard, require(aal="aal2", max_age=3_600))


def _with_gate(guard: OryGuard, gate: Callable[..., Any]) -> Application:
    app = FastAPI()
    install(app, guard)

    @app.get("/me")
    async def me(session: Annotated[Session, Depends(gate)]) -> dict[str, str]:
        return {"id": session.identity.id}

    return app
