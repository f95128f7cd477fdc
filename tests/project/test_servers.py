"""Applications with test clients, lifespans, and a real server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.fastapi_applications import application
from support.guard_bench import Bench
from support.scripted_kratos import KRATOS, SESSION_ID

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError

pytestmark = pytest.mark.anyio


def test_test_client_without_lifespan_uses_a_loop_per_request() -> None:
    """Resources of a loop are created again, and the cache is kept."""
    bench = Bench()
    client = TestClient(application(bench.guard), headers={"x-session-token": "t"})

    for _ in range(3):
        assert client.get("/me").json()["session"] == SESSION_ID
    assert bench.calls == 1


def test_test_client_with_lifespan_closes_the_guard() -> None:
    """The guard can be used again afterwards."""
    bench = Bench(cache_ttl=0)
    app = application(bench.guard)
    for _ in range(2):
        with TestClient(app, headers={"x-session-token": "t"}) as client:
            assert client.get("/me").status_code == 200
            with client.websocket_connect("/ws") as websocket:
                assert websocket.receive_json() == {"session": SESSION_ID}
    assert bench.calls == 4


async def test_lifespan_reports_invalid_settings() -> None:
    app = FastAPI()
    app.add_middleware(OrySessionMiddleware, kratos_public_url=KRATOS)

    with pytest.raises(ConfigurationError, match="app_url is required"):
        async with LifespanManager(app):
            pytest.fail("the application started")


def test_server_does_not_start_with_invalid_settings(tmp_path: Path) -> None:
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
