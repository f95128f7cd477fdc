"""Rendering of pages: the templates, the data of the layout, and redirects with notices."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends
from fastapi.requests import HTTPConnection, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from example_app.guard_activity import ActivityLog
from example_app.other_browser import OtherBrowsers
from example_app.transfers import Ledger
from ory_guard import GuardSettings, OryGuard, SecondFactorRequired, Session, Unavailable
from ory_guard.testing import FakeKratos

__all__ = [
    "MAX_AGE",
    "TEMPLATES",
    "CurrentSite",
    "Site",
    "create_templates",
    "display_name",
    "get_site",
    "redirect",
    "with_notice",
]

TEMPLATES: Final = Path(__file__).parent / "templates"
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
REPOSITORY: Final = "https://github.com/ory-guard/ory_guard/blob/main"
_FLOW_GUIDE: Final = ("docs/how-to/login-pages.md", "ory_guard/ui/flow_pages.py")
GUIDES: Final = {
    "/": ("docs/how-to/fastapi.md", "example_app/pages.py"),
    "/welcome": ("docs/how-to/login-pages.md", "example_app/pages.py"),
    "/me": ("docs/reference/session.md", "example_app/pages.py"),
    "/vault": ("docs/how-to/step-up.md", "example_app/pages.py"),
    "/transfer": ("docs/explanation/aal-and-freshness.md", "example_app/pages.py"),
    "/members": ("docs/reference/fastapi.md", "example_app/pages.py"),
    "/sessions": ("docs/how-to/signing-out.md", "ory_guard/ui/session_pages.py"),
    "/live": ("docs/how-to/websockets-and-streams.md", "example_app/live.py"),
    "/api": ("docs/how-to/fastapi.md", "example_app/api.py"),
    "/outbox": ("docs/how-to/testing.md", "example_app/demo.py"),
}
"""The documentation and the source of each page; all others are pages of flows."""

MAX_AGE: Final = 60
"""The greatest age in seconds of a sign-in that may send money."""

NOTICES: Final = {"signed_out": "You are signed out.", "transfer_sent": "The transfer was sent."}
_NOTICE_COOKIE: Final = "postern_notice"


def create_templates(settings: GuardSettings) -> Jinja2Templates:
    """Return the templates with their filters and functions."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = lambda moment: f"{moment:%-d %B %Y, %H:%M:%S} UTC" if moment else "unknown"
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
        other_browsers: The second browsers of the demo.
    """

    guard: OryGuard
    activity_log: ActivityLog
    fake: FakeKratos | None
    templates: Jinja2Templates
    ledger: Ledger = field(default_factory=Ledger)
    other_browsers: OtherBrowsers = field(default_factory=OtherBrowsers)

    def page(
        self, request: Request, template: str, context: dict[str, Any] | None = None, *, status_code: int = 200
    ) -> HTMLResponse:
        """Return a page, with the notice that a previous response stored in a cookie."""
        notice = request.cookies.get(_NOTICE_COOKIE, "")
        notices = {"notice": NOTICES.get(notice), "notice_id": notice}
        self.activity_log.record_requirement((context or {}).get("requirement"))
        variables = {**self.layout(request), **notices, **(context or {})}
        response = self.templates.TemplateResponse(request, template, variables, status_code=status_code)
        if notice:
            response.delete_cookie(_NOTICE_COOKIE)
        return response

    def layout(self, request: Request) -> dict[str, Any]:
        """Return the variables of the layout, which the pages of the flows share."""
        session: Session | None = request.state.ory_session
        if request.url.path == "/sessions":
            self.activity_log.record_requirement("guard.require(request)")
        return {
            "session": session,
            "user_name": display_name(session) if session else None,
            "needs_second_factor": isinstance(request.state.auth, SecondFactorRequired),
            "unavailable": isinstance(request.state.auth, Unavailable),
            "navigation": NAVIGATION,
            "demo": self.fake is not None,
            "has_passkeys": self.fake is not None and "passkey" in self.fake.settings.methods,
            "nonce": request.state.csp_nonce,
            "activity": self.activity_log.current(),
            "guide": [f"{REPOSITORY}/{file}" for file in GUIDES.get(request.url.path, _FLOW_GUIDE)],
            "max_age": MAX_AGE,
            "recent_seconds": self._recent_seconds(session),
            "other_browser": self.other_browsers.get(session) if session else None,
            "previous_requests": self.activity_log.previous(request.scope),
        }

    def _recent_seconds(self, session: Session | None) -> int | None:
        """Return the seconds for which `require_fresh(MAX_AGE)` is met, or None without a session."""
        if session is None or session.authenticated_at is None:
            return None
        return max(0, int(session.authenticated_at.timestamp() + MAX_AGE - self.guard.clock.time()))


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


def display_name(session: Session) -> str:
    """Return the first name, the email address or the id of the session's identity."""
    traits = session.identity.traits or {}
    name = traits.get("name")
    first_name = name.get("first") if isinstance(name, dict) else None
    return str(first_name or traits.get("email") or session.identity.id)
