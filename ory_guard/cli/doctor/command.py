"""`ory-guard doctor`: run all checks and print their findings."""

import asyncio
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import typer

from ory_guard.cli.doctor import DoctorContext, Finding, run_checks
from ory_guard.cli.doctor.findings import Level
from ory_guard.cli.doctor.probe import Probe
from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.options import settings_from
from ory_guard.cli.output import print_json, print_labelled, print_line, spinner
from ory_guard.guard.settings import ENVIRONMENT_PREFIX, GuardSettings
from ory_guard.kratos.urls import kratos_url
from ory_guard.models.credential import Header

__all__ = ["make_context", "run"]

_STYLES: Final[dict[Level, str]] = {"ok": "green", "notice": "yellow", "problem": "bold red", "skipped": "dim"}
_SUMMARY: Final[tuple[Level, ...]] = ("problem", "notice", "ok", "skipped")
_CREDENTIALS: Final = f"{ENVIRONMENT_PREFIX}CREDENTIALS"


def make_context(
    *,
    kratos_url: str,
    browser_url: str | None = None,
    app_url: str | None = None,
    admin_url: str | None = None,
    credential: Header | None = None,
    redis_url: str | None = None,
    redis_prefix: str = "ory_guard",
    jwks: str | None = None,
    template: str | None = None,
) -> DoctorContext:
    """Return the input of the checks from the values of the command's options.

    Raises:
        CommandFailed: If `admin_url` is not a URL.
        ConfigurationError: If a setting is invalid.
    """
    # GuardSettings requires app_url for cookies; the checks that need it are skipped without it.
    without_cookies = "x_session_token,bearer" if app_url is None and _CREDENTIALS not in os.environ else None
    settings = settings_from(
        kratos_public_url=kratos_url, kratos_browser_url=browser_url, app_url=app_url, credentials=without_cookies
    )
    is_url = jwks is None or jwks.startswith(("http://", "https://"))
    return DoctorContext(
        settings=settings,
        kratos=Probe(settings.kratos_public_url, timeout=settings.timeout, ca_file=settings.ca_file),
        admin=None
        if admin_url is None
        else Probe(_validate(admin_url), timeout=settings.timeout, ca_file=settings.ca_file),
        credential=credential,
        redis_url=redis_url,
        redis_prefix=redis_prefix,
        jwks=jwks if jwks is None or is_url else Path(jwks),
        template=template,
    )


def run(context: DoctorContext, *, as_json: bool) -> None:
    """Run all checks and print their findings.

    Raises:
        typer.Exit: If there is a problem.
    """
    _report(context.settings, _findings(context), as_json=as_json)


def _findings(context: DoctorContext) -> list[Finding]:
    with spinner("Checking Kratos …") as update:
        reporting = replace(context, on_progress=lambda check: update(f"Checking Kratos … {check}"))
        return asyncio.run(_collect(reporting))


def _report(settings: GuardSettings, findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json(_as_dict(settings, findings))
    else:
        _print(settings, findings)
    problems = {finding.check for finding in findings if finding.level == "problem"}
    if problems:
        raise typer.Exit(ExitCode.ERROR if "reach" in problems else ExitCode.NEGATIVE)


def _validate(admin_url: str) -> str:
    try:
        return kratos_url(admin_url)
    except ValueError as error:
        raise CommandFailed(f"--admin-url {error}", ExitCode.USAGE) from None


async def _collect(context: DoctorContext) -> list[Finding]:
    try:
        return [finding async for finding in run_checks(context)]
    finally:
        for probe in (context.kratos, context.admin):
            if probe is not None:
                await probe.aclose()


def _print(settings: GuardSettings, findings: list[Finding]) -> None:
    print_line(f"Kratos: {settings.kratos_public_url}, application: {settings.app_url or '(unknown)'}")
    print_line()
    for finding in findings:
        print_labelled(f"{finding.level:8} {finding.check:14} ", finding.message, style=_STYLES[finding.level])
        if finding.fix:
            print_labelled(f"{'':24}-> ", finding.fix, style="dim" if finding.level == "skipped" else "")
    print_line()
    print_line(", ".join(_count(findings, level) for level in _SUMMARY) + ".")


def _count(findings: list[Finding], level: Level) -> str:
    number = sum(finding.level == level for finding in findings)
    return f"{number} {level}{'s' if number != 1 and level in ('problem', 'notice') else ''}"


def _as_dict(settings: GuardSettings, findings: list[Finding]) -> dict[str, object]:
    return {
        "kratos": settings.kratos_public_url,
        "app": settings.app_url,
        "problems": sum(finding.level == "problem" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }
