"""What `ory-guard doctor` looks at: one check for each thing that is often set up wrongly.

A check asks Kratos whatever it needs and returns findings; it changes nothing there but starts login flows, which
end by themselves. `CHECKS` has all of them in the order in which they are made.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from ory_guard.cli.doctor.browser import check_base_url, check_cors, check_return_to
from ory_guard.cli.doctor.connectivity import check_reach
from ory_guard.cli.doctor.context import DoctorContext, Finding, problem, skipped
from ory_guard.cli.doctor.cookies import check_cookie_domain, check_same_site
from ory_guard.cli.doctor.jwks import check_jwks
from ory_guard.cli.doctor.redis import check_redis
from ory_guard.cli.doctor.server import check_caching, check_clock, check_rate_limit, check_version
from ory_guard.cli.doctor.session import check_cookie_name, check_required_aal
from ory_guard.exceptions import KratosUnavailable

__all__ = ["CHECKS", "Check", "DoctorContext", "Finding", "run_checks"]


class Check(NamedTuple):
    """One thing to look at.

    Attributes:
        name: Its name in findings; stable.
        run: What looks at it.
        asks_kratos: Whether it makes sense only where Kratos can be reached.
    """

    name: str
    run: Callable[[DoctorContext], Awaitable[Iterable[Finding]]]
    asks_kratos: bool = True


CHECKS: Final = (
    Check("reach", check_reach),
    Check("version", check_version, asks_kratos=False),
    Check("clock", check_clock),
    Check("caching", check_caching),
    Check("base_url", check_base_url),
    Check("return_to", check_return_to),
    Check("cors", check_cors),
    Check("same_site", check_same_site, asks_kratos=False),
    Check("cookie_domain", check_cookie_domain),
    Check("cookie_name", check_cookie_name),
    Check("required_aal", check_required_aal),
    Check("rate_limit", check_rate_limit),
    Check("redis", check_redis, asks_kratos=False),
    Check("jwks", check_jwks, asks_kratos=False),
)


async def run_checks(context: DoctorContext) -> AsyncIterator[Finding]:
    """Make every check, and yield what was found as it is found."""
    reached = True
    for check in CHECKS:
        context.on_progress(check.name)
        if check.asks_kratos and not reached:
            yield replace(skipped("Kratos can't be asked"), check=check.name)
            continue
        try:
            findings = tuple(await check.run(context))
        except KratosUnavailable as error:
            findings = (problem(f"Kratos gave no answer in the midst of it: {error}", "run it again"),)
        for finding in findings:
            yield replace(finding, check=check.name)
        if check.name == "reach":
            reached = all(finding.level != "problem" for finding in findings)
