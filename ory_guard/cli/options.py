"""The arguments and options of the commands, and settings from their values.

`--help` imports this module, so it imports nothing heavy.
"""

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
    "CheckConfig",
    "Config",
    "CookieFile",
    "CookieJarFile",
    "Exposed",
    "Factory",
    "Jwks",
    "KratosUrl",
    "Port",
    "Public",
    "RedisPrefix",
    "RedisUrl",
    "ReturnUrl",
    "Seed",
    "ServeConfig",
    "Target",
    "Template",
    "TokenFile",
    "UiUrl",
    "Version",
    "settings_from",
]

DEFAULT_KRATOS_URL: Final = "http://127.0.0.1:4433"
TOKEN_VARIABLE: Final = "ORY_SESSION_TOKEN"  # noqa: S105 - the name of an environment variable
COOKIE_VARIABLE: Final = "ORY_SESSION_COOKIE"


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

KratosUrl = Annotated[
    str, typer.Option(metavar="URL", envvar="ORY_GUARD_KRATOS_PUBLIC_URL", help="URL of Kratos' public API.")
]
BrowserUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="ORY_GUARD_KRATOS_BROWSER_URL",
        help="URL of Kratos' public API for browsers, if different.",
    ),
]
AppUrl = Annotated[
    str | None, typer.Option(metavar="URL", envvar="ORY_GUARD_APP_URL", help="Public URL of the application.")
]
AdminUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="URL of Kratos' admin API, for the version check.")
]
RedisUrl = Annotated[
    str | None, typer.Option(metavar="URL", envvar="REDIS_URL", help="URL of the Redis that all processes share.")
]
RedisPrefix = Annotated[str, typer.Option(metavar="NAME", help="Prefix of the keys in Redis.")]
Jwks = Annotated[str | None, typer.Option(metavar="PATH|URL", help="JWKS with the public keys that verify tokens.")]
Template = Annotated[
    str | None, typer.Option(metavar="NAME", help="Tokenizer template to test with --jwks and a session.")
]

TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help=f"File with a session token; - reads standard input. Default: the variable {TOKEN_VARIABLE}.",
    ),
]
CookieFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="File with the Cookie header of a browser (name=value; …); - reads standard input. Default: the "
        f"variable {COOKIE_VARIABLE}.",
    ),
]
CookieJarFile = Annotated[
    Path | None,
    typer.Option("--cookie-jar", metavar="PATH", help="Cookie jar in Netscape format, as written by curl -c."),
]

Port = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65_535, metavar="PORT", help="Port of the public API; 0 selects a free port."
    ),
]
AdminPort = Annotated[
    int, typer.Option(min=0, max=65_535, metavar="PORT", help="Port of the admin API; 0 selects a free port.")
]
Config = Annotated[
    Path | None, typer.Option(metavar="PATH", help="YAML, JSON or TOML file with Kratos' configuration.")
]
Seed = Annotated[Path | None, typer.Option(metavar="PATH", help="YAML, JSON or TOML file with identities.")]
ReturnUrl = Annotated[
    str | None, typer.Option("--app-url", metavar="URL", help="URL of an application that flows return to.")
]
UiUrl = Annotated[
    str | None,
    typer.Option("--ui-url", metavar="URL", help="URL of login pages, such as the mount of FlowPages."),
]
Exposed = Annotated[
    str | None,
    typer.Option(
        "--dangerously-listen-on",
        metavar="ADDRESS",
        help="Listen on ADDRESS instead of 127.0.0.1: anyone who can reach it can log in as any user.",
    ),
]

Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Application, for example shop.main:app.")]
Factory = Annotated[bool, typer.Option("--factory", help="APP is a function that returns the application.")]
AppDir = Annotated[Path, typer.Option(metavar="PATH", help="Directory to import from, before Python's own path.")]
Public = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROUTE",
        help="Route that may be open: its path, 'METHOD path', or its endpoint if it can't be inspected. Can be "
        "repeated.",
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Exit with 1 if an open route is not named by --public.")]

ServeConfig = Annotated[Path, typer.Option("--config", metavar="PATH", help="TOML file with the configuration.")]
CheckConfig = Annotated[bool, typer.Option("--check", help="Check the configuration and exit.")]


def settings_from(**values: str | None) -> "GuardSettings":
    """Return the settings from the `ORY_GUARD_…` variables; `values` take precedence over them.

    Raises:
        ConfigurationError: If a setting is invalid.
    """
    from ory_guard.guard.settings import ENVIRONMENT_PREFIX, GuardSettings

    variables = {ENVIRONMENT_PREFIX + name.upper(): value for name, value in values.items() if value is not None}
    previous = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return GuardSettings.from_env()
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
