"""The queue of revocations that the shared store has not confirmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ory_guard.cache import ALL_IDS
from ory_guard.cache.pending_revocations import MAX_BATCH, PendingRevocations, RevocationBatch

IDS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True)
STEPS = st.lists(st.one_of(IDS, st.sampled_from(["confirm", "defer", "retry"])), max_size=40)


def next_batch(pending: PendingRevocations, oldest: float = 0.0) -> RevocationBatch:
    """Return the next batch, which must exist."""
    batch = pending.next_batch(oldest)
    assert batch is not None
    return batch


def test_batch_is_limited_in_size_and_time() -> None:
    """It has at most 1,000 ids, whose times differ by at most five seconds, and the latest of these times."""
    pending = PendingRevocations()
    pending.add([f"session-{number}" for number in range(MAX_BATCH + 1)], 100.0)
    pending.add(["soon after"], 102.0)
    pending.add(["later"], 106.0)

    batches = []
    while (batch := pending.next_batch(0.0)) is not None:
        pending.confirm(batch)
        batches.append((len(batch.times), batch.at))

    assert batches == [(MAX_BATCH, 100.0), (2, 102.0), (1, 106.0)]
    assert repr(pending) == "<PendingRevocations 0 unsent, 0 deferred>"


@pytest.mark.parametrize("are_refused", [False, True])
def test_oldest_revocations_of_a_full_queue_are_replaced(*, are_refused: bool) -> None:
    """By one of all sessions, at the time of the latest among them. The queue holds 10,000 revocations."""
    pending = PendingRevocations()
    assert pending.add(["oldest"], 1.0) == 0
    assert pending.add(["second", ALL_IDS], 3.0) == 0
    assert len(pending) == 2
    if are_refused:
        pending.defer(next_batch(pending))

    assert pending.add([f"session-{number}" for number in range(9_999)], 20.0) == 2
    pending.retry_deferred()
    assert len(pending) == 10_000
    assert not pending.are_unsent(["oldest"], 1.0)
    assert not pending.are_unsent(["second"], 3.0)
    assert pending.are_unsent([ALL_IDS], 3.0)
    assert pending.are_unsent(["session-0"], 20.0)

    assert pending.add(["another"], 21.0) == 2
    assert len(pending) <= 10_000
    assert pending.are_unsent([ALL_IDS], 20.0)


@given(STEPS)
def test_every_revocation_is_pending_until_it_is_confirmed(steps: "list[list[str] | str]") -> None:
    """For any sequence of revocations and results of the store."""
    pending = PendingRevocations()
    expected: dict[str, float] = {}
    for now, step in enumerate(steps):
        if isinstance(step, list):
            pending.add(step, float(now))
            expected |= dict.fromkeys(step, float(now))
        elif step == "retry":
            pending.retry_deferred()
        elif (batch := pending.next_batch(-1.0)) is not None:
            (pending.confirm if step == "confirm" else pending.defer)(batch)
            if step == "confirm":
                expected = {key: at for key, at in expected.items() if key not in batch.times}

    sent: dict[str, float] = {}
    pending.retry_deferred()
    while (batch := pending.next_batch(-1.0)) is not None:
        sent |= batch.times
        pending.confirm(batch)
    assert sent == expected


@pytest.mark.parametrize(("later", "floor"), [(1.0, 1.0), (60.0, 1.0), (62.0, None)])
def test_confirmed_revocations_are_limited(later: float, floor: float | None) -> None:
    """To 10,000. If there were more within a minute, one of all sessions is repeated, too."""
    pending = PendingRevocations()
    for number in range(11):
        pending.add([f"{number}-{index}" for index in range(1_000)], 1.0)
        pending.confirm(next_batch(pending))
    pending.add(["later"], later)
    pending.confirm(next_batch(pending))
    pending.repeat_confirmed()
    pending.retry_deferred()

    assert pending.are_unsent(["later"], later)
    assert len(pending) == (1 if floor is None else 10_001)
    assert pending.are_unsent([ALL_IDS], 1.0) == (floor is not None)


@given(STEPS)
def test_every_revocation_is_covered_if_the_queue_is_full(steps: "list[list[str] | str]") -> None:
    """By itself, or by a revocation of all sessions at the same time or later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ory_guard.cache.pending_revocations._MAX_PENDING", 3)
        pending = PendingRevocations()
        revoked: dict[str, float] = {}
        sent: dict[str, float] = {}
        for now, step in enumerate([*steps, "gap", "retry", *["confirm"] * 20]):
            if isinstance(step, list):
                pending.add(step, float(now))
                revoked |= dict.fromkeys(step, float(now))
            elif step == "retry":
                pending.retry_deferred()
            elif step == "gap":
                pending.repeat_confirmed()
                sent = {}
            elif (batch := pending.next_batch(-1.0)) is not None:
                (pending.confirm if step == "confirm" else pending.defer)(batch)
                sent |= {key: max(batch.at, sent.get(key, -1.0)) for key in batch.times if step == "confirm"}
            assert len(pending) <= 3 + 4, "a gap adds the confirmed ones"

    assert all(max(sent.get(key, -1.0), sent.get(ALL_IDS, -1.0)) >= at for key, at in revoked.items())
