"""The primary of a real deployment is killed while several processes serve requests and revoke sessions."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from typing import Final

import pytest
from redis_topologies import Deployment, cluster_deployment, sentinel_deployment
from support.guard_bench import settings_of
from support.memory_store import eventually
from support.redis_server import REDIS_MARKS
from support.redis_sessions import SECRET
from support.scripted_kratos import KratosRequest, KratosResponse, ScriptedKratos, refused, session_body, signed_in

from ory_guard import Authenticated, OryGuard
from ory_guard.redis import RedisSessionStore

pytestmark = [*REDIS_MARKS, pytest.mark.workers]

BACK_WITHIN: Final = 5.0
REVOKED_WITHIN: Final = 5.0
"""Seconds; the bars hold on an idle machine, and include the second after which a failure is noticed."""


class Processes:
    """Guards with a store of their own, and a Kratos that they share."""

    def __init__(self, url: str, number: int) -> None:
        self.revoked: set[str] = set()
        self._url = url
        self.guards: list[OryGuard] = []
        self.refused = 0
        self.slowest = 0.0
        for _ in range(number):
            self.add()

    def add(self) -> OryGuard:
        """Return a new guard."""
        store = RedisSessionStore(self._url, secrets=[SECRET])
        guard = OryGuard(settings_of(cache_ttl=60.0), transport=ScriptedKratos(self._respond), store=store)
        self.guards.append(guard)
        return guard

    def _respond(self, asked: KratosRequest) -> KratosResponse:
        ((_, token),) = asked.credentials()
        if token in self.revoked:
            return refused()
        identity = {"id": f"identity-{token}", "traits": {}}
        return signed_in(session_body(id=f"session-{token}", identity=identity, expires_at="2099-01-01T00:00:00Z"))

    async def accepts(self, guard: OryGuard, token: str) -> bool:
        """Return whether a guard accepts a session."""
        outcome = await guard.authenticate_token(token, kind="x_session_token")
        return isinstance(outcome, Authenticated)

    async def serve(self) -> None:
        """Send requests of valid sessions to all guards, until canceled."""
        for number in count():
            for guard in self.guards:
                self.refused += not await self.accepts(guard, f"valid-{number % 8}")
            await asyncio.sleep(0.02)

    async def revoke(self, token: str) -> None:
        """Use a session at each guard, revoke it at the first one, and wait until all refuse it."""
        for guard in self.guards:
            self.refused += not await self.accepts(guard, token)
        started = time.monotonic()
        self.revoked.add(token)
        await self.guards[0].invalidate(session_id=f"session-{token}")
        for guard in self.guards:
            while await self.accepts(guard, token):  # noqa: ASYNC110 - a refusal is not an event
                await asyncio.sleep(0.02)
        self.slowest = max(self.slowest, time.monotonic() - started)

    async def all_up(self) -> None:
        """Wait until all guards use the store."""
        await eventually(lambda: all(guard.stats().store == "up" for guard in self.guards))


@pytest.fixture
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    start: Callable[[Path], AbstractContextManager[Deployment]] = request.param
    with start(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("deployment", "fault"),
    [(sentinel_deployment, SIGKILL), (cluster_deployment, SIGKILL), (cluster_deployment, SIGSTOP)],
    indirect=["deployment"],
)
async def test_store_is_back_soon_and_no_revocation_is_lost(deployment: Deployment, fault: Signals) -> None:
    """No valid session is refused meanwhile, and a new process accepts no revoked session."""
    processes = Processes(deployment.url, 3)
    for guard in processes.guards:
        await processes.accepts(guard, "first")
    await processes.all_up()
    serving = asyncio.create_task(processes.serve())
    revocations = [asyncio.create_task(processes.revoke(f"before-{number}")) for number in range(8)]
    await asyncio.gather(*revocations)

    failed_at = time.monotonic()
    primary = deployment.primaries()[0]
    primary.signal(fault)
    for number in range(20):
        revocations.append(asyncio.create_task(processes.revoke(f"during-{number}")))
        await asyncio.sleep(0.1)
    await processes.all_up()
    back_after = time.monotonic() - failed_at
    await asyncio.wait_for(asyncio.gather(*revocations), 30)
    if fault == SIGSTOP:
        primary.signal(SIGCONT)
    serving.cancel()

    new = processes.add()
    await processes.accepts(new, "first")
    await processes.all_up()
    for token in processes.revoked:
        assert not await processes.accepts(new, token)

    assert processes.refused == 0
    assert processes.slowest <= REVOKED_WITHIN
    assert back_after <= BACK_WITHIN
    for guard in processes.guards:
        await guard.aclose()
