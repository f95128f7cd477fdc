"""Exempt and public paths are full paths, also in mounted applications."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.fastapi import CurrentSession, install
from ory_guard.starlette import SessionRequiredMiddleware, session_required

from .harness import Application, Monitor, Request, call
from .users import ALICE

pytestmark = pytest.mark.anyio


def _with_starlette(guard: OryGuard) -> Application:
    @session_required
    async def page(request: StarletteRequest) -> Response:
        return JSONResponse({"identity": request.state.ory_session.identity.id})

    inner = Starlette(routes=[Route("/p", page), Route("/health", page), Route("/", page)])
    app = Starlette(routes=[Mount("/health", inner), Mount("/api", inner)])
    app.add_middleware(OrySessionMiddleware, guard=guard)
    return app


def _with_fastapi(guard: OryGuard) -> Application:
    inner = FastAPI()

    async def page(session: CurrentSession) -> dict[str, str]:
        return {"identity": session.identity.id}

    for path in ("/p", "/health", "/"):
        inner.add_api_route(path, page)
    app = FastAPI()
    install(app, guard)
    app.mount("/health", inner)
    app.mount("/api", inner)
    return app


@pytest.mark.parametrize("build", [_with_fastapi, _with_starlette])
@pytest.mark.parametrize("root_path", ["", "/proxy"])
@pytest.mark.parametrize("path", ["/health/p", "/health/health", "/health/", "/api/health", "/api/p"])
async def test_mounted_application_requires_a_session(
    *, build: Callable[[OryGuard], Application], root_path: str, path: str, guard: OryGuard
) -> None:
    app = build(guard)
    async with Monitor():
        rejected = await call(app, Request(path=root_path + path, root_path=root_path))
        accepted = await call(
            app, Request(((b"x-session-token", b"tok-A"),), root_path + path, root_path=root_path)
        )

    assert rejected.status == 401
    assert accepted.identity == ALICE


def _partly_protected(kind: str, guard: OryGuard) -> Application:
    async def page(request: StarletteRequest) -> Response:
        session = request.state.ory_session
        return JSONResponse({"identity": None if session is None else session.identity.id})

    middleware = Middleware(SessionRequiredMiddleware, public=["/part/public"])
    routes: list[BaseRoute] = [Route("/p", page), Route("/public", page)]
    outer = [Middleware(OrySessionMiddleware, guard=guard)]
    if kind == "fastapi":
        inner = FastAPI(middleware=[middleware], routes=routes)
        return FastAPI(middleware=outer, routes=[Mount("/part", inner), Route("/free", page)])
    if kind == "router":
        part = Mount("/part", Router(routes, middleware=[middleware]))
    else:
        part = Mount("/part", routes=routes, middleware=[middleware])
    return Starlette(routes=[part, Route("/free", page)], middleware=outer)


@pytest.mark.parametrize("mount", ["fastapi", "router", "mount"])
async def test_middleware_of_a_part_protects_all_but_its_public_paths(mount: str, guard: OryGuard) -> None:
    """Public paths are compared with the full path; routes outside of the part are not affected."""
    app = _partly_protected(mount, guard)
    token = ((b"x-session-token", b"tok-A"),)
    async with Monitor():
        for path in ("/part/p", "/part//public", "/part/public/", "/part/Public", "/part/public\0", "/part/none"):
            assert (await call(app, Request(path=path))).status == 401, path
        for path in ("/part/public", "/free"):
            assert (await call(app, Request(path=path))).identity is None
            assert (await call(app, Request(token, path=path))).identity == ALICE
        assert (await call(app, Request(token, path="/part/p"))).identity == ALICE
