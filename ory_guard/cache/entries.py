"""Entries of the session cache: the recently used ones are kept as objects, the others as JSON.

A parsed session takes about 6 KB in 30 objects, which every full garbage collection visits. Its JSON takes less
than 2 KB and is not visited, but it has to be parsed when it is used again.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from struct import Struct
from typing import Any, Final, Generic, get_args

from typing_extensions import TypeVar

from ory_guard.models.credential import CredentialKind
from ory_guard.models.outcomes import (
    Authenticated,
    CacheableOutcome,
    Rejected,
    RejectedReason,
    SecondFactorRequired,
    SessionAuth,
    Source,
)
from ory_guard.models.session import Session

__all__ = ["CacheEntry", "CompactLRU", "ParseAgain", "is_large", "large_sessions"]

ParseAgain = Callable[[bytes], "Session[Any] | None"]
"""Parses the JSON of a session that was valid before, or returns None if it no longer is."""

_UNIT_BYTES: Final = 2_048
"""The JSON of an ordinary session. Larger ones weigh as much as the ordinary ones that would fit in their place."""

_MEMORY_UNIT_BYTES: Final = 5_120
"""The same for the estimated memory of the objects."""

_MAX_LARGE_WEIGHT: Final = 10_000
"""The maximum total weight of large sessions as JSON, 20 MB."""

_MAX_LARGE_RECENT: Final = 1_024
"""The maximum total weight of large sessions as objects, 5 MB."""

_MAX_UINT32: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A cached outcome and its lifetime.

    Attributes:
        outcome: The outcome of the request to Kratos.
        request_time: When the request was sent, on the monotonic clock.
        fresh_until: The end of the lifetime, on the monotonic clock.
        fresh_until_wall: The end of the lifetime on the wall clock, in case the monotonic clock stops during sleep.
        body: The JSON of the session; empty for other outcomes.
        memory_bytes: The estimated memory of the session as objects, in bytes.
        auth: The value of `request.auth` for this outcome, shared by all requests.
    """

    outcome: CacheableOutcome
    request_time: float
    fresh_until: float
    fresh_until_wall: float
    body: bytes = field(default=b"", repr=False)
    memory_bytes: int = 0
    auth: SessionAuth = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "auth", SessionAuth(self.outcome))


_HEADER: Final = Struct("<4dI2B")
"""A compact entry is this header and the JSON of the session, empty for other outcomes.

The header has the request time, the ends of the lifetime, the age, the estimated memory, and the indexes of the
kind of the credential and of the label. The label is the source of a session, the reason of a `Rejected`, or
`enrolled` of a `SecondFactorRequired`. The garbage collector does not track bytes.
"""

_TIMES: Final = Struct("<2d")
_KINDS: Final[tuple[CredentialKind, ...]] = get_args(CredentialKind)
_SOURCES: Final[tuple[Source, ...]] = get_args(Source)
_REASONS: Final[tuple[RejectedReason, ...]] = get_args(RejectedReason)
_ENROLLED: Final = (False, True)
_LABELS: Final[tuple[Source | RejectedReason | bool, ...]] = (*_SOURCES, *_REASONS, *_ENROLLED)


def _compact(entry: CacheEntry) -> bytes:
    outcome = entry.outcome
    label: Source | RejectedReason | bool
    age = 0.0
    if isinstance(outcome, Authenticated):
        label, age = outcome.source, outcome.age
    else:
        label = outcome.reason if isinstance(outcome, Rejected) else outcome.enrolled
    header = _HEADER.pack(
        entry.request_time,
        entry.fresh_until,
        entry.fresh_until_wall,
        age,
        min(entry.memory_bytes, _MAX_UINT32),
        _KINDS.index(outcome.credential),
        _LABELS.index(label),
    )
    return header + entry.body


def _expand(compact: bytes, parse: ParseAgain) -> CacheEntry | None:
    request_time, fresh_until, fresh_until_wall, age, memory_bytes, kind, label = _HEADER.unpack_from(compact)
    credential, body = _KINDS[kind], compact[_HEADER.size :]
    outcome: CacheableOutcome
    if label < len(_SOURCES):
        session = parse(body)
        if session is None:
            return None
        outcome = Authenticated(session, credential, _SOURCES[label], age)
    elif label < len(_SOURCES) + len(_REASONS):
        outcome = Rejected(_REASONS[label - len(_SOURCES)], credential)
    else:
        outcome = SecondFactorRequired(credential, _ENROLLED[label - len(_SOURCES) - len(_REASONS)])
    return CacheEntry(outcome, request_time, fresh_until, fresh_until_wall, body, memory_bytes)


ValueT = TypeVar("ValueT")


class _LRU(Generic[ValueT]):
    """A mapping with a maximum total weight, which evicts the least recently used value first.

    `values` is read and reordered by C functions; `cachetools.LRUCache` calls four Python functions for a read.

    Attributes:
        values: The values, the least recently used one first.
    """

    def __init__(self, max_weight: int, weigh: Callable[[ValueT], int] | None) -> None:
        self.values: OrderedDict[bytes, ValueT] = OrderedDict()
        self._weigh = weigh
        self._max_weight = max_weight
        self._weight = 0

    def put(self, key: bytes, value: ValueT) -> list[tuple[bytes, ValueT]]:
        """Store a value under a new key, and return the evicted ones, or the value itself if it is too heavy."""
        weight = 1 if self._weigh is None else self._weigh(value)
        if weight > self._max_weight:
            return [(key, value)]
        self.values[key] = value
        self._weight += weight
        evicted = []
        while self._weight > self._max_weight:
            evicted.append(self.values.popitem(last=False))
            self._weight -= 1 if self._weigh is None else self._weigh(evicted[-1][1])
        return evicted

    def pop(self, key: bytes) -> ValueT:
        """Remove and return the value under `key`, which must exist."""
        value = self.values.pop(key)
        self._weight -= 1 if self._weigh is None else self._weigh(value)
        return value

    def clear(self) -> None:
        """Remove all values."""
        self.values.clear()
        self._weight = 0


class CompactLRU:
    """Cache entries, of which the recently used ones are kept as objects and the others in a compact form.

    Args:
        parse: Parses the JSON of a session that is used again.
        max_recent: The maximum total weight of the entries that are kept as objects.
        max_compact: The maximum total weight of the others.
        weigh_recent: Returns the weight of an entry, at most `max_recent`; by default it is 1.
        weigh_compact: Returns the weight of a compact entry; by default it is 1.

    Attributes:
        recent: The entries that are kept as objects. A caller that reads one moves it to the end.
        compact: The others.
        evictions: The number of entries that were evicted while they were fresh.
    """

    def __init__(
        self,
        parse: ParseAgain,
        max_recent: int,
        max_compact: int,
        *,
        weigh_recent: Callable[[CacheEntry], int] | None = None,
        weigh_compact: Callable[[bytes], int] | None = None,
    ) -> None:
        self._parse = parse
        self._recent = _LRU(max_recent, weigh_recent)
        self._compact = _LRU(max_compact, weigh_compact)
        self.recent: OrderedDict[bytes, CacheEntry] = self._recent.values
        self.compact: OrderedDict[bytes, bytes] = self._compact.values
        self.evictions: int = 0

    def __len__(self) -> int:
        return len(self.recent) + len(self.compact)

    def get(self, key: bytes, now: float) -> CacheEntry | None:
        """Return the entry under `key`; it is now the most recently used one.

        Args:
            key: The cache key of the credential.
            now: The time on the monotonic clock. A compact entry that is stale at this time is not parsed.
        """
        entry = self.recent.get(key)
        if entry is not None:
            self.recent.move_to_end(key)
            return entry
        compact = self.compact.get(key)
        if compact is None or now >= _TIMES.unpack_from(compact)[1]:
            return None
        self._compact.pop(key)
        entry = _expand(compact, self._parse)
        if entry is not None:
            self.put(key, entry)
        return entry

    def request_time(self, key: bytes) -> float:
        """Return the request time of the entry under `key`, which may be stale.

        Raises:
            KeyError: If there is no entry.
        """
        entry = self.recent.get(key)
        if entry is not None:
            return entry.request_time
        request_time, _ = _TIMES.unpack_from(self.compact[key])
        return float(request_time)

    def put(self, key: bytes, entry: CacheEntry) -> None:
        """Store an entry under a new key; it is now the most recently used one."""
        for moved_key, moved in self._recent.put(key, entry):
            for _, evicted in self._compact.put(moved_key, _compact(moved)):
                self.evictions += _TIMES.unpack_from(evicted)[1] > entry.request_time

    def delete(self, key: bytes) -> None:
        """Delete the entry under `key`, if there is one."""
        if key in self.recent:
            self._recent.pop(key)
        elif key in self.compact:
            self._compact.pop(key)

    def clear(self) -> None:
        """Delete all entries."""
        self._recent.clear()
        self._compact.clear()


def is_large(entry: CacheEntry) -> bool:
    """Return whether a session has more than 2 KiB of JSON, or takes as much memory as one that has."""
    return len(entry.body) > _UNIT_BYTES or entry.memory_bytes > 2 * _MEMORY_UNIT_BYTES


def large_sessions(parse: ParseAgain, max_weight: int) -> CompactLRU:
    """Return a cache for large sessions, which are weighed by their size.

    Args:
        parse: Parses the JSON of a session that is used again.
        max_weight: The maximum total weight of the JSON, in ordinary sessions.
    """
    return CompactLRU(
        parse,
        _MAX_LARGE_RECENT,
        min(max_weight, _MAX_LARGE_WEIGHT),
        weigh_recent=_memory_weight,
        weigh_compact=_json_weight,
    )


def _memory_weight(entry: CacheEntry) -> int:
    return min(ceil(entry.memory_bytes / _MEMORY_UNIT_BYTES), _MAX_LARGE_RECENT)


def _json_weight(compact: bytes) -> int:
    return ceil((len(compact) - _HEADER.size) / _UNIT_BYTES)
