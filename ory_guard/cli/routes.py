"""`ory-guard routes`: list the routes of an application and their guards."""

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
from ory_guard.starlette.audit import open_routes, unused_labels
from ory_guard.starlette.audited_routes import KRATOS_API

__all__ = ["load", "run"]


def run(app: Any, *, public: Collection[str], check: bool, as_json: bool) -> None:
    """Print the routes of an application and their guards.

    Args:
        app: The application.
        public: The names of the routes that may be open.
        check: Whether to exit with 1 if another route is open, or a name in `public` does not match an open route.
        as_json: Whether to print JSON.

    Raises:
        typer.Exit: If the check fails.
    """
    with _stdout_to_stderr():
        audited = audit_routes(app)
    failing = open_routes(audited, public)
    unused = unused_labels(audited, public) if check else []
    if as_json:
        print_json([_as_dict(route, set(public), fails=route in failing if check else None) for route in audited])
    else:
        _print(audited, failing, check=check)
    for name in unused:
        print_error(f"--public {name}: no open route has this name")
    if check and (failing or unused):
        raise typer.Exit(ExitCode.NEGATIVE)


def _print(audited: tuple[AuditedRoute, ...], failing: list[AuditedRoute], *, check: bool) -> None:
    rows: list[tuple[str, ...]] = [("METHODS", "PATH", "REQUIRES", "ENDPOINT"), *map(_row, audited)]
    if check:
        marks = ["CHECK", *("FAILS" if route in failing else "ok" for route in audited)]
        rows = [(mark, *row) for mark, row in zip(marks, rows, strict=True)]
    for route, line in zip((None, *audited), columns(rows), strict=True):
        print_line(line, style="bold" if route is None else "red" if route in failing else "")
    print_line()
    number = sum(not route.guarded for route in audited)
    print_line(f"{len(audited)} route{'' if len(audited) == 1 else 's'}, {number} open.")


def _row(route: AuditedRoute) -> tuple[str, str, str, str]:
    note = f" ({route.note})" if route.note else ""
    methods = [method for method in route.methods if method != "HEAD" or "GET" not in route.methods]
    return ",".join(methods), route.host + route.path, route.description + note, route.endpoint


def _as_dict(route: AuditedRoute, public: set[str], *, fails: bool | None) -> dict[str, Any]:
    described = {
        "path": route.path,
        "host": route.host,
        "methods": list(route.methods),
        "endpoint": route.endpoint,
        "guarded": route.guarded,
        "description": route.description,
        "public": bool(route.labels & public) or route.note == KRATOS_API,
        "note": route.note,
    }
    return described if fails is None else {**described, "fails": fails}


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Redirect standard output to standard error, in subprocesses and C code, too."""
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
    """Import an application; its output meanwhile goes to standard error.

    Args:
        target: `module:attribute`; the attribute may contain dots.
        factory: Whether the attribute is a function that returns the application.
        folder: The folder to import from, before Python's own path.

    Raises:
        CommandFailed: If the application can't be imported.
    """
    module_name, colon, attribute = target.partition(":")
    if not module_name or not colon or not attribute:
        raise CommandFailed(f"{target} is not in the form MODULE:APP (example: shop.main:app)", ExitCode.USAGE)
    sys.path.insert(0, os.fspath(folder.resolve()))
    try:
        with _stdout_to_stderr():
            app: Any = importlib.import_module(module_name)
            for name in attribute.split("."):
                app = getattr(app, name)
            if factory:
                app = _call_factory(target, app)
    except (ImportError, AttributeError, ConfigurationError) as error:
        raise CommandFailed(f"{target} can't be loaded: {type(error).__name__}: {error}") from None
    except CommandFailed:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an application may raise any exception
        # The text of the error is not printed: that of a settings error may quote a password.
        raise CommandFailed(
            f"{target} can't be loaded: {type(error).__name__} at {_location(error)}; run "
            f"python -c 'import {module_name}' to see the traceback"
        ) from None
    if inspect.isfunction(app) and not inspect.iscoroutinefunction(app):
        raise CommandFailed(f"{target} is a function, not an application: add --factory if it returns one")
    if not callable(app):
        raise CommandFailed(
            f"{target} {'returns' if factory else 'is'} an object of {type(app).__name__}, which is not an "
            "application, such as FastAPI()"
        )
    return app


def _call_factory(target: str, factory: Any) -> Any:
    try:
        app = factory()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # from inside the factory
        raise CommandFailed(
            f"{target} can't be called without arguments ({error}): --factory requires a function without required "
            "parameters; remove --factory if it is the application"
        ) from None
    if inspect.iscoroutine(app):
        app.close()
        raise CommandFailed(f"{target} is async: --factory requires a function that returns the application")
    return app


def _location(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"
