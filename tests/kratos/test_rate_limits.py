"""Rate limits of Kratos: one credential is held, and all of them only if most sessions are limited."""

import pytest
from support.clock import AdjustableClock

from ory_guard.kratos.rate_limits import RateLimits


class Bench:
    """Rate limits and their clock."""

    def __init__(self) -> None:
        self.clock = AdjustableClock()
        self.limits = RateLimits(self.clock.monotonic)

    def limit(self, key: str, identity: int | None = None, seconds: int = 10, group: str | None = None) -> None:
        """Record a 429."""
        self.limits.record_limited(key.encode(), identity, (group or key).encode(), seconds)

    def answer(self, key: str, identity: int | None = None, group: str | None = None) -> None:
        """Record another response."""
        self.limits.record_answer(key.encode(), identity, (group or key).encode())

    def ask(self, key: str, identity: int | None = None, group: str | None = None) -> int | None:
        """Return the seconds to wait."""
        return self.limits.retry_after(key.encode(), identity, (group or key).encode())


def test_429_holds_its_credential_only() -> None:
    bench = Bench()
    assert bench.ask("a", 1) is None

    bench.limit("a", 1, 7)

    assert (bench.ask("a", 1), bench.ask("b", 2), bench.ask("c")) == (7, None, None)
    bench.clock.advance(6.5)
    assert bench.ask("a", 1) == 1
    bench.clock.advance(0.5)
    assert bench.ask("a", 1) is None


def test_another_response_ends_the_hold() -> None:
    """As for a check that was in progress."""
    bench = Bench()
    bench.limit("a", 1)

    bench.answer("a", 1)

    assert bench.ask("a", 1) is None


def test_limits_of_unknown_credentials_hold_no_others() -> None:
    bench = Bench()
    for number in range(200):
        bench.limit(f"random-{number}")

    assert not bench.limits.holds_all
    assert (bench.ask("random-0"), bench.ask("user", 1), bench.ask("login")) == (10, None, None)


@pytest.mark.parametrize(
    ("limited", "answered", "holds_all"),
    [
        ({"a": 1, "b": 2, "c": 3}, {}, True),
        ({"a": 1, "b": 2, "c": 3}, {"d": 4, "e": 5}, True),
        ({"a": 1, "b": 2, "c": 3}, {"d": 4, "e": 5, "f": 6}, False),
        ({"a": 1, "b": 2}, {}, False),
        ({f"session-{number}": 1 for number in range(100)}, {}, False),
        ({f"session-{number}": number % 3 for number in range(100)}, {"d": 4, "e": 5, "f": 6}, False),
        ({"a": 1, "b": 2, "c": 3}, {f"session-{number}": 1 for number in range(3)}, False),
    ],
    ids=[
        "all",
        "most",
        "half",
        "two identities",
        "many sessions of one identity",
        "many sessions of three identities",
        "half of the credentials",
    ],
)
def test_all_are_held_if_most_sessions_are_limited(
    limited: dict[str, int], answered: dict[str, int], *, holds_all: bool
) -> None:
    bench = Bench()
    for key, identity in answered.items():
        bench.answer(key, identity)
    for key, identity in limited.items():
        bench.limit(key, identity)

    assert bench.limits.holds_all is holds_all
    bench.clock.advance(10)
    assert not bench.limits.holds_all


def test_only_the_last_second_counts() -> None:
    bench = Bench()
    for number, key in enumerate("abcdef"):
        bench.limit(key, number)
        bench.clock.advance(0.6)

    assert not bench.limits.holds_all


def test_two_credentials_of_a_request_count_as_one() -> None:
    bench = Bench()
    for number in range(2):
        bench.limit(f"first-{number}", number, group=f"request-{number}")
        bench.limit(f"second-{number}", 10 + number, group=f"request-{number}")

    assert not bench.limits.holds_all


def test_429_of_one_credential_of_a_request_holds_both() -> None:
    """The other one is not held in requests of its own, and its response does not end the hold."""
    bench = Bench()
    bench.limit("first", group="request")
    bench.answer("second", group="request")

    assert (bench.ask("first"), bench.ask("second", group="request"), bench.ask("second")) == (10, 10, None)
    bench.clock.advance(10)
    assert bench.ask("second", group="request") is None


def hold_all(bench: Bench) -> None:
    """Make Kratos limit all sessions."""
    for number, key in enumerate("abc"):
        bench.limit(key, number)
    assert bench.limits.holds_all


def test_a_share_of_calls_goes_on_while_all_are_held() -> None:
    """Known credentials that Kratos did not limit, ten times a second, and every eighth of the others."""
    bench = Bench()
    hold_all(bench)

    assert bench.ask("a", 0) == 10
    assert bench.ask("user-1", 11) is None
    assert bench.ask("user-2", 12) == 10
    bench.clock.advance(0.1)
    assert bench.ask("another-session-of-a", 0) == 10
    assert bench.ask("user-2", 12) is None
    bench.limit("user-3", 13)
    bench.clock.advance(0.1)
    assert bench.ask("another-session-of-3", 13) == 10
    allowed = sum(bench.ask(f"stranger-{number}") is None for number in range(80))
    assert allowed == 10


@pytest.mark.parametrize("identity", [11, None], ids=["known", "unknown"])
def test_another_response_to_a_probe_releases_all(identity: int | None) -> None:
    """The limited credentials are still held."""
    bench = Bench()
    hold_all(bench)

    bench.answer("user", identity)

    assert not bench.limits.holds_all
    assert (bench.ask("a", 0), bench.ask("b2", 1), bench.ask("user-2", 12)) == (10, None, None)


def test_number_of_held_credentials_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credential that has been held the longest time is forgotten, and costs one call."""
    monkeypatch.setattr("ory_guard.kratos.rate_limits._MAX_HELD", 3)
    bench = Bench()
    for key in "abcd":
        bench.limit(key)

    assert [bench.ask(key) for key in "abcd"] == [None, 10, 10, 10]
