"""Exempt and public paths are full paths, also in mounted applications."""

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from ory_guard import OrySessionMiddleware
from ory_guard.starlette import SessionRequiredMiddleware, session_required

from .bench import ALICE, Bench, call, identity_of, request, token

pytestmark = pytest.mark.anyio

PRIVATE = ("/health/p", "/health/health", "/health/", "/api/p", "/api/health")
SIMILAR = ("/health/public", "/api//public", "/api/public/", "/api/Public", "/api/public\0")


async def page(request: Request) -> Response:
    session = request.state.ory_session
    return JSONResponse({"identity": None if session is None else session.identity.id})


@pytest.mark.parametrize("mounted", [Starlette, FastAPI, Router])
@pytest.mark.parametrize("gate", ["decorator", "middleware"])
async def test_mounted_application_requires_a_session(mounted: type[Starlette], gate: str, bench: Bench) -> None:
    """The exempt path `/health` and the public path `/api/public` are none of the paths below them."""
    is_middleware = gate == "middleware"
    private = page if is_middleware else session_required(page)
    routes: list[BaseRoute] = [Route("/public", page)]
    routes += [Route(path, private) for path in ("/p", "/health", "/")]
    inner = [Middleware(SessionRequiredMiddleware, public=["/api/public"])] if is_middleware else []
    app = mounted(routes=routes, middleware=inner)
    outer = Starlette(
        routes=[Mount("/health", app), Mount("/api", app)],
        middleware=[Middleware(OrySessionMiddleware, guard=bench.guard)],
    )
    for path in (*PRIVATE, *(SIMILAR if is_middleware else ())):
        assert (await call(outer, request(path=path))).status == 401, path
    for root_path in ("", "/proxy"):
        url = {"path": f"{root_path}/api/p", "root_path": root_path}
        assert (await call(outer, request(**url))).status == 401
        assert identity_of(await call(outer, token(**url))) == ALICE
    assert identity_of(await call(outer, request(path="/api/public"))) is None
    assert identity_of(await call(outer, token(path="/api/public"))) == ALICE
