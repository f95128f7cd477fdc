"""The log of revocations of one process."""

from typing import Any, Final

import pytest
from support.clock import AdjustableClock
from support.scripted_kratos import session_body

from ory_guard import Session
from ory_guard.cache.revocations import RevocationLog

MAX_AGE: Final = 30.0
CAPACITY: Final = 10_000


def session_of(name: str) -> Session[Any]:
    """Return a session whose ids contain `name`."""
    return Session.model_validate(session_body(id=f"session-{name}", identity={"id": f"identity-{name}"}))


ADA: Final = session_of("ada")
BOB: Final = session_of("bob")


@pytest.fixture
def clock() -> AdjustableClock:
    """A clock that is moved by hand."""
    return AdjustableClock()


@pytest.fixture
def log(clock: AdjustableClock) -> RevocationLog:
    """An empty log."""
    return RevocationLog(MAX_AGE, clock)


@pytest.mark.parametrize("revoked", ["session-ada", "identity-ada"])
def test_session_is_revoked_by_its_own_id_or_that_of_its_identity(log: RevocationLog, revoked: str) -> None:
    """Other sessions are not, nor is a later request for the same session."""
    before = log.next_request_time()
    log.add("other", revoked)

    assert log.is_revoked(ADA, before)
    assert not log.is_revoked(BOB, before)
    assert not log.is_revoked(ADA, log.next_request_time())
    assert repr(log) == "<RevocationLog 2 ids>"


def test_request_times_and_revocations_alternate_within_one_tick_of_the_clock(log: RevocationLog) -> None:
    """A coarse clock does not make a request look earlier or later than it is."""
    for _ in range(5):
        before = log.next_request_time()
        log.add("session-ada")
        after = log.next_request_time()

        assert before <= log.last_revocation < after
        assert log.is_revoked(ADA, before)
        assert not log.is_revoked(ADA, after)


def test_revoked_at_returns_the_latest_revocation(log: RevocationLog, clock: AdjustableClock) -> None:
    """Minus infinity if none of the ids was revoked."""
    assert log.revoked_at("session-ada", "identity-ada") == log.last_revocation == float("-inf")
    log.add("identity-ada")
    clock.advance(1)
    log.add("session-ada")

    assert log.revoked_at("session-ada", "identity-ada") == log.last_revocation == clock.monotonic()
    assert log.revoked_at("identity-ada") == clock.monotonic() - 1
    assert log.revoked_at("session-bob") == float("-inf")


def test_full_log_forgets_revocations_that_no_longer_matter(log: RevocationLog, clock: AdjustableClock) -> None:
    """Every response that was requested before them is stale."""
    log.add(*(f"session-{number}" for number in range(CAPACITY)))
    clock.advance(MAX_AGE + 1)
    request_time = log.next_request_time()

    log.add("session-ada")

    assert len(log) == 1
    assert log.is_revoked(ADA, request_time)
    assert not log.is_revoked(BOB, request_time)


@pytest.mark.parametrize("excess", [0, 1])
def test_log_counts_every_session_as_revoked_when_it_overflows(
    log: RevocationLog, clock: AdjustableClock, excess: int
) -> None:
    """It holds exactly 10,000 recent revocations; one more, and it fails closed."""
    before = log.next_request_time()

    log.add(*(f"session-{number}" for number in range(CAPACITY + excess)))

    assert log.is_revoked(ADA, before) == bool(excess)
    assert (log.revoked_at("session-ada") == clock.monotonic()) == bool(excess)
    assert not log.is_revoked(ADA, log.next_request_time())
