"""What stands before the guard: one host name, applications beside the application, and security headers.

Plain ASGI middlewares, each with one job; requests for static files and for the embedded Kratos never reach the
guard.
"""

import secrets
from collections.abc import Collection
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = ["CanonicalHost", "PathMount", "SecurityHeaders"]


class CanonicalHost:
    """Sends requests for `localhost` to the host of `app_url`: cookies know only one of the two names."""

    def __init__(self, app: ASGIApp, app_url: str) -> None:
        self._app = app
        self._origin = origin_of(app_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and "//localhost" not in self._origin and _is_localhost(scope):
            query = scope["query_string"].decode("ascii", "replace")
            path = scope["path"] if scope["path"].startswith("/") else "/"
            url = self._origin + quote(path) + (f"?{quote(query, safe='%&=+:/?,;@')}" if query else "")
            await RedirectResponse(url, 307)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_localhost(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) == 1 and hosts[0].split(b":")[0].lower() == b"localhost"


class PathMount:
    """Hands the paths below a prefix to another application, and everything else on."""

    def __init__(self, app: ASGIApp, prefix: str, other: ASGIApp) -> None:
        self._app = app
        self._prefix = prefix
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and scope["path"].startswith(f"{self._prefix}/"):
            inner = {**scope, "root_path": scope.get("root_path", "") + self._prefix}
            await self._other(inner, receive, send)
            return
        await self._app(scope, receive, send)


class SecurityHeaders:
    """Adds a strict Content-Security-Policy and its companions to every answer.

    Scripts run from this origin, or with the nonce of this very answer (`request.state.csp_nonce`), which is for
    Kratos' `webauthn.js`. Forms go to this origin and to Kratos; browsers check where a form is redirected, too,
    so the origins of sign-in providers have to be named.

    Args:
        app: The application.
        settings: The guard's settings.
        form_origins: Where else Kratos may send a form on to.
    """

    def __init__(self, app: ASGIApp, settings: GuardSettings, form_origins: Collection[str] = ()) -> None:
        self._app = app
        kratos = origin_of(settings.kratos_browser_url)
        others = [] if kratos == origin_of(settings.app_url or kratos) else [kratos]
        forms = " ".join(["'self'", *others, *map(origin_of, form_origins)])
        self._policy = (
            "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope["state"] = {**scope.get("state", {}), "csp_nonce": nonce}  # some servers share it between requests

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", self._policy.format(nonce=nonce))
                headers.setdefault("x-content-type-options", "nosniff")
                # The guard sends people back to the form that a refused POST came from: it reads the Referer.
                headers.setdefault("referrer-policy", "same-origin")
                headers.setdefault("cross-origin-opener-policy", "same-origin")
            await send(message)

        await self._app(scope, receive, send_with_headers)
