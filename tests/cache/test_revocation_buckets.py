"""The compact table of revocations."""

import random
import tracemalloc
from math import inf
from typing import Final
from uuid import UUID

import pytest
from support.clock import AdjustableClock

from ory_guard.cache.revocation_buckets import RevocationBucket, RevocationBuckets
from ory_guard.cache.revocations import RevocationLog

MAX_AGE: Final = 720.0
MILLION: Final = 1_000_000


def uuids(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return [str(UUID(int=chance.getrandbits(128))) for _ in range(count)]


def test_every_revocation_is_found_with_its_latest_time() -> None:
    """Some ids are revoked more than once, in the same bucket or in another one."""
    buckets = RevocationBuckets(MAX_AGE, MILLION)
    ids, chance, expected = uuids(0, 3_000), random.Random(1), {}
    for now in range(5_000):
        name = chance.choice(ids)
        expected[name] = now / 10
        assert buckets.add(name, now / 10, now / 10) == 0

    assert {name: buckets.find(name, 0.0) for name in expected} == expected
    assert all(buckets.find(name, at) == at for name, at in expected.items())
    assert all(buckets.find(name, at + 0.05) == -inf for name, at in expected.items())
    assert repr(buckets) == "<RevocationBuckets 5000 revocations in 12 buckets>"


def test_other_ids_are_not_found() -> None:
    """There are as many as would be found once with a probability of one in 40,000 each."""
    buckets = RevocationBuckets(MAX_AGE, MILLION)
    for name in uuids(0, 20_000):
        buckets.add(name, 0.0, 0.0)

    assert [name for name in uuids(1, 40_000) if buckets.find(name, -inf) > -inf] == []


def test_hash_is_not_found_across_the_boundaries_of_records() -> None:
    """Neither in the bytes of a time nor in a part of two records."""
    bucket = RevocationBucket(0.0)
    for tag in (b"\1" + bytes(7), b"\2" + bytes(7)):
        bucket.add(0, tag, 0.0)

    assert bucket.find(0, bytes(8)) == -inf
    assert bucket.find(0, bytes(7) + b"\2") == -inf
    assert bucket.find(0, b"\1" + bytes(7)) == 0.0
    assert bucket.find(1, b"\1" + bytes(7)) == -inf


def test_hashes_of_two_tables_differ() -> None:
    """A client can't compute an id with the hash of another one."""
    first, second = RevocationBuckets(MAX_AGE, MILLION), RevocationBuckets(MAX_AGE, MILLION)

    assert first._hash("session") == first._hash("session") != second._hash("session")
    assert first._hash("\ud800") != first._hash("\ud801")


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
def test_a_million_revocations_fit_into_32_mb_and_concern_no_other_id() -> None:
    """With 4 million other ids and no match, the rate is below one in a million with a confidence of 98 %."""
    clock = AdjustableClock()
    chance = random.Random(2)
    tracemalloc.start()
    try:
        log = RevocationLog(MAX_AGE, clock)
        for _ in range(MILLION):
            clock.advance(MAX_AGE / MILLION / 2)
            log.add(str(UUID(int=chance.getrandbits(128))))
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (len(log), log.floor) == (MILLION, -inf)
    assert size <= peak < 32 * 2**20
    assert max(log.revoked_at(f"other-{number}") for number in range(4 * MILLION)) == -inf
    chance.seed(2)
    assert all(log.revoked_at(str(UUID(int=chance.getrandbits(128)))) > 0 for _ in range(10_000))
