"""The application of the workers, configured by environment variables."""

import json
import os
from typing import Any

from ory_guard import Authenticated, GuardSettings, OryGuard, OrySessionMiddleware
from ory_guard.redis import RedisSessionStore

SECRET = "the-secret-that-all-workers-share-0123456789"


def make_guard() -> OryGuard:
    """Return a guard, with a store if `WORKERS_REDIS` is set."""
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
    status, body = await _respond(scope)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _respond(scope: Any) -> tuple[int, bytes]:
    """Respond to `/revoke/<session ID>`, `/stats`, and any other path with the session."""
    if scope["path"].startswith("/revoke/"):
        await guard.invalidate(session_id=scope["path"].removeprefix("/revoke/"))
        return 200, _body()
    if scope["path"] == "/stats":
        stats = guard.stats()
        return 200, _body(calls=stats.upstream_calls, store_hits=stats.store_hits, degraded=stats.degraded)
    outcome = scope["state"]["auth"]
    if isinstance(outcome, Authenticated):
        return 200, _body(session=outcome.session.id, source=outcome.source)
    return (503 if type(outcome).__name__ == "Unavailable" else 401), _body(outcome=repr(outcome))


def _body(**facts: Any) -> bytes:
    return json.dumps({"worker": os.getpid(), **facts}).encode()


app = OrySessionMiddleware(_application, guard=guard)
