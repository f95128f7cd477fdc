"""Rendering of pages: the templates, the data of the layout, redirects with notices, and URLs of Kratos."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Depends
from fastapi.requests import HTTPConnection, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from example_app.flow_forms import render_flow, render_messages
from example_app.guard_activity import ActivityLog
from example_app.transfers import Ledger
from example_app.urls import safe_url
from example_app.user_agents import device_name
from ory_guard import GuardSettings, OryGuard, SecondFactorRequired, Session, Unavailable
from ory_guard.client.operations.table import OPERATIONS
from ory_guard.testing import FakeKratos

__all__ = [
    "CurrentSite",
    "Site",
    "create_templates",
    "display_name",
    "get_site",
    "kratos_cookies",
    "kratos_url",
    "redirect",
    "with_notice",
]

NAVIGATION: Final = (
    ("/", "Home"),
    ("/me", "Me"),
    ("/vault", "Vault"),
    ("/transfer", "Transfer"),
    ("/members", "Members"),
    ("/sessions", "Sessions"),
    ("/live", "Live"),
    ("/api", "API"),
)
NOTICES: Final = {
    "expired": "The form expired. This is a new one; your input was not submitted.",
    "gone": "The form no longer exists. This is a new one.",
    "signed_out": "You are signed out.",
    "session_revoked": "The session was revoked.",
    "sessions_revoked": "All other sessions were revoked.",
    "transfer_sent": "The transfer was sent.",
}
_NOTICE_COOKIE: Final = "postern_notice"
_RETURN_PARAMETERS: Final = frozenset({"return_to", "after_verification_return_to"})
_KRATOS_COOKIES: Final = ("csrf_token", "ory_")


def create_templates(settings: GuardSettings) -> Jinja2Templates:
    """Return the templates with their filters and functions."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    render = partial(render_flow, url=partial(safe_url, settings))
    environment.globals.update(render_flow=render, render_messages=render_messages)
    environment.filters["time"] = lambda moment: f"{moment:%-d %B %Y, %H:%M:%S} UTC" if moment else "unknown"
    environment.filters["device"] = device_name
    environment.filters["absolute"] = lambda path: f"{settings.app_url}{path}"
    return Jinja2Templates(env=environment)


@dataclass(frozen=True)
class Site:
    """The parts of the running application.

    Attributes:
        guard: The guard; `guard.client` reads Kratos' flows.
        activity_log: The guard's activity.
        fake: The embedded Kratos, or None for a real one.
        templates: The templates.
        ledger: The transfers of the demo bank.
    """

    guard: OryGuard
    activity_log: ActivityLog
    fake: FakeKratos | None
    templates: Jinja2Templates
    ledger: Ledger = field(default_factory=Ledger)

    def page(
        self, request: Request, template: str, context: dict[str, Any] | None = None, *, status_code: int = 200
    ) -> HTMLResponse:
        """Return a page, with the notice that a previous response stored in a cookie."""
        session: Session | None = request.state.ory_session
        notice = request.cookies.get(_NOTICE_COOKIE, "")
        layout = {
            "session": session,
            "user_name": display_name(session) if session else None,
            "needs_second_factor": isinstance(request.state.auth, SecondFactorRequired),
            "unavailable": isinstance(request.state.auth, Unavailable),
            "navigation": NAVIGATION,
            "demo": self.fake is not None,
            "nonce": request.state.csp_nonce,
            "notice": NOTICES.get(notice),
            "notice_id": notice,
            "activity": self.activity_log.current(),
            "previous_requests": self.activity_log.previous(request.scope),
            "requirement": None,
        }
        response = self.templates.TemplateResponse(
            request, template, {**layout, **(context or {})}, status_code=status_code
        )
        if notice:
            response.delete_cookie(_NOTICE_COOKIE)
        return response


def get_site(connection: HTTPConnection) -> Site:
    """Return the site of the application that handles a connection."""
    site: Site = connection.app.state.site
    return site


CurrentSite = Annotated[Site, Depends(get_site)]


def redirect(url: str, notice: str | None = None) -> Response:
    """Return a redirect; the next page shows the given notice of `NOTICES`."""
    response = RedirectResponse(url, 303)
    return response if notice is None else with_notice(response, notice)


def with_notice(response: Response, notice: str) -> Response:
    """Store a notice of `NOTICES` in a cookie, and return the response."""
    response.set_cookie(_NOTICE_COOKIE, notice, max_age=60, httponly=True, samesite="lax")
    return response


def kratos_url(site: Site, flow: str, /, **parameters: str | None) -> str:
    """Return the URL that starts a flow, without unknown parameters and unsafe return URLs."""
    known = OPERATIONS[f"create_browser_{flow}_flow"].query
    for name in parameters.keys() & _RETURN_PARAMETERS:
        parameters[name] = safe_url(site.guard.settings, parameters[name])
    query = urlencode({name: value for name, value in parameters.items() if value and name in known})
    url = f"{site.guard.settings.kratos_browser_url}/self-service/{flow}/browser"
    return f"{url}?{query}" if query else url


def kratos_cookies(request: Request, site: Site) -> str | None:
    """Return Kratos' cookies from the `Cookie` header; the application's own are not forwarded to Kratos."""
    names = tuple(name.rstrip("*") for name in site.guard.settings.cookie_names)
    pairs = (pair.strip() for pair in request.headers.get("cookie", "").split(";"))
    forwarded = [pair for pair in pairs if pair.startswith((*_KRATOS_COOKIES, *names)) and _is_plain(pair)]
    return "; ".join(forwarded) or None


def display_name(session: Session) -> str:
    """Return the first name, the email address or the id of the session's identity."""
    traits = session.identity.traits or {}
    name = traits.get("name")
    first_name = name.get("first") if isinstance(name, dict) else None
    return str(first_name or traits.get("email") or session.identity.id)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
