"""A request with a slow body is authorized by the session at the time of the dependency."""

from typing import Any

import pytest
from fastapi import FastAPI
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import guard_of
from support.scripted_kratos import SESSION_ID, TOKEN, ScriptedKratos, refused, signed_in

from ory_guard.fastapi import CurrentSession, OptionalSession, install

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("revoked", "seconds", "status"), [(True, 0, 401), (False, 40, 401), (False, 20, 200)])
@pytest.mark.parametrize("path", ["/transfer", "/public"])
async def test_session_that_ends_during_a_slow_body_is_refused(
    path: str, *, revoked: bool, seconds: float, status: int
) -> None:
    """FastAPI reads the body before it calls dependencies; an optional session is then None."""
    clock = AdjustableClock()
    guard = guard_of(ScriptedKratos(signed_in(), refused()), clock=clock)
    app = FastAPI()
    install(app, guard)

    @app.post("/transfer")
    async def transfer(body: dict[str, int], _session: CurrentSession) -> dict[str, int]:
        return body

    @app.post("/public")
    async def public(body: dict[str, int], session: OptionalSession) -> dict[str, bool]:
        return {"known": session is not None}

    messages = [
        {"type": "http.request", "body": b'{"to"', "more_body": True},
        {"type": "http.request", "body": b": 5}"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        if len(messages) == 1:
            clock.advance(seconds)
            if revoked:
                await guard.invalidate(session_id=SESSION_ID)
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-session-token", TOKEN), (b"content-type", b"application/json")]
    await app(http_scope(path, method="POST", headers=headers), receive, send)

    if path == "/transfer":
        assert sent[0]["status"] == status
    else:
        known = b"true" if status == 200 else b"false"
        assert (sent[0]["status"], sent[1]["body"]) == (200, b'{"known":%s}' % known)
