"""The fake under a long run of requests."""

import gc
import sys

import pytest
from starlette.types import Message

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

CALLS = 10_000
FULL_RECORD = 1_100
BLOCKS = 500


async def test_ten_thousand_whoami_calls_leave_memory_flat(fake: FakeKratos) -> None:
    """Once the record of requests is full, nothing more is kept."""
    signed_in = fake.sign_in(fake.add_identity())
    headers = [(b"cookie", f"{signed_in.cookie_name}={signed_in.cookie}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/sessions/whoami", "headers": headers}
    statuses: set[int] = set()

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        statuses.add(message.get("status", 200))

    async def call(times: int) -> int:
        for _ in range(times):
            await fake.app(scope, receive, send)
        gc.collect()
        return sys.getallocatedblocks()

    before = await call(FULL_RECORD)
    after = await call(CALLS)

    assert statuses == {200}
    assert abs(after - before) < BLOCKS
    fake.assert_whoami_calls(FULL_RECORD + CALLS)
