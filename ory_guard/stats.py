"""What a guard did so far, in numbers."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["GuardStats"]


@dataclass(frozen=True, slots=True)
class GuardStats:
    """What one guard did in this process since it was made, and how it is.

    Attributes:
        entries: How many answers are kept now, sessions and refusals.
        hits: How many requests found a fresh answer here.
        misses: How many did not.
        shared: How many of those waited for a check that another request had started.
        upstream_calls: How often Kratos was asked.
        store_hits: How many answers came from the shared store.
        degraded: Whether something is missing that the guard is set up with: the store, or Kratos.
        breaker: The state of the circuit breaker: `open` while Kratos is not asked.
        store: `up` where the shared store is used, or will be tried by the first request; `down` where it can't be;
            `none` where there is none.
        pending_revocations: How many revocations of this process the shared store has not confirmed yet.
    """

    entries: int
    hits: int
    misses: int
    shared: int
    upstream_calls: int
    store_hits: int
    degraded: bool
    breaker: Literal["closed", "open", "half_open"]
    store: Literal["none", "up", "down"]
    pending_revocations: int = 0
