"""Every framework gives the same responses to the table of requests."""

import importlib
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from asgi_lifespan import LifespanManager
from support.asgi_calls import Application, call

from frameworks.requests_table import CASES, SOCKETS, Case, World, check_request, check_websocket, headers_of
from ory_guard import OrySessionMiddleware
from ory_guard.starlette import SessionRequiredMiddleware

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.frameworks,
]

FRAMEWORKS = ["starlette", "litestar", "quart", "django", "blacksheep", "falcon"]
WITHOUT_LIFESPAN = {"django"}


@pytest.fixture(params=FRAMEWORKS)
async def app(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Application]:
    """The application of the table in one framework, after its startup."""
    made: Application = importlib.import_module(f"frameworks.{request.param}_app").build(world.guard)
    if request.param in WITHOUT_LIFESPAN:
        yield made
        await world.guard.aclose()
        return
    async with LifespanManager(partial(_with_version, made)):
        yield made


async def _with_version(app: Application, scope: Any, receive: Any, send: Any) -> None:
    """Add the ASGI version to the scope of the lifespan, which Falcon requires."""
    await app({"asgi": {"version": "3.0"}, **scope}, receive, send)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_request_gets_its_response(app: Application, case: Case, world: World) -> None:
    if case.path == "/defect":  # some frameworks raise the error after they have sent the 500
        with suppress(ValueError):
            await check_request(app, case, world)
        return
    await check_request(app, case, world)


@pytest.mark.parametrize("denial", [True, False], ids=["denial", "close"])
@pytest.mark.parametrize("case", SOCKETS.values(), ids=SOCKETS)
async def test_websocket_is_accepted_or_refused(app: Application, case: Case, world: World, denial: bool) -> None:
    await check_websocket(app, case, world, denial=denial)


async def test_logout_ends_the_session(app: Application, world: World) -> None:
    """The session is revoked at Kratos, and removed from the cache."""
    assert (await call(app, "/me", headers=headers_of(CASES["API, token"], world))).status == 200

    answered = await check_request(app, CASES["logout"], world)

    assert (await call(app, "/me", headers=headers_of(CASES["API, token"], world))).status == 401
    assert answered.body == b""


async def test_session_required_middleware_protects_every_path(app: Application, world: World) -> None:
    """Around the application of any framework."""
    protected = OrySessionMiddleware(SessionRequiredMiddleware(app, public=["/public"]), guard=world.guard)

    found = [(await call(protected, path)).status for path in ("/public", "/me", "/vault", "/unknown")]

    assert found == [200, 401, 401, 401]
    await check_request(protected, CASES["API, token"], world)
    await check_request(protected, CASES["navigation, anonymous"], world)
    await check_websocket(protected, SOCKETS["anonymous"], world, denial=True)
