"""The example of the how-to page for Chainlit, on a socket, with a client of Socket.IO."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import socketio
from support.asgi_calls import NAVIGATE, call
from support.doc_pages import CHAINLIT, ROOT, run_page
from support.served_kratos import listening_socket, serving
from support.typed_examples import check_with_pyright, write_examples

from frameworks.requests_table import FOREIGN, OURS
from ory_guard.testing import FakeKratos, SignedIn

pytestmark = [pytest.mark.anyio, pytest.mark.frameworks]

HOST = (b"host", b"127.0.0.1:8000")
AUTH = {"sessionId": "a-chat", "clientType": "webapp"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names of the page's code, with the fake at `fake`."""
    folder, fake = tmp_path_factory.mktemp("chainlit"), FakeKratos()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # Chainlit reads the chat and writes its configuration there
        patch.setenv("CHAINLIT_APP_ROOT", str(folder))
        return {**run_page(ROOT / CHAINLIT, folder, fake), "fake": fake}


@pytest.fixture
def user(page: dict[str, Any]) -> SignedIn:
    """A user of the chat."""
    fake: FakeKratos = page["fake"]
    return fake.sign_in(fake.add_identity())


def cookie(user: SignedIn) -> tuple[bytes, bytes]:
    """Return the header with the session cookie."""
    return (b"cookie", f"{user.cookie_name}={user.cookie}".encode())


@pytest.mark.timeout(600)
def test_example_passes_pyright(tmp_path: Path) -> None:
    write_examples([ROOT / CHAINLIT], tmp_path)

    check_with_pyright(tmp_path)


async def test_chat_requires_a_session(page: dict[str, Any], user: SignedIn) -> None:
    headers = [HOST], [HOST, NAVIGATE], [HOST, cookie(user)]

    assert [(await call(page["app"], "/chat/", headers=one)).status for one in headers] == [401, 303, 200]


async def test_chat_refuses_a_post_of_a_foreign_origin(page: dict[str, Any], user: SignedIn) -> None:
    """Chainlit's Socket.IO accepts all origins; a connection by polling needs a POST request."""
    statuses = [
        (await call(page["app"], "/chat/ws/socket.io/", method="POST", headers=[HOST, cookie(user), origin])).status
        for origin in (OURS, FOREIGN)
    ]

    assert statuses == [400, 403]  # the first one has no Socket.IO session


@pytest.fixture
async def url(page: dict[str, Any]) -> AsyncIterator[str]:
    """The URL of the served example."""
    with listening_socket() as listener:
        async with serving(page["app"], listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_message_requires_the_session(page: dict[str, Any], user: SignedIn, url: str) -> None:
    """Also after the session has ended, while the connection is open."""
    client, texts = socketio.AsyncClient(), asyncio.Queue[str]()

    def on_message(message: Any) -> None:
        if message["output"]:
            texts.put_nowait(message["output"])

    client.on("new_message", on_message)
    client.on("update_message", on_message)  # an error updates the message
    headers = {"X-Session-Token": user.token}
    await client.connect(url, headers=headers, auth=AUTH, socketio_path="/chat/ws/socket.io", wait=True)

    async def say(text: str) -> str:
        """Send a message, and return the answer of the chat."""
        step = {"id": str(uuid4()), "type": "user_message", "name": "user", "output": text, "createdAt": None}
        await client.emit("client_message", {"message": step, "fileReferences": None})
        return await texts.get()

    answer = await say("hello")
    await page["guard"].client.perform_native_logout(body={"session_token": user.token})
    await page["guard"].invalidate(session_id=user.session.id)
    refused = await say("again")
    await client.disconnect()

    assert answer == f"{user.session.identity.id}: hello"
    assert "logged in" in refused
