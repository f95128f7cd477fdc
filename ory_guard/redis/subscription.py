"""A subscription that notices when it is dead.

redis-py's own `PubSub` connects again by itself, and says nothing of what was missed meanwhile. This one holds one
connection, asks it for a sign of life every second, and raises as soon as it is gone.
"""

import asyncio
from collections.abc import AsyncGenerator
from math import inf
from typing import Any, Final

__all__ = ["messages_of"]

_SIGN_OF_LIFE: Final = 1.0
_CONNECT: Final = 1.0


async def messages_of(connection: Any, channel: str) -> AsyncGenerator[bytes | None, None]:
    """Yield None when the subscription stands, then every message.

    Args:
        connection: A redis-py connection that nobody else uses; it is closed at the end.
        channel: The channel's name.

    Raises:
        ConnectionError: It is gone.
        TimeoutError: It stands still.
    """
    # Every wait here has its own bound. redis-py's is a `wait_for`, in which Python 3.11 can lose a cancellation.
    connection.socket_timeout = None
    reading: asyncio.Task[Any] | None = None
    try:
        async with asyncio.timeout(_CONNECT):
            await connection.connect()
            await connection.send_command("SUBSCRIBE", channel)
            await connection.read_response(timeout=inf)
        yield None
        silent = 0
        while True:
            # The same read goes on while the loop waits: to cancel one could lose half a message.
            reading = reading or asyncio.create_task(_read(connection))
            done, _ = await asyncio.wait({reading}, timeout=_SIGN_OF_LIFE)
            if done:
                kind, *_, payload = reading.result()
                reading, silent = None, 0
                if kind == b"message":
                    yield payload
            elif silent:
                raise TimeoutError
            else:
                silent = 1
                await connection.send_command("PING")
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await connection.disconnect(nowait=True)


async def _read(connection: Any) -> Any:
    return await connection.read_response(timeout=inf)
