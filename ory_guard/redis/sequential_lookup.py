"""Lookups in several shards, one after the other.

A session has a key for each secret, and in a cluster they may be in different shards. There are several keys only
while a secret is rotated.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

__all__ = ["Step", "look_up_sequentially"]

Step: TypeAlias = Callable[[float, Callable[[Any, float], None]], None]
"""A lookup, which gets its limit in seconds, and a callback for the result and the latency in seconds."""


def look_up_sequentially(steps: Sequence[Step], seconds: float, on_result: Callable[[Any, float], None]) -> None:
    """Run lookups until one has a result that is not None, or until the last one.

    Args:
        steps: The lookups.
        seconds: The limit of the time of all steps.
        on_result: Called exactly once, with the result of the last step that was run, or `TimeoutError`, and with
            the latency of all steps in seconds.
    """
    first, *others = steps

    def on_lookup_result(result: Any, latency: float) -> None:
        if result is not None or not others:
            on_result(result, latency)
        elif latency >= seconds:
            on_result(TimeoutError(), latency)
        else:
            look_up_sequentially(others, seconds - latency, lambda result, more: on_result(result, latency + more))

    first(seconds, on_lookup_result)
