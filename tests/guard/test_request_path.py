"""A cached hit is cheap: the number of Python calls and of changes between modules is limited."""

import sys
from itertools import pairwise
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import pytest
from fastapi import FastAPI
from support.asgi_calls import Application, http_scope
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, Pair

import ory_guard
from ory_guard.fastapi import CurrentSession, install
from ory_guard.guard.session_check import SessionChecker

pytestmark = pytest.mark.anyio

_PACKAGE = str(Path(ory_guard.__file__).parent)


def _application() -> FastAPI:
    app = FastAPI()

    @app.get("/me")
    async def me(session: CurrentSession) -> dict[str, str]:
        return {"id": session.id}

    install(app, Bench().guard)
    return app


async def _get(app: Application, header: Pair) -> None:
    """Send one request without any code of the tests in between."""
    scope = http_scope("/me", headers=[header, (b"accept", b"application/json")])

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200

    await app(scope, receive, send)


@pytest.mark.parametrize("header", [SESSION_TOKEN, SESSION_COOKIE], ids=["token", "cookie"])
async def test_a_cached_hit_takes_few_calls(header: Pair) -> None:
    """At most 17 calls within the package, with at most 12 changes of module."""
    app = _application()
    for _ in range(2):
        await _get(app, header)
    modules: list[str] = []

    def record(frame: FrameType, event: str, _argument: object) -> None:
        module = frame.f_code.co_filename.removeprefix(_PACKAGE)
        if event == "call" and module != frame.f_code.co_filename and not module.startswith("/testing/"):
            modules.append(module)

    previous = sys.getprofile()
    sys.setprofile(record)
    try:
        await _get(app, header)
    finally:
        sys.setprofile(previous)

    assert 10 < len(modules) <= 17
    assert sum(before != after for before, after in pairwise(modules)) <= 12


@pytest.mark.parametrize(
    "function", [SessionChecker.check, SessionChecker._join_or_start], ids=lambda each: each.__name__
)
def test_a_session_check_creates_no_closure(function: FunctionType) -> None:
    """A closure takes a cell for each variable in every call, and many of them cause a full garbage collection."""
    assert function.__code__.co_cellvars == ()
