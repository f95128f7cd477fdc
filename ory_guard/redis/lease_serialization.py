"""The values of leases in Redis: the token of the holder, and the age of the lease when the value was written.

Together with the remaining lifetime in Redis, that is the current age, without comparing the clocks of two hosts.
"""

from math import inf
from typing import Final

from ory_guard.cache.leasing_store_protocol import LEASE_SECONDS, Lease

__all__ = ["NEW_LEASE", "dump_lease", "load_lease"]

_MAX_DIGITS: Final = 9


NEW_LEASE: Final = b"0:"
"""The value of a lease that is granted now starts with this; the token completes it."""


def dump_lease(token: bytes, age: float) -> bytes:
    """Return the value of a lease.

    Args:
        token: The token of the holder.
        age: Seconds since the lease was granted.
    """
    return b"%d:%b" % (age * 1_000, token)


def load_lease(value: bytes, ttl: float, token: bytes | None) -> Lease:
    """Return a lease. Its age is infinite if the value is invalid, so that no process waits for it.

    Args:
        value: The value.
        ttl: Seconds until Redis deletes it.
        token: The token of the lookup, or None.
    """
    milliseconds, _, holder = value.partition(b":")
    is_own = holder == token
    if not (milliseconds.isdigit() and len(milliseconds) <= _MAX_DIGITS and 0 <= ttl <= LEASE_SECONDS):
        return Lease(is_own, inf)
    return Lease(is_own, int(milliseconds) / 1_000 + LEASE_SECONDS - ttl)
