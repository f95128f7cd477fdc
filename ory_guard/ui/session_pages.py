"""Pages that sign out this browser, revoke other sessions, and delete cookies that hide the session.

Kratos ends the session. `guard.invalidate` removes it from the cache and closes its open connections.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ory_guard.exceptions import CsrfViolation
from ory_guard.guard.csrf import CSRFPolicy
from ory_guard.guard.responses.cookie_expiry import expired_cookies
from ory_guard.starlette.session_requirement import logout_response
from ory_guard.ui.page_renderer import PageRenderer
from ory_guard.ui.request_cookies import kratos_cookies, session_cookie_names
from ory_guard.ui.user_agents import device_name

__all__ = ["delete_cookies", "log_out", "revoke_other_sessions", "revoke_session", "show_cookies", "show_sessions"]

_PAGE_SIZE: Final = 50


async def show_sessions(renderer: PageRenderer, request: Request) -> Response:
    """List the user's sessions.

    Raises:
        Refusal: If there is no session.
    """
    session = await renderer.guard.require(request)
    cookie = kratos_cookies(request, renderer.settings)
    others = await renderer.guard.client.list_my_sessions(cookie=cookie, page_size=_PAGE_SIZE)
    context = {
        "title": renderer.translator(request)("title.sessions"),
        "session": session,
        "others": [other for other in others.sessions if other.active],
        "has_more": (others.total or 0) > _PAGE_SIZE,
        "page_size": _PAGE_SIZE,
        "device_name": device_name,
    }
    return await renderer.page(request, "sessions.html", context)


async def revoke_other_sessions(renderer: PageRenderer, request: Request) -> Response:
    """Revoke all other sessions of the user.

    Raises:
        Refusal: If there is no session, or the request is cross-site.
    """
    session = await renderer.guard.require(request)
    await renderer.guard.client.disable_my_other_sessions(cookie=kratos_cookies(request, renderer.settings))
    await renderer.guard.invalidate(identity_id=session.identity.id)
    return renderer.redirect(request, renderer.page_url(request, "sessions"), "sessions_revoked")


async def revoke_session(renderer: PageRenderer, request: Request) -> Response:
    """Revoke one other session of the user.

    Raises:
        Refusal: If there is no session, or the request is cross-site.
    """
    session = await renderer.guard.require(request)
    revoked_id = str(request.path_params["session_id"])
    if revoked_id == session.id:
        return renderer.redirect(request, renderer.page_url(request, "sessions"))
    await renderer.guard.client.disable_my_session(id=revoked_id, cookie=kratos_cookies(request, renderer.settings))
    await renderer.guard.invalidate(session_id=revoked_id)
    return renderer.redirect(request, renderer.page_url(request, "sessions"), "session_revoked")


async def log_out(renderer: PageRenderer, request: Request) -> Response:
    """Sign out this browser, including a session that lacks its second factor.

    Raises:
        Refusal: If the request is cross-site.
        KratosUnavailable: If the session may still be active.
    """
    response = await logout_response(request)
    if response.status_code != 303:
        return response
    signed_out = renderer.redirect(request, str(renderer.settings.app_url), "signed_out")
    for value in response.headers.getlist("set-cookie"):
        signed_out.headers.append("set-cookie", value)
    return signed_out


async def show_cookies(renderer: PageRenderer, request: Request) -> Response:
    """Show the button that deletes the session cookies."""
    title = renderer.translator(request)("title.cookies")
    return await renderer.page(request, "cookies.html", {"title": title, "start": None, "is_cookie_page": True})


async def delete_cookies(renderer: PageRenderer, request: Request) -> Response:
    """Delete the browser's session cookies for this site, which Kratos keeps.

    Raises:
        CsrfViolation: If a page of another site sent the request.
    """
    if CSRFPolicy(renderer.settings).is_cross_site(request.scope):
        raise CsrfViolation
    response = renderer.redirect(request, renderer.page_url(request, "login"), "cookies_deleted")
    for value in expired_cookies(session_cookie_names(request, renderer.settings), str(renderer.settings.app_url)):
        response.headers.append("set-cookie", value)
    return response
