"""The names of the keys, and their shards: the parts of the data that can be on different nodes of a cluster.

The names of a shard contain the same hash tag. A cluster therefore keeps them on the same node, and a script can
use several of them, as on a single server. A session is in the shard that the hash of its credential selects. A
revocation is recorded in all shards, and announced in the one that the hash of the id selects.
"""

from binascii import hexlify
from collections.abc import Sequence
from typing import Final

from redis.crc import key_slot

from ory_guard.redis.revocation_stream import Stream

__all__ = ["Shard", "create_shards", "shard_of_hash", "shard_of_key"]

_TAG: Final = "0"
# The slots of these tags are in the middles of twelve equal parts of the 16,384 slots, so that 1, 2, 3, 4, 6 or 12
# primaries with equal ranges of slots have the same number of shards.
_CLUSTER_TAGS: Final = ("556", "640", "230", "116", "200", "670", "620", "536", "146", "996", "176", "506")


class Shard:
    """The names of a shard.

    Args:
        prefix: The prefix of all names.
        tag: The hash tag.
        is_in_cluster: Whether the shard is part of a cluster, which has channels of its own for each slot.

    Attributes:
        slot: The slot of the hash tag.
        session_prefix: The prefix of the names of sessions, which the key in hexadecimal digits completes.
        lease_prefix: The same for leases.
        revocation_prefix: The prefix of the names of revocations, which the hash of the id completes.
        stream: The stream of revocation messages.
    """

    __slots__ = (
        "_list_prefix",
        "_revocation_prefix",
        "lease_prefix",
        "revocation_prefix",
        "session_prefix",
        "slot",
        "stream",
    )

    def __init__(self, prefix: str, tag: str, *, is_in_cluster: bool) -> None:
        braced = f"{{{tag}}}"
        self.slot: int = int(key_slot(tag.encode()))
        self.session_prefix: bytes = f"{prefix}:session:{braced}:".encode()
        self.lease_prefix: bytes = f"{prefix}:lease:{braced}:".encode()
        self._list_prefix = f"{prefix}:of:{braced}:"
        self._revocation_prefix = f"{prefix}:revoked:{braced}:"
        self.revocation_prefix: bytes = self._revocation_prefix.encode()
        commands = ("SPUBLISH", "SSUBSCRIBE") if is_in_cluster else ("PUBLISH", "SUBSCRIBE")
        self.stream: Stream = Stream(f"{prefix}:revocations:{braced}", f"{prefix}:announced:{braced}", *commands)

    def session_name(self, key: bytes) -> bytes:
        """Return the name of the session under a key."""
        return self.session_prefix + hexlify(key)

    def lease_name(self, key: bytes) -> bytes:
        """Return the name of the lease of a key."""
        return self.lease_prefix + hexlify(key)

    def list_name(self, id_hash: str) -> str:
        """Return the name of the list of the sessions of an id."""
        return self._list_prefix + id_hash

    def revocation_name(self, id_hash: str) -> str:
        """Return the name of the revocation of an id."""
        return self._revocation_prefix + id_hash


def create_shards(prefix: str, *, is_in_cluster: bool) -> tuple[Shard, ...]:
    """Return the shards: one, or twelve in a cluster."""
    tags = _CLUSTER_TAGS if is_in_cluster else (_TAG,)
    return tuple(Shard(prefix, tag, is_in_cluster=is_in_cluster) for tag in tags)


def shard_of_key(shards: Sequence[Shard], key: bytes) -> Shard:
    """Return the shard of the session under a key, which is a hash."""
    return shards[key[0] % len(shards)]


def shard_of_hash(shards: Sequence[Shard], id_hash: str) -> Shard:
    """Return the shard in which the revocation of an id is announced, by the hexadecimal hash of the id."""
    return shards[int(id_hash[:4], 16) % len(shards)]
