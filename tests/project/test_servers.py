"""What runs an application: test clients, lifespans, and a real server."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from support.asgi_calls import call
from support.fastapi_applications import application
from support.guard_bench import SESSION_TOKEN, Bench
from support.stub_kratos import APP, KRATOS, SESSION_ID, refused

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import CurrentSession, install

pytestmark = pytest.mark.anyio


def test_a_test_client_without_a_lifespan_makes_a_loop_for_each_request() -> None:
    """What belongs to a loop is made anew, what is kept is kept."""
    bench = Bench()
    client = TestClient(application(bench.guard), headers={"x-session-token": "t"})

    for _ in range(3):
        assert client.get("/me").json()["session"] == SESSION_ID
    assert bench.calls == 1


def test_a_test_client_with_a_lifespan_closes_the_guard() -> None:
    """And the guard works again afterwards."""
    bench = Bench(cache_ttl=0)
    app = application(bench.guard)
    for _ in range(2):
        with TestClient(app, headers={"x-session-token": "t"}) as client:
            assert client.get("/me").status_code == 200
            with client.websocket_connect("/ws") as websocket:
                assert websocket.receive_json() == {"session": SESSION_ID}
    assert bench.calls == 4


def test_a_test_client_sees_a_denied_websocket() -> None:
    """With status and body."""
    client = TestClient(application(Bench(refused(401)).guard))

    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/ws"):
        pytest.fail("the websocket was accepted")

    assert caught.value.status_code == 401
    assert caught.value.json()["error"]["id"] == "session_inactive"


def test_a_test_client_is_told_of_wrong_settings() -> None:
    """With the message, and without waiting for ever."""
    app = FastAPI()
    app.add_middleware(OrySessionMiddleware, kratos_public_url="kratos:4433", app_url=APP)

    with pytest.raises(ConfigurationError, match="kratos_public_url: 'kratos:4433'"), TestClient(app):
        pytest.fail("the application started")
    with pytest.raises(ConfigurationError, match="kratos_public_url: 'kratos:4433'"):
        TestClient(app).get("/")


async def test_the_applications_own_lifespan_and_its_state_work() -> None:
    """Beside the session in `request.state`."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": 7}

    app = FastAPI(lifespan=lifespan)
    install(app, Bench().guard)

    @app.get("/")
    async def both(request: Request, session: CurrentSession) -> list[Any]:
        return [request.state.pool, session.id]

    async with LifespanManager(app) as manager:
        assert (await call(manager.app, headers=[SESSION_TOKEN])).json == [7, SESSION_ID]


async def test_a_server_that_runs_the_lifespan_is_told_of_wrong_settings() -> None:
    """The start fails with the error itself."""
    app = FastAPI()
    app.add_middleware(OrySessionMiddleware, kratos_public_url=KRATOS)

    with pytest.raises(ConfigurationError, match="app_url is not set"):
        async with LifespanManager(app):
            pytest.fail("the application started")


def test_a_real_server_stops_with_the_message(tmp_path: Path) -> None:
    """Whoever starts it reads what is wrong, and nothing listens."""
    (tmp_path / "shop.py").write_text(
        "from fastapi import FastAPI\n"
        "from ory_guard import OrySessionMiddleware\n"
        "app = FastAPI()\n"
        f"app.add_middleware(OrySessionMiddleware, kratos_public_url={KRATOS!r}, app_url='shop.example.com')\n"
    )

    server = subprocess.run(
        [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert server.returncode == 3
    assert "app_url: 'shop.example.com' is not allowed" in server.stderr
    assert "Application startup failed. Exiting." in server.stderr
    assert "running on" not in server.stderr
