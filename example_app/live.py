"""The live page: a WebSocket that closes when its session ends."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import CurrentSite, display_name
from ory_guard.fastapi import CurrentSession

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_WATCH_INTERVAL: Final = 5.0
"""Seconds between two checks of the session; a session that this process invalidates ends immediately."""

_TICK_INTERVAL: Final = 1.0


@router.get("/live", response_class=HTMLResponse)
async def live(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """Show the page that opens the WebSocket."""
    return site.page(request, "live.html", {"requirement": "CurrentSession, guard.watch(websocket, every=5)"})


@router.websocket("/ws")
async def ticks(websocket: WebSocket, site: CurrentSite, session: CurrentSession) -> None:
    """Send a message each second until the page disconnects or the session ends (close code 1008)."""
    await websocket.accept()
    opened_at = time.monotonic()
    with suppress(WebSocketDisconnect):
        async with site.guard.watch(websocket, every=_WATCH_INTERVAL):
            while True:
                open_for = round(time.monotonic() - opened_at)
                await websocket.send_json({"name": display_name(session), "open_for": open_for})
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TICK_INTERVAL):
                        await websocket.receive_text()
