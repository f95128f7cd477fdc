"""A call of the guard that is not awaited lets no response out."""

import warnings
from asyncio import iscoroutinefunction
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock, create_autospec

import pytest
from fastapi import Depends, FastAPI, Request
from support.asgi_calls import call, connect, http_scope
from support.guard_bench import BEARER, SESSION_TOKEN, Bench

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.fastapi import install, require_aal, require_session
from ory_guard.fastapi.dependencies import require_identity

pytestmark = pytest.mark.anyio

NOT_AWAITED = "a call is not awaited"


@pytest.fixture(autouse=True)
def warning_of_python() -> Iterator[None]:
    """Expect the warning of Python for a coroutine that was never awaited."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
        yield


def guarded(handle: Any) -> Any:
    guard = Bench().guard

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await handle(guard, scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": scope.get("status", 200), "headers": []})
            await send({"type": "http.response.body", "body": b"secret"})

    return OrySessionMiddleware(app, guard=guard)


async def require(guard: Any, scope: Any) -> None:
    guard.require(scope, aal="aal1")


async def require_for_a_copy(guard: Any, scope: Any) -> None:
    guard.require({**scope, "headers": [BEARER]})


async def authenticate(guard: Any, scope: Any) -> None:
    assert guard.authenticate(scope)  # a coroutine is true


async def log_out(guard: Any, scope: Any) -> None:
    guard.logout(scope)


async def require_twice(guard: Any, scope: Any) -> None:
    await guard.require(scope)
    guard.require(scope, aal="aal2")


@pytest.mark.parametrize("headers", [[], [SESSION_TOKEN]])
@pytest.mark.parametrize("handle", [require, require_for_a_copy, authenticate, log_out])
async def test_response_is_an_error_instead(handle: Any, headers: Any) -> None:
    """Also if the credential is valid, so that the mistake is noticed."""
    app = guarded(handle)

    with pytest.raises(ConfigurationError, match=NOT_AWAITED):
        await call(app, headers=headers)
    with pytest.raises(ConfigurationError, match=NOT_AWAITED):
        await connect(app, headers=headers)


async def test_earlier_requirement_does_not_count() -> None:
    app = guarded(require_twice)

    with pytest.raises(ConfigurationError, match=NOT_AWAITED):
        await call(app, headers=[SESSION_TOKEN])


async def test_response_to_the_error_is_sent() -> None:
    """Frameworks turn an error into a 500."""
    app = guarded(require)

    assert (await call(app, headers=[SESSION_TOKEN], status=500)).status == 500


def without_await(dependency: Any) -> Any:
    def gate(request: Request) -> Any:
        return dependency(request)

    return gate


@pytest.mark.parametrize("dependency", [require_session, require_aal("aal2"), require_identity])
async def test_dependency_that_is_called_without_await_is_an_error(dependency: Any) -> None:
    """FastAPI does not await what a synchronous function returns."""
    app = FastAPI()
    install(app, Bench().guard)
    app.get("/x", dependencies=[Depends(without_await(dependency))])(lambda: "secret")

    with pytest.raises(ConfigurationError, match=NOT_AWAITED):
        await call(app, "/x")


async def test_calls_that_are_awaited_later_are_no_mistake() -> None:
    """An earlier refusal is still the reason of a 500 that follows `authenticate`."""

    async def handle(guard: Any, scope: Any) -> None:
        check, outcome = guard.require(scope), guard.authenticate(scope)
        await outcome
        with pytest.raises(Refusal):
            await check
        await guard.authenticate(scope)

    app = guarded(handle)

    assert (await call(app)).status == 200
    assert (await call(app, status=500)).error_id == "session_inactive"


async def test_call_without_the_middleware_is_only_a_coroutine() -> None:
    """Nothing sends a response."""
    guard: Any = Bench().guard
    guard.require(http_scope())

    with pytest.raises(Refusal):
        await guard.require(http_scope())


@pytest.mark.parametrize("name", ["require", "authenticate", "logout"])
def test_frameworks_recognize_coroutine_functions(name: str) -> None:
    """They would run another function in a thread."""
    guard = Bench().guard

    assert iscoroutinefunction(getattr(guard, name))
    assert isinstance(getattr(create_autospec(guard), name), AsyncMock)
