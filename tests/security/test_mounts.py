"""An exempt path is one whole path: not a prefix, not the rest of one, whatever an application is mounted under."""

from collections import Counter

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.fastapi import CurrentSession, install
from ory_guard.starlette import session_required

from .harness import Application, Request, Vigil, call
from .raw_stub import ALICE, RawKratos

pytestmark = pytest.mark.anyio


def _with_starlette(guard: OryGuard) -> Application:
    @session_required
    async def named(request: StarletteRequest) -> Response:
        return JSONResponse({"identity": request.state.session.identity.id})

    inner = Starlette(routes=[Route("/p", named), Route("/health", named), Route("/", named)])
    app = Starlette(routes=[Mount("/health", inner), Mount("/api", inner)])
    app.add_middleware(OrySessionMiddleware, guard=guard)
    return app


def _with_fastapi(guard: OryGuard) -> Application:
    inner = FastAPI()

    async def named(session: CurrentSession) -> dict[str, str]:
        return {"identity": session.identity.id}

    for path in ("/p", "/health", "/"):
        inner.add_api_route(path, named)
    app = FastAPI()
    install(app, guard)
    app.mount("/health", inner)
    app.mount("/api", inner)
    return app


@pytest.mark.parametrize("build", [_with_fastapi, _with_starlette])
@pytest.mark.parametrize("root_path", ["", "/proxy"])
@pytest.mark.parametrize("path", ["/health/p", "/health/health", "/health/", "/api/health", "/api/p"])
async def test_a_mounted_application_is_guarded(
    *, build: object, root_path: str, path: str, guard: OryGuard, kratos: RawKratos, tried: Counter[str]
) -> None:
    """P10: nobody passes without a session, and Alice passes with hers, wherever the gate stands."""
    tried["bad inputs"] += 1
    assert callable(build)
    app = build(guard)
    async with Vigil():
        refused = await call(app, Request(path=root_path + path, root_path=root_path))
        passed = await call(app, Request(((b"x-session-token", b"tok-A"),), root_path + path, root_path=root_path))

    assert refused.status == 401
    assert passed.identity == ALICE
