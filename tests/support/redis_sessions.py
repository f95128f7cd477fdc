"""Secrets, a session and a subscriber for the tests of the Redis store."""

import asyncio
import json
from typing import Final

from ory_guard.cache import StoredSession
from ory_guard.redis import RedisSessionStore
from support.memory_store import SOON
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, session_body

SECRET: Final = "a-secret-of-at-least-thirty-two-bytes"
OLD_SECRET: Final = "an-older-secret-of-thirty-two-or-more-bytes"
KEY: Final = bytes(range(32))
STORED: Final = StoredSession(
    json.dumps(session_body()).encode(), SESSION_ID, IDENTITY_ID, 0.5, 29.5, 1_000.0, 1_030.0
)


async def put(store: RedisSessionStore, key: bytes, stored: StoredSession, *, since: float = 0.0) -> None:
    """Store a session unless it was revoked at `since` or later."""
    await store.put(key, stored, unless_revoked_since=since)


async def look_up(store: RedisSessionStore, keys: list[bytes], token: bytes | None) -> object:
    """Return the session, or its lease, or the error."""
    found: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    store.look_up_or_lease(keys, token, SOON, lambda result, _: found.set_result(result))
    return await found


class Subscriber:
    """A subscriber in a task of its own.

    Attributes:
        messages: The messages that it has received.
        error: The exception that ended the subscription.
    """

    def __init__(self, store: RedisSessionStore) -> None:
        self.messages: list[tuple[str, ...] | None] = []
        self.error: BaseException | None = None
        self._task = asyncio.create_task(self._receive(store))

    async def _receive(self, store: RedisSessionStore) -> None:
        subscription = store.subscribe()
        try:
            async for message in subscription:
                self.messages.append(message)
        except Exception as error:  # noqa: BLE001 - the test examines it
            self.error = error
        finally:
            await subscription.aclose()

    async def aclose(self) -> None:
        """End the subscription."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
