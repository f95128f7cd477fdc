"""The queue of revocations that the shared store has not confirmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ory_guard.cache.pending_revocations import MAX_BATCH, PendingRevocations

IDS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True)
STEPS = st.lists(st.one_of(IDS, st.sampled_from(["confirm", "refuse", "retry"])), max_size=40)


def test_batch_is_bounded_in_size_and_time() -> None:
    """A batch has a thousand ids at most, and is noted with the latest of times that are close together."""
    pending = PendingRevocations()
    pending.add([f"session-{number}" for number in range(MAX_BATCH + 1)], 100.0)
    pending.add(["soon after"], 102.0)
    pending.add(["later"], 106.0)

    batches = []
    while (batch := pending.next_batch(0.0)) is not None:
        pending.confirm(batch)
        batches.append((len(batch.times), batch.at))

    assert batches == [(MAX_BATCH, 100.0), (2, 102.0), (1, 106.0)]
    assert len(pending) == 0


def test_refused_batch_holds_up_no_later_revocation() -> None:
    """It is sent again when the store has recovered, ahead of later ones."""
    pending = PendingRevocations()
    pending.add(["first"], 1.0)
    batch = pending.next_batch(0.0)
    assert batch is not None
    pending.refuse(batch)
    assert pending.next_batch(0.0) is None
    pending.add(["second"], 100.0)

    following = pending.next_batch(0.0)
    assert following is not None
    assert following.times == {"second": 100.0}
    pending.retry_refused()
    again = pending.next_batch(0.0)
    assert again == batch
    assert repr(pending) == "<PendingRevocations 2 unsent, 0 refused>"


def test_confirmation_does_not_cover_a_later_revocation_of_the_same_id() -> None:
    """Its sessions may have been stored in between."""
    pending = PendingRevocations()
    pending.add(["a", "b"], 1.0)
    batch = pending.next_batch(0.0)
    assert batch is not None
    pending.add(["a"], 2.0)

    pending.confirm(batch)

    assert pending.are_unsent(["a"], 2.0)
    assert not pending.are_unsent(["b"], 1.0)


@pytest.mark.parametrize("are_refused", [False, True])
def test_oldest_are_dropped_when_full(*, are_refused: bool) -> None:
    """Ten thousand are kept; the number of dropped ones is returned."""
    pending = PendingRevocations()
    assert pending.add(["oldest", "second"], 1.0) == 0
    batch = pending.next_batch(0.0)
    assert batch is not None
    if are_refused:
        pending.refuse(batch)

    assert pending.add([f"session-{number}" for number in range(9_999)], 2.0) == 1

    pending.retry_refused()
    assert len(pending) == 10_000
    assert not pending.are_unsent(["oldest"], 1.0)
    assert pending.are_unsent(["second"], 1.0)


def test_revocations_that_no_longer_matter_are_forgotten() -> None:
    """Each entry from before has ended."""
    pending = PendingRevocations()
    pending.add(["old"], 1.0)
    pending.add(["new"], 2.0)

    batch = pending.next_batch(1.0)

    assert batch is not None
    assert batch.times == {"new": 2.0}
    assert len(pending) == 1


@given(STEPS)
def test_every_revocation_is_pending_until_it_is_confirmed(steps: "list[list[str] | str]") -> None:
    """Whatever the store answers, and whatever is revoked meanwhile."""
    pending = PendingRevocations()
    expected: dict[str, float] = {}
    for now, step in enumerate(steps):
        if isinstance(step, list):
            pending.add(step, float(now))
            expected |= dict.fromkeys(step, float(now))
        elif step == "retry":
            pending.retry_refused()
        elif (batch := pending.next_batch(-1.0)) is not None:
            (pending.confirm if step == "confirm" else pending.refuse)(batch)
            if step == "confirm":
                expected = {revoked: at for revoked, at in expected.items() if revoked not in batch.times}

    sent: dict[str, float] = {}
    pending.retry_refused()
    while (batch := pending.next_batch(-1.0)) is not None:
        sent |= batch.times
        pending.confirm(batch)
    assert sent == expected
