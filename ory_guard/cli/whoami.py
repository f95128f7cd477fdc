"""`ory-guard whoami`: whose session a credential is."""

import asyncio
import time

from ory_guard.cli.credential_input import Header
from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.options import COOKIE_VARIABLE, TOKEN_VARIABLE, settings_from
from ory_guard.cli.output import print_json, print_line, spinner
from ory_guard.cli.session_output import session_lines
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.settings import GuardSettings
from ory_guard.models import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable

__all__ = ["run"]


def run(kratos_url: str, credential: Header | None, *, as_json: bool) -> None:
    """Ask Kratos whose session a credential is, and tell it.

    Raises:
        CommandFailed: There is no credential, or it is nobody's.
        ConfigurationError: A setting is wrong.
    """
    if credential is None:
        raise CommandFailed(
            "No credential was given: use --token-file, --cookie-file or --cookie-jar, or set "
            f"{TOKEN_VARIABLE} or {COOKIE_VARIABLE}",
            ExitCode.USAGE,
        )
    settings = settings_from(kratos_public_url=kratos_url, app_url=kratos_url)
    _tell(_outcome(settings, credential), settings, as_json=as_json)


def _outcome(settings: GuardSettings, credential: Header) -> Outcome:
    with spinner(f"Asking {settings.kratos_public_url} …"):
        return asyncio.run(_ask(settings, credential))


def _tell(outcome: Outcome, settings: GuardSettings, *, as_json: bool) -> None:
    if not isinstance(outcome, Authenticated):
        raise _why_nobody(outcome, settings)
    if as_json:
        print_json(outcome.session.model_dump(mode="json", exclude={"tokenized"}))
        return
    for line in session_lines(outcome.session, time.time()):
        print_line(line)


async def _ask(settings: GuardSettings, credential: Header) -> Outcome:
    guard = OryGuard(settings)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [credential]}
    try:
        return await guard.authenticate(scope)
    finally:
        await guard.aclose()


def _why_nobody(
    outcome: Anonymous | Rejected | SecondFactorRequired | Unavailable, settings: GuardSettings
) -> CommandFailed:
    match outcome:
        case Anonymous():
            names = " or ".join(settings.cookie_names)
            return CommandFailed(
                f"No cookie is named {names}: set ORY_GUARD_COOKIE_NAMES to the name that Kratos uses "
                "(session.cookie.name in its configuration)",
                ExitCode.NEGATIVE,
            )
        case Rejected(reason="inactive"):
            return CommandFailed(
                "Nobody: the credential is unknown, expired or revoked, or its identity is disabled",
                ExitCode.NEGATIVE,
            )
        case Rejected(reason="ambiguous"):
            return CommandFailed(
                "Nobody can tell: there are two session cookies, and they differ", ExitCode.NEGATIVE
            )
        case Rejected():
            return CommandFailed(
                "Nobody: this holds what no credential has, or is too long for one", ExitCode.NEGATIVE
            )
        case SecondFactorRequired(enrolled=True):
            return CommandFailed(
                "Somebody, but Kratos tells who only after the second factor: complete it at "
                f"{settings.kratos_browser_url}/self-service/login/browser?aal=aal2",
                ExitCode.NEGATIVE,
            )
        case SecondFactorRequired():
            return CommandFailed(
                "Somebody, but Kratos tells who only once a second factor is set up: do it at "
                f"{settings.kratos_browser_url}/self-service/settings/browser",
                ExitCode.NEGATIVE,
            )
        case _:
            why = f"{settings.kratos_public_url} could not be asked ({outcome.reason})"
            return CommandFailed(f"{why}: ory-guard doctor tells more")
