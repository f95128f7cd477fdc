"""`ory-guard whoami`: the session of a credential."""

import asyncio
import time
from typing import Final

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.options import COOKIE_VARIABLE, TOKEN_VARIABLE, settings_from
from ory_guard.cli.output import print_json, print_line, spinner
from ory_guard.cli.session_output import session_lines
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import unix_socket_of
from ory_guard.models import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable
from ory_guard.models.credential import Header

__all__ = ["run"]

_UNUSED_URL: Final = "http://localhost"
"""The URLs for browsers, which are required, if Kratos has only a Unix socket."""


def run(kratos_url: str, credential: Header | None, *, as_json: bool) -> None:
    """Print the session of a credential.

    Args:
        kratos_url: The URL of Kratos' public API.
        credential: The credential as a request header.
        as_json: Whether to print JSON.

    Raises:
        CommandFailed: If the credential is missing or has no session.
        ConfigurationError: If a setting is invalid.
    """
    if credential is None:
        raise CommandFailed(
            "no credential given: use --token-file, --cookie-file or --cookie-jar, or set "
            f"{TOKEN_VARIABLE} or {COOKIE_VARIABLE}",
            ExitCode.USAGE,
        )
    is_unix = unix_socket_of(kratos_url) is not None
    settings = settings_from(
        kratos_public_url=kratos_url,
        kratos_browser_url=_UNUSED_URL if is_unix else None,
        app_url=_UNUSED_URL if is_unix else kratos_url,
    )
    _print(_outcome(settings, credential), settings, as_json=as_json)


def _outcome(settings: GuardSettings, credential: Header) -> Outcome:
    with spinner(f"Calling {settings.kratos_public_url} …"):
        return asyncio.run(_authenticate(settings, credential))


def _print(outcome: Outcome, settings: GuardSettings, *, as_json: bool) -> None:
    if not isinstance(outcome, Authenticated):
        raise _error_for(outcome, settings)
    if as_json:
        print_json(outcome.session.model_dump(mode="json", exclude={"tokenized"}))
        return
    for line in session_lines(outcome.session, time.time()):
        print_line(line)


async def _authenticate(settings: GuardSettings, credential: Header) -> Outcome:
    guard = OryGuard(settings)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [credential]}
    try:
        return await guard.authenticate(scope)
    finally:
        await guard.aclose()


def _error_for(
    outcome: Anonymous | Rejected | SecondFactorRequired | Unavailable, settings: GuardSettings
) -> CommandFailed:
    if isinstance(outcome, Unavailable):
        url = settings.kratos_public_url
        return CommandFailed(f"{url} is unavailable ({outcome.reason}); run ory-guard doctor to find out why")
    return CommandFailed(_reason(outcome, settings), ExitCode.NEGATIVE)


def _reason(outcome: Anonymous | Rejected | SecondFactorRequired, settings: GuardSettings) -> str:
    match outcome:
        case Anonymous():
            names = " or ".join((*settings.cookie_names, *settings.token_cookie_names))
            return (
                f"No cookie is named {names}: set ORY_GUARD_COOKIE_NAMES to the name of Kratos' session cookie "
                "(session.cookie.name in its configuration)"
            )
        case Rejected(reason="inactive"):
            return "Not logged in: the credential is unknown, expired or revoked, or the identity is inactive"
        case Rejected(reason="ambiguous"):
            return "Ambiguous: the cookies belong to two sessions, or there are more than two session cookies"
        case Rejected():
            return "Invalid credential: it contains forbidden characters or is too long"
        case SecondFactorRequired(enrolled=True):
            return (
                "Second factor required: Kratos returns the session after it is completed at "
                f"{settings.kratos_browser_url}/self-service/login/browser?aal=aal2"
            )
        case _:
            return (
                "Second factor required: Kratos returns the session after one is set up at "
                f"{settings.kratos_browser_url}/self-service/settings/browser"
            )
