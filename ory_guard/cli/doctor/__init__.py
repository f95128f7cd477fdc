"""The checks of `ory-guard doctor`, one for each common configuration problem.

A check sends requests to Kratos and returns findings. It changes nothing there, except that it creates login flows,
which expire. `CHECKS` lists all checks in the order in which they run.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from ory_guard.cli.doctor.browser import check_base_url, check_cors, check_return_to
from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.connectivity import check_reach
from ory_guard.cli.doctor.cookies import check_cookie_domain, check_same_site
from ory_guard.cli.doctor.findings import Finding, problem, skipped
from ory_guard.cli.doctor.jwks import check_jwks
from ory_guard.cli.doctor.login_pages import check_pages
from ory_guard.cli.doctor.redis import check_redis
from ory_guard.cli.doctor.server import check_caching, check_clock, check_rate_limit, check_version
from ory_guard.cli.doctor.session import check_cookie_name, check_required_aal
from ory_guard.exceptions import KratosUnavailable

__all__ = ["CHECKS", "PAGES", "Check", "DoctorContext", "Finding", "run_checks"]


class Check(NamedTuple):
    """One check.

    Attributes:
        name: The stable name of the check in findings.
        run: The function that performs the check.
        needs_kratos: Whether the check is skipped if Kratos' public API is unreachable.
    """

    name: str
    run: Callable[[DoctorContext], Awaitable[Iterable[Finding]]]
    needs_kratos: bool = True


CHECKS: Final = (
    Check("reach", check_reach),
    Check("version", check_version, needs_kratos=False),
    Check("clock", check_clock),
    Check("caching", check_caching),
    Check("base_url", check_base_url),
    Check("return_to", check_return_to),
    Check("cors", check_cors),
    Check("same_site", check_same_site, needs_kratos=False),
    Check("cookie_domain", check_cookie_domain),
    Check("cookie_name", check_cookie_name),
    Check("required_aal", check_required_aal),
    Check("rate_limit", check_rate_limit),
    Check("redis", check_redis, needs_kratos=False),
    Check("jwks", check_jwks, needs_kratos=False),
)


PAGES: Final = Check("pages", check_pages)
"""The check of the login pages, for a guard with a `login_url`."""


async def run_checks(context: DoctorContext) -> AsyncIterator[Finding]:
    """Run all checks, and yield each finding when it is made."""
    reachable = True
    for check in CHECKS if context.settings.login_url is None else (*CHECKS, PAGES):
        context.on_progress(check.name)
        if check.needs_kratos and not reachable:
            yield replace(skipped("Kratos is unreachable"), check=check.name)
            continue
        try:
            findings = tuple(await check.run(context))
        except KratosUnavailable as error:
            findings = (problem(f"Kratos stopped responding during this check: {error}", "retry"),)
        for finding in findings:
            yield replace(finding, check=check.name)
        if check.name == "reach":
            reachable = all(finding.level != "problem" for finding in findings)
