"""`ory-guard routes`: the guards of each route, and the check for open routes."""

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
def index(): ...

@app.get("/me", dependencies=[Depends(require_session)])
def me(): ...

@app.websocket("/live")
async def live(websocket): ...

app.mount("/files", app=lambda scope, receive, send: None)

def make():
    return app

def make_for(name): ...
def fill(): ...

async def make_later(): ...

def fail():
    raise TypeError("hunter2")

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
    """Call the command for an application in a folder."""
    return call("routes", *arguments, "--app-dir", folder)


def test_prints_all_routes_and_their_guards(shop: Path) -> None:
    result = routes(shop, "shop:app")

    assert result.code == 0
    assert result.out.splitlines() == [
        "METHODS    PATH                REQUIRES                      ENDPOINT",
        "GET        /open               nothing                       shop:index",
        "GET        /me                 session                       shop:me",
        "WEBSOCKET  /live               nothing                       shop:live",
        "*          /files/{path:path}  nothing (can't be inspected)  shop:<lambda>",
        "",
        "4 routes, 3 open.",
    ]


def test_check_fails_for_open_routes_that_are_not_public(shop: Path) -> None:
    """Public routes are named by path, or by method and path."""
    known = ("--public", "/open", "--public", "WEBSOCKET /live")

    assert routes(shop, "shop:app", "--check", *known).code == 1
    assert routes(shop, "shop:app", "--check", *known, "--public", "/files/{path:path}").code == 0


def test_check_marks_failing_routes(shop: Path) -> None:
    result = routes(shop, "shop:app", "--check", "--public", "/open", "--public", "/files/{path:path}")

    assert [line.split()[0] for line in result.out.splitlines()[:5]] == ["CHECK", "ok", "ok", "FAILS", "ok"]
    document = json.loads(routes(shop, "shop:app", "--check", "--public", "/open", "--json").out)
    assert [route["fails"] for route in document] == [False, False, True, True]


def test_check_fails_for_public_name_without_open_route(shop: Path) -> None:
    open_routes = [argument for name in ("/open", "/live", "/files/{path:path}") for argument in ("--public", name)]

    for name in ("/typo", "/me"):
        result = routes(shop, "shop:app", "--check", "--json", *open_routes, "--public", name)
        assert (result.code, result.error) == (1, f"--public {name}: no open route has this name\n")
        assert len(json.loads(result.out)) == 4
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


def test_output_of_the_application_goes_to_standard_error(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    program = "from ory_guard.cli import main; main()"
    command = [sys.executable, "-c", program, "routes", "loud:make", "--factory", "--json"]

    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert json.loads(result.stdout) == []
    for source in ("print", "a descriptor", "a process", "the factory"):
        assert f"from {source}" in result.stderr
    assert "buffered" in result.stderr


def test_works_without_standard_output(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.__stdout__` is None in a process without one."""
    monkeypatch.setattr(sys, "__stdout__", None)

    assert routes(shop, "shop:app").code == 0


def test_json_contains_all_columns_and_public(shop: Path) -> None:
    document = json.loads(routes(shop, "shop:app", "--public", "/open", "--json").out)

    assert document[0] == {
        "path": "/open",
        "host": "",
        "methods": ["GET"],
        "endpoint": "shop:index",
        "guarded": False,
        "description": "nothing",
        "public": True,
        "note": "",
    }


@pytest.mark.parametrize("target", [("shop:make", "--factory"), ("shop:Sites.shop",)], ids=["factory", "attribute"])
def test_target_can_be_a_factory_or_a_nested_attribute(shop: Path, target: tuple[str, ...]) -> None:
    assert "4 routes, 3 open." in routes(shop, *target).out


@pytest.mark.parametrize("target", ["shop", ":app", "shop:"])
def test_exits_with_2_for_a_malformed_target(shop: Path, target: str) -> None:
    result = routes(shop, target)

    assert result.code == 2
    assert result.error == f"{target} is not in the form MODULE:APP (example: shop.main:app)\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("shop:nothing",), "shop:nothing can't be loaded: AttributeError: module 'shop' has no attribute"),
        (("ship:app",), "ship:app can't be loaded: ModuleNotFoundError: No module named 'ship'\n"),
        (("shop:make",), "shop:make is a function, not an application: add --factory if it returns one\n"),
        (("shop:make_for", "--factory"), "shop:make_for can't be called without arguments (make_for() missing 1 "),
        (("shop:app", "--factory"), "shop:app can't be called without arguments (FastAPI.__call__() missing 3 "),
        (("shop:make_later", "--factory"), "shop:make_later is async: --factory requires a function"),
        (("shop:__name__", "--factory"), "shop:__name__ can't be called without arguments ('str' object is not "),
        (("shop:fail", "--factory"), "shop:fail can't be loaded: TypeError at "),
        (("shop:__name__",), "shop:__name__ is an object of str, which is not an application, such as FastAPI()\n"),
        (("shop:fill", "--factory"), "shop:fill returns an object of NoneType, which is not an application"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_exits_with_3_and_one_sentence_if_the_application_cannot_be_loaded(
    shop: Path, arguments: tuple[str, ...], error: str
) -> None:
    result = routes(shop, *arguments)

    assert (result.code, result.out) == (3, "")
    assert result.error.startswith(error)
    assert result.error.count("\n") == 1
    assert "hunter2" not in result.error


@pytest.mark.parametrize("line", ['raise ValueError("postgres://:hunter2@db")', "raise SystemExit(5)"])
def test_error_of_the_application_is_located_but_not_quoted(tmp_path: Path, line: str) -> None:
    """The text of the error may contain a password."""
    (tmp_path / "broken.py").write_text(f"\n{line}\n")

    result = routes(tmp_path, "broken:app")

    sys.path.remove(str(tmp_path))
    assert result.code == 3
    assert f"{tmp_path / 'broken.py'}:2" in result.error
    assert "hunter2" not in result.error


def test_summary_uses_singular_for_one_route(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(
        "from starlette.routing import Route, Router\n"
        "from ory_guard.starlette.session_requirement import session_required\n"
        "@session_required\nasync def page(request): ...\n"
        "app = Router([Route('/', page, methods=['POST'])])\n"
    )

    result = routes(tmp_path, "tiny:app", "--check")

    sys.path.remove(str(tmp_path))
    assert result.code == 0
    assert "POST     /     session   tiny:page" in result.out
    assert "1 route, 0 open." in result.out
