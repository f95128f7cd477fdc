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
from ory_guard.ui.request_cookies import kratos_cookies, session_cookie_names
from ory_guard.ui.site import Site
from ory_guard.ui.user_agents import device_name

__all__ = ["delete_cookies", "log_out", "revoke_other_sessions", "revoke_session", "show_cookies", "show_sessions"]

_PAGE_SIZE: Final = 50


async def show_sessions(site: Site, request: Request) -> Response:
    """List the user's sessions.

    Raises:
        Refusal: If there is no session.
    """
    session = await site.guard.require(request)
    cookie = kratos_cookies(request, site.settings)
    others = await site.guard.client.list_my_sessions(cookie=cookie, page_size=_PAGE_SIZE)
    context = {
        "title": site.translator(request)("title.sessions"),
        "session": session,
        "others": [other for other in others.sessions if other.active],
        "has_more": (others.total or 0) > _PAGE_SIZE,
        "page_size": _PAGE_SIZE,
        "device_name": device_name,
    }
    return await site.page(request, "sessions.html", context)


async def revoke_other_sessions(site: Site, request: Request) -> Response:
    """Revoke all other sessions of the user.

    Raises:
        Refusal: If there is no session, or the request is cross-site.
    """
    session = await site.guard.require(request)
    await site.guard.client.disable_my_other_sessions(cookie=kratos_cookies(request, site.settings))
    await site.guard.invalidate(identity_id=session.identity.id)
    return site.redirect(request, site.page_url(request, "sessions"), "sessions_revoked")


async def revoke_session(site: Site, request: Request) -> Response:
    """Revoke one other session of the user.

    Raises:
        Refusal: If there is no session, or the request is cross-site.
    """
    session = await site.guard.require(request)
    revoked_id = str(request.path_params["session_id"])
    if revoked_id == session.id:
        return site.redirect(request, site.page_url(request, "sessions"))
    await site.guard.client.disable_my_session(id=revoked_id, cookie=kratos_cookies(request, site.settings))
    await site.guard.invalidate(session_id=revoked_id)
    return site.redirect(request, site.page_url(request, "sessions"), "session_revoked")


async def log_out(site: Site, request: Request) -> Response:
    """Sign out this browser, including a session that lacks its second factor.

    Raises:
        Refusal: If the request is cross-site.
        KratosUnavailable: If the session may still be active.
    """
    response = await logout_response(request)
    if response.status_code != 303:
        return response
    signed_out = site.redirect(request, str(site.settings.app_url), "signed_out")
    for value in response.headers.getlist("set-cookie"):
        signed_out.headers.append("set-cookie", value)
    return signed_out


async def show_cookies(site: Site, request: Request) -> Response:
    """Show the button that deletes the session cookies."""
    title = site.translator(request)("title.cookies")
    return await site.page(request, "cookies.html", {"title": title, "start": None, "is_cookie_page": True})


async def delete_cookies(site: Site, request: Request) -> Response:
    """Delete the browser's session cookies for this site, which Kratos keeps.

    Raises:
        CsrfViolation: If a page of another site sent the request.
    """
    if CSRFPolicy(site.settings).is_cross_site(request.scope):
        raise CsrfViolation
    response = site.redirect(request, site.page_url(request, "login"), "cookies_deleted")
    for value in expired_cookies(session_cookie_names(request, site.settings), str(site.settings.app_url)):
        response.headers.append("set-cookie", value)
    return response
