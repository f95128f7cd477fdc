"""What tests of Redis put there, and somebody who listens."""

import asyncio
import json
from typing import Final

from ory_guard.cache import StoredSession
from ory_guard.redis import RedisSessionStore
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, session_body

SECRET: Final = "a-secret-of-at-least-thirty-two-bytes"
OLD_SECRET: Final = "an-older-secret-of-thirty-two-or-more-bytes"
KEY: Final = bytes(range(32))
STORED: Final = StoredSession(
    json.dumps(session_body()).encode(), SESSION_ID, IDENTITY_ID, 0.5, 29.5, 1_000.0, 1_030.0
)


async def put(store: RedisSessionStore, key: bytes, stored: StoredSession, *, since: float = 0.0) -> None:
    """Put a session there that was not revoked."""
    await store.put(key, stored, unless_revoked_since=since)


class Listening:
    """Somebody who is subscribed.

    Attributes:
        items: What came.
        error: What ended it.
    """

    def __init__(self, store: RedisSessionStore) -> None:
        self.items: list[tuple[str, ...] | None] = []
        self.error: BaseException | None = None
        self._task = asyncio.create_task(self._listen(store))

    async def _listen(self, store: RedisSessionStore) -> None:
        messages = store.subscribe()
        try:
            async for item in messages:
                self.items.append(item)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            await messages.aclose()

    async def end(self) -> None:
        """Go away."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
