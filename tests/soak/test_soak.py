"""Sixty-four clients, faults, disconnects and revocations for ten minutes, or SOAK_SECONDS.

Every response is compared with the state of the session: its identity, its end, and its revocation.
"""

import asyncio
import gc
import logging
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from security.bench import Scope, call, identity_of, kratos_with_users, request, settings_for, token
from support.applications import reply
from support.asgi_calls import SentResponse

from ory_guard import OryGuard, OrySessionMiddleware

from .world import NAMES, Life, World

pytestmark = [pytest.mark.anyio, pytest.mark.soak, pytest.mark.timeout(3_600)]

CLIENTS: Final = 64
CACHE_TTL: Final = 2.0
NEGATIVE_TTL: Final = 0.5
DEADLINE: Final = 0.5
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Soak:
    """One run: clients, revocations, outages, and the counts of responses."""

    def __init__(self, world: World, guard: OryGuard, seconds: float) -> None:
        self.world = world
        self.guard = guard
        self.until = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0
        self.samples: list[tuple[float, int, int]] = []
        self.app = OrySessionMiddleware(self._endpoint, guard=guard)

    async def _endpoint(self, scope: Any, _receive: Any, send: Any) -> None:
        identity_id = (await self.guard.require(scope)).identity.id
        await reply(send, {"identity": identity_id})

    def running(self) -> bool:
        """Return whether the run continues."""
        return time.monotonic() < self.until

    async def client(self, number: int) -> None:
        """Make requests in sequence, and cancel some of them."""
        chance = random.Random(number)
        while self.running():
            life = self._choose_session(chance)
            scope = _request(life, chance)
            if chance.random() < 0.03:
                await self._disconnect(scope, chance)
                continue
            started = time.monotonic()
            try:
                response = await call(self.app, scope)
            except Exception as error:  # noqa: BLE001 - an error that reaches the server would be a 500
                self.counts[f"500 ({type(error).__name__})"] += 1
                continue
            self.slowest = max(self.slowest, time.monotonic() - started)
            self._check(life, response, started)
            # Retry sooner than Retry-After, so that the run has enough requests.
            await asyncio.sleep(chance.uniform(0, 0.2 if response.status == 503 else 0.02))

    def _choose_session(self, chance: random.Random) -> Life | None:
        if chance.random() < 0.05:
            return None
        if chance.random() < 0.1:
            return chance.choice(list(self.world.by_credential.values())[-20:])
        return self.world.lives[chance.choice(NAMES)]

    async def _disconnect(self, scope: Scope, chance: random.Random) -> None:
        task = asyncio.create_task(call(self.app, scope))
        await asyncio.sleep(chance.uniform(0, 0.003))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.counts["disconnected"] += 1

    def _check(self, life: Life | None, response: SentResponse, started: float) -> None:
        now = time.monotonic()
        self.counts[str(response.status)] += 1
        if response.status != 200:
            return
        if life is None or identity_of(response) != life.owner:
            self.counts["CROSS-IDENTITY"] += 1
        elif life.revoked_at is not None and started > life.revoked_at:
            self.counts["SERVED AFTER invalidate()"] += 1
        elif life.ended_at is not None and now - life.ended_at > CACHE_TTL + DEADLINE:
            self.counts["SERVED BEYOND THE TIME LIMIT"] += 1

    async def end_sessions(self) -> None:
        """End sessions, and invalidate two of three of them."""
        chance = random.Random(-1)
        while self.running():
            await asyncio.sleep(chance.uniform(0.05, 0.4))
            name = chance.choice(NAMES)
            life = self.world.lives[name]
            self.world.sign_in(name)
            life.ended_at = time.monotonic()
            self.counts["ended"] += 1
            how = chance.randrange(3)
            if how == 1:
                await self.guard.invalidate(session_id=life.session_id)
            elif how == 2:
                await self.guard.invalidate(identity_id=name)
            if how:
                life.revoked_at = time.monotonic()
                self.counts["revoked"] += 1

    async def cause_outages(self) -> None:
        """Make Kratos unavailable at random times."""
        chance = random.Random(-2)
        while self.running():
            await asyncio.sleep(chance.uniform(2, 6))
            self.world.broken_until = time.monotonic() + chance.uniform(0.2, 1.5)
            self.counts["outages"] += 1

    async def sample(self) -> None:
        """Record memory and tasks."""
        while self.running():
            await asyncio.sleep(1)
            self.world.kratos.requests.clear()
            gc.collect()
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE  # noqa: ASYNC240 - no disk
            self.samples.append((time.monotonic(), resident, len(asyncio.all_tasks())))


def _request(life: Life | None, chance: random.Random) -> Scope:
    if life is None:
        return token(f"unknown-{chance.randrange(1_000)}")
    value = life.credential.encode()
    header = chance.choice(
        (
            (b"x-session-token", value),
            (b"cookie", b"ory_kratos_session=" + value),
            (b"authorization", b"Bearer " + value),
        )
    )
    return request(header)


def _table(soak: Soak, seconds: float, left: int) -> Iterator[str]:
    yield f"{'seconds':<28}{seconds:>12,.0f}"
    yield f"{'clients':<28}{CLIENTS:>12}"
    for name, number in sorted(soak.counts.items()):
        yield f"{'answered ' + name if name.isdigit() else name:<28}{number:>12,}"
    yield f"{'slowest response':<28}{soak.slowest * 1_000:>9,.0f} ms"
    for fault, number in sorted(soak.world.faults.items()):
        yield f"{'Kratos: ' + fault:<28}{number:>12,}"
    for name in ("CROSS-IDENTITY", "SERVED AFTER invalidate()", "SERVED BEYOND THE TIME LIMIT"):
        if name not in soak.counts:
            yield f"{name.lower():<28}{0:>12}"
    yield f"{'memory, first third':<28}{_middle(soak, 0) / 2**20:>9.1f} MB"
    yield f"{'memory, last third':<28}{_middle(soak, 2) / 2**20:>9.1f} MB"
    tasks = [number for _, _, number in soak.samples]
    yield f"{'tasks, maximum':<28}{max(tasks):>12}"
    yield f"{'tasks left at the end':<28}{left:>12}"


def _middle(soak: Soak, third: int) -> float:
    size = max(len(soak.samples) // 3, 1)
    part = sorted(resident for _, resident, _ in soak.samples[third * size : (third + 1) * size] or soak.samples)
    return part[len(part) // 2]


async def test_soak_serves_no_wrong_session_and_does_not_leak(
    say: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No response contains another identity or a session that ended too long ago; memory and tasks don't grow."""
    monkeypatch.setattr(logging.getLogger("ory_guard"), "disabled", True)  # pytest keeps every record
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    before = len(asyncio.all_tasks())
    async with kratos_with_users() as kratos:
        guard = OryGuard(
            settings_for(kratos, cache_ttl=CACHE_TTL, negative_ttl=NEGATIVE_TTL, timeout=DEADLINE, max_sessions=500)
        )
        soak = Soak(World(kratos, random.Random(0)), guard, seconds)
        await asyncio.gather(
            *(soak.client(number) for number in range(CLIENTS)),
            soak.end_sessions(),
            soak.cause_outages(),
            soak.sample(),
        )
        await guard.aclose()
    left = len(asyncio.all_tasks()) - before
    say("\n".join(_table(soak, seconds, left)))

    bad = [name for name in soak.counts if name.isupper() or name.startswith(("SERVED", "500"))]
    assert bad == []
    assert soak.counts["200"] > soak.counts["503"] > 0
    assert _middle(soak, 2) - _middle(soak, 0) < 8 * 2**20
    assert left <= 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 512 * 1_024
