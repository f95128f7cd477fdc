"""A limit of store calls that does not depend on the speed of the machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ory_guard.cache.store_latency import LatencyLimit


@contextmanager
def fixed_store_limit() -> Iterator[Callable[[float], None]]:
    """Replace the adaptive limit by a fixed one; yields a function that sets it, in seconds."""
    with pytest.MonkeyPatch.context() as patch:

        def set_to(limit: float) -> None:
            patch.setattr(
                LatencyLimit, "seconds", property(lambda _self: limit, lambda _self, _value: None), raising=False
            )

        # The events of the store are limited, too; tests examine each of them.
        patch.setattr("ory_guard.cache.store_state._MIN_INTERVAL", 0.0)
        yield set_to
