"""What only the demo has: the emails and the clock of the embedded Kratos, and the guard's activity as JSON.

The forms require a session. A session cookie in a cross-site POST is not accepted, so pages of other sites can't
submit them.
"""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import MAX_AGE, CurrentSite, redirect
from ory_guard.fastapi import CurrentSession
from ory_guard.starlette import safe_return_to

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_MAX_MESSAGES: Final = 20


@router.get("/outbox", response_class=HTMLResponse)
async def outbox(request: Request, site: CurrentSite) -> Response:
    """Show the newest emails; the embedded Kratos does not send them."""
    messages = site.fake.messages[:_MAX_MESSAGES] if site.fake else ()
    return site.page(request, "outbox.html", {"messages": messages})


@router.post("/demo/clock")
async def advance_clock(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """Advance the clock of the guard and of the embedded Kratos by a minute."""
    if site.fake is not None:
        site.fake.clock.advance(MAX_AGE)
    return await _back(request, site)


@router.post("/demo/other-browser")
async def open_in_other_browser(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """Open `/me` in another browser of the same account, which signs in if it has no active session."""
    browser = site.other_browsers.get(session)
    if site.fake is not None and (browser is None or not browser.signed_in.session.active):
        browser = site.other_browsers.sign_in(session, site.fake)
    if browser is not None:
        await browser.open_page(request, site.activity_log, str(site.guard.settings.app_url))
    return await _back(request, site)


@router.post("/demo/other-browser/revoke")
async def revoke_other_browser(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """Revoke the session of the other browser as `/sessions` does, and open `/me` there."""
    browser = site.other_browsers.get(session)
    if browser is not None:
        session_id, settings = browser.signed_in.session.id, site.guard.settings
        name = settings.cookie_names[0]
        cookie = f"{name}={request.cookies.get(name, '')}"
        await site.guard.client.disable_my_session(id=session_id, cookie=cookie)
        await site.guard.invalidate(session_id=session_id)
        await browser.open_page(request, site.activity_log, str(settings.app_url))
    return await _back(request, site)


async def _back(request: Request, site: CurrentSite) -> Response:
    """Return to the page with the form."""
    async with request.form(max_files=0, max_fields=2) as form:
        path = str(form.get("return_to") or "/")
    return redirect(safe_return_to(path, site.guard.settings))


@router.get("/debug/guard")
async def debug_guard(request: Request, site: CurrentSite) -> dict[str, Any]:
    """Return the guard's activity for this request and for previous requests of the same browser."""
    activity = site.activity_log.current()
    return {
        "request": activity.as_dict() if activity else None,
        "previous": [previous.as_dict() for previous in site.activity_log.previous(request.scope)],
    }
