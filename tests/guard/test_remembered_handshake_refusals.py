"""A refusal that a framework turns into the close of a websocket before it was accepted, gets its own response."""

from typing import Any

import pytest
from support.asgi_calls import connect
from support.guard_bench import Bench

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import Refusal

pytestmark = pytest.mark.anyio


def closing(guard: OryGuard, *messages: dict[str, Any], then: type[Exception] | None = None) -> Any:
    """Return an application that handles a refusal by these messages, and may raise an error."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        with pytest.raises(Refusal):
            await guard.require(scope)
        for message in messages:
            await send(message)
        if then is not None:
            raise then("a defect")

    return OrySessionMiddleware(app, guard=guard)


CLOSE = {"type": "websocket.close", "code": 1011}
DENIAL_500 = (
    {"type": "websocket.http.response.start", "status": 500, "headers": []},
    {"type": "websocket.http.response.body", "body": b"of the framework"},
)
TEAPOT = ({**DENIAL_500[0], "status": 418}, DENIAL_500[1])


@pytest.mark.parametrize("messages", [(CLOSE,), (CLOSE, CLOSE), DENIAL_500], ids=["close", "twice", "denial"])
async def test_close_of_an_unaccepted_websocket_is_replaced(messages: Any) -> None:
    """By the denial response if the server supports it, otherwise by a close that names the policy."""
    app = closing(Bench().guard, *messages)

    start, body = await connect(app)
    (close,) = await connect(app, denial=False)

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert b"session_inactive" in body["body"]
    assert (close["type"], close["code"]) == ("websocket.close", 1008)


@pytest.mark.parametrize("messages", [TEAPOT, ({"type": "websocket.accept"}, CLOSE)], ids=["denial", "accepted"])
async def test_other_answer_to_a_handshake_is_kept(messages: Any) -> None:
    sent = await connect(closing(Bench().guard, *messages))

    assert [(one["type"], one.get("status")) for one in sent] == [
        (one["type"], one.get("status")) for one in messages
    ]


async def test_websocket_that_the_application_refuses_without_a_requirement_is_closed() -> None:
    """With the code of the application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(CLOSE)

    assert await connect(OrySessionMiddleware(app, guard=Bench().guard)) == [CLOSE]


async def test_refusal_that_is_raised_after_the_close_is_answered_once() -> None:
    """Some frameworks close the websocket and raise the error again."""
    guard = Bench().guard

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await guard.require(scope)
        except Refusal:
            await send(CLOSE)
            raise

    sent = await connect(OrySessionMiddleware(app, guard=guard))

    assert [message.get("status") for message in sent] == [401, None]


async def test_defect_after_the_close_reaches_the_server() -> None:
    with pytest.raises(ValueError, match="a defect"):
        await connect(closing(Bench().guard, CLOSE, then=ValueError))
