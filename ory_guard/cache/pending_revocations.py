"""Revocations that the shared store has not confirmed yet.

A revocation is *unsent* until it is sent for the first time. If the store rejects it or does not respond, it is
*deferred*: later revocations are sent before it, and it is sent again when the store has recovered.

The number of revocations is limited. The oldest ones are replaced by one of all sessions at the time of the latest
among them: other processes then ask Kratos again about sessions from before that time.
"""

from collections.abc import Sequence
from itertools import islice
from math import inf
from typing import Final, NamedTuple

from ory_guard.cache.store_protocol import ALL_IDS

__all__ = ["MAX_BATCH", "PendingRevocations", "RevocationBatch"]

MAX_BATCH: Final = 1_000
"""The maximum number of ids in a batch."""

_MAX_PENDING: Final = 10_000
# Small compared to `clock_skew`; an outage of 15 minutes results in at most 180 batches.
_MAX_SPAN: Final = 5.0
_REPEATED_SECONDS: Final = 60.0
"""The time of the confirmed revocations that are kept, up to the last one: replicas lag by less."""


class RevocationBatch(NamedTuple):
    """Revocations that are sent in one call.

    Attributes:
        times: The time at which each id was revoked, in seconds since the epoch. They differ by at most five
            seconds.
        at: The latest of these times.
    """

    times: dict[str, float]
    at: float


class PendingRevocations:
    """A bounded queue of revocations."""

    def __init__(self) -> None:
        self._unsent: dict[str, float] = {}
        self._deferred: dict[str, float] = {}
        self._confirmed: dict[str, float] = {}
        self._replaced_until = -inf

    def __len__(self) -> int:
        return len(self._unsent) + len(self._deferred)

    def __repr__(self) -> str:
        return f"<PendingRevocations {len(self._unsent)} unsent, {len(self._deferred)} deferred>"

    def add(self, ids: Sequence[str], at: float) -> int:
        """Add revocations, and return the number of older ones that were replaced by one of all sessions.

        Args:
            ids: Ids of sessions or identities.
            at: The time of the revocation, in seconds since the epoch.
        """
        for key in ids:
            self._deferred.pop(key, None)
            self._unsent.pop(key, None)
            if key != ALL_IDS:  # no session has this id
                self._unsent[key] = at
        return self._replace_oldest() if len(self) > _MAX_PENDING else 0

    def _replace_oldest(self) -> int:
        count, latest = 0, -inf
        while len(self) >= _MAX_PENDING:
            oldest = self._deferred or self._unsent
            key = next(iter(oldest))
            latest = max(latest, oldest.pop(key))
            count += key != ALL_IDS
        self._unsent[ALL_IDS] = max(latest, self._unsent.get(ALL_IDS, -inf), self._deferred.pop(ALL_IDS, -inf))
        return count

    def are_unsent(self, ids: Sequence[str], at: float) -> bool:
        """Return whether any revocation of these ids at the time `at` is unsent."""
        return any(self._unsent.get(key) == at for key in ids)

    def next_batch(self, oldest: float) -> RevocationBatch | None:
        """Return the next unsent revocations, or None.

        The batch stays pending until `confirm` or `defer` is called with it.

        Args:
            oldest: A time in seconds since the epoch. Earlier revocations no longer matter and are removed.
        """
        self._remove_until(oldest)
        times: dict[str, float] = {}
        for key, at in islice(self._unsent.items(), MAX_BATCH):
            if abs(at - next(iter(times.values()), at)) > _MAX_SPAN:
                break
            times[key] = at
        return RevocationBatch(times, max(times.values())) if times else None

    def confirm(self, batch: RevocationBatch) -> None:
        """Remove a batch that the store confirmed, except for ids that were revoked again in the meantime."""
        taken = self._take(batch)
        for key in taken:
            self._confirmed.pop(key, None)
        self._confirmed |= taken
        confirmed = self._confirmed
        while confirmed and next(iter(confirmed.values())) < batch.at - _REPEATED_SECONDS:
            del confirmed[next(iter(confirmed))]
        while len(confirmed) > _MAX_PENDING:
            self._replaced_until = max(self._replaced_until, confirmed.pop(next(iter(confirmed))))

    def defer(self, batch: RevocationBatch) -> None:
        """Set aside a batch that the store did not confirm, until `retry_deferred` is called."""
        self._deferred |= self._take(batch)

    def retry_deferred(self) -> None:
        """Queue the deferred revocations again, before the unsent ones."""
        self._unsent = self._deferred | self._unsent
        self._deferred = {}

    def repeat_confirmed(self) -> None:
        """Queue the revocations again that were confirmed last: after a failover, the store may have lost them."""
        newest = max(self._confirmed.values(), default=-inf)
        if self._replaced_until >= newest - _REPEATED_SECONDS:
            self._confirmed[ALL_IDS] = max(self._replaced_until, self._confirmed.get(ALL_IDS, -inf))
        self._deferred = self._confirmed | self._deferred
        self._confirmed, self._replaced_until = {}, -inf

    def _remove_until(self, oldest: float) -> None:
        while self._unsent:
            first, at = next(iter(self._unsent.items()))
            if at > oldest:
                return
            del self._unsent[first]

    def _take(self, batch: RevocationBatch) -> dict[str, float]:
        taken = {key: at for key, at in batch.times.items() if self._unsent.get(key) == at}
        for key in taken:
            del self._unsent[key]
        return taken
