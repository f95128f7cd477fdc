"""Pages that sign out this browser and revoke other sessions.

Kratos ends the session. `guard.invalidate` removes it from the cache and closes its live pages.
"""

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import CurrentSite, kratos_cookies, redirect, with_notice
from ory_guard.fastapi import CurrentSession
from ory_guard.starlette import logout_response

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_PAGE_SIZE: Final = 50


@router.get("/sessions")
async def sessions(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """List the user's sessions."""
    others = await site.guard.client.list_my_sessions(cookie=kratos_cookies(request, site), page_size=_PAGE_SIZE)
    active = [other for other in others.sessions if other.active]
    has_more = (others.total or 0) > _PAGE_SIZE
    context = {"requirement": "CurrentSession", "others": active, "has_more": has_more, "page_size": _PAGE_SIZE}
    return site.page(request, "sessions.html", context)


@router.post("/sessions/others/revoke")
async def revoke_other_sessions(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """Revoke all other sessions of the user."""
    await site.guard.client.disable_my_other_sessions(cookie=kratos_cookies(request, site))
    await site.guard.invalidate(identity_id=session.identity.id)
    return redirect("/sessions", "sessions_revoked")


@router.post("/sessions/{session_id}/revoke")
async def revoke_session(
    request: Request, site: CurrentSite, session: CurrentSession, session_id: UUID
) -> Response:
    """Revoke one other session of the user."""
    revoked_id = str(session_id)
    if revoked_id == session.id:
        return redirect("/sessions")
    await site.guard.client.disable_my_session(id=revoked_id, cookie=kratos_cookies(request, site))
    await site.guard.invalidate(session_id=revoked_id)
    return redirect("/sessions", "session_revoked")


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """Sign out this browser, including a session that lacks its second factor."""
    return with_notice(await logout_response(request), "signed_out")
