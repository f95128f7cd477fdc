"""`ory-guard routes`: the guards of each route of an application."""

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import typer

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.output import columns, print_error, print_json, print_line
from ory_guard.exceptions import ConfigurationError
from ory_guard.starlette import AuditedRoute, audit_routes
from ory_guard.starlette.audit import open_routes, unused_names

__all__ = ["load", "run"]


def run(app: Any, *, public: Collection[str], check: bool, as_json: bool) -> None:
    """Show what guards each route of an application.

    Args:
        app: The application.
        public: The names of the routes that any caller may use.
        check: Whether to exit with 1 if another route is open, or a name in `public` belongs to no open route.
        as_json: Whether to write JSON.

    Raises:
        typer.Exit: If the check fails.
    """
    with _stdout_to_stderr():
        audited = audit_routes(app)
    failing = open_routes(audited, public)
    unused = unused_names(audited, public) if check else []
    if as_json:
        print_json([_as_dict(route, set(public), fails=route in failing if check else None) for route in audited])
    else:
        _show(audited, failing, check=check)
    for name in unused:
        print_error(f"--public {name}: no open route has this name")
    if check and (failing or unused):
        raise typer.Exit(ExitCode.NEGATIVE)


def _show(audited: tuple[AuditedRoute, ...], failing: list[AuditedRoute], *, check: bool) -> None:
    rows: list[tuple[str, ...]] = [("METHODS", "PATH", "GUARDED BY", "ENDPOINT"), *map(_row, audited)]
    if check:
        marks = ["CHECK", *("FAILS" if route in failing else "ok" for route in audited)]
        rows = [(mark, *row) for mark, row in zip(marks, rows, strict=True)]
    for route, line in zip((None, *audited), columns(rows), strict=True):
        print_line(line, style="bold" if route is None else "red" if route in failing else "")
    print_line()
    number = sum(not route.guarded for route in audited)
    print_line(f"{len(audited)} route{'' if len(audited) == 1 else 's'}, {number} open to anybody.")


def _row(route: AuditedRoute) -> tuple[str, str, str, str]:
    remark = f" ({route.remark})" if route.remark else ""
    methods = [method for method in route.methods if method != "HEAD" or "GET" not in route.methods]
    return ",".join(methods), route.host + route.path, route.guards + remark, route.endpoint


def _as_dict(route: AuditedRoute, public: set[str], *, fails: bool | None) -> dict[str, Any]:
    described = {
        "path": route.path,
        "host": route.host,
        "methods": list(route.methods),
        "endpoint": route.endpoint,
        "guarded": route.guarded,
        "guards": route.guards,
        "public": bool(route.names & public),
        "remark": route.remark,
    }
    return described if fails is None else {**described, "fails": fails}


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Redirect standard output, which is for the result, to standard error; for subprocesses and C code too."""
    saved = os.dup(1)
    try:
        _flush()
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        os.dup2(saved, 1)
        os.close(saved)


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        if stream is not None:
            stream.flush()


def load(target: str, *, factory: bool, folder: Path) -> Any:
    """Import an application; what it prints meanwhile goes to standard error.

    Args:
        target: `module:attribute`, where the attribute may have dots.
        factory: Whether to call what is found.
        folder: Where to look besides where Python does.

    Raises:
        CommandFailed: It can't be imported.
    """
    module_name, colon, attribute = target.partition(":")
    if not module_name or not colon or not attribute:
        raise CommandFailed(f"{target} is no MODULE:APP, such as shop.main:app", ExitCode.USAGE)
    sys.path.insert(0, os.fspath(folder.resolve()))
    try:
        with _stdout_to_stderr():
            found: Any = importlib.import_module(module_name)
            for name in attribute.split("."):
                found = getattr(found, name)
            found = found() if factory else found
    except (ImportError, AttributeError, ConfigurationError) as error:
        raise CommandFailed(f"{target} can't be loaded: {type(error).__name__}: {error}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an application may raise anything while it is made
        # Such as an error of its settings, whose text quotes a password.
        raise CommandFailed(
            f"{target} can't be loaded: it raises {type(error).__name__} at {_place(error)}; "
            f"python -c 'import {module_name}' shows all of it"
        ) from None
    if inspect.isfunction(found) and not inspect.iscoroutinefunction(found):
        raise CommandFailed(f"{target} is a function, and no application: add --factory if it makes one")
    return found


def _place(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"
