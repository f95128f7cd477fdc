"""The shards, and lookups in several of them."""

from collections.abc import Callable
from typing import Any

import pytest

from ory_guard.redis.cluster import parse_slots
from ory_guard.redis.sequential_lookup import look_up_sequentially
from ory_guard.redis.shards import create_shards, shard_of_key

SHARDS = create_shards("ory_guard", is_in_cluster=True)


RANGES = [
    [0, 99, [b"10.0.0.1", 6379, b"id-1", []], [b"10.0.0.4", 6379, b"id-4", []]],
    [100, 199, [b"", 6380, b"id-2"]],
    [200, 299, [b"?", 6381, b"id-3", [b"ip", b"10.0.0.3"]]],
    [300, 399, [None, 6382, b"id-5"]],
]


@pytest.mark.parametrize(
    ("slots", "primaries"),
    [
        ([0, 99], [("10.0.0.1", 6379)] * 2),
        ([100, 200, 399], [("asked", 6380), ("asked", 6381), ("asked", 6382)]),
        ([0, 400], None),
    ],
)
def test_primaries_of_slots(slots: list[int], primaries: list[tuple[str, int]] | None) -> None:
    assert parse_slots(RANGES, ("asked", 1), slots) == primaries


def test_shard_depends_on_the_key_alone() -> None:
    assert [shard_of_key(SHARDS, key) for key in [bytes([number]) * 32 for number in range(12)]] == list(SHARDS)
    assert {each.slot * len(SHARDS) // 16_384 for each in SHARDS} == set(range(len(SHARDS)))


@pytest.mark.parametrize(
    ("results", "expected", "latency"),
    [(["first"], "first", 1.0), ([None, "second"], "second", 2.0), ([None, None, None], None, 3.0)],
)
def test_lookup_in_steps_ends_with_the_first_result(
    results: list[object], expected: object, latency: float
) -> None:
    limits: list[float] = []

    def step(seconds: float, on_result: Callable[[Any, float], None]) -> None:
        limits.append(seconds)
        on_result(results[len(limits) - 1], 1.0)

    found: list[tuple[object, float]] = []
    look_up_sequentially([step] * 3, 3.5, lambda result, seconds: found.append((result, seconds)))

    assert found == [(expected, latency)]
    assert limits == [3.5, 2.5, 1.5][: len(results)]


def test_lookup_in_steps_ends_at_its_limit() -> None:
    found: list[object] = []
    look_up_sequentially(
        [lambda _, on_result: on_result(None, 1.0)] * 2, 0.5, lambda result, _: found.append(result)
    )

    assert [type(each) for each in found] == [TimeoutError]
