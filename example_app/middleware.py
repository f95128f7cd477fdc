"""Middleware in front of the guard: one host name, mounted applications, and security headers.

Requests for static files and for the embedded Kratos do not reach the guard.
"""

import secrets
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = ["CanonicalHost", "PathMount", "SecurityHeaders"]


class CanonicalHost:
    """Redirects requests from `localhost` to the host of `app_url`, or from 127.0.0.1 to `localhost`.

    Cookies are set for only one host.
    """

    def __init__(self, app: ASGIApp, app_url: str) -> None:
        self._app = app
        self._origin = origin_of(app_url)
        self._other_host = b"127.0.0.1" if urlsplit(app_url).hostname == "localhost" else b"localhost"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and _host(scope) == self._other_host:
            query = scope["query_string"].decode("ascii", "replace")
            path = scope["path"] if scope["path"].startswith("/") else "/"
            url = self._origin + quote(path) + (f"?{quote(query, safe='%&=+:/?,;@')}" if query else "")
            await RedirectResponse(url, 307)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _host(scope: Scope) -> bytes:
    hosts: list[bytes] = [value for name, value in scope["headers"] if name == b"host"]
    return hosts[0].split(b":")[0].lower() if len(hosts) == 1 else b""


class PathMount:
    """Routes requests below a path to a mounted application."""

    def __init__(self, app: ASGIApp, path: str, mounted: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._mounted = mounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and scope["path"].startswith(f"{self._path}/"):
            mounted_scope = {**scope, "root_path": scope.get("root_path", "") + self._path}
            await self._mounted(mounted_scope, receive, send)
            return
        await self._app(scope, receive, send)


class SecurityHeaders:
    """Adds a strict Content-Security-Policy and related headers to every response.

    Scripts are loaded from this origin, or with the nonce of the response (`request.state.csp_nonce`), which
    Kratos' `webauthn.js` needs. Forms are submitted to this origin and to Kratos. Browsers also check the redirects
    of a form, so the origins of sign-in providers must be listed.

    Args:
        app: The application.
        settings: The guard's settings.
        form_origins: Further origins to which Kratos may redirect a form.
    """

    def __init__(self, app: ASGIApp, settings: GuardSettings, form_origins: Collection[str] = ()) -> None:
        self._app = app
        kratos = origin_of(settings.kratos_browser_url)
        kratos_origins = [] if kratos == origin_of(settings.app_url or kratos) else [kratos]
        form_action = " ".join(["'self'", *kratos_origins, *map(origin_of, form_origins)])
        self._policy = (
            "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        # A copy: some servers share the state between requests.
        scope["state"] = {**scope.get("state", {}), "csp_nonce": nonce}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", self._policy.format(nonce=nonce))
                headers.setdefault("x-content-type-options", "nosniff")
                # The guard reads the Referer to redirect back to the form of a refused POST.
                headers.setdefault("referrer-policy", "same-origin")
                headers.setdefault("cross-origin-opener-policy", "same-origin")
            await send(message)

        await self._app(scope, receive, send_with_headers)
