"""The application that the workers serve; set up from the environment, as `uvicorn --workers` starts it."""

import json
import os
from typing import Any

from ory_guard import Authenticated, GuardSettings, OryGuard, OrySessionMiddleware
from ory_guard.redis import RedisSessionStore

SECRET = "the-secret-that-all-workers-share-0123456789"


def make_guard() -> OryGuard:
    """Return a guard on the stand-in Kratos, with a store where there is one."""
    url = os.environ.get("WORKERS_REDIS")
    settings = GuardSettings(
        kratos_public_url=os.environ["WORKERS_KRATOS"],
        credentials=("x_session_token",),
        cache_ttl=float(os.environ["WORKERS_CACHE_TTL"]),
        max_sessions=50_000,
        timeout=10,
    )
    return OryGuard(settings, store=RedisSessionStore(url, secrets=[SECRET]) if url else None)


guard = make_guard()


async def _application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    status, body = await _answer(scope)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer(scope: Any) -> tuple[int, bytes]:
    """`/revoke/<session id>` revokes, `/stats` counts, anything else tells whose session it is."""
    if scope["path"].startswith("/revoke/"):
        await guard.invalidate(session_id=scope["path"].removeprefix("/revoke/"))
        return 200, _told()
    if scope["path"] == "/stats":
        stats = guard.stats()
        return 200, _told(asked=stats.upstream_calls, found=stats.store_hits, degraded=stats.degraded)
    outcome = scope["state"]["auth"]
    if isinstance(outcome, Authenticated):
        return 200, _told(session=outcome.session.id, source=outcome.source)
    return (503 if type(outcome).__name__ == "Unavailable" else 401), _told(outcome=repr(outcome))


def _told(**facts: Any) -> bytes:
    return json.dumps({"worker": os.getpid(), **facts}).encode()


app = OrySessionMiddleware(_application, guard=guard)
