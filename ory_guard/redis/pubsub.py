"""A Redis subscription that reports the loss of its connection.

`PubSub` of redis-py reconnects by itself and does not report missed messages. This module uses one connection,
sends a PING when it is idle for a second, and raises an exception as soon as the connection is lost.
"""

import asyncio
from collections.abc import AsyncGenerator
from math import inf
from typing import Any, Final

__all__ = ["iter_messages"]

_HEARTBEAT: Final = 1.0
_CONNECT_TIMEOUT: Final = 1.0


async def iter_messages(connection: Any, channel: str) -> AsyncGenerator[bytes | None, None]:
    """Yield None when the subscription is confirmed, and then each message.

    Args:
        connection: A redis-py connection that has no other user. It is closed at the end.
        channel: The name of the channel.

    Raises:
        ConnectionError: If the connection is lost.
        TimeoutError: If the server does not respond.
    """
    # Each wait below has its own timeout. redis-py uses `wait_for`, which can lose a cancellation on Python 3.11.
    connection.socket_timeout = None
    pending_read: asyncio.Task[Any] | None = None
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            await connection.connect()
            await connection.send_command("SUBSCRIBE", channel)
            await connection.read_response(timeout=inf)
        yield None
        is_ping_sent = False
        while True:
            # A read that times out is continued, not canceled: canceling it could lose half a message.
            pending_read = pending_read or asyncio.create_task(_read(connection))
            done, _ = await asyncio.wait({pending_read}, timeout=_HEARTBEAT)
            if done:
                kind, *_, payload = pending_read.result()
                pending_read, is_ping_sent = None, False
                if kind == b"message":
                    yield payload
            elif is_ping_sent:
                raise TimeoutError
            else:
                is_ping_sent = True
                await connection.send_command("PING")
    finally:
        if pending_read is not None:
            pending_read.cancel()
            await asyncio.gather(pending_read, return_exceptions=True)
        await connection.disconnect(nowait=True)


async def _read(connection: Any) -> Any:
    return await connection.read_response(timeout=inf)
