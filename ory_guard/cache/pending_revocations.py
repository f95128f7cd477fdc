"""Revocations that the shared store has not confirmed yet.

Each revocation is in one of two states. It is *unsent* until it was sent once. If the store refuses it, or does not
answer, it is *refused*: later revocations overtake it, and it is sent again after the store has recovered.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

__all__ = ["MAX_BATCH", "PendingRevocations", "RevocationBatch"]

MAX_BATCH: Final = 1_000
"""The most ids that are sent at once."""

_MAX_PENDING: Final = 10_000
# Little beside `clock_skew`, and an outage of 15 minutes makes 180 batches.
_MAX_SPAN: Final = 5.0


class RevocationBatch(NamedTuple):
    """Revocations that are sent together.

    Attributes:
        times: When each id was revoked, in seconds since the epoch.
        at: The latest of these times; they differ by five seconds at most.
    """

    times: dict[str, float]
    at: float


class PendingRevocations:
    """A bounded queue of revocations; the oldest ones are dropped when it is full."""

    def __init__(self) -> None:
        self._unsent: dict[str, float] = {}
        self._refused: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._unsent) + len(self._refused)

    def __repr__(self) -> str:
        return f"<PendingRevocations {len(self._unsent)} unsent, {len(self._refused)} refused>"

    def add(self, ids: Sequence[str], at: float) -> int:
        """Add revocations, and return how many older ones were dropped.

        Args:
            ids: Ids of sessions or identities.
            at: When they were revoked, in seconds since the epoch.
        """
        for revoked in ids:
            self._refused.pop(revoked, None)
            self._unsent.pop(revoked, None)
            self._unsent[revoked] = at
        dropped = max(len(self) - _MAX_PENDING, 0)
        for _ in range(dropped):
            oldest = self._refused or self._unsent
            del oldest[next(iter(oldest))]
        return dropped

    def are_unsent(self, ids: Sequence[str], at: float) -> bool:
        """Return whether any of these ids, revoked at `at`, was not sent yet."""
        return any(self._unsent.get(revoked) == at for revoked in ids)

    def next_batch(self, oldest: float) -> RevocationBatch | None:
        """Return the next unsent revocations, or None if there are none.

        The batch stays pending until `confirm` or `refuse` is called with it.

        Args:
            oldest: A time in seconds since the epoch. Earlier revocations no longer matter and are forgotten.
        """
        self._forget_until(oldest)
        times: dict[str, float] = {}
        for revoked, at in islice(self._unsent.items(), MAX_BATCH):
            if abs(at - next(iter(times.values()), at)) > _MAX_SPAN:
                break
            times[revoked] = at
        return RevocationBatch(times, max(times.values())) if times else None

    def confirm(self, batch: RevocationBatch) -> None:
        """Remove a batch that the store confirmed, but not ids that were revoked again meanwhile."""
        self._take(batch)

    def refuse(self, batch: RevocationBatch) -> None:
        """Set a batch that the store did not confirm aside until `retry_refused` is called."""
        self._refused |= self._take(batch)

    def retry_refused(self) -> None:
        """Make the refused revocations unsent again, ahead of later ones."""
        self._unsent = self._refused | self._unsent
        self._refused = {}

    def _forget_until(self, oldest: float) -> None:
        while self._unsent:
            first, at = next(iter(self._unsent.items()))
            if at > oldest:
                return
            del self._unsent[first]

    def _take(self, batch: RevocationBatch) -> dict[str, float]:
        taken = {revoked: at for revoked, at in batch.times.items() if self._unsent.get(revoked) == at}
        for revoked in taken:
            del self._unsent[revoked]
        return taken
