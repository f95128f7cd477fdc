"""Pages that only the demo has: the emails of the embedded Kratos, and the guard's activity as JSON."""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import CurrentSite

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_MAX_MESSAGES: Final = 20


@router.get("/outbox", response_class=HTMLResponse)
async def outbox(request: Request, site: CurrentSite) -> Response:
    """Show the newest emails; the embedded Kratos does not send them."""
    messages = site.fake.messages[:_MAX_MESSAGES] if site.fake else ()
    return site.page(request, "outbox.html", {"messages": messages})


@router.get("/debug/guard")
async def debug_guard(request: Request, site: CurrentSite) -> dict[str, Any]:
    """Return the guard's activity for this request and for previous requests of the same browser."""
    activity = site.activity_log.current()
    return {
        "request": activity.as_dict() if activity else None,
        "previous": [previous.as_dict() for previous in site.activity_log.previous(request.scope)],
    }
