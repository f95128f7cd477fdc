"""Cache entries: objects for the recently used ones, JSON for the others."""

import gc
from dataclasses import replace
from typing import Any

import pytest

from ory_guard import Authenticated, Rejected, SecondFactorRequired, Session
from ory_guard.cache import session_cache
from ory_guard.cache.entries import CacheEntry
from ory_guard.models import CacheableOutcome

from .session_cache_bench import ADA, MAX_AGE, REFUSED, SECOND_FACTOR, CacheBench

KIB = 1_024
LARGE = 20_000
"""The estimated memory of a large session."""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> CacheBench:
    """A cache for ten sessions that keeps three as objects."""
    monkeypatch.setattr(session_cache, "_MIN_RECENT", 3)
    return CacheBench(10)


def fill(bench: CacheBench, outcome: CacheableOutcome, number: int = 3) -> None:
    """Cache other entries, so that all earlier ones are compact."""
    for each in range(number):
        bench.put(b"%d" % each, outcome)


def put_sized(bench: CacheBench, key: bytes, memory_bytes: int = 0, kib: int = 1) -> None:
    """Cache a session with this much estimated memory, and this much JSON."""
    entry = replace(bench.entry(ADA), memory_bytes=memory_bytes, body=b" " * (kib * KIB))
    bench.cache.put(key, entry, bench.cache.generation)


def cached(bench: CacheBench, keys: list[bytes]) -> list[bytes]:
    """Return the keys that have an entry, without using one."""
    return [key for key in keys if any(key in part.recent or key in part.compact for part in bench.cache._parts)]


OUTCOMES = [
    pytest.param(ADA, id="session"),
    pytest.param(ADA._replace(credential="bearer", source="token"), id="token"),
    pytest.param(ADA._replace(source="store", age=2.5), id="store"),
    pytest.param(REFUSED, id="rejected"),
    pytest.param(Rejected("inactive", "bearer"), id="rejected bearer"),
    pytest.param(SECOND_FACTOR, id="second factor"),
    pytest.param(SecondFactorRequired("cookie", enrolled=False), id="enrollment"),
]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_compact_entry_equals_the_original(bench: CacheBench, outcome: CacheableOutcome) -> None:
    entry = bench.put(b"k", outcome)
    fill(bench, outcome)

    again = bench.cache.get(b"k")

    assert again == entry
    assert again is not entry
    assert again.auth.session is (again.outcome.session if isinstance(again.outcome, Authenticated) else None)
    assert bench.cache.get(b"k") is again
    assert len(bench.cache) == 4


def test_recently_used_entries_are_not_parsed_again(bench: CacheBench) -> None:
    entry = bench.put(b"k", ADA)
    for each in range(9):
        bench.put(b"%d" % each, ADA)
        assert bench.cache.get(b"k") is entry

    assert bench.parsed == []


@pytest.mark.parametrize("is_read", [True, False])
def test_full_cache_evicts_the_least_recently_used_of_all_entries(bench: CacheBench, *, is_read: bool) -> None:
    keys = [b"%d" % each for each in range(10)]
    fill(bench, ADA, 10)
    if is_read:
        bench.cache.get(b"0")

    bench.put(b"k", ADA)

    assert cached(bench, keys) == [key for key in keys if key != (b"1" if is_read else b"0")]


@pytest.mark.parametrize("outcome", [ADA, REFUSED, SECOND_FACTOR], ids=lambda outcome: type(outcome).__name__)
def test_garbage_collector_does_not_track_compact_entries(
    outcome: CacheableOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full collection takes no longer with more of them."""
    monkeypatch.setattr(session_cache, "_MIN_RECENT", 3)
    bench = CacheBench(1_000)
    tracked = []
    for number in (100, 500):
        fill(bench, outcome, number)
        gc.collect()
        tracked.append(len(gc.get_objects()))

    assert len(bench.cache) == 500
    assert tracked[1] - tracked[0] < 20


def test_stale_entry_is_not_parsed(bench: CacheBench) -> None:
    bench.put(b"k", ADA)
    fill(bench, ADA)
    bench.clock.advance(MAX_AGE)

    assert bench.cache.get(b"k") is None
    assert bench.parsed == []


def test_deleted_compact_entries_are_gone(bench: CacheBench) -> None:
    fill(bench, ADA, 10)

    bench.cache.delete(b"0")
    assert bench.cache.get(b"0") is None
    assert len(bench.cache) == 9
    bench.cache.clear()
    assert len(bench.cache) == 0
    fill(bench, ADA, 11)
    assert len(bench.cache) == 10


def reject(_body: bytes) -> None:
    """Return None, as for a session that a traits model no longer accepts."""


def fail(_body: bytes) -> Session[Any]:
    """Fail, as a validator of the application may do."""
    raise RuntimeError


@pytest.mark.parametrize("parse", [reject, fail])
def test_session_that_can_not_be_parsed_again_is_a_miss(bench: CacheBench, parse: Any) -> None:
    bench.put(b"k", ADA)
    fill(bench, ADA)
    bench.cache._sessions._parse = parse

    if parse is fail:
        with pytest.raises(RuntimeError):
            bench.cache.get(b"k")

    assert bench.cache.get(b"k") is None
    assert len(bench.cache) == 3


# Large sessions.


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> CacheBench:
    """A cache for 20 ordinary sessions in place of the JSON of large ones, and for 8 in place of their objects."""
    monkeypatch.setattr("ory_guard.cache.entries._MAX_LARGE_RECENT", 8)
    return CacheBench(20)


@pytest.mark.parametrize(
    ("memory_bytes", "kib", "recent", "compact"),
    [
        pytest.param(LARGE, 1, 2, 20, id="many values"),
        pytest.param(LARGE, 4, 2, 10, id="JSON of two"),
        pytest.param(LARGE, 5, 2, 6, id="JSON of three"),
        pytest.param(5_000, 3, 8, 10, id="one long text"),
        pytest.param(1_000_000, 64, 1, 0, id="too heavy to keep as JSON"),
    ],
)
def test_large_sessions_weigh_what_they_take(
    large: CacheBench, memory_bytes: int, kib: int, recent: int, compact: int
) -> None:
    """In ordinary sessions: 5 KiB of memory as objects, 2 KiB of JSON otherwise."""
    for number in range(40):
        put_sized(large, b"%d" % number, memory_bytes, kib)

    assert len(large.cache) == recent + compact
    assert large.outcome(b"39") is ADA


def test_large_sessions_evict_no_ordinary_session(large: CacheBench) -> None:
    """Users choose the size of their sessions."""
    fill(large, ADA, 20)
    for number in range(100):
        put_sized(large, b"large %d" % number, LARGE, 4)

    assert all(large.outcome(b"%d" % number) is ADA for number in range(20))
    assert len(large.cache) == 32


def test_weight_of_large_sessions_does_not_grow_with_max_sessions() -> None:
    """The JSON takes at most 20 MB, the objects 5 MB."""
    bench = CacheBench(1_000_000)
    for number in range(400):
        put_sized(bench, b"%d" % number, 512_000, 64)

    assert len(bench.cache) == 10_000 // 32 + 1_024 // 100


@pytest.mark.parametrize("sizes", [(0, LARGE), (LARGE, 0), (LARGE, LARGE)])
def test_session_that_changes_its_size_replaces_its_entry(bench: CacheBench, sizes: tuple[int, int]) -> None:
    for memory_bytes in sizes:
        put_sized(bench, b"k", memory_bytes)
        assert len(bench.cache) == 1

    bench.put(b"k", REFUSED)
    assert bench.outcome(b"k") is REFUSED
    assert len(bench.cache) == 1


def test_representation_contains_no_json() -> None:
    entry = CacheEntry(ADA, 0.0, 0.0, 0.0, b"secret")

    assert "secret" not in repr(entry)


@pytest.mark.parametrize(
    ("seconds", "number", "evictions"),
    [
        pytest.param(0.0, 10, 0, id="room for all"),
        pytest.param(0.0, 12, 2, id="fresh"),
        pytest.param(MAX_AGE, 12, 0, id="stale"),
    ],
)
def test_evictions_of_fresh_entries_are_counted(
    bench: CacheBench, seconds: float, number: int, evictions: int
) -> None:
    """The eviction of a stale entry costs no call of Kratos."""
    for each in range(number):
        if each == 10:
            bench.clock.advance(seconds)
        bench.put(b"%d" % each, ADA)

    assert bench.cache.evictions == evictions
    assert len(bench.cache) == 10
