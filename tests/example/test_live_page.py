"""Tests of the example's WebSocket and of its token command."""

import asyncio
from typing import Any

import pytest
from support.asgi_calls import Application, websocket_scope
from support.memory_store import SOON

from example_app.token import fetch_token
from ory_guard.exceptions import FlowInvalid
from ory_guard.testing.fake_kratos import DEFAULT_PASSWORD

from .deployment import APP_URL, Deployment, embedded_deployment, serve

pytestmark = pytest.mark.anyio


class Socket:
    """The WebSocket of a page, without a network."""

    def __init__(self, deployment: Deployment, cookie: str, origin: str = APP_URL) -> None:
        headers = [(b"cookie", cookie.encode()), (b"origin", origin.encode())]
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        scope = websocket_scope("/ws", headers=headers)
        app: Application = deployment.app
        self.task = asyncio.ensure_future(app(scope, self.incoming.get, self.sent.put))

    async def next(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind, skipping others."""
        while True:
            message = await asyncio.wait_for(self.sent.get(), SOON)
            if message["type"] == f"websocket.{kind}":
                return message


async def test_revoked_session_closes_the_websocket_with_1008(deployment: Deployment) -> None:
    signed_in = deployment.fake.sign_in(deployment.fake.add_identity())
    socket = Socket(deployment, f"{signed_in.cookie_name}={signed_in.cookie}")
    await socket.next("accept")
    assert "open_for" in (await socket.next("send"))["text"]
    deployment.fake.revoke(signed_in.session)
    await deployment.app.state.site.guard.invalidate(session_id=signed_in.session.id)

    assert (await socket.next("close"))["code"] == 1008
    await asyncio.wait_for(socket.task, SOON)


async def test_disconnect_ends_the_websocket(deployment: Deployment) -> None:
    signed_in = deployment.fake.sign_in(deployment.fake.add_identity())
    socket = Socket(deployment, f"{signed_in.cookie_name}={signed_in.cookie}")
    await socket.next("accept")
    socket.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})

    await asyncio.wait_for(socket.task, SOON)


async def test_foreign_origin_is_refused(deployment: Deployment) -> None:
    signed_in = deployment.fake.sign_in(deployment.fake.add_identity())
    socket = Socket(deployment, f"{signed_in.cookie_name}={signed_in.cookie}", "https://evil.example")

    assert (await socket.next("http.response.start"))["status"] in (401, 403)
    await asyncio.wait_for(socket.task, SOON)


async def test_fetch_token_signs_in_or_raises_the_error_of_kratos() -> None:
    with serve(embedded_deployment) as served:
        served.fake.add_identity("ada@example.test")
        url = served.backend.settings.kratos_public_url
        token = await fetch_token(url, "ada@example.test", DEFAULT_PASSWORD)
        with pytest.raises(FlowInvalid) as caught:
            await fetch_token(url, "ada@example.test", "wrong")

    assert token.startswith("ory_st_")
    assert [message.id for message in caught.value.flow.ui.messages] == [4000006]
