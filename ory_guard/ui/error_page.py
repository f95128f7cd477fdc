"""The error page: errors of Kratos, of an OAuth2 server, and of the pages themselves."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ory_guard.exceptions import KratosAPIError
from ory_guard.ui.oauth2_errors import oauth2_error
from ory_guard.ui.page_renderer import PageRenderer

__all__ = ["show_error", "show_failure", "show_foreign_form"]


async def show_error(renderer: PageRenderer, request: Request) -> Response:
    """Show an error of Kratos, or one that an OAuth2 server appended to the URL."""
    t = renderer.translator(request)
    error_id = request.query_params.get("id", "")
    report = await _report(renderer, error_id) if error_id else None
    start = renderer.start_url("login", {})
    if report is not None:
        texts = [str(report.get("reason") or report.get("message") or t("error.no_reason"))]
        if report.get("id") == "security_csrf_violation":
            texts.append(t("error.csrf"))
        code = f"{report.get('code', '')} {report.get('id', '')}".strip()
        return await _page(renderer, request, texts, start=start, code=code)
    if oauth2 := oauth2_error(request.query_params):
        text = t(f"oauth2.{oauth2.code}" if t.has(f"oauth2.{oauth2.code}") else "oauth2.unknown")
        return await _page(
            renderer,
            request,
            [text],
            start=start,
            code=oauth2.code,
            description=oauth2.description,
            status_code=400,
        )
    return await _page(renderer, request, [t("error.gone")], kind="info", start=start, status_code=404)


async def show_foreign_form(renderer: PageRenderer, request: Request, start: str) -> Response:
    """Show that a flow belongs to another browser, with a link to start a new one."""
    text = renderer.translator(request)("error.foreign_form")
    return await _page(renderer, request, [text], start=start, status_code=403)


async def show_failure(renderer: PageRenderer, request: Request, *, status_code: int) -> Response:
    """Show that a request failed: because Kratos is unavailable (503), or because it rejected the request."""
    t = renderer.translator(request)
    is_unavailable = status_code == 503
    text = t("error.unavailable" if is_unavailable else "error.invalid")
    title = t("title.unavailable") if is_unavailable else None
    return await _page(renderer, request, [text], status_code=status_code, title=title)


async def _report(renderer: PageRenderer, error_id: str) -> Mapping[str, Any] | None:
    try:
        return (await renderer.guard.client.get_flow_error(id=error_id)).error
    except (KratosAPIError, ValueError):  # ValueError: the id contains characters that a request can't carry
        return None


async def _page(
    renderer: PageRenderer,
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
        "title": title or renderer.translator(request)("title.error"),
        "texts": texts,
        "kind": kind,
        "start": start,
        "code": code,
        "description": description,
    }
    return await renderer.page(request, "error.html", context, status_code=status_code)
