"""`ory-guard routes`: what guards each route of an application."""

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

import typer

from ory_guard.audit import AuditedRoute, audit_routes
from ory_guard.cli.ending import CommandFailed, ExitCode
from ory_guard.cli.screen import columns, say, say_json
from ory_guard.exceptions import ConfigurationError

__all__ = ["load", "run"]


def run(app: Any, *, public: Collection[str], check: bool, as_json: bool) -> None:
    """Tell what guards each route of an application.

    Args:
        app: The application.
        public: The routes that anybody may call.
        check: Whether to end with 1 where another route is open.
        as_json: Whether to write JSON.

    Raises:
        typer.Exit: Another route is open.
    """
    audited = audit_routes(app)
    named = set(public)
    forgotten = [route for route in audited if not route.guarded and not route.names & named]
    if as_json:
        say_json([_as_dict(route, named) for route in audited])
    else:
        _tell(audited, forgotten)
    if check and forgotten:
        raise typer.Exit(ExitCode.NO)


def _tell(audited: tuple[AuditedRoute, ...], forgotten: list[AuditedRoute]) -> None:
    rows = [("METHODS", "PATH", "GUARDED BY", "ENDPOINT"), *map(_row, audited)]
    for route, line in zip((None, *audited), columns(rows), strict=True):
        say(line, style="bold" if route is None else "red" if route in forgotten else "")
    say()
    number = sum(not route.guarded for route in audited)
    say(f"{len(audited)} route{'' if len(audited) == 1 else 's'}, {number} open to anybody.")


def _row(route: AuditedRoute) -> tuple[str, str, str, str]:
    remark = f" ({route.remark})" if route.remark else ""
    methods = [method for method in route.methods if method != "HEAD" or "GET" not in route.methods]
    return ",".join(methods), route.host + route.path, route.guards + remark, route.endpoint


def _as_dict(route: AuditedRoute, public: set[str]) -> dict[str, Any]:
    return {
        "path": route.path,
        "host": route.host,
        "methods": list(route.methods),
        "endpoint": route.endpoint,
        "guarded": route.guarded,
        "guards": route.guards,
        "public": bool(route.names & public),
        "remark": route.remark,
    }


def load(target: str, *, factory: bool, folder: Path) -> Any:
    """Import an application.

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
