"""The pages of Kratos' self-service flows, at the paths of Kratos' quickstart.

Kratos redirects a browser to `/login?flow=…`, and the page reads that flow and renders it. Without `flow`, the page
redirects to Kratos to start one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.flow_forms import has_error, offers_method
from example_app.oauth2_errors import oauth2_error
from example_app.rendering import CurrentSite, Site, kratos_cookies, kratos_url, redirect
from example_app.urls import safe_path
from ory_guard.client.models.flows import Flow, LoginFlow, SettingsFlow
from ory_guard.client.ui import find_nodes
from ory_guard.exceptions import FlowExpired, FlowForbidden, FlowNotFound, KratosAPIError

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True)
class FlowPage:
    """The page of one flow, with its title and introduction."""

    name: str
    title: str
    lead: str


PAGES: Final = (
    FlowPage("login", "Sign in", ""),
    FlowPage("registration", "Create an account", "Enter your details, then choose how to sign in."),
    FlowPage("recovery", "Account recovery", "Sign in with a code that is sent to your email address."),
    FlowPage("verification", "Email verification", "Confirm your email address with a code that is sent to it."),
    FlowPage("settings", "Settings", "Change your profile and how you sign in."),
)


def _endpoint(page: FlowPage) -> Callable[..., Awaitable[Response]]:
    async def show(request: Request, site: CurrentSite, flow: str | None = None) -> Response:
        if not flow:
            return redirect(kratos_url(site, page.name, **dict(request.query_params)))
        result = await _read_flow(request, site, page, flow)
        if isinstance(result, Response):
            return result
        await _invalidate_changed_identity(request, site, result)
        return _render(request, site, page, result)

    return show


for _page in PAGES:
    router.add_api_route(f"/{_page.name}", _endpoint(_page), methods=["GET"], name=_page.name)


async def _read_flow(request: Request, site: Site, page: FlowPage, flow_id: str) -> Flow | Response:
    client = site.guard.client
    readers: Mapping[str, Callable[..., Awaitable[Flow]]] = {
        "login": client.get_login_flow,
        "registration": client.get_registration_flow,
        "recovery": client.get_recovery_flow,
        "verification": client.get_verification_flow,
        "settings": client.get_settings_flow,
    }
    try:
        return await readers[page.name](id=flow_id, cookie=kratos_cookies(request, site))
    except FlowExpired as expired:
        return _restart(site, page, "expired", return_to=_return_to(expired.redirect_browser_to))
    except (FlowNotFound, ValueError):  # ValueError: the id contains characters that a request can't carry
        return _restart(site, page, "gone")
    except FlowForbidden as forbidden:
        return _forbidden(request, site, page, forbidden)
    except KratosAPIError as error:
        if error.status_code == 401:
            return redirect(kratos_url(site, "login", return_to=_page_url(site, page)))
        return _restart(site, page, "gone")


def _forbidden(request: Request, site: Site, page: FlowPage, forbidden: FlowForbidden) -> Response:
    match forbidden.error_id:
        case "session_aal2_required":
            return redirect(kratos_url(site, "login", aal="aal2", return_to=_page_url(site, page)))
        case "security_identity_mismatch":
            return _restart(site, page, "gone")
        case _:
            # An automatic restart would loop forever in a browser without cookies.
            context = {"start": kratos_url(site, page.name), "is_foreign_form": True}
            return _error_page(request, site, context, status_code=403)


def _restart(site: Site, page: FlowPage, notice: str, *, return_to: str | None = None) -> Response:
    return redirect(kratos_url(site, page.name, return_to=return_to), notice)


def _return_to(url: str | None) -> str | None:
    """Return the `return_to` of an expired flow; Kratos validates it again when the new flow starts."""
    return next(iter(parse_qs(urlsplit(url or "").query).get("return_to", [])), None)


def _page_url(site: Site, page: FlowPage) -> str:
    return f"{site.guard.settings.app_url}/{page.name}"


async def _invalidate_changed_identity(request: Request, site: Site, flow: Flow) -> None:
    """Invalidate the cached sessions of an identity whose address was verified or whose settings were changed."""
    session = request.state.ory_session
    if session is not None and flow.state in ("passed_challenge", "success"):
        await site.guard.invalidate(identity_id=session.identity.id)


def _render(request: Request, site: Site, page: FlowPage, flow: Flow) -> Response:
    continue_to = safe_path(site.guard.settings, flow.return_to)
    context: dict[str, Any] = {
        "page": page,
        "flow": flow,
        "title": _title(page, flow),
        "failed": has_error(flow.ui.messages) or any(has_error(node.messages) for node in flow.ui.nodes),
        "continue_to": continue_to,
        "links": _links(site, flow),
    }
    if isinstance(flow, SettingsFlow):
        return site.page(request, "settings.html", {**context, **_settings_order(flow, continue_to)})
    if isinstance(flow, LoginFlow) and flow.requested_aal == "aal2" and not offers_method(flow):
        return site.page(request, "enrollment_required.html", context)
    return site.page(request, "flow.html", context)


def _settings_order(flow: SettingsFlow, continue_to: str | None) -> dict[str, Any]:
    """Return the first section of the settings page: new backup codes, or the enrollment that a page requires."""
    is_enrollment = continue_to is not None and bool(find_nodes(flow, name="totp_code"))
    if find_nodes(flow, name="lookup_secret_codes"):
        return {"is_enrollment": False, "first": "lookup_secret"}
    return {"is_enrollment": is_enrollment, "first": "totp" if is_enrollment else None}


def _title(page: FlowPage, flow: Flow) -> str:
    if isinstance(flow, LoginFlow) and flow.requested_aal == "aal2":
        return "Second factor"
    if isinstance(flow, LoginFlow) and flow.refresh:
        return "Sign-in confirmation"
    return page.title


def _links(site: Site, flow: Flow) -> dict[str, str]:
    return {
        name: kratos_url(site, name, return_to=flow.return_to, after_verification_return_to=flow.return_to)
        for name in ("login", "registration", "recovery", "settings")
    }


@router.get("/error")
async def show_error(request: Request, site: CurrentSite, id: str = "") -> Response:  # noqa: A002 - Kratos' name
    """Show an error of Kratos, or one that an OAuth2 server appended to the URL."""
    context: dict[str, Any] = {"start": kratos_url(site, "login")}
    try:
        report = (await site.guard.client.get_flow_error(id=id)).error if id else None
    except (KratosAPIError, ValueError):
        report = None
    if report:
        return _error_page(request, site, {**context, "report": report}, status_code=200)
    if oauth2 := oauth2_error(request.query_params):
        return _error_page(request, site, {**context, "oauth2": oauth2}, status_code=400)
    return _error_page(request, site, context, status_code=404)


def _error_page(request: Request, site: Site, context: dict[str, Any], *, status_code: int) -> Response:
    defaults = {"report": None, "oauth2": None, "is_foreign_form": False}
    return site.page(request, "error.html", {**defaults, **context}, status_code=status_code)
