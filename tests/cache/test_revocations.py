"""The log of revocations of one process."""

from math import inf
from typing import Any, Final

import pytest
from support.clock import AdjustableClock

from ory_guard import Session
from ory_guard.cache.revocations import RevocationLog
from ory_guard.models.deferred_session import defer_session

from .session_cache_bench import MAX_AGE, session_of


def deferred_session_of(name: str) -> Session[Any]:
    """Return such a session, which must not be parsed."""
    return defer_session(lambda _body: None, b"", f"session-{name}", f"identity-{name}")


ADA: Final = session_of("ada")
BOB: Final = session_of("bob")


@pytest.fixture
def clock() -> AdjustableClock:
    return AdjustableClock()


@pytest.fixture
def log(clock: AdjustableClock) -> RevocationLog:
    return RevocationLog(MAX_AGE, clock)


def names(count: int) -> list[str]:
    return [f"session-{number}" for number in range(count)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, clock: AdjustableClock) -> RevocationLog:
    """A log of 80 older and 8 recent revocations, in buckets of 20."""
    monkeypatch.setattr("ory_guard.cache.revocations._CAPACITY", 80)
    monkeypatch.setattr("ory_guard.cache.revocations._MAX_RECENT", 8)
    monkeypatch.setattr("ory_guard.cache.revocations._MOVED_AT_ONCE", 4)
    monkeypatch.setattr("ory_guard.cache.revocation_buckets._MAX_BUCKET", 20)
    return RevocationLog(MAX_AGE, clock)


@pytest.mark.parametrize("revoked", ["session-ada", "identity-ada"])
def test_older_revocations_have_the_same_effect(small: RevocationLog, clock: AdjustableClock, revoked: str) -> None:
    before = small.next_request_time()
    small.add(revoked)
    after = small.next_request_time()
    clock.advance(1)

    small.add(*names(50))

    assert small.is_revoked(ADA, before)
    assert not small.is_revoked(ADA, after)
    assert not small.is_revoked(BOB, before)
    assert small.revoked_at("session-ada", "identity-ada") == before
    assert small.revoked_at("session-ada", "identity-ada", since=after) == -inf
    assert small.revoked_at("session-0", since=small.last_revocation) == small.last_revocation


def test_revocations_are_removed_when_no_earlier_response_can_be_in_use(
    small: RevocationLog, clock: AdjustableClock
) -> None:
    small.add(*names(50))
    clock.advance(MAX_AGE + 0.1)
    request_time = small.next_request_time()

    small.add(*(f"identity-{number}" for number in range(9)))

    assert repr(small) == "<RevocationLog 9 ids>"
    assert small.floor == -inf
    assert not small.is_revoked(BOB, request_time)


def test_full_log_counts_requests_before_its_oldest_revocations_as_revoked(
    small: RevocationLog, clock: AdjustableClock
) -> None:
    removed: list[tuple[int, float]] = []
    small.on_full = lambda count, seconds: removed.append((count, seconds))
    times = []
    for number in range(84):
        clock.advance(0.05)
        times.append(small.next_request_time())
        small.add(f"session-{number}")
    assert (removed, small.floor) == ([], -inf)

    small.add("one", "two", "three", "four", "five")

    assert small.floor == times[19]
    assert removed == [(20, small.last_revocation - times[19])]
    assert len(small) == 69
    for bob in (BOB, deferred_session_of("bob")):
        assert small.is_revoked(bob, times[19])
        assert not small.is_revoked(bob, times[20])
    assert small.is_revoked(session_of("20"), times[20])


def test_number_of_revoked_credentials_is_limited(
    log: RevocationLog, clock: AdjustableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests before the oldest one count as revoked."""
    monkeypatch.setattr("ory_guard.cache.revocations._MAX_CREDENTIALS", 3)
    before = log.next_request_time()
    for name in (b"0", b"1", b"2", b"1", b"3", b"4"):
        log.add_credential(name)
        clock.advance(1)

    assert log.is_credential_revoked(b"ada", before + 2)
    assert not log.is_credential_revoked(b"ada", before + 2.5)
    assert log.is_credential_revoked(b"1", before + 2.5)
