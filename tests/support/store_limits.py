"""Limits of store calls that do not depend on the speed of the machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from ory_guard.cache.store_timeout import LatencyLimit
from support.memory_store import SOON

_TIMEOUTS: Final = (
    "cache.shared_cache._REVOKE_TIMEOUT",
    "cache.store_connection._CONNECT_TIMEOUT",
    "redis.command_router._MAX_SECONDS",
    "redis.discovery._TIMEOUT",
    "redis.pipeline._CONNECT_TIMEOUT",
    "redis.pipeline._MAX_AGE",
    "redis.stream_subscription._CONNECT_TIMEOUT",
)


@contextmanager
def fixed_store_limit() -> Iterator[Callable[[float], None]]:
    """Replace the adaptive limit by a fixed one, and extend the other timeouts.

    Yields:
        A function that sets the limit, in seconds.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in _TIMEOUTS:
            patch.setattr(f"ory_guard.{name}", SOON)

        def set_to(limit: float) -> None:
            patch.setattr(
                LatencyLimit, "seconds", property(lambda _self: limit, lambda _self, _value: None), raising=False
            )

        # The events of the store are limited, too; tests examine each of them.
        patch.setattr("ory_guard.cache.store_state._MIN_INTERVAL", 0.0)
        yield set_to
