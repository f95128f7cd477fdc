"""The cache of one process."""

from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ory_guard import Authenticated
from ory_guard.cache import session_cache
from ory_guard.cache.entries import CacheEntry
from ory_guard.models import CacheableOutcome

from .session_cache_bench import (
    ADA,
    BOB,
    MAX_AGE,
    REFUSED,
    SECOND_FACTOR,
    CacheBench,
    session_of,
)


@pytest.fixture
def bench() -> CacheBench:
    """An empty cache."""
    return CacheBench()


@pytest.mark.parametrize("outcome", [ADA, REFUSED, SECOND_FACTOR], ids=lambda outcome: type(outcome).__name__)
def test_entry_is_fresh_until_its_ttl_ends(bench: CacheBench, outcome: CacheableOutcome) -> None:
    entry = bench.put(b"k", outcome, ttl=10)

    bench.clock.advance(9.999)
    assert bench.cache.get(b"k") is entry
    bench.clock.advance(0.001)
    assert bench.cache.get(b"k") is None


@pytest.mark.parametrize("outcome", [ADA, REFUSED, SECOND_FACTOR], ids=lambda outcome: type(outcome).__name__)
def test_entry_is_stale_when_the_wall_clock_has_passed_its_end(
    bench: CacheBench, outcome: CacheableOutcome
) -> None:
    """The monotonic clock may have stopped while the machine slept."""
    bench.put(b"k", outcome, ttl=10)

    bench.clock.set_wall_clock(10)

    assert bench.cache.get(b"k") is None


def test_setting_the_wall_clock_back_prolongs_no_lifetime(bench: CacheBench) -> None:
    bench.put(b"k", ADA, ttl=10)

    bench.clock.set_wall_clock(-3_600)
    bench.clock.advance(10)

    assert bench.cache.get(b"k") is None


@pytest.mark.parametrize("ttl", [MAX_AGE, 0.0], ids=["fresh", "stale"])
def test_later_response_replaces_the_entry(bench: CacheBench, ttl: float) -> None:
    for outcome in (ADA, REFUSED, BOB, SECOND_FACTOR):
        bench.put(b"k", outcome)
        assert bench.outcome(b"k") is outcome
        assert len(bench.cache) == 1

        bench.put(b"k", outcome, ttl)


def test_delete_removes_any_entry(bench: CacheBench) -> None:
    bench.put(b"a", ADA)
    bench.put(b"b", REFUSED)

    for key in (b"a", b"b", b"c"):
        bench.cache.delete(key)
        assert bench.cache.get(key) is None

    assert len(bench.cache) == 0


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


def test_response_to_a_request_before_invalidate_credential_is_not_cached(bench: CacheBench) -> None:
    for outcome in (ADA, REFUSED):
        bench.put(b"k", outcome)
        generation, before = bench.cache.generation, bench.entry(BOB)

        bench.cache.invalidate_credential(b"k")
        bench.cache.put(b"k", before, generation)
        bench.cache.put(b"other", before, generation)

        assert (bench.outcome(b"k"), bench.outcome(b"other")) == (None, BOB)
        bench.put(b"k", outcome)
        assert bench.outcome(b"k") is outcome


def test_invalidate_ends_every_second_factor_required(bench: CacheBench) -> None:
    """Such an outcome does not name its session."""
    bench.put(b"k", SECOND_FACTOR)

    bench.cache.invalidate("session-other")

    assert bench.cache.get(b"k") is None


def test_clear_deletes_all_entries_and_rejects_responses_on_their_way(bench: CacheBench) -> None:
    """Each time, so that no response of an earlier generation is cached."""
    for outcome in (ADA, REFUSED, SECOND_FACTOR):
        bench.put(b"a", outcome)
        generation, entry = bench.cache.generation, bench.entry(outcome)

        bench.cache.clear()
        bench.cache.put(b"b", entry, generation)

        assert len(bench.cache) == 0


KEYS = [b"a", b"b", b"c", b"d"]
NAMES = ["ada", "bob"]
SESSIONS = {name: session_of(name) for name in NAMES}


class CacheLaws(RuleBasedStateMachine):
    """Any sequence of requests, responses, revocations and waiting keeps the guarantees of the cache."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.size = 2
        self.bench = CacheBench(self.size)
        self.put: dict[bytes, list[CacheEntry]] = {key: [] for key in KEYS}
        self.revoked: dict[str, int] = {}
        self.step = 0
        self.requested: dict[int, int] = {}

    @initialize(size=st.sampled_from([2, 100]), recent=st.sampled_from([1, 100]))
    def begin(self, size: int, recent: int) -> None:
        """Start with a small or a large cache, with one or all entries as objects."""
        self.size = size
        with patch.object(session_cache, "_MIN_RECENT", recent), patch.object(session_cache, "_MAX_RECENT", recent):
            self.bench = CacheBench(size)

    @rule(
        target=requests,
        key=st.sampled_from(KEYS),
        name=st.sampled_from([*NAMES, None]),
        ttl=st.floats(0.1, MAX_AGE),
    )
    def send_request(self, key: bytes, name: str | None, ttl: float) -> tuple[bytes, CacheEntry, int]:
        """Send a request."""
        self.step += 1
        outcome: CacheableOutcome = (
            REFUSED if name is None else Authenticated(SESSIONS[name], "cookie", "upstream", 0.0)
        )
        entry = self.bench.entry(outcome, ttl)
        self.requested[id(entry)] = self.step
        return key, entry, self.bench.cache.generation

    @rule(request=requests)
    def cache_response(self, request: tuple[bytes, CacheEntry, int]) -> None:
        """Cache the response of a request, now or much later."""
        key, entry, generation = request
        self.put[key].append(entry)
        self.bench.cache.put(key, entry, generation)

    @rule(name=st.sampled_from(NAMES), by=st.sampled_from(["session", "identity"]))
    def invalidate(self, name: str, by: str) -> None:
        """Revoke the sessions of a user."""
        self.step += 1
        self.revoked[name] = self.step
        self.bench.cache.invalidate(f"{by}-{name}")

    @rule(seconds=st.sampled_from([0.0, 0.05, 1.0, MAX_AGE]))
    def wait(self, seconds: float) -> None:
        """Let time pass; often none, as on a coarse clock."""
        self.bench.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-60.0, 60.0]))
    def set_the_clock(self, seconds: float) -> None:
        """Set the wall clock."""
        self.bench.clock.set_wall_clock(seconds)

    @invariant()
    def serves_only_fresh_entries_of_the_same_key(self) -> None:
        """Each entry is fresh on both clocks and was requested after the last revocation of its session."""
        for key in KEYS:
            entry = self.bench.cache.get(key)
            if entry is None:
                continue
            requested = [self.requested[id(known)] for known in self.put[key] if known == entry]
            assert requested
            assert self.bench.clock.monotonic() < entry.fresh_until
            assert self.bench.clock.time() < entry.fresh_until_wall
            if isinstance(entry.outcome, Authenticated):
                name = entry.outcome.session.id.removeprefix("session-")
                assert self.revoked.get(name, 0) < max(requested)

    @invariant()
    def serves_the_response_to_the_latest_request(self) -> None:
        """A large cache evicts nothing, so that no earlier response reappears."""
        if self.size == 2:
            return
        for key in KEYS:
            entry = self.bench.cache.get(key)
            fresh = [each for each in self.put[key] if self.bench.clock.monotonic() < each.fresh_until]
            if entry is not None:
                assert entry.request_time == max(each.request_time for each in fresh)

    @invariant()
    def is_bounded(self) -> None:
        """Sessions and refusals have the same limit."""
        assert len(self.bench.cache) <= 2 * self.size


TestCacheLaws = CacheLaws.TestCase
TestCacheLaws.settings = settings(max_examples=60, stateful_step_count=30)
