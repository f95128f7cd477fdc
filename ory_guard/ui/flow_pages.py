"""The pages of Kratos' self-service flows.

Kratos redirects a browser to `<mount>/login?flow=…`, and the page reads that flow and renders it. Without `flow`,
the page redirects to Kratos to start one.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ory_guard.client.models.flows import Flow, LoginFlow, SettingsFlow
from ory_guard.client.ui import find_nodes
from ory_guard.exceptions import FlowExpired, FlowForbidden, FlowNotFound, KratosAPIError
from ory_guard.models.outcomes import Authenticated
from ory_guard.ui.content_security_policy import allow_providers
from ory_guard.ui.error_page import show_foreign_form
from ory_guard.ui.forms import PROVIDERS, has_error, hidden_value, offers_method
from ory_guard.ui.page_renderer import PageRenderer, cookie_problem
from ory_guard.ui.request_cookies import kratos_cookies
from ory_guard.ui.urls import (
    FLOWS,
    carried_parameters,
    safe_destination,
    safe_url,
    settings_purpose,
    visitor_parameters,
)

__all__ = ["show_flow", "start_login"]

_FLOW_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
SECOND_FACTORS: Final = ("totp", "webauthn", "lookup_secret")
"""The groups of a settings flow that enroll a second factor, with the most common one first."""

_ENROLLED: Final = ("totp_unlink", "webauthn_remove", "lookup_secret_disable", "lookup_secret_reveal")
_LINK_ACCOUNT: Final = 1010016


async def start_login(renderer: PageRenderer, request: Request) -> Response:
    """Start a login, or show why no login would help this browser."""
    return await _start(renderer, request, "login")


async def show_flow(renderer: PageRenderer, request: Request, name: str) -> Response:
    """Show a flow, or start one if the URL has none."""
    flow_id = request.query_params.get("flow")
    if not flow_id:
        return await _start(renderer, request, name)
    if not _FLOW_ID.fullmatch(flow_id):
        return _restart(renderer, request, name, "gone")
    result = await _read_flow(renderer, request, name, flow_id)
    if isinstance(result, Response):
        return result
    await _invalidate_changed_identity(renderer, request, result)
    return await _render(renderer, request, name, result)


async def _start(renderer: PageRenderer, request: Request, name: str) -> Response:
    url = renderer.start_url(name, visitor_parameters(name, request.query_params))
    if cookie_problem(await renderer.guard.authenticate(request)) is None:
        return renderer.redirect(request, url)
    t = renderer.translator(request)
    context = {"title": t("title.cookies"), "start": url, "is_cookie_page": True}
    return await renderer.page(request, "cookies.html", context)


async def _read_flow(renderer: PageRenderer, request: Request, name: str, flow_id: str) -> Flow | Response:
    client = renderer.guard.client
    readers: Mapping[str, Callable[..., Awaitable[Flow]]] = {
        "login": client.get_login_flow,
        "registration": client.get_registration_flow,
        "recovery": client.get_recovery_flow,
        "verification": client.get_verification_flow,
        "settings": client.get_settings_flow,
    }
    try:
        return await readers[name](id=flow_id, cookie=kratos_cookies(request, renderer.settings))
    except FlowExpired as expired:
        return _restart(renderer, request, name, "expired", return_to=_return_to(expired.redirect_browser_to))
    except FlowNotFound:
        return _restart(renderer, request, name, "gone")
    except FlowForbidden as forbidden:
        return await _forbidden(renderer, request, name, forbidden)
    except KratosAPIError as error:
        if error.status_code != 401:
            raise  # a new flow would have the same result
        return renderer.redirect(
            request, renderer.start_url("login", {"return_to": renderer.page_url(request, name)})
        )


async def _forbidden(renderer: PageRenderer, request: Request, name: str, forbidden: FlowForbidden) -> Response:
    match forbidden.error_id:
        case "session_aal2_required":
            parameters = {"aal": "aal2", "return_to": renderer.page_url(request, name)}
            return renderer.redirect(request, renderer.start_url("login", parameters))
        case "security_identity_mismatch":
            return _restart(renderer, request, name, "gone")
        case _:
            # An automatic restart would loop forever in a browser without cookies.
            return await show_foreign_form(renderer, request, renderer.start_url(name, {}))


def _restart(
    renderer: PageRenderer, request: Request, name: str, notice: str, *, return_to: str | None = None
) -> Response:
    parameters = {**dict(request.query_params), "return_to": return_to}
    return renderer.redirect(request, renderer.start_url(name, parameters), notice)


def _return_to(url: str | None) -> str | None:
    """Return the `return_to` of an expired flow; Kratos validates it again when the new flow starts."""
    return next(iter(parse_qs(urlsplit(url or "").query).get("return_to", [])), None)


async def _invalidate_changed_identity(renderer: PageRenderer, request: Request, flow: Flow) -> None:
    """Invalidate the cached sessions of an identity whose address was verified or whose settings were changed."""
    if flow.state in ("passed_challenge", "success"):
        outcome = await renderer.guard.authenticate(request)
        if isinstance(outcome, Authenticated):
            await renderer.guard.invalidate(identity_id=outcome.session.identity.id)


async def _render(renderer: PageRenderer, request: Request, name: str, flow: Flow) -> Response:
    if safe_url(renderer.settings, flow.ui.action) is None:
        renderer.operator_log.warning(
            "ui.unknown_action action=%r kratos=%s: forms are not displayed, because their address is not below "
            "kratos_browser_url; set it to serve.public.base_url of Kratos",
            flow.ui.action.partition("?")[0],
            renderer.settings.kratos_browser_url,
        )
    if getattr(flow, "oauth2_login_challenge", None) or any(node.group in PROVIDERS for node in flow.ui.nodes):
        allow_providers(request)
    t = renderer.translator(request)
    destination = safe_destination(renderer.settings, flow.return_to)
    parameters = carried_parameters(flow)
    context: dict[str, Any] = {
        "name": name,
        "flow": flow,
        "title": t(f"title.{_title(name, flow)}"),
        "lead": t(f"lead.{name}") if t.has(f"lead.{name}") else "",
        "failed": has_error(flow.ui.messages) or any(has_error(node.messages) for node in flow.ui.nodes),
        "destination": destination and destination[1],
        "continue_url": destination[0] if destination else renderer.settings.app_url,
        "links": {flow_name: renderer.start_url(flow_name, parameters) for flow_name in FLOWS},
        "identifier": _identifier(flow),
        "offers_method": offers_method(flow),
    }
    if isinstance(flow, SettingsFlow):
        order = _settings_order(flow, context["destination"] or _home_name(renderer, flow))
        all_settings = renderer.start_url("settings", {})
        return await renderer.page(request, "settings.html", {**context, **order, "all_settings": all_settings})
    if isinstance(flow, LoginFlow) and flow.requested_aal == "aal2" and not offers_method(flow):
        context["title"] = t("title.second_factor_required")
        return await renderer.page(request, "second_factor.html", context)
    return await renderer.page(request, "flow.html", context)


def _identifier(flow: Flow) -> str | None:
    """Return the identifier of a login, if an earlier step has found it."""
    if not isinstance(flow, LoginFlow) or flow.requested_aal == "aal2":
        return None
    return hidden_value(flow, "identifier")


def _home_name(renderer: PageRenderer, flow: Flow) -> str | None:
    """Return the name of the application for a flow that returns to its home page."""
    app_url = str(renderer.settings.app_url)
    return app_url.partition("://")[2] if (flow.return_to or "").rstrip("/") == app_url else None


def _settings_order(flow: SettingsFlow, destination: str | None) -> dict[str, Any]:
    """Return which sections of the settings page are shown, and which is the first.

    If a page requires a second factor, and the identity has none, the other sections would lead back to that page
    without having met its requirement.
    """
    offered = [group for group in SECOND_FACTORS if any(node.group == group for node in flow.ui.nodes)]
    purpose = settings_purpose(flow)
    is_required = purpose == "requirement" and destination is not None and bool(offered)
    first = "password" if purpose == "recovery" else offered[0] if is_required else None
    if find_nodes(flow, name="lookup_secret_codes"):
        first = "lookup_secret"
    is_enrolled = any(find_nodes(flow, name=name) for name in _ENROLLED)
    return {
        "is_enrollment": is_required and not is_enrolled,
        "first": first,
        "second_factors": SECOND_FACTORS,
        "destination": destination,
    }


def _title(name: str, flow: Flow) -> str:
    if not isinstance(flow, LoginFlow):
        return name
    if flow.requested_aal == "aal2":
        return "second_factor"
    if any(message.id == _LINK_ACCOUNT for message in flow.ui.messages):
        return "link_account"
    return "refresh" if flow.refresh else "login"
