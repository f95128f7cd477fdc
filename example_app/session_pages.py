"""Signing out, here and elsewhere.

Kratos ends the session; `guard.invalidate` makes sure that nothing remembers it for another moment, and closes
the live pages that it had opened.
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

_SHOWN: Final = 50


@router.get("/sessions")
async def sessions(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """List where somebody is signed in."""
    others = await site.guard.client.list_my_sessions(cookie=kratos_cookies(request, site), page_size=_SHOWN)
    active = [other for other in others.sessions if other.active]
    context = {"gate": "CurrentSession", "others": active, "more": (others.total or 0) > _SHOWN}
    return site.page(request, "sessions.html", context)


@router.post("/sessions/others/end")
async def end_other_sessions(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """Sign out everywhere else."""
    await site.guard.client.disable_my_other_sessions(cookie=kratos_cookies(request, site))
    await site.guard.invalidate(identity_id=session.identity.id)
    return redirect("/sessions", "sessions_ended")


@router.post("/sessions/{session_id}/end")
async def end_session(request: Request, site: CurrentSite, session: CurrentSession, session_id: UUID) -> Response:
    """Sign out one other session."""
    ended = str(session_id)
    if ended == session.id:
        return redirect("/sessions")
    await site.guard.client.disable_my_session(id=ended, cookie=kratos_cookies(request, site))
    await site.guard.invalidate(session_id=ended)
    return redirect("/sessions", "session_ended")


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """Sign out this browser; also one that stopped between its first and its second factor."""
    return with_notice(await logout_response(request), "signed_out")
