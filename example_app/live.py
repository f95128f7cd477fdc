"""The live page: a websocket that lasts no longer than the session behind it."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import CurrentSite, name_of
from ory_guard.fastapi import CurrentSession

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_EVERY: Final = 5.0
"""Seconds between two looks at the session; what this process invalidates ends at once."""

_TICK: Final = 1.0


@router.get("/live", response_class=HTMLResponse)
async def live(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """Show what comes over the websocket."""
    return site.page(request, "live.html", {"gate": "CurrentSession, guard.watch(websocket, every=5)"})


@router.websocket("/ws")
async def ticks(websocket: WebSocket, site: CurrentSite, session: CurrentSession) -> None:
    """Send a tick each second until the page goes, or until the session does (close code 1008)."""
    await websocket.accept()
    since = time.monotonic()
    with suppress(WebSocketDisconnect):
        async with site.guard.watch(websocket, every=_EVERY):
            while True:
                open_for = round(time.monotonic() - since)
                await websocket.send_json({"name": name_of(session), "open_for": open_for})
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TICK):
                        await websocket.receive_text()
