"""No client's behavior makes the application slow or unavailable for other users."""

import asyncio
import itertools
import logging
import os
from collections.abc import Callable
from typing import Final
from uuid import uuid4

import pytest

from .scenarios import Scenario, Service, cookie_of, run

pytestmark = [pytest.mark.anyio, pytest.mark.soak, pytest.mark.timeout(600)]

SECONDS: Final = float(os.environ.get("SCENARIO_SECONDS", "5"))
_LOGOUTS_PER_SECOND: Final = 20
_REVOCATIONS_PER_SECOND: Final = 4_000


async def log_out_unknown_sessions(service: Service) -> None:
    """Log out with random cookies, and every other time with a session of the attacker's own."""
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            name = f"attacker-{number}" if number % 2 else uuid4().hex
            if number % 2:
                service.active.add(name)
            group.create_task(service.status(cookie_of(name, "/logout", "POST")))
            await asyncio.sleep(1 / _LOGOUTS_PER_SECOND / 2)


async def revoke_many_sessions(service: Service) -> None:
    """Revoke other sessions, as a webhook or another process does."""
    while True:
        for _ in range(_REVOCATIONS_PER_SECOND // 100):
            await service.guard.invalidate(session_id=uuid4())
        await asyncio.sleep(0.01)


SCENARIOS: Final = (
    Scenario("logouts with unknown cookies", log_out_unknown_sessions),
    Scenario("thousands of revocations", revoke_many_sessions, with_jwts=True),
)


@pytest.mark.parametrize("scenario", [pytest.param(each, id=each.name) for each in SCENARIOS])
async def test_users_do_not_notice_the_attack(
    scenario: Scenario, say: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least 99 % of their requests succeed, and the median takes at most three times as long."""
    monkeypatch.setattr(logging.getLogger("ory_guard"), "disabled", True)  # pytest keeps every record
    undisturbed = await run(scenario, SECONDS, attacked=False)
    attacked = await run(scenario, SECONDS, attacked=True)
    say(f"{scenario.name}, undisturbed: {undisturbed}\n{scenario.name}, attacked: {attacked}")

    assert undisturbed.success == 1.0
    assert attacked.success >= 0.99
    assert attacked.p50 <= 3 * undisturbed.p50
