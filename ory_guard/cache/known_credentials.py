"""The credentials that were good within the last hour. Their calls come first if slots are scarce."""

from collections.abc import Callable
from typing import Any, Final

from ory_guard.models.deferred_session import ids_of
from ory_guard.models.session import Session

__all__ = ["KnownCredentials"]

_RETENTION: Final = 3_600.0
_MAX_PER_IDENTITY: Final = 16
_REFRESH_AFTER: Final = 60.0


_Entry = tuple[float, int, int]
"""When the credential was good, and the hashes of its identity and its session.

The garbage collector does not track tuples of such values; it would track named tuples and lists.
"""


class KnownCredentials:
    """Remembers credentials for an hour after Kratos, or the shared store, had a session for them.

    It contains only hashes: the cache keys of credentials, and Python's hashes of ids, which are keyed with random
    bytes of the process. If it is full, the credential that was good the longest time ago is removed. It has at
    most 16 credentials of one identity, so that an account with many sessions removes no others.

    Args:
        max_credentials: The maximum number of credentials.
        monotonic: The monotonic clock, in seconds.
    """

    def __init__(self, max_credentials: int, monotonic: Callable[[], float]) -> None:
        self._max_credentials = max_credentials
        self._monotonic = monotonic
        self._entries: dict[bytes, _Entry] = {}  # in the order of `good_at`
        self._keys_by_id: dict[int, bytes | tuple[bytes, ...]] = {}  # most ids have a single key

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<KnownCredentials {len(self)} credentials>"

    def add(self, key: bytes, session: "Session[Any]") -> None:
        """Remember a credential.

        Args:
            key: The cache key of the credential.
            session: Its session.
        """
        session_id, identity_id = ids_of(session)
        now, identity, session_hash = self._monotonic(), hash(identity_id), hash(session_id)
        previous = self._entries.get(key)
        if previous is not None:
            if previous[1:] == (identity, session_hash) and now - previous[0] < _REFRESH_AFTER:
                return
            self.discard(key)
        keys = self._keys_by_id.get(identity)
        if isinstance(keys, tuple) and len(keys) >= _MAX_PER_IDENTITY:
            # They expire in this order, and `identity` removes the expired ones.
            first_valid = next((each for each in keys if self.identity(each) is not None), None)
            if first_valid == keys[0]:
                return
        if len(self._entries) >= self._max_credentials:
            self.discard(next(iter(self._entries)))
        # The index has the same objects, and often the session cache, too, which saves 100 bytes per credential.
        self._entries[key] = now, identity, session_hash
        for id_hash in {identity, session_hash}:
            if self._keys_by_id.setdefault(id_hash, key) is not key:
                self._keys_by_id[id_hash] = (*self._keys(id_hash), key)

    def identity(self, key: bytes) -> int | None:
        """Return the hash of the identity of a credential, or None if the credential is unknown.

        Args:
            key: The cache key of the credential.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        good_at, identity, _ = entry
        if self._monotonic() - good_at >= _RETENTION:
            self.discard(key)
            return None
        return identity

    def discard(self, key: bytes) -> None:
        """Remove a credential, if it is known.

        Args:
            key: The cache key of the credential.
        """
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._unlink(key, entry)

    def discard_ids(self, *ids: str) -> None:
        """Remove all credentials of these sessions or identities."""
        for each in ids:
            for key in self._keys(hash(each)):
                self.discard(key)

    def _keys(self, id_hash: int) -> tuple[bytes, ...]:
        keys = self._keys_by_id.get(id_hash, ())
        return keys if isinstance(keys, tuple) else (keys,)

    def _unlink(self, key: bytes, entry: _Entry) -> None:
        for id_hash in set(entry[1:]):
            keys = self._keys_by_id[id_hash]
            if isinstance(keys, tuple) and len(keys) > 1:
                self._keys_by_id[id_hash] = tuple([each for each in keys if each != key])
            else:
                del self._keys_by_id[id_hash]
