"""The cache: never past the end, never another's, never more than it may hold."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from support.stub_kratos import StandingClock, session_body

from ory_guard import Authenticated, Rejected, SecondFactorRequired, Session
from ory_guard.cache.session_cache import CacheEntry, SessionCache
from ory_guard.models import CacheableOutcome, SystemClock

LONGEST = 30.0
REVOCATIONS = 10_000


def session_of(name: str) -> Session[Any]:
    """Return a session of its own, of an identity of its own."""
    return Session.model_validate(session_body(id=f"session-{name}", identity={"id": f"identity-{name}"}))


ADA = Authenticated(session_of("ada"), "cookie", "upstream", 0.0)
BOB = Authenticated(session_of("bob"), "cookie", "upstream", 0.0)
REFUSED = Rejected("inactive", "cookie")
SECOND_FACTOR = SecondFactorRequired("cookie", enrolled=True)


class TickingClock(StandingClock):
    """A clock that stands until it is told to run by a step at every look."""

    def __init__(self) -> None:
        super().__init__()
        self._step = 0.0

    def tick(self, seconds: float) -> None:
        """Run by so much from now on."""
        self._step = seconds

    def monotonic(self) -> float:
        """Return the monotonic time."""
        self.advance(self._step)
        return super().monotonic()


class Bench:
    """A cache, its clock, and an answer's way into it."""

    def __init__(self, size: int = 100) -> None:
        self.clock = TickingClock()
        self.cache = SessionCache(size, LONGEST, self.clock)

    def entry(self, outcome: CacheableOutcome, ttl: float = LONGEST) -> CacheEntry:
        """Return an answer to a question that is sent now."""
        asked_at = self.cache.next_request_time()
        return CacheEntry(outcome, asked_at, asked_at + ttl, self.clock.time() + ttl)

    def put(self, key: bytes, outcome: CacheableOutcome, ttl: float = LONGEST) -> CacheEntry:
        """Ask, and keep the answer at once."""
        entry = self.entry(outcome, ttl)
        self.cache.put(key, entry, self.cache.generation)
        return entry

    def outcome(self, key: bytes) -> CacheableOutcome | None:
        """Return what is kept."""
        entry = self.cache.get(key)
        return None if entry is None else entry.outcome


@pytest.fixture
def bench() -> Bench:
    """An empty cache."""
    return Bench()


@pytest.mark.parametrize("outcome", [ADA, REFUSED, SECOND_FACTOR], ids=lambda outcome: type(outcome).__name__)
def test_an_answer_is_fresh_until_its_ttl_ends(bench: Bench, outcome: CacheableOutcome) -> None:
    """It is served up to the end, and not at it."""
    entry = bench.put(b"k", outcome, ttl=10)

    bench.clock.advance(9.999)
    assert bench.cache.get(b"k") is entry
    bench.clock.advance(0.001)
    assert bench.cache.get(b"k") is None


@pytest.mark.parametrize("outcome", [ADA, REFUSED])
def test_the_wall_clock_ends_an_entry_too(bench: Bench, outcome: CacheableOutcome) -> None:
    """A machine that slept, and whose monotonic clock stood still, serves nothing that is old."""
    bench.put(b"k", outcome, ttl=10)

    bench.clock.set_wall_clock(10)

    assert bench.cache.get(b"k") is None


def test_a_wall_clock_that_is_set_back_prolongs_nothing(bench: Bench) -> None:
    """Lifetimes run on the monotonic clock."""
    bench.put(b"k", ADA, ttl=10)

    bench.clock.set_wall_clock(-3_600)
    bench.clock.advance(10)

    assert bench.cache.get(b"k") is None


def test_a_new_answer_takes_the_place_of_the_old_one(bench: Bench) -> None:
    """A session that ended is no session any more, and the other way round."""
    for outcome in (ADA, REFUSED, BOB, SECOND_FACTOR):
        bench.put(b"k", outcome)

        assert bench.outcome(b"k") is outcome
        assert len(bench.cache) == 1


@pytest.mark.parametrize(("first", "second"), [(ADA, REFUSED), (REFUSED, ADA), (ADA, BOB)])
def test_an_answer_that_was_asked_for_earlier_and_comes_later_is_not_kept(
    bench: Bench, first: CacheableOutcome, second: CacheableOutcome
) -> None:
    """The newer fact stays: a slow answer from before a logout must not bring the session back."""
    slow = bench.entry(first)
    bench.clock.advance(0.5)
    bench.put(b"k", second)

    bench.cache.put(b"k", slow, bench.cache.generation)

    assert bench.outcome(b"k") is second


def test_what_is_discarded_is_gone(bench: Bench) -> None:
    """Whatever kind of answer it was; discarding nothing is no error."""
    bench.put(b"a", ADA)
    bench.put(b"b", REFUSED)

    for key in (b"a", b"b", b"c"):
        bench.cache.discard(key)
        assert bench.cache.get(key) is None


def test_an_entry_may_end_between_two_looks_at_the_clock() -> None:
    """It is gone then, and what takes its place is kept."""
    for ticks in range(1, 12):
        bench = Bench()
        bench.put(b"k", ADA, ttl=1)
        newer = bench.entry(BOB)
        bench.clock.tick(1 / ticks)

        bench.cache.put(b"k", newer, bench.cache.generation)

        assert bench.cache.get(b"k") is newer


def test_unknown_tokens_evict_nobody() -> None:
    """Refusals have room of their own."""
    bench = Bench(size=3)
    bench.put(b"ada", ADA)

    for number in range(50):
        bench.put(b"guess %d" % number, REFUSED)

    assert bench.outcome(b"ada") is ADA
    assert len(bench.cache) == 4
    assert repr(bench.cache) == "<SessionCache 1 sessions, 3 refusals>"


@pytest.mark.parametrize("looks", [7, 8, 15, 16])
def test_the_least_recently_used_session_goes_first(looks: int) -> None:
    """A full cache keeps those who come often: every eighth look is noted."""
    bench = Bench(size=2)
    bench.put(b"a", ADA)
    bench.put(b"b", BOB)
    for _ in range(looks):
        bench.cache.get(b"a")

    bench.put(b"c", BOB)

    stays = ADA if looks >= 8 else None
    assert bench.outcome(b"a") is stays
    assert bench.outcome(b"b") is (BOB if stays is None else None)
    assert bench.outcome(b"c") is BOB


@pytest.mark.parametrize(("earlier", "later"), [(ADA, REFUSED), (REFUSED, ADA)])
def test_an_answer_to_an_earlier_question_brings_nothing_back(
    earlier: CacheableOutcome, later: CacheableOutcome
) -> None:
    """Not even where the earliest answer of all has ended, and is not swept away yet."""
    bench = Bench()
    bench.put(b"k", earlier, ttl=1)
    bench.clock.advance(1)
    slow = bench.entry(earlier)
    bench.clock.advance(1)
    bench.put(b"k", later)

    bench.cache.put(b"k", slow, bench.cache.generation)

    assert bench.outcome(b"k") is later


def test_an_answer_that_was_given_up_takes_what_was_there_along() -> None:
    """Kratos was asked again because that was in doubt."""
    bench = Bench()
    bench.put(b"k", ADA)
    generation, entry = bench.cache.generation, bench.entry(BOB)
    bench.cache.generation += 1

    bench.cache.put(b"k", entry, generation)

    assert bench.outcome(b"k") is None


def test_a_refusal_counts_where_an_ended_session_was() -> None:
    """The session may not have been swept away yet."""
    bench = Bench()
    bench.put(b"k", ADA, ttl=1)
    bench.clock.advance(1)

    bench.put(b"k", REFUSED)

    assert bench.outcome(b"k") is REFUSED


@pytest.mark.parametrize("by", ["session-ada", "identity-ada"])
def test_invalidate_ends_what_was_asked_for_before(bench: Bench, by: str) -> None:
    """By session or by identity; other people's sessions stay."""
    bench.put(b"ada", ADA)
    bench.put(b"bob", BOB)

    bench.cache.invalidate(by)

    assert (bench.outcome(b"ada"), bench.outcome(b"bob")) == (None, BOB)


def test_a_question_after_invalidate_counts_even_within_one_tick_of_the_clock(bench: Bench) -> None:
    """A coarse clock can't make a fresh answer look like one from before."""
    for _ in range(3):
        bench.cache.invalidate("session-ada")
        entry = bench.put(b"ada", ADA)

        assert bench.cache.get(b"ada") is entry
        assert not bench.cache.is_revoked(ADA.session, entry.asked_at)

    bench.cache.invalidate("session-ada")
    assert bench.cache.get(b"ada") is None


def test_an_answer_under_way_when_invalidate_comes_is_not_kept(bench: Bench) -> None:
    """Nobody knows whether Kratos answered before or after the session ended."""
    generation, entry = bench.cache.generation, bench.entry(ADA)

    bench.cache.invalidate("session-ada")
    bench.cache.put(b"ada", entry, generation)

    assert bench.cache.get(b"ada") is None
    assert bench.cache.is_revoked(ADA.session, entry.asked_at)


def test_invalidate_drops_every_second_factor_that_is_missing(bench: Bench) -> None:
    """Such an answer does not say whose it is."""
    bench.put(b"k", SECOND_FACTOR)

    bench.cache.invalidate("session-somebody")

    assert bench.cache.get(b"k") is None


def test_clear_forgets_everything_and_what_is_under_way(bench: Bench) -> None:
    """Afterwards the cache is as new."""
    generation, entry = bench.cache.generation, bench.entry(BOB)
    bench.put(b"ada", ADA)
    bench.put(b"k", REFUSED)

    bench.cache.clear()
    bench.cache.put(b"bob", entry, generation)

    assert len(bench.cache) == 0
    assert bench.cache.is_revoked(BOB.session, entry.asked_at)
    assert not bench.cache.is_revoked(BOB.session, bench.cache.next_request_time())


def test_what_is_under_way_is_kept_out_however_often_everything_is_forgotten(bench: Bench) -> None:
    """Each time ends the questions since the last one, too."""
    for _ in range(3):
        generation, entry = bench.cache.generation, bench.entry(REFUSED)
        bench.cache.empty()
        bench.cache.put(b"k", entry, generation)

        assert bench.cache.get(b"k") is None


def test_the_cache_knows_when_somebody_was_last_invalidated(bench: Bench) -> None:
    """By any of several ids; a cache that was cleared knows nobody's sessions from before."""
    assert bench.cache.revoked_at("session-ada", "identity-ada") < 0
    bench.cache.invalidate("identity-ada")
    first = bench.cache.revoked_at("session-ada", "identity-ada")
    assert first == bench.clock.monotonic()

    bench.clock.advance(1)
    bench.cache.clear()

    assert bench.cache.revoked_at("session-bob") == first + 1


def test_old_invalidations_are_forgotten_when_there_are_many(bench: Bench) -> None:
    """What was asked for before them is no longer fresh, so they say nothing any more."""
    bench.cache.invalidate(*(f"session-{number}" for number in range(REVOCATIONS)))
    bench.clock.advance(LONGEST + 1)
    entry = bench.put(b"ada", ADA)

    bench.cache.invalidate("session-bob")

    assert bench.cache.get(b"ada") is entry
    assert bench.cache.is_revoked(BOB.session, entry.asked_at)


def test_more_fresh_invalidations_than_can_be_remembered_empty_the_cache(bench: Bench) -> None:
    """The list of them is bounded, and what can't be told apart is asked again."""
    bench.put(b"bob", BOB)

    bench.cache.invalidate(*(f"session-{number}" for number in range(REVOCATIONS + 1)))

    assert bench.cache.get(b"bob") is None
    assert len(bench.cache) == 0


def test_as_many_invalidations_as_can_be_remembered_spare_everybody_else(bench: Bench) -> None:
    """The bound is what is kept, not the first that is too many."""
    entry = bench.put(b"bob", BOB)

    bench.cache.invalidate(*(f"session-{number}" for number in range(REVOCATIONS)))

    assert bench.cache.get(b"bob") is entry


def test_the_system_clock_is_the_operating_systems() -> None:
    """The wall clock counts from the epoch, the other one only runs forward."""
    clock = SystemClock()

    assert clock.time() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()


KEYS = [b"a", b"b", b"c", b"d"]
NAMES = ["ada", "bob"]
SESSIONS = {name: session_of(name) for name in NAMES}


class CacheLaws(RuleBasedStateMachine):
    """Any sequence of answers, invalidations and waiting keeps the cache's promises."""

    questions = Bundle("questions")

    def __init__(self) -> None:
        super().__init__()
        self.size = 2
        self.bench = Bench(self.size)
        self.put: dict[bytes, list[CacheEntry]] = {key: [] for key in KEYS}
        self.ended: dict[str, int] = {}
        self.step = 0
        self.asked: dict[int, int] = {}

    @initialize(size=st.sampled_from([2, 100]))
    def begin(self, size: int) -> None:
        """Let there be room for two, or for everybody."""
        self.size = size
        self.bench = Bench(size)

    @rule(
        target=questions,
        key=st.sampled_from(KEYS),
        name=st.sampled_from([*NAMES, None]),
        ttl=st.floats(0.1, LONGEST),
    )
    def ask(self, key: bytes, name: str | None, ttl: float) -> tuple[bytes, CacheEntry, int]:
        """Send a question."""
        self.step += 1
        outcome: CacheableOutcome = (
            REFUSED if name is None else Authenticated(SESSIONS[name], "cookie", "upstream", 0.0)
        )
        entry = self.bench.entry(outcome, ttl)
        self.asked[id(entry)] = self.step
        return key, entry, self.bench.cache.generation

    @rule(question=questions)
    def answer(self, question: tuple[bytes, CacheEntry, int]) -> None:
        """Keep its answer, now or much later."""
        key, entry, generation = question
        self.put[key].append(entry)
        self.bench.cache.put(key, entry, generation)

    @rule(name=st.sampled_from(NAMES), by=st.sampled_from(["session", "identity"]))
    def invalidate(self, name: str, by: str) -> None:
        """End somebody's sessions."""
        self.step += 1
        self.ended[name] = self.step
        self.bench.cache.invalidate(f"{by}-{name}")

    @rule(seconds=st.sampled_from([0.0, 0.05, 1.0, LONGEST]))
    def wait(self, seconds: float) -> None:
        """Let time pass; often none, as on a coarse clock."""
        self.bench.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-60.0, 60.0]))
    def set_the_clock(self, seconds: float) -> None:
        """Set the wall clock."""
        self.bench.clock.set_wall_clock(seconds)

    @invariant()
    def nothing_is_served_that_must_not_be(self) -> None:
        """Only what was put under this key, is fresh by both clocks, and was asked for after the last end."""
        for key in KEYS:
            entry = self.bench.cache.get(key)
            if entry is None:
                continue
            assert any(entry is known for known in self.put[key])
            assert self.bench.clock.monotonic() < entry.fresh_until
            assert self.bench.clock.time() < entry.fresh_until_wall
            if isinstance(entry.outcome, Authenticated):
                name = entry.outcome.session.id.removeprefix("session-")
                assert self.ended.get(name, 0) < self.asked[id(entry)]

    @invariant()
    def nothing_hides_a_newer_answer(self) -> None:
        """Where nobody is evicted, what is served was asked for after everything else that is fresh."""
        if self.size == 2:
            return
        for key in KEYS:
            entry = self.bench.cache.get(key)
            fresh = [each for each in self.put[key] if self.bench.clock.monotonic() < each.fresh_until]
            if entry is not None:
                assert entry.asked_at == max(each.asked_at for each in fresh)

    @rule()
    def count(self) -> None:
        """Two sessions and two refusals at most; no invariant, since counting sweeps away what has ended."""
        assert len(self.bench.cache) <= 2 * self.size


TestCacheLaws = CacheLaws.TestCase
TestCacheLaws.settings = settings(max_examples=60, stateful_step_count=30)
