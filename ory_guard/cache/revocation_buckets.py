"""A compact table of revocations, in buckets by time, for a million ids in less than 32 MB.

An id is stored as a keyed hash of 76 bits with its time, in 16 bytes; a dict takes 200. The key is
random, so a client can't choose an id that is taken for another one. An id that was not revoked is found with a
probability of 10**-17: a million hashes, divided by 2**76.
"""

from collections import deque
from hashlib import blake2b
from math import inf
from secrets import token_bytes
from struct import Struct
from typing import Final

__all__ = ["RevocationBucket", "RevocationBuckets"]

_ROW_BITS: Final = 12
_TAG_BYTES: Final = 8
_ROW_BYTES: Final = 2
_TIME: Final = Struct("<d")
_RECORD_BYTES: Final = _TAG_BYTES + _TIME.size
_MAX_BUCKET: Final = 16 << _ROW_BITS
"""The maximum number of revocations in a bucket: 16 in a row on average, which is read in 0.1 microseconds."""
_BUCKETS_PER_MAX_AGE: Final = 16


class RevocationBucket:
    """The revocations of a period, added in the order of their times.

    Attributes:
        count: The number of revocations.
        oldest: The time of the first one.
        newest: The time of the last one.
    """

    __slots__ = ("_rows", "count", "newest", "oldest")

    def __init__(self, oldest: float) -> None:
        self._rows = [b""] * (1 << _ROW_BITS)
        self.count: int = 0
        self.oldest: float = oldest
        self.newest: float = oldest

    def add(self, row: int, tag: bytes, at: float) -> None:
        """Add a revocation; `row` and `tag` are the parts of the hash of the id."""
        self._rows[row] += tag + _TIME.pack(at)
        self.count += 1
        self.newest = at

    def find(self, row: int, tag: bytes) -> float:
        """Return the time of the latest revocation, or minus infinity."""
        records = self._rows[row]
        start = records.rfind(tag)
        while start % _RECORD_BYTES and start > 0:  # within a record or across two
            start = records.rfind(tag, 0, start + _TAG_BYTES - 1)
        return -inf if start < 0 else float(_TIME.unpack_from(records, start + _TAG_BYTES)[0])


class RevocationBuckets:
    """Buckets of revocations, the oldest first.

    Args:
        max_age: Seconds for which a revocation matters.
        capacity: The maximum number of revocations. If there are more, the oldest bucket is removed.

    Attributes:
        newest: The time of the latest revocation that was added; initially minus infinity.
        floor: The time until which revocations that still mattered were removed; initially minus infinity.
    """

    def __init__(self, max_age: float, capacity: int) -> None:
        self._max_age = max_age
        self._capacity = capacity
        self._key = token_bytes(32)
        self._buckets: deque[RevocationBucket] = deque()
        self._count = 0
        self.newest: float = -inf
        self.floor: float = -inf

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<RevocationBuckets {self._count} revocations in {len(self._buckets)} buckets>"

    def add(self, name: str, at: float, now: float) -> int:
        """Add a revocation, and return the number of revocations that were removed although they matter.

        Args:
            name: The id.
            at: The time of the revocation, not before any time that was added earlier.
            now: The current time.
        """
        self._remove_expired(now)
        if not self._buckets or self._is_complete(self._buckets[-1], at):
            self._buckets.append(RevocationBucket(at))
        self._buckets[-1].add(*self._hash(name), at)
        self._count += 1
        self.newest = at
        return self._remove_excess()

    def find(self, name: str, since: float) -> float:
        """Return the time of the latest revocation of an id at `since` or later, or minus infinity."""
        row, tag = self._hash(name)
        for bucket in reversed(self._buckets):
            if bucket.newest < since:
                break
            at = bucket.find(row, tag)
            if at > -inf:
                return at if at >= since else -inf
        return -inf

    def _hash(self, name: str) -> tuple[int, bytes]:
        digest = blake2b(
            name.encode("utf-8", "surrogatepass"), digest_size=_ROW_BYTES + _TAG_BYTES, key=self._key
        ).digest()
        return int.from_bytes(digest[:_ROW_BYTES]) >> (8 * _ROW_BYTES - _ROW_BITS), digest[_ROW_BYTES:]

    def _is_complete(self, bucket: RevocationBucket, at: float) -> bool:
        return bucket.count >= _MAX_BUCKET or at - bucket.oldest > self._max_age / _BUCKETS_PER_MAX_AGE

    def _remove_expired(self, now: float) -> None:
        while self._buckets and self._buckets[0].newest < now - self._max_age:
            self._count -= self._buckets.popleft().count

    def _remove_excess(self) -> int:
        removed = 0
        while self._count > self._capacity:
            bucket = self._buckets.popleft()
            self._count -= bucket.count
            self.floor = bucket.newest
            removed += bucket.count
        return removed
