"""The pages of Kratos' self-service flows, under the paths of Kratos' own quickstart.

Kratos sends a browser to `/login?flow=…`; the page reads that flow and renders it. Without `flow` the browser is
sent to Kratos to start one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.flow_forms import has_error, offers_method
from example_app.rendering import CurrentSite, Site, kratos_cookies, kratos_url, redirect
from example_app.urls import safe_path
from ory_guard.client.models.flows import Flow, LoginFlow, SettingsFlow
from ory_guard.client.ui import find_nodes
from ory_guard.exceptions import FlowExpired, FlowForbidden, FlowNotFound, KratosAPIError

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True)
class FlowPage:
    """One of the flows and the words around it."""

    name: str
    title: str
    lead: str


PAGES: Final = (
    FlowPage("login", "Sign in", ""),
    FlowPage("registration", "Create an account", "First who you are, then how you want to sign in."),
    FlowPage("recovery", "Recover your account", "We send a code to your email address; it lets you back in."),
    FlowPage("verification", "Verify your email address", "A code that we send there shows that it is yours."),
    FlowPage("settings", "Settings", "Change what we know about you, and how you sign in."),
)


def _endpoint(page: FlowPage) -> Callable[..., Awaitable[Response]]:
    async def show(request: Request, site: CurrentSite, flow: str | None = None) -> Response:
        if not flow:
            return redirect(kratos_url(site, page.name, **dict(request.query_params)))
        found = await _read(request, site, page, flow)
        if isinstance(found, Response):
            return found
        await _forget_what_changed(request, site, found)
        return _render(request, site, page, found)

    return show


for _page in PAGES:
    router.add_api_route(f"/{_page.name}", _endpoint(_page), methods=["GET"], name=_page.name)


async def _read(request: Request, site: Site, page: FlowPage, flow_id: str) -> Flow | Response:
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
    except (FlowNotFound, ValueError):  # a ValueError is an id that no request can carry
        return _restart(site, page, "gone")
    except FlowForbidden as forbidden:
        return _forbidden(request, site, page, forbidden)
    except KratosAPIError as refusal:
        if refusal.status_code == 401:
            return redirect(kratos_url(site, "login", return_to=_own(site, page.name)))
        return _restart(site, page, "gone")


def _forbidden(request: Request, site: Site, page: FlowPage, forbidden: FlowForbidden) -> Response:
    match forbidden.error_id:
        case "session_aal2_required":
            return redirect(kratos_url(site, "login", aal="aal2", return_to=_own(site, page.name)))
        case "security_identity_mismatch":
            return _restart(site, page, "gone")
        case _:
            # Starting anew by itself could go on for ever in a browser that keeps no cookies.
            words = {"page": page, "start": kratos_url(site, page.name), "error": None}
            return site.page(request, "error.html", words, status_code=403)


def _restart(site: Site, page: FlowPage, notice: str, *, return_to: str | None = None) -> Response:
    return redirect(kratos_url(site, page.name, return_to=return_to), notice)


def _return_to(address: str | None) -> str | None:
    """Return where an expired flow was to lead; Kratos checks it again when the new one starts."""
    return next(iter(parse_qs(urlsplit(address or "").query).get("return_to", [])), None)


def _own(site: Site, path: str) -> str:
    return f"{site.guard.settings.app_url}/{path}"


async def _forget_what_changed(request: Request, site: Site, flow: Flow) -> None:
    """Let the guard ask anew about somebody whose address was verified, or whose settings were changed."""
    session = request.state.ory_session
    if session is not None and flow.state in ("passed_challenge", "success"):
        await site.guard.invalidate(identity_id=session.identity.id)


def _render(request: Request, site: Site, page: FlowPage, flow: Flow) -> Response:
    context: dict[str, Any] = {
        "page": page,
        "flow": flow,
        "title": _title(page, flow),
        "failed": has_error(flow.ui.messages) or any(has_error(node.messages) for node in flow.ui.nodes),
        "goes_on_to": safe_path(site.guard.settings, flow.return_to),
        "links": _links(site, flow),
    }
    if isinstance(flow, SettingsFlow):
        return site.page(request, "settings.html", {**context, **_attention(flow, context["goes_on_to"])})
    if isinstance(flow, LoginFlow) and flow.requested_aal == "aal2" and not offers_method(flow):
        return site.page(request, "enrollment_required.html", context)
    return site.page(request, "flow.html", context)


def _attention(flow: SettingsFlow, goes_on_to: str | None) -> dict[str, Any]:
    """Return what the settings page begins with: codes to keep, or what has to be set up to go on."""
    enrolling = goes_on_to is not None and bool(find_nodes(flow, name="totp_code"))
    if find_nodes(flow, name="lookup_secret_codes"):
        return {"enrolling": False, "first": "lookup_secret"}
    return {"enrolling": enrolling, "first": "totp" if enrolling else None}


def _title(page: FlowPage, flow: Flow) -> str:
    if isinstance(flow, LoginFlow) and flow.requested_aal == "aal2":
        return "One more step"
    if isinstance(flow, LoginFlow) and flow.refresh:
        return "Confirm that it is you"
    return page.title


def _links(site: Site, flow: Flow) -> dict[str, str]:
    return {
        name: kratos_url(site, name, return_to=flow.return_to, after_verification_return_to=flow.return_to)
        for name in ("login", "registration", "recovery", "settings")
    }


@router.get("/error")
async def error(request: Request, site: CurrentSite, id: str = "") -> Response:  # noqa: A002 - Kratos' name
    """Say what Kratos' error report says."""
    report = None
    try:
        report = (await site.guard.client.get_flow_error(id=id)).error if id else None
    except (KratosAPIError, ValueError):
        report = None
    words = {"page": None, "start": kratos_url(site, "login"), "error": report}
    return site.page(request, "error.html", words, status_code=200 if report else 404)
