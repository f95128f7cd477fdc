"""The rendering of the pages, which share the guard, the texts and the layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ory_guard.guard.guard import OryGuard
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, SecondFactorRequired
from ory_guard.ui.assets import Assets
from ory_guard.ui.operator_log import OperatorLog
from ory_guard.ui.request_cookies import NOTICE_COOKIE, redirect
from ory_guard.ui.template_environment import NodeURLs
from ory_guard.ui.translations import Catalogs, Translator
from ory_guard.ui.urls import flow_url, is_kratos_url, mount_url, safe_url

__all__ = ["ContextProcessor", "PageRenderer"]

ContextProcessor = Callable[[Request], Mapping[str, Any]]
"""Returns more variables for the templates of a request, as in `starlette.templating`."""


@dataclass(frozen=True)
class PageRenderer:
    """Renders the pages of one `FlowPages`.

    Attributes:
        guard: The guard; `guard.client` reads Kratos' flows.
        environment: The templates.
        catalogs: The texts.
        assets: The style sheets and the script.
        brand: The name of the site.
        logo: The URL of the logo, or None.
        head: HTML at the end of each page's `head`.
        foot: HTML of each page's footer.
        operator_log: The log of problems of the configuration.
        context_processors: Functions that return more variables for the templates.
    """

    guard: OryGuard
    environment: Environment
    catalogs: Catalogs
    assets: Assets
    brand: str
    logo: str | None
    head: str
    foot: str
    operator_log: OperatorLog
    context_processors: Sequence[ContextProcessor] = field(default=())

    @property
    def settings(self) -> GuardSettings:
        """The settings of the guard."""
        return self.guard.settings

    def translator(self, request: Request) -> Translator:
        """Return the texts in the visitor's language."""
        return self.catalogs.for_header(request.headers.get("accept-language", ""))

    def mount_path(self, request: Request) -> str:
        """Return the path of the pages, without a slash at its end."""
        return urlsplit(mount_url(self.settings, request.scope)).path.rstrip("/")

    def page_url(self, request: Request, page: str) -> str:
        """Return the public URL of a page."""
        return f"{mount_url(self.settings, request.scope)}/{page}"

    def start_url(self, flow: str, parameters: Mapping[str, str | None]) -> str:
        """Return the URL at which Kratos starts a flow."""
        return flow_url(self.settings, flow, parameters)

    def redirect(self, request: Request, url: str, notice: str | None = None) -> Response:
        """Return a redirect; the next page shows the notice."""
        mount = self.mount_path(request) or "/"
        return redirect(url, notice, mount=mount, secure=str(self.settings.app_url).startswith("https:"))

    async def page(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any],
        *,
        status_code: int = 200,
    ) -> Response:
        """Return a page, with the notice that a previous response stored in a cookie."""
        outcome = await self.guard.authenticate(request)
        variables = {**self._layout(request, outcome), **context}
        for processor in self.context_processors:
            variables.update(processor(request))
        html = self.environment.get_template(template).render(variables)
        response = HTMLResponse(html, status_code=status_code)
        if NOTICE_COOKIE in request.cookies:
            response.delete_cookie(NOTICE_COOKIE, path=self.mount_path(request) or "/")
        return response

    def _layout(self, request: Request, outcome: Outcome) -> dict[str, Any]:
        t = self.translator(request)
        mount = self.mount_path(request)
        notice = f"notice.{request.cookies.get(NOTICE_COOKIE, '')}"
        session = outcome.session if isinstance(outcome, Authenticated) else None
        return {
            "request": request,
            "t": t,
            "nonce": request.state.csp_nonce,
            "node_urls": NodeURLs(link=partial(safe_url, self.settings), script=self._script_url),
            "brand": self.brand,
            "logo": self.logo,
            "head": Markup(self.head),  # noqa: S704 - HTML of the application
            "foot": Markup(self.foot),  # noqa: S704 - HTML of the application
            "home": self.settings.app_url,
            "mount": mount,
            "style_sheets": [self.assets.url(mount, name) for name in ("theme.css", "pages.css")],
            "script": self.assets.url(mount, "pages.js"),
            "notice": t(notice) if t.has(notice) else None,
            "session": session,
            "is_signed_in": session is not None or isinstance(outcome, SecondFactorRequired),
            "cookie_problem": cookie_problem(outcome),
            "is_cookie_page": False,
        }

    def _script_url(self, url: str) -> str | None:
        """Return the URL of a script if Kratos serves it."""
        return url if is_kratos_url(self.settings, url) else None


def cookie_problem(outcome: Outcome) -> str | None:
    """Return why the cookies of a request hide its session: `ambiguous` or `malformed`; else None."""
    if isinstance(outcome, Rejected) and outcome.credential == "cookie":
        return outcome.reason if outcome.reason in ("ambiguous", "malformed") else None
    return None
