"""`FlowPages`: the pages of Kratos' self-service flows as an ASGI application to mount."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from ory_guard.exceptions import (
    ConfigurationError,
    CsrfViolation,
    KratosAPIError,
    KratosRateLimited,
    KratosUnavailable,
)
from ory_guard.guard.context import SCOPE_KEY
from ory_guard.guard.csrf import CSRFPolicy
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.middleware import OrySessionMiddleware
from ory_guard.kratos.caller import anonymous_caller, calling
from ory_guard.kratos.urls import exact_origin, origin_of
from ory_guard.models.outcomes import Authenticated
from ory_guard.ui import session_pages
from ory_guard.ui.assets import Assets
from ory_guard.ui.content_security_policy import ContentSecurityPolicy
from ory_guard.ui.error_page import show_error, show_failure
from ory_guard.ui.flow_pages import show_flow, start_login
from ory_guard.ui.operator_log import OperatorLog
from ory_guard.ui.page_renderer import ContextProcessor, PageRenderer
from ory_guard.ui.template_environment import Templates, create_environment, template_folders
from ory_guard.ui.translations import Catalogs, Translations
from ory_guard.ui.urls import FLOWS, server_root_path

__all__ = ["FlowPages"]

_Endpoint = Callable[[PageRenderer, Request], Awaitable[Response]]
_ROOT_PATH_KEY: Final = "ory_guard.ui.root_path"
_SCRIPT_FAILED: Final = (
    "ui.script_failed kratos=%s origin=%s: browsers can't load webauthn.js, so passkeys and security keys don't "
    "work; enable serve.public.cors in Kratos for this origin, or use KratosProxy"
)
_CREDENTIAL_REJECTED: Final = (
    "ui.credential_rejected kratos=%s origin=%s: browsers reject passkeys and security keys on this origin; set "
    "rp.origins of webauthn and passkey in Kratos to it, and rp.id to its host, which must not be an IP address"
)


class FlowPages:
    """The pages of Kratos' flows: login, registration, recovery, verification, settings, sessions and errors.

    An ASGI application: mount it, and set Kratos' `ui_url` of each flow to `<mount>/login`, `<mount>/registration`
    and so on. Forms are submitted directly to Kratos. The pages work without JavaScript, except for passkeys and
    security keys, and load nothing from other sites.

    Args:
        guard: The guard of the application; the settings need `app_url`.
        brand: The name of the site. Default: the host of `app_url`.
        logo: The URL of a logo: a path of this site, or a `data:` URL of an image.
        templates: A folder, or several, whose templates replace the built-in ones of the same name. A replacement
            can extend the built-in template, such as `{% extends "ory_guard/flow.html" %}`. A file `theme.css`
            replaces the custom properties of the style sheet.
        translations: More languages: by language, the texts by Kratos' message id or by the name of a text of the
            pages. English and German are included.
        head: HTML at the end of `<head>`, such as a link to a style sheet of this site. It is not escaped.
        foot: HTML of the footer. It is not escaped.
        context_processors: Functions that take the request and return more variables for the templates.
        form_origins: The origins, besides the application, Kratos and `trusted_origins`, to which Kratos may
            redirect a form, such as those of sign-in providers. Default: for pages with a provider or an OAuth2
            login request, any https origin.

    Raises:
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self,
        guard: OryGuard,
        *,
        brand: str | None = None,
        logo: str | None = None,
        templates: Templates | None = None,
        translations: Translations | None = None,
        head: str = "",
        foot: str = "",
        context_processors: Sequence[ContextProcessor] = (),
        form_origins: Collection[str] | None = None,
    ) -> None:
        settings = guard.settings
        if settings.app_url is None:
            raise ConfigurationError("FlowPages needs app_url in the settings of the guard: set ORY_GUARD_APP_URL")
        self._renderer = PageRenderer(
            guard=guard,
            environment=create_environment(templates),
            catalogs=Catalogs(translations),
            assets=Assets(template_folders(templates)),
            brand=str(urlsplit(settings.app_url).hostname) if brand is None else brand,
            logo=_checked_logo(logo, settings.app_url),
            head=head,
            foot=foot,
            context_processors=tuple(context_processors),
            operator_log=OperatorLog(guard.clock),
        )
        self._policy = ContentSecurityPolicy(settings, _checked_origins(form_origins))
        self._csrf = CSRFPolicy(settings)
        self._router = Router(self._routes(), redirect_slashes=False)  # such a redirect would go to the `Host`
        self._app = OrySessionMiddleware(self._route_request, guard=guard)

    def __repr__(self) -> str:
        return f"<FlowPages {self._renderer.brand!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, inside of the guard's middleware or without it."""
        if scope["type"] == "http" and SCOPE_KEY not in scope:
            # The guard does not see the mount, so that it belongs to the path of the request.
            root_path = scope.get("root_path", "")
            outer = server_root_path(self._renderer.settings, root_path)
            scope = {**scope, "root_path": outer, _ROOT_PATH_KEY: root_path}
        await self._app(scope, receive, send)

    async def _route_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _ROOT_PATH_KEY in scope:
            scope["root_path"] = scope[_ROOT_PATH_KEY]
        with calling(anonymous_caller(scope.get("client"))):  # clients take turns to read their flows
            await self._router(scope, receive, send)

    def _routes(self) -> list[Route]:
        pages: dict[str, _Endpoint] = {f"/{name}": partial(show_flow, name=name) for name in FLOWS}
        pages |= {
            "/error": show_error,
            "/sessions": session_pages.show_sessions,
            "/cookies": session_pages.show_cookies,
        }
        return [
            self._route("/", start_login),
            *(self._route(path + slash, page) for path, page in pages.items() for slash in ("", "/")),
            self._route("/sessions/others/revoke", session_pages.revoke_other_sessions, "POST"),
            self._route("/sessions/{session_id:uuid}/revoke", session_pages.revoke_session, "POST"),
            self._route("/logout", session_pages.log_out, "POST"),
            self._route("/cookies", session_pages.delete_cookies, "POST"),
            self._route("/script-failure", partial(self._report_failure, _SCRIPT_FAILED), "POST"),
            self._route("/credential-failure", partial(self._report_failure, _CREDENTIAL_REJECTED), "POST"),
            Route("/assets/{name}", self._send_asset, methods=["GET"]),
        ]

    def _route(self, path: str, endpoint: _Endpoint, method: str = "GET") -> Route:
        return Route(path, partial(self._respond, endpoint), methods=[method])

    async def _respond(self, endpoint: _Endpoint, request: Request) -> Response:
        """Return the response of an endpoint, with the headers of every page."""
        request.state.csp_nonce = secrets.token_urlsafe(16)
        try:
            response = await endpoint(self._renderer, request)
        except KratosUnavailable as error:
            response = await show_failure(self._renderer, request, status_code=503)
            seconds = error.retry_after if isinstance(error, KratosRateLimited) else 1
            response.headers["retry-after"] = str(seconds)
        except KratosAPIError as error:
            response = await self._rejected_by_kratos(request, error)
        response.headers.update(self._policy.headers(request))
        return response

    async def _rejected_by_kratos(self, request: Request, error: KratosAPIError) -> Response:
        """Respond to an error of Kratos, and invalidate the session, because Kratos may have ended it."""
        outcome = await self._renderer.guard.authenticate(request)
        if isinstance(outcome, Authenticated):
            await self._renderer.guard.invalidate(session_id=outcome.session.id)
        if error.status_code == 401:
            return self._renderer.redirect(request, self._renderer.start_url("login", {}))
        return await show_failure(self._renderer, request, status_code=error.status_code)

    async def _report_failure(self, problem: str, renderer: PageRenderer, request: Request) -> Response:
        """Log a problem that the script of a page has noticed in a browser."""
        if self._csrf.is_cross_site(request.scope):
            raise CsrfViolation
        settings = renderer.settings
        renderer.operator_log.warning(problem, settings.kratos_browser_url, origin_of(str(settings.app_url)))
        return Response(status_code=204)

    async def _send_asset(self, request: Request) -> Response:
        response = self._renderer.assets.response(request)
        if response is None:
            raise HTTPException(404)
        response.headers["x-content-type-options"] = "nosniff"
        return response


def _checked_origins(origins: Collection[str] | None) -> tuple[str, ...] | None:
    if isinstance(origins, str):
        raise ConfigurationError(f"FlowPages: form_origins is a string: pass a list of origins, [{origins!r}]")
    if origins is None:
        return None
    try:
        return tuple(exact_origin(origin) for origin in origins)
    except ValueError as error:
        raise ConfigurationError(f"FlowPages: form_origins: {error}") from None


def _checked_logo(logo: str | None, app_url: str) -> str | None:
    """Return the URL of the logo; the pages load nothing from other sites."""
    if logo is None or logo.startswith("data:image/"):
        return logo
    is_path = logo.startswith("/") and not logo.startswith(("//", "/\\"))
    if is_path or logo.startswith(f"{origin_of(app_url)}/"):
        return logo
    raise ConfigurationError(
        f"FlowPages: logo: {logo!r} is on another site: use a path of this site, such as /static/logo.svg, or a "
        "data: URL of an image"
    )
