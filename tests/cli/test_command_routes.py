"""`ory-guard routes`: what guards each route, and the check that none was forgotten."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandResult, call

SHOP = """
from fastapi import Depends, FastAPI
from ory_guard.fastapi import require, require_session

app = FastAPI(openapi_url=None)

@app.get("/open")
def everybody(): ...

@app.get("/me", dependencies=[Depends(require_session)])
def me(): ...

@app.websocket("/live")
async def live(websocket): ...

app.mount("/files", app=lambda scope, receive, send: None)

def make():
    return app

class Sites:
    shop = app
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """A folder with an application in `shop.py`."""
    (tmp_path / "shop.py").write_text(SHOP)
    before = [*sys.path]
    yield tmp_path
    sys.path[:] = before
    sys.modules.pop("shop", None)


def routes(folder: Path, *arguments: object) -> CommandResult:
    """Look at an application in a folder."""
    return call("routes", *arguments, "--app-dir", folder)


def test_every_route_is_told_with_what_guards_it(shop: Path) -> None:
    """In columns, with what can't be looked into, and a count of those that anybody may call."""
    ended = routes(shop, "shop:app")

    assert ended.code == 0
    assert ended.out.splitlines() == [
        "METHODS    PATH                GUARDED BY                      ENDPOINT",
        "GET        /open               nothing                         shop:everybody",
        "GET        /me                 session                         shop:me",
        "WEBSOCKET  /live               nothing                         shop:live",
        "*          /files/{path:path}  nothing (can't be looked into)  shop:<lambda>",
        "",
        "4 routes, 3 open to anybody.",
    ]


def test_a_check_fails_for_what_was_forgotten(shop: Path) -> None:
    """Routes that are meant to be open are named by path, or by method and path."""
    known = ("--public", "/open", "--public", "WEBSOCKET /live")

    assert routes(shop, "shop:app", "--check", *known).code == 1
    assert routes(shop, "shop:app", "--check", *known, "--public", "/files/{path:path}").code == 0


def test_a_check_marks_the_routes_that_fail(shop: Path) -> None:
    """In a column of its own."""
    ended = routes(shop, "shop:app", "--check", "--public", "/open", "--public", "/files/{path:path}")

    assert [line.split()[0] for line in ended.out.splitlines()[:5]] == ["CHECK", "ok", "ok", "FAILS", "ok"]
    told = json.loads(routes(shop, "shop:app", "--check", "--public", "/open", "--json").out)
    assert [route["fails"] for route in told] == [False, False, True, True]


def test_a_public_name_without_an_open_route_fails_the_check(shop: Path) -> None:
    """As in `assert_guarded`; the name is shown."""
    open_routes = [argument for name in ("/open", "/live", "/files/{path:path}") for argument in ("--public", name)]

    for name in ("/typo", "/me"):
        ended = routes(shop, "shop:app", "--check", "--json", *open_routes, "--public", name)
        assert (ended.code, ended.error) == (1, f"--public {name}: no open route has this name\n")
        assert len(json.loads(ended.out)) == 4
    assert routes(shop, "shop:app", *open_routes, "--public", "/typo").code == 0


LOUD = """
import os, subprocess, sys
print("from print")
sys.__stdout__.write("buffered")
os.write(1, b"from a descriptor")
subprocess.run([sys.executable, "-c", "print('from a process')"], check=True)

def make():
    print("from the factory")
    from starlette.applications import Starlette
    return Starlette()
"""


def test_standard_output_is_one_document_whatever_the_application_prints(tmp_path: Path) -> None:
    """What it prints while it is imported goes to standard error."""
    (tmp_path / "loud.py").write_text(LOUD)
    program = "from ory_guard.cli import main; main()"
    command = [sys.executable, "-c", program, "routes", "loud:make", "--factory", "--json"]

    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert json.loads(ended.stdout) == []
    for source in ("print", "a descriptor", "a process", "the factory"):
        assert f"from {source}" in ended.stderr
    assert "buffered" in ended.stderr


def test_standard_output_may_be_missing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.__stdout__` is None in a process without one."""
    monkeypatch.setattr(sys, "__stdout__", None)

    assert routes(shop, "shop:app").code == 0


def test_programs_get_json(shop: Path) -> None:
    """Each route has what the columns have, and whether it was named as public."""
    told = json.loads(routes(shop, "shop:app", "--public", "/open", "--json").out)

    assert told[0] == {
        "path": "/open",
        "host": "",
        "methods": ["GET"],
        "endpoint": "shop:everybody",
        "guarded": False,
        "guards": "nothing",
        "public": True,
        "remark": "",
    }


@pytest.mark.parametrize("target", [("shop:make", "--factory"), ("shop:Sites.shop",)], ids=["factory", "attribute"])
def test_an_application_may_be_made_or_nested(shop: Path, target: tuple[str, ...]) -> None:
    """As servers take it."""
    assert "4 routes, 3 open to anybody." in routes(shop, *target).out


@pytest.mark.parametrize("target", ["shop", ":app", "shop:"])
def test_what_is_no_target_ends_with_2(shop: Path, target: str) -> None:
    """With an example of what is."""
    ended = routes(shop, target)

    assert (ended.code, ended.error) == (2, f"{target} is no MODULE:APP, such as shop.main:app\n")


def test_what_can_not_be_imported_ends_with_3(shop: Path) -> None:
    """With the reason in one line."""
    missing = routes(shop, "shop:nothing")
    elsewhere = routes(shop, "ship:app")
    factory = routes(shop, "shop:make")

    assert {missing.code, elsewhere.code, factory.code} == {3}
    assert missing.error.startswith("shop:nothing can't be loaded: AttributeError: module 'shop' has no attribute")
    assert elsewhere.error == "ship:app can't be loaded: ModuleNotFoundError: No module named 'ship'\n"
    assert factory.error == "shop:make is a function, and no application: add --factory if it makes one\n"


@pytest.mark.parametrize("line", ['raise ValueError("postgres://:hunter2@db")', "raise SystemExit(5)"])
def test_an_application_that_fails_is_not_quoted(tmp_path: Path, line: str) -> None:
    """The text of its error may hold a password; where to look is told."""
    (tmp_path / "broken.py").write_text(f"\n{line}\n")

    ended = routes(tmp_path, "broken:app")

    sys.path.remove(str(tmp_path))
    assert ended.code == 3
    assert f"{tmp_path / 'broken.py'}:2" in ended.error
    assert "hunter2" not in ended.error


def test_a_guarded_application_is_told_in_the_singular(tmp_path: Path) -> None:
    """One route is one route."""
    (tmp_path / "tiny.py").write_text(
        "from starlette.routing import Route, Router\n"
        "from ory_guard.starlette.session_required import session_required\n"
        "@session_required\nasync def page(request): ...\n"
        "app = Router([Route('/', page, methods=['POST'])])\n"
    )

    ended = routes(tmp_path, "tiny:app", "--check")

    sys.path.remove(str(tmp_path))
    assert ended.code == 0
    assert "POST     /     session     tiny:page" in ended.out
    assert "1 route, 0 open to anybody." in ended.out
