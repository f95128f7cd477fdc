"""One client locks out no others: forty users during each attack, and during all of them at once."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import uuid4

import pytest
from security.bench import settings_for
from support.raw_kratos import RawKratos, error_body, raw_response
from support.token_bench import verifier_of

from ory_guard import OryGuard

from .attack import Attack, LimitedKratos, Run

pytestmark = [pytest.mark.anyio, pytest.mark.soak, pytest.mark.timeout(120)]

SECONDS: Final = 5.0
_FIREWALL: Final = {"blocked": raw_response(b"blocked", 403), "poison": raw_response(error_body(502), 502)}


def random_token() -> str:
    """Return a token that Kratos does not know."""
    return f"ory_st_{secrets.token_urlsafe(24)}"


async def sessions_above_their_limit(run: Run) -> None:
    """Three accounts with twenty sessions each cause 429 responses."""
    tokens = [run.behavior.log_in(f"attacker {number % 3}") for number in range(60)]
    for token in tokens:
        await run.request(token)
    run.behavior.limited.update(tokens)
    while run.is_running:
        for token in tokens:
            await run.request(token, revalidate=True)
            await asyncio.sleep(0.01)


async def bursts_of_random_tokens(run: Run) -> None:
    """150 random tokens at once, once a second."""
    while run.is_running:
        await asyncio.gather(*(run.request(random_token()) for _ in range(150)))
        await asyncio.sleep(1)


async def flood_of_random_tokens(run: Run) -> None:
    """200 random tokens a second."""
    await run.flood(200, lambda: run.request(random_token()))


async def tokens_that_make_a_firewall_fail(run: Run) -> None:
    """Fifty tokens a second, each of which causes a 502."""
    await run.flood(50, lambda: run.request(f"poison{random_token()}"))


async def uncacheable_responses(run: Run) -> None:
    """A token with the 403 of a firewall, and a session without the required level, fifty times a second."""
    token = run.behavior.log_in("attacker 4")

    async def both() -> None:
        await run.request("blocked")
        await run.request(token, aal="aal2")

    await run.flood(50, both)


async def logouts_of_unknown_sessions(run: Run) -> None:
    """Twenty logouts a second with random cookies, and twenty of sessions of the attacker."""

    async def log_out() -> None:
        await run.log_out(random_token())
        await run.log_out(run.behavior.log_in("attacker 5"))

    await run.flood(20, log_out)


async def thousands_of_revocations(run: Run) -> None:
    """Four thousand revocations a second of other sessions, as by a webhook or another process."""
    while run.is_running:
        for _ in range(40):
            await run.invalidate(uuid4())
        await asyncio.sleep(0.01)


CALLS: Final[dict[str, tuple[Attack, LimitedKratos]]] = {
    "429 of three accounts": (sessions_above_their_limit, LimitedKratos(calls_per_session=1, retry_after=30)),
    "bursts above the limit of Kratos": (bursts_of_random_tokens, LimitedKratos(calls_per_second=100)),
    "random tokens on a slow Kratos": (flood_of_random_tokens, LimitedKratos(delay=0.5)),
    "tokens that make a firewall fail": (tokens_that_make_a_firewall_fail, LimitedKratos(blocked=_FIREWALL)),
    "uncacheable responses": (uncacheable_responses, LimitedKratos(blocked=_FIREWALL)),
}
ATTACKS: Final = CALLS | {
    "logouts with unknown cookies": (logouts_of_unknown_sessions, LimitedKratos(delay=0.1)),
    "thousands of revocations": (thousands_of_revocations, LimitedKratos(delay=0.1)),
}


async def run_of(behavior: LimitedKratos, *attacks: Attack) -> Run:
    """Return a finished run."""
    async with RawKratos() as kratos:
        guard = OryGuard(settings_for(kratos, timeout=2, cache_ttl=2), tokens=verifier_of())
        own = replace(behavior, identities={}, counts=Counter(), limited=set())
        run = Run(kratos, own, guard, SECONDS, with_jwts=thousands_of_revocations in attacks)
        await run.start(*attacks)
        await guard.aclose()
    return run


def line(name: str, run: Run) -> str:
    """Return a line of the report."""
    stats = run.guard.stats()
    return (
        f"{name:<36}{len(run.latencies):>6} requests {run.success:>8.2%}{run.p50 * 1e3:>9.3f} ms"
        f"{run.attacks:>7} attacks{stats.upstream_calls:>7} calls  {dict(run.failures)} {dict(run.behavior.counts)}"
    )


@pytest.fixture(autouse=True)
def _no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("ory_guard"), "disabled", True)


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack_affects_no_other_user(name: str, say: Callable[[str], None]) -> None:
    attack, behavior = ATTACKS[name]
    undisturbed = await run_of(behavior)

    run = await run_of(behavior, attack)

    say("\n".join((line("undisturbed", undisturbed), line(name, run))))
    assert run.attacks > 0
    assert undisturbed.success == 1
    assert run.success >= 0.99
    assert run.p50 <= 3 * undisturbed.p50


async def test_all_attacks_at_once(say: Callable[[str], None]) -> None:
    """All that cause calls to Kratos."""
    behavior = LimitedKratos(delay=0.2, calls_per_second=400, calls_per_session=1, blocked=_FIREWALL)

    run = await run_of(behavior, *(attack for attack, _ in CALLS.values()))

    say(line("all at once", run))
    assert run.success >= 0.97
