"""How a refusal is answered: a redirect or a page for a person, honest JSON for everybody else."""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from ory_guard.exceptions import (
    EnrollmentRequired,
    KratosRateLimited,
    KratosUnavailable,
    OryGuardError,
    ReauthenticationRequired,
    Refusal,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)
from ory_guard.guard.context import AuthContext, current_url, get_auth_context, header
from ory_guard.guard.responses import error_pages as pages
from ory_guard.guard.responses.redirect_loop import record_redirect
from ory_guard.guard.responses.redirects import enrollment_url, login_url, safe_return_to
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = ["Answer", "answer", "is_navigation", "refusal_for", "refusal_handler", "register_refusal_handler"]

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]

_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
_MESSAGES: Final = {
    401: "The request could not be authorized",
    403: "The requested action was forbidden",
    503: "The session could not be checked",
}


class Answer:
    """An ASGI application that gives one answer, on http and on websocket scopes alike.

    Args:
        status_code: The HTTP status.
        headers: Header names in lower case, values as sent.
        body: The whole body.
        accepted: Whether a websocket was accepted before, so that it can only be closed.
    """

    def __init__(
        self, status_code: int, headers: list[tuple[bytes, bytes]], body: bytes, *, accepted: bool = False
    ) -> None:
        self.status_code = status_code
        length = [] if status_code == 204 else [(b"content-length", str(len(body)).encode())]  # RFC 9110, 8.6
        self.headers: list[tuple[bytes, bytes]] = [*headers, *length]
        self.body = body
        self._accepted = accepted

    async def __call__(self, scope: Mapping[str, Any], _receive: Receive, send: Send) -> None:
        """Send the answer."""
        if scope["type"] == "http":
            start = "http.response"
        elif not self._accepted and "websocket.http.response" in (scope.get("extensions") or {}):
            start = "websocket.http.response"
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
            return
        await send({"type": f"{start}.start", "status": self.status_code, "headers": self.headers})
        body = b"" if scope.get("method") == "HEAD" else self.body
        await send({"type": f"{start}.body", "body": body})


def is_navigation(scope: Mapping[str, Any]) -> bool:
    """Tell whether a browser will show the answer as a page (Fetch Metadata; by `Accept` in old browsers)."""
    if scope["type"] != "http" or b"prefetch" in (header(scope, b"sec-purpose") or b""):
        return False
    mode = header(scope, b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    if any(name.startswith(b"sec-fetch-") for name, _ in scope["headers"]):
        return False
    return (
        scope["method"] in ("GET", "HEAD")
        and b"text/html" in (header(scope, b"accept") or b"").lower()
        and (header(scope, b"x-requested-with") or b"").lower() != b"xmlhttprequest"
        and not _is_htmx(scope)
    )


def _is_htmx(scope: Mapping[str, Any]) -> bool:
    return header(scope, b"hx-request") == b"true"


def answer(refusal: Refusal, scope: Mapping[str, Any], check: AuthContext) -> Answer:
    """Return the answer to a refused request."""
    settings: GuardSettings = check.guard.settings
    navigation = settings.app_url is not None and is_navigation(scope)
    return_to = _return_to(scope, settings, navigation=navigation)
    location = _location(refusal, settings, return_to)
    headers = [(b"cache-control", b"no-store")]
    if isinstance(refusal, SessionCheckUnavailable):
        headers.append((b"retry-after", str(refusal.retry_after or 1).encode()))
    if navigation and location is not None:
        count = record_redirect(scope, settings, return_to, check.guard.clock.time())
        if count is not None:
            sent_to = [(b"location", location.encode("ascii")), (b"set-cookie", count)]
            return Answer(303, [*sent_to, *headers], b"")
        headers.append((b"www-authenticate", b'Bearer realm="ory_guard"'))
        return Answer(401, [*headers, *pages.HEADERS], pages.redirect_loop_page(location, settings))
    if navigation:
        return Answer(refusal.status_code, [*headers, *pages.HEADERS], pages.refused(refusal, settings))
    if challenge := _challenge(refusal):
        headers.append((b"www-authenticate", challenge.encode("ascii")))
    if location is not None and _is_htmx(scope):
        headers.append((b"hx-redirect", location.encode("ascii")))
    body = json.dumps(_error(refusal, location, settings), separators=(",", ":")).encode()
    return Answer(
        refusal.status_code,
        [*headers, (b"content-type", b"application/json")],
        body,
        accepted=check.websocket_accepted,
    )


def _location(refusal: Refusal, settings: GuardSettings, return_to: str | None) -> str | None:
    match refusal:
        case SessionRequired(failures=()):  # otherwise the credential is the problem, and a login is not the answer
            return login_url(settings, return_to=return_to)
        case StepUpRequired():
            return login_url(settings, aal="aal2", return_to=return_to)
        case EnrollmentRequired():
            return enrollment_url(settings, return_to=return_to)
        case ReauthenticationRequired(aal="aal2"):
            return login_url(settings, aal="aal2", refresh=True, return_to=return_to)
        case ReauthenticationRequired():
            return login_url(settings, refresh=True, return_to=return_to)
        case _:
            return None


def _return_to(scope: Mapping[str, Any], settings: GuardSettings, *, navigation: bool) -> str | None:
    if settings.app_url is None:
        return None
    if navigation and scope["method"] in ("GET", "HEAD"):
        return current_url(settings, scope)
    # What was sent can't be sent again by a redirect: the page that it came from can.
    page = header(scope, b"hx-current-url" if _is_htmx(scope) else b"referer") or b""
    came_from = safe_return_to(page.decode("latin-1"), settings)
    return came_from if origin_of(came_from) == origin_of(settings.app_url) else settings.app_url


def _challenge(refusal: Refusal) -> str | None:
    # RFC 6750, section 3.1: no error where no credential was sent. RFC 9470, section 3, for the other two.
    parts = ['Bearer realm="ory_guard"']
    if isinstance(refusal, SessionRequired):
        if refusal.credential_sent:
            parts.append('error="invalid_token"')
        return ", ".join(parts)
    if not isinstance(refusal, StepUpRequired | ReauthenticationRequired):
        return None
    parts.append('error="insufficient_user_authentication"')
    if refusal.aal is not None:
        parts.append(f'acr_values="{refusal.aal}"')
    if refusal.max_age is not None:
        parts.append(f'max_age="{int(refusal.max_age)}"')
    return ", ".join(parts)


def _error(refusal: Refusal, location: str | None, settings: GuardSettings) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if refusal.failures:
        details["failures"] = list(refusal.failures)
    if refusal.max_age is not None:
        details["max_age"] = refusal.max_age
    told = location is not None and (refusal.status_code != 401 or "cookie" in settings.credentials)
    if told:
        details["redirect_browser_to"] = location
    known = refusal.status_code in HTTPStatus.__members__.values()  # an application's own refusal may have another
    name = HTTPStatus(refusal.status_code).phrase if known else "Refused"
    error = {
        "id": refusal.code,
        "code": refusal.status_code,
        "status": name,
        "reason": refusal.reason,
        "message": _MESSAGES.get(refusal.status_code, name),
        "details": details,
    }
    return {"error": error, "redirect_browser_to": location} if told else {"error": error}


async def refusal_handler(connection: Any, refusal: Exception) -> Answer:
    """Answer a `Refusal` as a Starlette exception handler does: with an ASGI application."""
    check = get_auth_context(connection.scope)
    assert check is not None and isinstance(refusal, Refusal)  # noqa: S101, PT018 - who arranged for it had both
    return answer(refusal, connection.scope, check)


async def answer_unavailable(connection: Any, error: Exception) -> Answer:
    """Answer a `KratosUnavailable` as a Starlette exception handler does."""
    assert isinstance(error, KratosUnavailable)  # noqa: S101 - what it is registered for
    return await refusal_handler(connection, refusal_for(error))


def refusal_for(error: KratosUnavailable) -> SessionCheckUnavailable:
    """Return the 503 refusal for a call to Kratos that failed."""
    return SessionCheckUnavailable(retry_after=error.retry_after if isinstance(error, KratosRateLimited) else 1)


def register_refusal_handler(scope: Mapping[str, Any]) -> None:
    """Have Starlette answer a `Refusal` or `KratosUnavailable` at the route, so that it passes outward normally.

    Raised through the middlewares in between instead, it would be a 500 in mounted applications and behind
    every `except Exception`. A handler that the application registered wins. Without Starlette there is no such
    place, and the middleware answers.
    """
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None and OryGuardError not in handlers[0]:
        handlers[0].setdefault(Refusal, refusal_handler)
        handlers[0].setdefault(KratosUnavailable, answer_unavailable)
