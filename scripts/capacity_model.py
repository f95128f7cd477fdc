"""Calculate the load of a fleet on Kratos and Redis, and print it as Markdown: `poe capacity-model`.

A session is used in page loads at random times (a Poisson process). Each page load sends several requests at almost
the same time, which the load balancer spreads over all workers. The rates of the sessions follow Zipf's law.
`calculate` uses formulas, `simulate` simulates every request of a few sessions.
"""

import random
from collections.abc import Iterator
from math import exp
from typing import Final, NamedTuple

__all__ = ["DESIGNS", "Fleet", "Load", "calculate", "main", "rates", "simulate"]

PAGE_REQUESTS: Final = 8
PAGE_SECONDS: Final = 0.03
WHOAMI_SECONDS: Final = 0.006
"""The duration of a lookup in the store, a whoami call and a put."""

WAIT_SECONDS: Final = 0.004
WAIT_FACTOR: Final = 1.5
"""The time between two lookups of a worker that waits for a lease, and its growth."""

MEAN_LIFETIME: Final = 0.975
"""The mean lifetime of an entry, as a part of `cache_ttl`: up to 5 % are removed at random."""

EXPONENT: Final = 0.8
MAX_RATE: Final = 0.5
JWT_SECONDS: Final = 600.0
MEGABYTES_PER_SESSION: Final = 0.002
GIGABYTES_IN_REDIS: Final = 4.1e-6
DESIGNS: Final = ("local", "store", "store + lease", "JWT")
STORES: Final = ("store", "store + lease")
REVOCATION: Final = {"local": "{ttl:.0f} s", "store": "≤ 1 s", "store + lease": "≤ 1 s", "JWT": "10 min"}


class Fleet(NamedTuple):
    """The numbers from which the load follows.

    Attributes:
        workers: The number of processes that serve each session.
        sessions: The number of sessions in use.
        pages: The number of page loads per second, of all sessions.
        ttl: The setting `cache_ttl`, in seconds.
    """

    workers: int
    sessions: int
    pages: float
    ttl: float


class Load(NamedTuple):
    """The load.

    Attributes:
        whoami: Calls of Kratos per second.
        lookups: Lookups in Redis per second.
        puts: Sessions that are stored in Redis per second.
        cached: The number of fresh sessions in the cache of a worker.
        stored: The number of fresh sessions in Redis.
    """

    whoami: float
    lookups: float = 0.0
    puts: float = 0.0
    cached: float = 0.0
    stored: float = 0.0


def rates(fleet: Fleet) -> Iterator[tuple[float, float]]:
    """Yield groups of sessions: the number of sessions, and the page loads per second of each of them.

    The ranks of a group differ by at most 5 %. No user loads more than a page every two seconds.
    """
    groups, rank = [], 1
    while rank <= fleet.sessions:
        end = min(max(rank + 1, int(rank * 1.05)), fleet.sessions + 1)
        groups.append((end - rank, ((rank + end - 1) / 2) ** -EXPONENT))
        rank = end
    scale = fleet.pages / sum(number * weight for number, weight in groups)
    for number, weight in groups:
        yield number, min(scale * weight, MAX_RATE)


def calculate(fleet: Fleet, design: str) -> Load:
    """Return the load by the formulas of the capacity page."""
    workers, lifetime = fleet.workers, MEAN_LIFETIME * fleet.ttl
    reached = 1 - (1 - 1 / workers) ** PAGE_REQUESTS
    window = WHOAMI_SECONDS / PAGE_SECONDS
    # Requests of the same page that reach other workers before the first result is stored.
    others = (workers - 1) * (1 - (1 - window / workers) ** (PAGE_REQUESTS - 1))
    repeated = sum(1 - wait / WHOAMI_SECONDS for wait in _waits())
    whoami = lookups = cached = stored = 0.0
    for number, rate in rates(fleet):
        if design == "JWT":
            whoami += number / (JWT_SECONDS + 1 / rate)
        elif design == "local":
            whoami += number * workers / (lifetime + 1 / (rate * reached))
            cached += number * lifetime / (lifetime + 1 / (rate * reached))
        else:
            cycle = lifetime + 1 / rate
            visited = workers * (1 - (1 - reached) * exp(-rate * reached * lifetime))
            if design == "store":
                whoami += number * (1 + others) / cycle
                lookups += number * visited / cycle
            else:
                whoami += number / cycle
                lookups += number * (visited + others * repeated) / cycle
            # A worker that is reached first by a later page keeps the session for the rest of the lifetime.
            later = (1 - exp(-rate * reached * lifetime)) / (rate * reached)
            cached += number * (lifetime - (1 - reached) * later) / cycle
            stored += number * lifetime / cycle
    return Load(whoami, lookups, whoami if design in STORES else 0.0, cached, stored)


def _waits() -> Iterator[float]:
    """Yield the seconds from the first lookup to each repeated one, while the call of the other worker may last."""
    wait, delay = 0.0, WAIT_SECONDS
    while wait < WHOAMI_SECONDS:
        yield wait
        wait, delay = wait + delay, delay * WAIT_FACTOR


def simulate(fleet: Fleet, design: str, *, seconds: float, seed: int = 1) -> Load:
    """Return the load by the simulation of every request of one session for each group of `rates`."""
    chance, totals = random.Random(seed), [0.0] * 5
    for number, rate in rates(fleet):
        counts = _simulate_session(fleet, design, rate, seconds, chance)
        totals = [total + number * count / seconds for total, count in zip(totals, counts, strict=True)]
    whoami, lookups, puts, cached, stored = totals
    return Load(whoami, lookups, puts, cached / fleet.workers, stored)


def _simulate_session(
    fleet: Fleet, design: str, rate: float, seconds: float, chance: random.Random
) -> tuple[int, int, int, float, float]:
    fresh_until: dict[int, float] = {}
    whoami = lookups = 0
    cached = stored = shared_from = shared_until = token_until = 0.0
    for now, worker in _requests(fleet.workers, rate, seconds, chance):
        if design == "JWT":
            if now >= token_until:
                whoami, token_until = whoami + 1, now + JWT_SECONDS
            continue
        if now < fresh_until.get(worker, 0.0):
            continue
        lookups += 1
        if design == "store + lease" and now < shared_from:
            lookups += sum(now + wait < shared_from for wait in _waits())
            fresh_until[worker] = shared_until
        elif design == "local" or not shared_from <= now < shared_until:
            whoami += 1
            end = now + fleet.ttl * chance.uniform(0.95, 1.0)
            fresh_until[worker] = end
            if now >= shared_until:
                shared_from, shared_until = now + WHOAMI_SECONDS, end
                stored += end - now
        else:
            fresh_until[worker] = shared_until
        cached += fresh_until[worker] - now
    if design == "local":
        return whoami, 0, 0, cached, 0.0
    return whoami, lookups, whoami if design in STORES else 0, cached, stored


def _requests(workers: int, rate: float, seconds: float, chance: random.Random) -> Iterator[tuple[float, int]]:
    page = chance.expovariate(rate)
    while page < seconds:
        times = [0.0, *sorted(chance.uniform(0, PAGE_SECONDS) for _ in range(PAGE_REQUESTS - 1))]
        for time in times:
            yield page + time, chance.randrange(workers)
        page += chance.expovariate(rate)


FLEETS: Final = [
    Fleet(workers, sessions, pages, ttl)
    for workers, sessions, pages in ((4, 10_000, 100), (64, 500_000, 3_000), (1_000, 10_000_000, 60_000))
    for ttl in (30.0, 300.0)
]


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    yield (
        "| workers | sessions | requests/s | `cache_ttl` | design | whoami/s | Redis operations/s | Redis"
        " | sessions per worker | memory per worker | revoked within |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for fleet in FLEETS:
        for design in DESIGNS:
            load = calculate(fleet, design)
            requests = PAGE_REQUESTS * sum(number * rate for number, rate in rates(fleet))
            cells = [
                f"{fleet.workers:,}",
                f"{fleet.sessions:,}",
                _rounded(requests),
                f"{fleet.ttl:.0f} s",
                design,
                _rounded(load.whoami),
                _rounded(load.lookups + load.puts) if design in STORES else "",
                f"{load.stored * GIGABYTES_IN_REDIS:.2f} GB" if design in STORES else "",
                _rounded(load.cached) if design != "JWT" else "",
                f"{load.cached * MEGABYTES_PER_SESSION:.0f} MB" if design != "JWT" else "",
                REVOCATION[design].format(ttl=fleet.ttl),
            ]
            yield f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _rounded(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{float(f'{value:.3g}'):,.0f}"


def main() -> None:
    """Print the table."""
    for line in table():
        print(line)


if __name__ == "__main__":
    main()
