"""Every argument and option of the commands; light to import, since `--help` needs all of them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ory_guard import __version__

if TYPE_CHECKING:
    from ory_guard.guard.settings import GuardSettings

__all__ = [
    "COOKIE_VARIABLE",
    "DEFAULT_KRATOS_URL",
    "TOKEN_VARIABLE",
    "AdminPort",
    "AdminUrl",
    "AppDir",
    "AppUrl",
    "AsJson",
    "BrowserUrl",
    "Check",
    "Config",
    "CookieFile",
    "CookieJarFile",
    "Exposed",
    "Factory",
    "Jwks",
    "KratosUrl",
    "Port",
    "Public",
    "RedisUrl",
    "Seed",
    "Target",
    "Template",
    "TokenFile",
    "Version",
    "settings_from",
]

DEFAULT_KRATOS_URL: Final = "http://127.0.0.1:4433"
TOKEN_VARIABLE: Final = "ORY_SESSION_TOKEN"  # noqa: S105 - the name of a variable
COOKIE_VARIABLE: Final = "ORY_SESSION_COOKIE"


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]

KratosUrl = Annotated[
    str, typer.Option(metavar="URL", envvar="ORY_GUARD_KRATOS_PUBLIC_URL", help="Kratos' public API.")
]
BrowserUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="ORY_GUARD_KRATOS_BROWSER_URL",
        help="Kratos' public API as browsers reach it, where that differs.",
    ),
]
AppUrl = Annotated[
    str | None, typer.Option(metavar="URL", envvar="ORY_GUARD_APP_URL", help="The application's public URL.")
]
AdminUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Kratos' admin API, which alone tells the version.")
]
RedisUrl = Annotated[
    str | None, typer.Option(metavar="URL", envvar="REDIS_URL", help="The Redis that processes share.")
]
Jwks = Annotated[
    str | None, typer.Option(metavar="PATH|URL", help="The public keys that tokens are verified with, as a JWKS.")
]
Template = Annotated[
    str | None, typer.Option(metavar="NAME", help="A tokenizer template to try on the session, for --jwks.")
]

TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help=f"A file with a session token, - for standard input. Without it: the variable {TOKEN_VARIABLE}.",
    ),
]
CookieFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="A file with a browser's Cookie header (name=value; …), - for standard input. Without it: the "
        f"variable {COOKIE_VARIABLE}.",
    ),
]
CookieJarFile = Annotated[
    Path | None,
    typer.Option("--cookie-jar", metavar="PATH", help="A cookie jar as curl -c and browsers' exports write it."),
]

Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65_535, metavar="PORT", help="The public API's port; 0 takes a free one."),
]
AdminPort = Annotated[
    int, typer.Option(min=0, max=65_535, metavar="PORT", help="The admin API's port; 0 takes a free one.")
]
Config = Annotated[
    Path | None, typer.Option(metavar="PATH", help="A .json or .toml file under the keys of Kratos' configuration.")
]
Seed = Annotated[Path | None, typer.Option(metavar="PATH", help="A .json or .toml file with a list of identities.")]
Exposed = Annotated[
    str | None,
    typer.Option(
        "--dangerously-listen-on",
        metavar="ADDRESS",
        help="Listen there instead of 127.0.0.1: whoever reaches it can become anybody.",
    ),
]

Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="The application, such as shop.main:app.")]
Factory = Annotated[bool, typer.Option("--factory", help="APP is a function that makes the application.")]
AppDir = Annotated[
    Path, typer.Option(metavar="PATH", help="Where modules are looked for, besides where Python does.")
]
Public = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROUTE",
        help="A route that any caller may use, as its path, as 'METHOD path', or as its endpoint if it can't be "
        "looked into; may be given often.",
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Exit with 1 if a route is open that --public does not name.")]


def settings_from(**given: str | None) -> "GuardSettings":
    """Return the settings of the `ORY_GUARD_…` variables, where `given` wins over them.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    from ory_guard.guard.settings import ENVIRONMENT_PREFIX, GuardSettings  # noqa: PLC0415 - not needed for --help

    variables = {ENVIRONMENT_PREFIX + name.upper(): value for name, value in given.items() if value is not None}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return GuardSettings.from_env()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
