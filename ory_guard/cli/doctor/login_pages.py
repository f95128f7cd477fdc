"""The check of the login pages: whether Kratos' flows lead to the mount of `FlowPages`."""

from typing import Final

from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, ok, problem
from ory_guard.cli.doctor.probe import text_header

__all__ = ["check_pages"]

_FLOWS: Final = ("login", "registration", "recovery", "verification")


async def check_pages(context: DoctorContext) -> list[Finding]:
    """Start each flow as a browser does, and compare the page that it leads to with `login_url`, which is set."""
    login_url = str(context.settings.login_url)
    mount = login_url.partition("?")[0].rstrip("/").removesuffix("/login")
    pages = {flow: await _page_of(context, flow) for flow in _FLOWS}
    findings = [
        problem(
            f"Kratos' {flow} flow leads to {page}, but login_url is {login_url}",
            f"set selfservice.flows.{flow}.ui_url to {mount}/{flow} if the pages are FlowPages at {mount}",
        )
        for flow, page in pages.items()
        if page not in (None, f"{mount}/{flow}")
    ]
    return findings or [ok(f"Kratos' flows lead to the pages at {mount}")]


async def _page_of(context: DoctorContext, flow: str) -> str | None:
    """Return the URL of a flow's page, or None if the flow is disabled."""
    response = await context.kratos.navigate(f"/self-service/{flow}/browser")
    page, _, query = text_header(response, "location").partition("?")
    return page if response.status in (302, 303) and query.startswith("flow=") else None
