"""Refusals as responses: a redirect or a page for a navigation, Ory's JSON error for all other requests."""

from collections.abc import Mapping
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
from ory_guard.guard.context import AuthContext, current_url, get_auth_context, header_value
from ory_guard.guard.responses import error_pages
from ory_guard.guard.responses.asgi import ASGIResponse, error_body
from ory_guard.guard.responses.redirect_loop import record_redirect
from ory_guard.guard.responses.redirects import enrollment_url, login_url, safe_return_to
from ory_guard.guard.responses.refusal_reasons import RefusalReason, refusal_reason
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = [
    "find_redirect",
    "is_navigation",
    "refusal_handler",
    "refusal_response",
    "register_refusal_handler",
    "unavailable_refusal",
]


_CHALLENGE: Final = 'Bearer realm="ory_guard"'
_MESSAGES: Final = {
    401: "The request could not be authorized",
    403: "The requested action was forbidden",
    503: "The session could not be checked",
}


def is_navigation(scope: Mapping[str, Any]) -> bool:
    """Return whether the browser will show the response as a page (Fetch Metadata; by `Accept` in old browsers)."""
    if scope["type"] != "http" or b"prefetch" in (header_value(scope, b"sec-purpose") or b""):
        return False
    mode = header_value(scope, b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    if any(name.startswith(b"sec-fetch-") for name, _ in scope["headers"]):
        return False
    return (
        scope["method"] in ("GET", "HEAD")
        and b"text/html" in (header_value(scope, b"accept") or b"").lower()
        and (header_value(scope, b"x-requested-with") or b"").lower() != b"xmlhttprequest"
        and not _is_htmx(scope)
    )


def _is_htmx(scope: Mapping[str, Any]) -> bool:
    return header_value(scope, b"hx-request") == b"true"


def refusal_response(refusal: Refusal, scope: Mapping[str, Any], context: AuthContext) -> ASGIResponse:
    """Return the response to a refused request."""
    guard = refusal.guard or context.guard  # the application may have called another guard than the middleware's
    settings = guard.settings
    reason = refusal.reason_code or refusal_reason(refusal, context.outcome, settings)
    is_page, return_to = _return_to(scope, settings)
    target = _redirect_target(refusal, settings, return_to)
    headers = [(b"cache-control", b"no-store")]
    if isinstance(refusal, SessionCheckUnavailable):
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if is_page and target is not None:
        counter = record_redirect(scope, settings, return_to, guard.clock.time())
        if counter is not None:
            return ASGIResponse(
                303, [(b"location", target.encode("ascii")), (b"set-cookie", counter), *headers], b""
            )
        headers += [(b"www-authenticate", _CHALLENGE.encode()), *error_pages.HEADERS]
        guard.enforcement.reporter.report_redirect_loop(reason)
        return ASGIResponse(401, headers, error_pages.redirect_loop_page(target, settings, reason))
    if is_page:
        page = error_pages.refusal_page(refusal, settings)
        return ASGIResponse(refusal.status_code, [*headers, *error_pages.HEADERS], page)
    if challenge := _www_authenticate(refusal):
        headers.append((b"www-authenticate", challenge.encode("ascii")))
    if target is not None and _is_htmx(scope):
        headers.append((b"hx-redirect", target.encode("ascii")))
    headers.append((b"content-type", b"application/json"))
    body = _error_body(refusal, target, settings, reason)
    return ASGIResponse(refusal.status_code, headers, body, accepted=context.websocket_accepted)


def _redirect_target(refusal: Refusal, settings: GuardSettings, return_to: str | None) -> str | None:
    match refusal:
        case SessionRequired(failures=()):  # with failures, the credential is the problem and a login does not help
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


def find_redirect(scope: Mapping[str, Any], settings: GuardSettings, refusal: Refusal) -> str | None:
    """Return `redirect_browser_to` for a refused request: the URL of a login that can meet the requirement."""
    target = _redirect_target(refusal, settings, _return_to(scope, settings)[1])
    return target if _includes_redirect(refusal, settings) else None


def _includes_redirect(refusal: Refusal, settings: GuardSettings) -> bool:
    return refusal.status_code != 401 or "cookie" in settings.credentials


def _return_to(scope: Mapping[str, Any], settings: GuardSettings) -> tuple[bool, str | None]:
    """Return whether the response is a page, and the URL to return to after a login."""
    if settings.app_url is None:
        return False, None
    is_page = is_navigation(scope)
    if is_page and scope["method"] in ("GET", "HEAD"):
        return True, current_url(settings, scope)
    # A redirect can't repeat a request with a body, so the browser returns to the page that sent it.
    page = header_value(scope, b"hx-current-url" if _is_htmx(scope) else b"referer") or b""
    url = safe_return_to(page.decode("latin-1"), settings)
    return is_page, url if origin_of(url) == origin_of(settings.app_url) else settings.app_url


def _www_authenticate(refusal: Refusal) -> str | None:
    # RFC 6750, section 3.1: no error code if no credential was sent. RFC 9470, section 3: the level and the age.
    # RFC 9728, section 5.1: the metadata of the resource.
    parts = [_CHALLENGE]
    if refusal.resource_metadata is not None:
        parts.append(f'resource_metadata="{refusal.resource_metadata}"')
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


def _error_body(refusal: Refusal, target: str | None, settings: GuardSettings, reason: RefusalReason) -> bytes:
    details: dict[str, Any] = {"reason": reason}
    if refusal.failures:
        details["failures"] = list(refusal.failures)
    if refusal.max_age is not None:
        details["max_age"] = refusal.max_age
    include_redirect = target is not None and _includes_redirect(refusal, settings)
    if include_redirect:
        details["redirect_browser_to"] = target
    return error_body(
        refusal.status_code,
        error_id=refusal.code,
        reason=refusal.reason,
        message=_MESSAGES.get(refusal.status_code),
        details=details,
        redirect_browser_to=target if include_redirect else None,
    )


async def refusal_handler(connection: Any, refusal: Exception) -> ASGIResponse:
    """Return the response to a `Refusal`; a Starlette exception handler."""
    context = get_auth_context(connection.scope)
    assert context is not None  # noqa: S101 - the guard has registered the handler for this request
    assert isinstance(refusal, Refusal)  # noqa: S101 - it is registered for refusals only
    return refusal_response(refusal, connection.scope, context)


async def _unavailable_handler(connection: Any, error: KratosUnavailable) -> ASGIResponse:
    """Return the 503 response to a `KratosUnavailable`; a Starlette exception handler."""
    return await refusal_handler(connection, unavailable_refusal(error))


def unavailable_refusal(error: KratosUnavailable) -> SessionCheckUnavailable:
    """Return the 503 refusal for a failed call to Kratos."""
    return SessionCheckUnavailable(retry_after=error.retry_after if isinstance(error, KratosRateLimited) else 1)


def register_refusal_handler(scope: Mapping[str, Any]) -> None:
    """Register Starlette exception handlers for `Refusal` and `KratosUnavailable` in the scope of this request.

    With a handler at the route, the refusal passes through the middlewares as a normal response. As an exception it
    would become a 500 in mounted applications and in middlewares with `except Exception`. A handler of the
    application takes precedence. Without Starlette in the scope, `OrySessionMiddleware` sends the response.
    """
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None and OryGuardError not in handlers[0]:
        handlers[0].setdefault(Refusal, refusal_handler)
        handlers[0].setdefault(KratosUnavailable, _unavailable_handler)
