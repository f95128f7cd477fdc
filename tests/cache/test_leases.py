"""The leases of one event loop, with timers that the test calls."""

from collections.abc import Callable
from typing import Any

import pytest
from support.clock import AdjustableClock
from support.memory_store import MemoryServer

from ory_guard.cache.leases import HeldLease, Leases
from ory_guard.cache.leasing_store_protocol import LEASE_SECONDS

from .limited_store import LeasingMemoryStore

KEY = b"k" * 32
BOUND = 0.25
"""Seconds for which a holder that has ended may delay the others."""


class Timers:
    """Timers that `advance` calls."""

    def __init__(self, clock: AdjustableClock) -> None:
        self.clock = clock
        self.pending: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Any:
        """Add a timer."""
        self.pending.append((self.clock.monotonic() + seconds, callback))
        timers, entry = self.pending, self.pending[-1]

        class _Timer:
            def cancel(self) -> None:
                timers.remove(entry)

        return _Timer()

    def advance(self, seconds: float) -> None:
        """Move the clock, and then call the timers that are due, once."""
        self.clock.advance(seconds)
        due = [entry for entry in self.pending if entry[0] <= self.clock.monotonic()]
        for entry in due:
            self.pending.remove(entry)
            entry[1]()


class LeaseBench:
    """The leases of an event loop, their store and their timers."""

    def __init__(self) -> None:
        self.clock = AdjustableClock()
        self.timers = Timers(self.clock)
        self.store = LeasingMemoryStore(MemoryServer())
        self.leases = Leases(self.store, self.clock.monotonic, self.timers.call_later)

    def hold(self, key: bytes = KEY) -> HeldLease:
        """Return a lease that was granted now."""
        token = self.leases.new_token()
        self.store.memory_server.leases[key] = token, 0.0
        return self.leases.hold(key, token, self.clock.monotonic())


@pytest.fixture
def bench() -> LeaseBench:
    return LeaseBench()


def test_lease_is_extended_with_its_age_while_it_is_held(bench: LeaseBench) -> None:
    lease = bench.hold()
    for number in range(1, 21):
        bench.timers.advance(0.051)
        token, age = bench.store.memory_server.leases[KEY]
        assert token == lease.token
        assert age == pytest.approx(0.051 * number)


@pytest.mark.parametrize(
    ("end", "calls"),
    [(HeldLease.release, ["release_lease"]), (HeldLease.leave_to_put, [])],
    ids=["release", "leave_to_put"],
)
def test_lease_that_has_ended_is_not_extended(
    bench: LeaseBench, end: Callable[[HeldLease], None], calls: list[str]
) -> None:
    lease = bench.hold()
    end(lease)
    lease.release()
    bench.timers.advance(1)

    assert bench.store.calls == calls
    assert not bench.timers.pending


@pytest.mark.parametrize("end", [lambda _bench, lease: lease.release(), lambda bench, _: bench.timers.advance(0)])
def test_expired_lease_of_a_busy_event_loop_is_not_touched(
    bench: LeaseBench, end: Callable[[LeaseBench, HeldLease], None]
) -> None:
    """Another process may hold it."""
    lease = bench.hold()
    bench.clock.advance(LEASE_SECONDS)
    end(bench, lease)
    lease.release()

    assert bench.store.calls == []


def test_number_of_extended_leases_is_limited(bench: LeaseBench) -> None:
    """The others expire, and other processes call Kratos, too."""
    for number in range(300):
        bench.hold(b"%d" % number)
    bench.timers.advance(0.06)

    assert bench.store.calls == ["extend_lease"] * 256


def test_waits_become_longer_up_to_the_rest_of_the_bound(bench: LeaseBench) -> None:
    delays: list[float] = []
    for attempt in range(100):
        assert bench.leases.wait(attempt, lambda: None)
        at, _ = bench.timers.pending[0]
        delays.append(at - bench.clock.monotonic())
        bench.timers.advance(1)

    assert delays == sorted(delays)
    assert delays[0] < 0.005
    assert LEASE_SECONDS + delays[-1] < BOUND


def test_many_waits_do_not_make_many_lookups(bench: LeaseBench) -> None:
    started = sum(bench.leases.wait(0, lambda: None) for _ in range(300))

    assert started == 256
    assert bench.timers.pending[-1][0] - bench.clock.monotonic() > 0.03


def test_close_releases_leases_and_ends_waits(bench: LeaseBench) -> None:
    looks: list[bool] = []
    bench.hold()
    bench.leases.wait(0, lambda: looks.append(bench.leases.wait(1, lambda: None)))
    bench.leases.close()
    bench.leases.close()

    assert bench.store.memory_server.leases == {}
    assert bench.timers.pending == []
    assert looks == [False], "a wait after the end"

    bench.hold().release()  # of a lookup that was in progress
    assert bench.timers.pending == []
    assert bench.store.calls == ["release_lease"]
