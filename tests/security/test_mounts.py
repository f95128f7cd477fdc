"""Exempt and public paths are full paths, also in mounted applications."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.starlette import SessionRequiredMiddleware, session_required

from .bench import ALICE, Bench, call, identity_of, request, token

pytestmark = pytest.mark.anyio


async def page(request: Request) -> Response:
    """Respond with the identity of the session, or None."""
    session = request.state.ory_session
    return JSONResponse({"identity": None if session is None else session.identity.id})


Build = Callable[[OryGuard, list[BaseRoute], list[Middleware]], Starlette]


def _starlette(guard: OryGuard, routes: list[BaseRoute], inner: list[Middleware]) -> Starlette:
    app = Starlette(routes=routes, middleware=inner)
    return Starlette(routes=[Mount("/health", app), Mount("/api", app)], middleware=_outer(guard))


def _fastapi(guard: OryGuard, routes: list[BaseRoute], inner: list[Middleware]) -> Starlette:
    app = FastAPI(routes=routes, middleware=inner)
    return FastAPI(routes=[Mount("/health", app), Mount("/api", app)], middleware=_outer(guard))


def _router(guard: OryGuard, routes: list[BaseRoute], inner: list[Middleware]) -> Starlette:
    app = Router(routes, middleware=inner)
    return Starlette(routes=[Mount("/health", app), Mount("/api", app)], middleware=_outer(guard))


def _outer(guard: OryGuard) -> list[Middleware]:
    return [Middleware(OrySessionMiddleware, guard=guard)]


@pytest.fixture(params=[_starlette, _fastapi, _router])
def build(request: pytest.FixtureRequest) -> Build:
    """Return a function that mounts routes in an application of each kind."""
    made: Build = request.param
    return made


@pytest.mark.parametrize("root_path", ["", "/proxy"])
async def test_mounted_application_requires_a_session(build: Build, bench: Bench, root_path: str) -> None:
    """The exempt path `/health` is not one of the paths below it."""
    routes: list[BaseRoute] = [Route(path, session_required(page)) for path in ("/p", "/health", "/")]
    app: Application = build(bench.guard, routes, [])
    for path in ("/health/p", "/health/health", "/health/", "/api/health", "/api/p"):
        url = {"path": root_path + path, "root_path": root_path}
        assert (await call(app, request(**url))).status == 401, path
        assert identity_of(await call(app, token(**url))) == ALICE


async def test_middleware_of_a_part_protects_all_but_its_public_paths(build: Build, bench: Bench) -> None:
    """Public paths are compared with the full path."""
    routes: list[BaseRoute] = [Route(path, page) for path in ("/p", "/public")]
    inner = [Middleware(SessionRequiredMiddleware, public=["/api/public"])]
    app: Application = build(bench.guard, routes, inner)
    for path in ("/api/p", "/api//public", "/api/public/", "/api/Public", "/api/public\0", "/health/public"):
        assert (await call(app, request(path=path))).status == 401, path
    assert identity_of(await call(app, request(path="/api/public"))) is None
    assert identity_of(await call(app, token(path="/api/public"))) == ALICE
    assert identity_of(await call(app, token(path="/api/p"))) == ALICE
