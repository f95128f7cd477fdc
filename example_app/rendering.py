"""What every page shares: the guard, the templates, and what the layout shows around a page's own content."""

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
from example_app.user_agents import device_of
from ory_guard import GuardSettings, OryGuard, SecondFactorRequired, Session, Unavailable
from ory_guard.client.operations.table import OPERATIONS
from ory_guard.testing import FakeKratos

__all__ = [
    "CurrentSite",
    "Site",
    "kratos_cookies",
    "kratos_url",
    "name_of",
    "redirect",
    "site_of",
    "templates",
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
    "expired": "The form had expired, so here is a new one. Nothing that you typed was sent.",
    "gone": "That form is not known any more, so here is a new one.",
    "signed_out": "You are signed out.",
    "session_ended": "That session is signed out.",
    "sessions_ended": "All your other sessions are signed out.",
    "transfer_sent": "The money is on its way.",
}
_NOTICE: Final = "postern_notice"
_RETURN_ADDRESSES: Final = frozenset({"return_to", "after_verification_return_to"})
_KRATOS_COOKIES: Final = ("csrf_token", "ory_")


def templates(settings: GuardSettings) -> Jinja2Templates:
    """Return the pages of a site."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    show = partial(render_flow, url=partial(safe_url, settings))
    environment.globals.update(render_flow=show, render_messages=render_messages)
    environment.filters["time"] = lambda moment: f"{moment:%-d %B %Y, %H:%M:%S} UTC" if moment else "unknown"
    environment.filters["device"] = device_of
    environment.filters["absolute"] = lambda path: f"{settings.app_url}{path}"
    return Jinja2Templates(env=environment)


@dataclass(frozen=True)
class Site:
    """The parts of the running application.

    Attributes:
        guard: The guard; `guard.client` is the way to Kratos' flows.
        activity_log: What the guard did.
        fake: The embedded Kratos, or None.
        templates: The pages.
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
        """Return a page; a notice that an earlier answer left in a cookie is shown on it, once."""
        session: Session | None = request.state.ory_session
        notice = request.cookies.get(_NOTICE, "")
        shared = {
            "session": session,
            "person": name_of(session) if session else None,
            "half_signed_in": isinstance(request.state.auth, SecondFactorRequired),
            "unavailable": isinstance(request.state.auth, Unavailable),
            "navigation": NAVIGATION,
            "demo": self.fake is not None,
            "nonce": request.state.csp_nonce,
            "notice": NOTICES.get(notice),
            "notice_id": notice,
            "visit": self.activity_log.current(),
            "earlier": self.activity_log.earlier(request.scope),
            "gate": None,
        }
        response = self.templates.TemplateResponse(
            request, template, {**shared, **(context or {})}, status_code=status_code
        )
        if notice:
            response.delete_cookie(_NOTICE)
        return response


def site_of(connection: HTTPConnection) -> Site:
    """Return the site that an application serves."""
    site: Site = connection.app.state.site
    return site


CurrentSite = Annotated[Site, Depends(site_of)]


def redirect(address: str, notice: str | None = None) -> Response:
    """Return a redirect after which the next page shows a notice of `NOTICES`."""
    response = RedirectResponse(address, 303)
    return response if notice is None else with_notice(response, notice)


def with_notice(response: Response, notice: str) -> Response:
    """Let the next page of this browser show a notice of `NOTICES`."""
    response.set_cookie(_NOTICE, notice, max_age=60, httponly=True, samesite="lax")
    return response


def kratos_url(site: Site, flow: str, /, **parameters: str | None) -> str:
    """Return where a browser starts a flow; unknown parameters and unsafe return addresses are left out."""
    known = OPERATIONS[f"create_browser_{flow}_flow"].query
    for name in parameters.keys() & _RETURN_ADDRESSES:
        parameters[name] = safe_url(site.guard.settings, parameters[name])
    query = urlencode({name: value for name, value in parameters.items() if value and name in known})
    address = f"{site.guard.settings.kratos_browser_url}/self-service/{flow}/browser"
    return f"{address}?{query}" if query else address


def kratos_cookies(request: Request, site: Site) -> str | None:
    """Return the part of the `Cookie` header that is Kratos' business: nothing else is handed on to it."""
    names = tuple(name.rstrip("*") for name in site.guard.settings.cookie_names)
    pairs = (pair.strip() for pair in request.headers.get("cookie", "").split(";"))
    kept = [pair for pair in pairs if pair.startswith((*_KRATOS_COOKIES, *names)) and _is_plain(pair)]
    return "; ".join(kept) or None


def name_of(session: Session) -> str:
    """Return what to call somebody: their first name, their email address, or at least their id."""
    traits = session.identity.traits or {}
    name = traits.get("name")
    first = name.get("first") if isinstance(name, dict) else None
    return str(first or traits.get("email") or session.identity.id)


def _is_plain(pair: str) -> bool:
    return pair.isascii() and pair.isprintable()
