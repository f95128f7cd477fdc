"""`ory-guard doctor`: how Kratos is set up, what is wrong with that, and what to do about it."""

import asyncio
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import typer

from ory_guard.cli.credential_input import Header
from ory_guard.cli.doctor import DoctorContext, Finding, run_checks
from ory_guard.cli.doctor.context import Level, Probe
from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.options import settings_from
from ory_guard.cli.output import print_json, print_labelled, print_line, spinner
from ory_guard.guard.settings import ENVIRONMENT_PREFIX, GuardSettings
from ory_guard.kratos.urls import service_url

__all__ = ["make_context", "run"]

_STYLES: Final[dict[Level, str]] = {"ok": "green", "notice": "yellow", "problem": "bold red", "skipped": "dim"}
_CREDENTIALS: Final = f"{ENVIRONMENT_PREFIX}CREDENTIALS"


def make_context(
    *,
    kratos_url: str,
    browser_url: str | None = None,
    app_url: str | None = None,
    admin_url: str | None = None,
    credential: Header | None = None,
    redis_url: str | None = None,
    jwks: str | None = None,
    template: str | None = None,
) -> DoctorContext:
    """Return what is to be looked at, from the command line's values.

    Raises:
        CommandFailed: The admin API's URL is none.
        ConfigurationError: A setting is wrong.
    """
    without_cookies = "x_session_token,bearer" if app_url is None and _CREDENTIALS not in os.environ else None
    settings = settings_from(
        kratos_public_url=kratos_url, kratos_browser_url=browser_url, app_url=app_url, credentials=without_cookies
    )
    is_url = jwks is None or jwks.startswith(("http://", "https://"))
    return DoctorContext(
        settings=settings,
        kratos=Probe(settings.kratos_public_url, timeout=settings.timeout),
        admin=None if admin_url is None else Probe(_checked(admin_url), timeout=settings.timeout),
        credential=credential,
        redis_url=redis_url,
        jwks=jwks if jwks is None or is_url else Path(jwks),
        template=template,
    )


def run(context: DoctorContext, *, as_json: bool) -> None:
    """Look at everything, and tell what was found.

    Raises:
        typer.Exit: There are problems.
    """
    _report(context.settings, _findings(context), as_json=as_json)


def _findings(context: DoctorContext) -> list[Finding]:
    with spinner("Looking at Kratos …") as tell:
        return asyncio.run(
            _examine(replace(context, on_progress=lambda check: tell(f"Looking at Kratos … {check}")))
        )


def _report(settings: GuardSettings, findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json(_as_dict(settings, findings))
    else:
        _tell(settings, findings)
    problems = {finding.check for finding in findings if finding.level == "problem"}
    if problems:
        raise typer.Exit(ExitCode.ERROR if "reach" in problems else ExitCode.NEGATIVE)


def _checked(admin_url: str) -> str:
    try:
        return service_url(admin_url)
    except ValueError as error:
        raise CommandFailed(f"--admin-url {error}", ExitCode.USAGE) from None


async def _examine(context: DoctorContext) -> list[Finding]:
    try:
        return [finding async for finding in run_checks(context)]
    finally:
        for probe in (context.kratos, context.admin):
            if probe is not None:
                await probe.aclose()


def _tell(settings: GuardSettings, findings: list[Finding]) -> None:
    print_line(f"Kratos at {settings.kratos_public_url}, the application at {settings.app_url or '(not told)'}")
    print_line()
    for finding in findings:
        print_labelled(f"{finding.level:8} {finding.check:14} ", finding.message, style=_STYLES[finding.level])
        if finding.fix:
            print_labelled(f"{'':24}-> ", finding.fix, style="dim" if finding.level == "skipped" else "")
    print_line()
    print_line(", ".join(_count(findings, level, word) for level, word in _WORDS) + ".")


_WORDS: Final[tuple[tuple[Level, str], ...]] = (
    ("problem", "problem"),
    ("notice", "notice"),
    ("ok", "ok"),
    ("skipped", "not looked at"),
)


def _count(findings: list[Finding], level: Level, word: str) -> str:
    number = sum(finding.level == level for finding in findings)
    return f"{number} {word}{'s' if number != 1 and level in ('problem', 'notice') else ''}"


def _as_dict(settings: GuardSettings, findings: list[Finding]) -> dict[str, object]:
    return {
        "kratos": settings.kratos_public_url,
        "app": settings.app_url,
        "problems": sum(finding.level == "problem" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }
