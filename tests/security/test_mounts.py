"""An exempt path is one whole path: not a prefix, not the rest of one, whatever an application is mounted under."""

from collections import Counter

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from support.raw_kratos import RawKratos

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.fastapi import CurrentSession, install
from ory_guard.starlette import SessionRequiredMiddleware, session_required

from .harness import Application, Request, Vigil, call
from .users import ALICE

pytestmark = pytest.mark.anyio


def _with_starlette(guard: OryGuard) -> Application:
    @session_required
    async def named(request: StarletteRequest) -> Response:
        return JSONResponse({"identity": request.state.ory_session.identity.id})

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


def _guarded_in_part(kind: str, guard: OryGuard) -> Application:
    async def named(request: StarletteRequest) -> Response:
        session = request.state.ory_session
        return JSONResponse({"identity": None if session is None else session.identity.id})

    gate = Middleware(SessionRequiredMiddleware, public=["/part/public"])
    routes: list[BaseRoute] = [Route("/p", named), Route("/public", named)]
    outer = [Middleware(OrySessionMiddleware, guard=guard)]
    if kind == "fastapi":
        inner = FastAPI(middleware=[gate], routes=routes)
        return FastAPI(middleware=outer, routes=[Mount("/part", inner), Route("/free", named)])
    if kind == "router":
        part = Mount("/part", Router(routes, middleware=[gate]))
    else:
        part = Mount("/part", routes=routes, middleware=[gate])
    return Starlette(routes=[part, Route("/free", named)], middleware=outer)


@pytest.mark.parametrize("kind", ["fastapi", "router", "mount"])
async def test_a_part_may_be_closed_but_for_a_list(
    kind: str, guard: OryGuard, kratos: RawKratos, tried: Counter[str]
) -> None:
    """Public are exactly the paths that are named, as whole paths; nothing beside the part is touched."""
    app = _guarded_in_part(kind, guard)
    token = ((b"x-session-token", b"tok-A"),)
    async with Vigil():
        for path in ("/part/p", "/part//public", "/part/public/", "/part/Public", "/part/public\0", "/part/none"):
            tried["bad inputs"] += 1
            assert (await call(app, Request(path=path))).status == 401, path
        for path in ("/part/public", "/free"):
            assert (await call(app, Request(path=path))).identity is None
            assert (await call(app, Request(token, path=path))).identity == ALICE
        assert (await call(app, Request(token, path="/part/p"))).identity == ALICE
