"""The table for users on the performance page, from the figures of a run."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from benchmarks.applications import BARE, DICT_CACHE, FASTAPI, MIDDLEWARE, SESSION
from benchmarks.serve import AIOHTTP, EXPIRED, HTTPX, NEW_ORY_CLIENT, ORY_CLIENT, UNCACHED

__all__ = ["as_summary"]

_HIT: Final = "Through uvicorn, one process, session cached"
_MISS: Final = "Through uvicorn, one process, every request calls Kratos"
_CALL: Final = "Cache miss, static upstream"
_STORM: Final = "Cold start, static upstream"
_MEMORY: Final = "Memory, by tracemalloc"
_CACHE: Final = "Session cache"
_BEYOND: Final = "Shared store and tokens"
_JWT: Final = "Verification of a JWT"
_IMPORTS: Final = "Imports"

Format = Callable[[float], str]


def _per_second(value: float) -> str:
    return f"{value:,.0f} requests/s"


def _microseconds(value: float) -> str:
    return f"{value:,.0f} µs CPU"


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms CPU"


class _Row(NamedTuple):
    """A row: its label, its section, the figures with the guard and the figures without, by their text.

    The text `{}` is replaced by the figure.
    """

    label: str
    section: str
    unit: Format
    ours: dict[str, str]
    others: dict[str, str]


_ROWS: Final = (
    _Row(
        "FastAPI, session cached",
        _HIT,
        _per_second,
        {f"{SESSION}, token": "{}"},
        {FASTAPI: "{} without authentication", f"{DICT_CACHE}, token": "{} with a hand-written cache"},
    ),
    _Row(
        "FastAPI, each request calls Kratos (`cache_ttl=0`)",
        _MISS,
        _per_second,
        {UNCACHED: "{}"},
        {
            AIOHTTP: "{} with aiohttp",
            EXPIRED: "{} with an httpx2 client",
            ORY_CLIENT: "{} with a shared ory-client",
            NEW_ORY_CLIENT: "{} with a new ory-client for each request",
            HTTPX: "{} with a new httpx client for each request",
        },
    ),
    _Row(
        "Starlette, session cached",
        _HIT,
        _per_second,
        {f"{MIDDLEWARE}, token": "{}"},
        {BARE: "{} without authentication"},
    ),
    _Row("Starlette, no credential", _HIT, _per_second, {f"{MIDDLEWARE}, anonymous": "{}"}, {}),
    _Row(
        "One call to Kratos",
        _CALL,
        _microseconds,
        {
            "guard.authenticate, expired session": "{}",
            "guard.authenticate, expired session, 64 at once": "{} each with 64 at once",
        },
        {
            "aiohttp.ClientSession, body read": "{} for a round trip of aiohttp",
            "aiohttp.ClientSession, body read, 64 at once": "{} each with 64 at once",
        },
    ),
    _Row(
        "Cold start: 1,500 sessions at once",
        _STORM,
        _milliseconds,
        {
            "1,500 cold sessions at once": "{} in total",
            "1,500 cold sessions at once, longest turn of the event loop": "at most {} without a pause",
        },
        {"1,500 round trips of aiohttp at once": "{} for the round trips of aiohttp"},
    ),
    _Row(
        "Session from Redis, in another process",
        _BEYOND,
        _microseconds,
        {
            "session in Redis (on loopback), CPU": "{}",
            "session in Redis, and its traits read, CPU": "{} if the session is read",
        },
        {},
    ),
    _Row(
        "JWT (ES256)",
        _JWT,
        _microseconds,
        {"TokenVerifier.verify, ES256": "{}"},
        {"cryptography, ES256 signature": "{} for the signature alone"},
    ),
    _Row(
        "Memory of a cached session, with 50,000",
        _MEMORY,
        lambda value: f"{value:,.0f} bytes",
        {"50,000 sessions cached, each": "{}"},
        {},
    ),
    _Row(
        "Full garbage collection with 50,000 cached sessions",
        _CACHE,
        _milliseconds,
        {"full garbage collection, 50,000 cached sessions": "{}"},
        {"full garbage collection, 50,000 parsed sessions": "{} with as many `Session` objects"},
    ),
    _Row(
        "Import, in addition to FastAPI",
        _IMPORTS,
        _milliseconds,
        {"ory_guard.fastapi and OryGuard in addition to fastapi, httpx2": "{}"},
        {"import ory_client": "{} for ory-client"},
    ),
)


def as_summary(figures: dict[str, Any]) -> str:
    """Return the table; a row is omitted if the run did not measure it.

    Args:
        figures: The figures of a run, as in `performance.json`.
    """
    medians = {
        (section["title"].partition(";")[0], each["name"]): float(each["median"])
        for section in figures["sections"]
        for each in section["measurements"]
    }
    lines = ["| | with ory_guard | for comparison |", "|---|---|---|"]
    for row in _ROWS:
        ours, others = (", ".join(_texts(row, parts, medians)) for parts in (row.ours, row.others))
        if ours:
            lines.append(f"| {row.label} | {ours} | {others} |")
    return "\n".join(lines) + "\n"


def _texts(row: _Row, parts: dict[str, str], medians: dict[tuple[str, str], float]) -> Iterator[str]:
    for name, text in parts.items():
        if (row.section, name) in medians:
            yield text.format(row.unit(medians[row.section, name]))
