"""Through uvicorn: requests per second of one process on loopback, if every request calls Kratos."""

from typing import Final

from benchmarks import generator
from benchmarks.applications import FASTAPI
from benchmarks.report import Effort, Section, compare
from benchmarks.serve import AIOHTTP, EXPIRED, HTTPX, NEW_ORY_CLIENT, ORY_CLIENT, UNCACHED
from benchmarks.through_uvicorn import TODAY, Load, load_in_turn
from benchmarks.traffic import api_headers
from benchmarks.upstream import static_kratos

__all__ = ["CHARTED", "measure"]

CHARTED: Final = (UNCACHED, AIOHTTP, ORY_CLIENT, EXPIRED, NEW_ORY_CLIENT, HTTPX)


def measure(effort: Effort) -> Section:
    """Return the rates without a cache; concurrent requests have different tokens, so none shares a call."""
    headers = api_headers(generator.ROTATING_TOKEN)
    others = (FASTAPI, EXPIRED, *TODAY)
    with static_kratos() as upstream:
        found = load_in_turn([Load(name, name, headers) for name in (UNCACHED, *others)], upstream, effort)
    targets = dict.fromkeys(others) | {NEW_ORY_CLIENT: 3.0, AIOHTTP: 1.2}
    return Section(
        f"Through uvicorn, one process, every request calls Kratos; load by {generator.NAME}",
        tuple(found.values()),
        tuple(compare(found, UNCACHED, name, at_least=target) for name, target in targets.items()),
    )
