"""The cache of one process."""

from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ory_guard.cache import session_cache
from ory_guard.cache.entries import CacheEntry
from ory_guard.models import CacheableOutcome

from .session_cache_bench import ADA, BOB, MAX_AGE, REFUSED, SECOND_FACTOR, CacheBench


@pytest.mark.parametrize("outcome", [ADA, REFUSED, SECOND_FACTOR], ids=lambda outcome: type(outcome).__name__)
def test_entry_is_fresh_until_its_ttl_ends(outcome: CacheableOutcome) -> None:
    bench = CacheBench()
    entry = bench.put(b"k", outcome, ttl=10)

    bench.clock.advance(9.999)
    assert bench.cache.get(b"k") is entry
    bench.clock.advance(0.001)
    assert bench.cache.get(b"k") is None


@pytest.mark.parametrize(("set_by", "seconds"), [(10, 0), (-3_600, 10)], ids=["wall clock", "monotonic clock"])
def test_entry_is_stale_when_one_of_the_clocks_has_passed_its_end(set_by: float, seconds: float) -> None:
    """The monotonic clock may have stopped while the machine slept, and the wall clock may be set back."""
    bench = CacheBench()
    bench.put(b"k", ADA, ttl=10)

    bench.clock.set_wall_clock(set_by)
    bench.clock.advance(seconds)

    assert bench.cache.get(b"k") is None


@pytest.mark.parametrize("limit", [10.0, MAX_AGE - 0.5, MAX_AGE + 1])
def test_lifetime_of_a_session_is_limited(limit: float) -> None:
    bench = CacheBench()
    bench.cache.max_lifetime = lambda: limit
    put = bench.put(b"k", ADA)

    entry = bench.cache.get(b"k")

    excess = max(MAX_AGE - limit, 0.0)
    assert entry is not None
    assert entry.fresh_until == pytest.approx(put.fresh_until - excess, abs=1e-3)
    assert entry.fresh_until_wall == pytest.approx(put.fresh_until_wall - excess, abs=1e-3)


def test_rejections_do_not_evict_sessions() -> None:
    bench = CacheBench(size=3)
    bench.put(b"ada", ADA)

    for number in range(50):
        bench.put(b"guess %d" % number, REFUSED)

    assert bench.outcome(b"ada") is ADA
    assert len(bench.cache) == 4
    assert repr(bench.cache) == "<SessionCache 1 sessions, 3 rejections>"


def test_reads_are_recorded_once_the_cache_is_more_than_half_full() -> None:
    """Nothing is evicted before, so that reads need not be recorded."""
    bench = CacheBench(size=4)
    keys = [b"a", b"b", b"c", b"d", b"e"]
    for key in keys[:2]:
        bench.put(key, ADA)
    bench.cache.get(b"a")
    for key in keys[2:4]:
        bench.put(key, ADA)
    bench.cache.get(b"b")

    bench.put(b"e", ADA)

    assert [key for key in keys if bench.cache.get(key) is None] == [b"a"]


KEYS: Final = [b"a", b"b", b"c", b"d"]
OUTCOMES: Final[dict[str, CacheableOutcome]] = {
    "ada": ADA,
    "bob": BOB,
    "second factor": SECOND_FACTOR,
    "refused": REFUSED,
}

Request = tuple[bytes, CacheEntry, int, int]
"""The key, the response, the generation of the cache, and the number of the step."""


class CacheLaws(RuleBasedStateMachine):
    """For any sequence of requests, responses, revocations and waiting, the cache equals a simple model."""

    requests = Bundle("requests")

    @initialize(recent=st.sampled_from([1, 100]))
    def begin(self, recent: int) -> None:
        """Start with one or all entries as objects."""
        with patch.object(session_cache, "_MIN_RECENT", recent), patch.object(session_cache, "_MAX_RECENT", recent):
            self.bench = CacheBench()
        self.stored: dict[bytes, Request] = {}
        self.ended: dict[bytes | str, int] = {}
        self.step = 0

    def end(self, name: bytes | str) -> None:
        """Record that responses to earlier requests of a credential or a user must not be served."""
        self.step += 1
        self.ended[name] = self.step

    @rule(
        target=requests,
        key=st.sampled_from(KEYS),
        name=st.sampled_from([*OUTCOMES]),
        ttl=st.sampled_from([0.05, 1.0, MAX_AGE]),
    )
    def send_request(self, key: bytes, name: str, ttl: float) -> Request:
        """Send a request."""
        self.step += 1
        return key, self.bench.entry(OUTCOMES[name], ttl), self.bench.cache.generation, self.step

    @rule(request=requests)
    def cache_response(self, request: Request) -> None:
        """Cache the response of a request, now or much later."""
        key, entry, generation, step = request
        self.bench.cache.put(key, entry, generation)
        is_newest = key not in self.stored or self.stored[key][1].request_time <= entry.request_time
        if is_newest and step > max(self.ended.get(key, 0), self.ended.get("all", 0)):
            self.stored[key] = request

    @rule(name=st.sampled_from(["ada", "bob"]), by=st.sampled_from(["session", "identity"]))
    def invalidate(self, name: str, by: str) -> None:
        """Revoke the sessions of a user. A missing second factor does not name its user."""
        self.end(name)
        self.end("second factor")
        self.bench.cache.invalidate(f"{by}-{name}")

    @rule(key=st.sampled_from(KEYS))
    def invalidate_credential(self, key: bytes) -> None:
        """Invalidate a credential whose session is unknown."""
        self.end(key)
        self.stored.pop(key, None)
        self.bench.cache.invalidate_credential(key)

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: bytes) -> None:
        """Delete an entry, if there is one."""
        self.stored.pop(key, None)
        self.bench.cache.delete(key)

    @rule()
    def clear(self) -> None:
        """Delete all entries."""
        self.end("all")
        assert self.bench.cache.clear() == len(self.stored)
        self.stored.clear()

    @rule(seconds=st.sampled_from([0.0, 0.05, 1.0, MAX_AGE]))
    def wait(self, seconds: float) -> None:
        """Let time pass; often none, as on a coarse clock."""
        self.bench.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-60.0, 60.0]))
    def set_the_clock(self, seconds: float) -> None:
        """Set the wall clock. The monotonic clock may have stopped while the machine slept."""
        self.bench.clock.set_wall_clock(seconds)

    @invariant()
    def equals_the_model(self) -> None:
        """An entry is served while it is fresh on both clocks, and was requested after each revocation of it."""
        clock = self.bench.clock
        for key in KEYS:
            found = self.bench.cache.get(key)
            if key not in self.stored:
                assert found is None
                continue
            _, entry, _, step = self.stored[key]
            name = next(name for name, outcome in OUTCOMES.items() if outcome == entry.outcome)
            is_fresh = clock.monotonic() < entry.fresh_until and clock.time() < entry.fresh_until_wall
            assert found == (entry if is_fresh and step > self.ended.get(name, 0) else None)


TestCacheLaws = CacheLaws.TestCase
TestCacheLaws.settings = settings(max_examples=60, stateful_step_count=30)
