"""Signing out, here and elsewhere.

Kratos ends the session; `guard.invalidate` makes sure that nothing remembers it for another moment, and closes
the live pages that it had opened.
"""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.site import CurrentSite, go_on, kratos_cookies
from ory_guard.exceptions import KratosRefusal
from ory_guard.fastapi import CurrentSession, OptionalSession

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_SHOWN: Final = 50


@router.get("/sessions")
async def sessions(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """List where somebody is signed in."""
    others = await site.guard.client.list_my_sessions(cookie=kratos_cookies(request, site), page_size=_SHOWN)
    active = [other for other in others.sessions if other.active]
    return site.page(request, "sessions.html", {"gate": "CurrentSession", "others": active})


@router.post("/sessions/others/end")
async def end_other_sessions(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """Sign out everywhere else."""
    await site.guard.client.disable_my_other_sessions(cookie=kratos_cookies(request, site))
    await site.guard.invalidate(identity_id=session.identity.id)
    return go_on("/sessions", "sessions_ended")


@router.post("/sessions/{session_id}/end")
async def end_session(request: Request, site: CurrentSite, session: CurrentSession, session_id: str) -> Response:
    """Sign out one other session."""
    if session_id != session.id:
        await site.guard.client.disable_my_session(id=session_id, cookie=kratos_cookies(request, site))
        await site.guard.invalidate(session_id=session_id)
    return go_on("/sessions", "session_ended")


@router.post("/logout")
async def log_out(request: Request, site: CurrentSite, session: OptionalSession) -> Response:
    """Sign out this browser; also one that stopped between its first and its second factor."""
    client, cookie = site.guard.client, kratos_cookies(request, site)
    set_cookies: Iterable[str] = ()
    try:
        flow = await client.create_browser_logout_flow(cookie=cookie)
        answer = await client.with_response.update_logout_flow(token=flow.logout_token, cookie=cookie)
        set_cookies = answer.set_cookies
    except KratosRefusal:
        pass  # signed out already
    if session is not None:
        await site.guard.invalidate(session_id=session.id)
    response = go_on("/", "signed_out")
    for line in set_cookies:
        response.headers.append("set-cookie", line)
    return response
