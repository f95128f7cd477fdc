"""The error page: errors of Kratos, of an OAuth2 server, and of the pages themselves."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ory_guard.exceptions import KratosAPIError
from ory_guard.ui.oauth2_errors import oauth2_error
from ory_guard.ui.site import Site

__all__ = ["show_error", "show_failure", "show_foreign_form"]


async def show_error(site: Site, request: Request) -> Response:
    """Show an error of Kratos, or one that an OAuth2 server appended to the URL."""
    t = site.translator(request)
    error_id = request.query_params.get("id", "")
    report = await _report(site, error_id) if error_id else None
    start = site.start_url("login", {})
    if report is not None:
        texts = [str(report.get("reason") or report.get("message") or t("error.no_reason"))]
        if report.get("id") == "security_csrf_violation":
            texts.append(t("error.csrf"))
        code = f"{report.get('code', '')} {report.get('id', '')}".strip()
        return await _page(site, request, texts, start=start, code=code)
    if oauth2 := oauth2_error(request.query_params):
        text = t(f"oauth2.{oauth2.code}" if t.has(f"oauth2.{oauth2.code}") else "oauth2.unknown")
        return await _page(
            site,
            request,
            [text],
            start=start,
            code=oauth2.code,
            description=oauth2.description,
            status_code=400,
        )
    return await _page(site, request, [t("error.gone")], kind="info", start=start, status_code=404)


async def show_foreign_form(site: Site, request: Request, start: str) -> Response:
    """Show that a flow belongs to another browser, with a link to start a new one."""
    text = site.translator(request)("error.foreign_form")
    return await _page(site, request, [text], start=start, status_code=403)


async def show_failure(site: Site, request: Request, *, status_code: int) -> Response:
    """Show that a request failed: because Kratos is unavailable (503), or because it rejected the request."""
    t = site.translator(request)
    is_unavailable = status_code == 503
    text = t("error.unavailable" if is_unavailable else "error.invalid")
    title = t("title.unavailable") if is_unavailable else None
    return await _page(site, request, [text], status_code=status_code, title=title)


async def _report(site: Site, error_id: str) -> Mapping[str, Any] | None:
    try:
        return (await site.guard.client.get_flow_error(id=error_id)).error
    except (KratosAPIError, ValueError):  # ValueError: the id contains characters that a request can't carry
        return None


async def _page(
    site: Site,
    request: Request,
    texts: list[str],
    *,
    kind: str = "error",
    start: str | None = None,
    code: str = "",
    description: str = "",
    title: str | None = None,
    status_code: int = 200,
) -> Response:
    context = {
        "title": title or site.translator(request)("title.error"),
        "texts": texts,
        "kind": kind,
        "start": start,
        "code": code,
        "description": description,
    }
    return await site.page(request, "error.html", context, status_code=status_code)
