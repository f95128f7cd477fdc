"""Pages for what goes wrong; everybody but a browser gets the guard's JSON, or FastAPI's."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.requests import HTTPConnection, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from example_app.rendering import kratos_url, redirect, site_of
from ory_guard.exceptions import KratosAPIError, KratosRateLimited, KratosUnavailable, Refusal, RequirementNotMet
from ory_guard.starlette import is_navigation, refusal_handler

__all__ = ["add_error_handlers"]

_PAGES: Final = {
    404: ("This page does not exist", "The address may be mistyped, or the page was moved."),
    405: ("That can't be done here", "The address is right, but not for this kind of request."),
}
_OTHER: Final = ("That did not work", "The request could not be understood. Go back and try again.")


def add_error_handlers(app: FastAPI) -> None:
    """Show problems as pages of the product."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(KratosUnavailable, _kratos_unavailable)
    app.add_exception_handler(KratosAPIError, _kratos_refused)
    app.add_exception_handler(HTTPException, _failed)
    app.add_exception_handler(RequestValidationError, _not_understood)


async def _refused(connection: HTTPConnection, refusal: Exception) -> Any:
    """Answer a refusal as the guard does, save for the one that a page of our own explains better."""
    assert isinstance(refusal, Refusal)  # noqa: S101 - what it is registered for
    site = site_of(connection)
    site.activity_log.note(refusal)
    verified = [failure for failure in refusal.failures if failure["id"] == "verified"]
    if isinstance(refusal, RequirementNotMet) and verified and is_navigation(connection.scope):
        request = Request(connection.scope)
        response = site.page(request, "unverified.html", {"gate": 'require(verified="email")'}, status_code=403)
        response.headers["cache-control"] = "no-store"
        return response
    return await refusal_handler(connection, refusal)


async def _kratos_unavailable(request: Request, error: Exception) -> Response:
    words = {"title": "Please try again in a moment", "text": "Signing in can't be reached right now."}
    seconds = error.retry_after if isinstance(error, KratosRateLimited) else 1
    response = site_of(request).page(request, "http_error.html", words, status_code=503)
    response.headers.update({"retry-after": str(seconds), "cache-control": "no-store"})
    return response


async def _kratos_refused(request: Request, error: Exception) -> Response:
    """Answer where Kratos does not know the session any more that the guard still remembered."""
    assert isinstance(error, KratosAPIError)  # noqa: S101 - what it is registered for
    site = site_of(request)
    session = request.state.ory_session
    if session is not None:
        await site.guard.invalidate(session_id=session.id)
    if error.status_code == 401:
        return redirect(kratos_url(site, "login"))
    title, text = _OTHER
    return site.page(request, "http_error.html", {"title": title, "text": text}, status_code=error.status_code)


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    if not is_navigation(request.scope):
        return await request_validation_exception_handler(request, error)
    title, text = _OTHER
    return site_of(request).page(request, "http_error.html", {"title": title, "text": text}, status_code=422)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    if not is_navigation(request.scope):
        return await http_exception_handler(request, error)
    title, text = _PAGES.get(error.status_code, _OTHER)
    words = {"title": title, "text": text}
    return site_of(request).page(request, "http_error.html", words, status_code=error.status_code)
