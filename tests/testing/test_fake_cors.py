"""Pages of other origins that ask the fake."""

import json
from pathlib import Path

import pytest
from visitor import JSON, Visitor

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

UI = "http://127.0.0.1:4455"
EVIL = "http://evil.test"


async def test_the_pages_of_the_ui_may_read_answers(fake: FakeKratos) -> None:
    """They are named, so that a browser lets their requests carry cookies."""
    answer = await Visitor(fake).client.get("/sessions/whoami", headers={"origin": UI})

    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin, Cookie"


@pytest.mark.parametrize("headers", [{}, {"origin": EVIL}, {"origin": "null"}], ids=str)
async def test_other_pages_may_not(fake: FakeKratos, headers: dict[str, str]) -> None:
    """The answer is the same, but no browser shows it to them."""
    answer = await Visitor(fake).client.get("/sessions/whoami", headers=headers)

    assert answer.status_code == 401
    assert [name for name in answer.headers if name.startswith("access-control")] == []


async def test_a_browser_asks_first(fake: FakeKratos) -> None:
    """A preflight is answered for the pages of the UI, and says nothing to others."""
    client = Visitor(fake).client
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-session-token",
    }
    ours = await client.options("/self-service/login", headers={**asked, "origin": UI})
    simple = await client.options(
        "/self-service/login", headers={"access-control-request-method": "GET", "origin": UI}
    )
    theirs = await client.options("/self-service/login", headers={**asked, "origin": EVIL})

    assert (ours.status_code, theirs.status_code) == (204, 204)
    assert ours.headers["access-control-allow-methods"] == "POST"
    assert ours.headers["access-control-allow-headers"] == "content-type,x-session-token"
    assert "access-control-allow-headers" not in simple.headers
    assert [name for name in theirs.headers if name.startswith("access-control")] == []


async def test_every_origin_may_be_allowed() -> None:
    """A star stands for all."""
    client = Visitor(FakeKratos(cors_allowed_origins=("*",))).client
    answer = await client.get("/health/ready", headers={"origin": EVIL})

    assert answer.headers["access-control-allow-origin"] == EVIL
    assert answer.headers["vary"] == "Origin"


async def test_cors_can_be_off(tmp_path: Path) -> None:
    """Then no page of another origin reads anything, and the answer does not depend on it."""
    path = tmp_path / "kratos.json"
    cors = {"enabled": False, "allowed_origins": [UI], "allow_credentials": True}
    path.write_text(json.dumps({"serve": {"public": {"cors": cors}}}))
    client = Visitor(FakeKratos.from_config(path)).client
    asked = {"origin": UI, "access-control-request-method": "GET"}
    answer = await client.get("/sessions/whoami", headers={"origin": UI, "accept": JSON})
    preflight = await client.options("/sessions/whoami", headers=asked)

    assert answer.headers["vary"] == "Cookie"
    assert "access-control-allow-origin" not in {*answer.headers, *preflight.headers}
