"""What only the demo has: the emails that the embedded Kratos wrote, and what the guard did as JSON."""

from typing import Any

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import CurrentSite

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_SHOWN = 20


@router.get("/outbox", response_class=HTMLResponse)
async def outbox(request: Request, site: CurrentSite) -> Response:
    """Show the newest emails: nothing here is ever sent."""
    messages = site.fake.messages[:_SHOWN] if site.fake else ()
    return site.page(request, "outbox.html", {"messages": messages})


@router.get("/debug/guard")
async def debug_guard(request: Request, site: CurrentSite) -> dict[str, Any]:
    """Tell what the guard did for this request and for the last ones of the same browser."""
    visit = site.activity_log.current()
    return {
        "request": visit.as_dict() if visit else None,
        "earlier": [earlier.as_dict() for earlier in site.activity_log.earlier(request.scope)],
    }
