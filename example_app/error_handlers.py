"""Error pages for browsers; other clients get the JSON of the guard or of FastAPI."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.requests import HTTPConnection, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from example_app.rendering import get_site, redirect
from ory_guard.exceptions import KratosAPIError, KratosRateLimited, KratosUnavailable, Refusal, RequirementNotMet
from ory_guard.starlette import is_navigation, refusal_handler

__all__ = ["add_error_handlers"]

_TEXTS: Final = {
    404: ("Page not found", "Check the address, or start from the home page."),
    405: ("Method not allowed", "This address does not support this kind of request."),
}
_BAD_REQUEST: Final = ("Request failed", "The request is invalid. Go back and try again.")
_UNAVAILABLE: Final = ("Service unavailable", "Sign-in is temporarily unavailable. Try again later.")


def add_error_handlers(app: FastAPI) -> None:
    """Register the handlers of this module."""
    app.exception_handler(Refusal)(_handle_refusal)
    app.exception_handler(KratosUnavailable)(_handle_kratos_unavailable)
    app.exception_handler(KratosAPIError)(_handle_kratos_api_error)
    app.exception_handler(HTTPException)(_handle_http_exception)
    app.exception_handler(RequestValidationError)(_handle_validation_error)


async def _handle_refusal(connection: HTTPConnection, refusal: Refusal) -> Any:
    """Respond as the guard does, except for a missing verification, which has a page of its own."""
    site = get_site(connection)
    site.activity_log.record_refusal(refusal.code, refusal.failures)
    is_unverified = any(failure["id"] == "verified" for failure in refusal.failures)
    if isinstance(refusal, RequirementNotMet) and is_unverified and is_navigation(connection.scope):
        request = Request(connection.scope)
        context = {"requirement": 'require(verified="email")'}
        response = site.page(request, "unverified.html", context, status_code=403)
        response.headers["cache-control"] = "no-store"
        return response
    return await refusal_handler(connection, refusal)


async def _handle_kratos_unavailable(request: Request, error: KratosUnavailable) -> Response:
    seconds = error.retry_after if isinstance(error, KratosRateLimited) else 1
    response = _error_page(request, _UNAVAILABLE, 503)
    response.headers.update({"retry-after": str(seconds), "cache-control": "no-store"})
    return response


async def _handle_kratos_api_error(request: Request, error: KratosAPIError) -> Response:
    """Respond to an error of Kratos, and invalidate the session, because Kratos may have ended it."""
    site = get_site(request)
    session = request.state.ory_session
    if session is not None:
        await site.guard.invalidate(session_id=session.id)
    if error.status_code == 401:
        return redirect(site.guard.login_url(request))
    return _error_page(request, _BAD_REQUEST, error.status_code)


async def _handle_validation_error(request: Request, error: RequestValidationError) -> Response:
    if not is_navigation(request.scope):
        return await request_validation_exception_handler(request, error)
    return _error_page(request, _BAD_REQUEST, 422)


async def _handle_http_exception(request: Request, error: HTTPException) -> Response:
    if not is_navigation(request.scope):
        return await http_exception_handler(request, error)
    return _error_page(request, _TEXTS.get(error.status_code, _BAD_REQUEST), error.status_code)


def _error_page(request: Request, texts: tuple[str, str], status_code: int) -> Response:
    title, text = texts
    context = {"title": title, "text": text}
    return get_site(request).page(request, "http_error.html", context, status_code=status_code)
