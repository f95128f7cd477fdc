"""Tests of the circuit breaker, as sequences of calls and results."""

from typing import Any

import pytest

from ory_guard.kratos.circuit_breaker import BreakerState, CircuitBreaker
from ory_guard.testing import ManualClock

A, B, C = b"a", b"b", b"c"
PROBE_TIMEOUT = 2.0

Step = tuple[Any, ...]
"""The seconds to wait, the action (`fail`, `succeed`, `open_for`, `ask`), its argument, and the result of `ask`.

A failure may name its request, too."""

FAIL_4: tuple[Step, ...] = ((0, "fail", A), (0, "fail", B), (0, "fail", A), (0, "fail", B))
OPEN: tuple[Step, ...] = (*FAIL_4, (0, "fail", A))
PROBING: tuple[Step, ...] = (*OPEN, (0.5, "ask", A, None))

SEQUENCES: dict[str, tuple[tuple[Step, ...], list[BreakerState]]] = {
    "opens after five failures of two credentials": (
        (*FAIL_4, (0, "ask", C, None), (0, "fail", A), (0, "ask", C, 1)),
        ["open"],
    ),
    "does not open for failures of one credential": (
        (*[(0, "fail", A)] * 1_000, (0, "ask", A, None), (0, "ask", B, None)),
        [],
    ),
    "opens for failures of two requests, not of two credentials in one": (
        (
            *[(0, "fail", A, "request"), (0, "fail", B, "request")] * 10,
            (0, "ask", C, None),
            (0, "fail", A),
            (0, "ask", C, 1),
        ),
        ["open"],
    ),
    "does not open for failures of one credential in many requests": (
        (*[(0, "fail", A, number) for number in range(10)], (0, "ask", C, None)),
        [],
    ),
    "a success resets the number of failures": ((*FAIL_4, (0, "succeed", C), *FAIL_4, (0, "ask", C, None)), []),
    "a success resets the failing credentials": (
        ((0, "fail", B), (0, "succeed", C), *[(0, "fail", A)] * 5, (0, "ask", C, None)),
        [],
    ),
    "stays open until the cooldown ends": (
        (*OPEN, (0.499, "ask", A, 1), (0.001, "ask", A, None)),
        ["open", "half_open"],
    ),
    "allows one probe": ((*PROBING, (0, "ask", A, 1), (0, "ask", B, 1)), ["open", "half_open"]),
    "a successful probe closes": (
        (*PROBING, (0, "succeed", A), (0, "ask", B, None), *FAIL_4, (0, "ask", C, None)),
        ["open", "half_open", "closed"],
    ),
    "after a failed probe another credential probes first": (
        (*PROBING, (0, "fail", A), (0, "ask", B, 1), (0.5, "ask", A, 1), (0, "ask", B, None)),
        ["open", "half_open", "open", "half_open"],
    ),
    "a failed credential probes again after twice the cooldown": (
        (*PROBING, (0, "fail", A), (1, "ask", A, None)),
        ["open", "half_open", "open", "half_open"],
    ),
    "ignores late results while open": ((*OPEN, (0, "succeed", C), (0, "fail", C), (0, "ask", C, 1)), ["open"]),
    "ignores results of other credentials during a probe": (
        (*PROBING, (0, "succeed", C), (0, "fail", C), (0, "ask", C, 1)),
        ["open", "half_open"],
    ),
    "replaces a lost probe after the probe timeout": (
        (*PROBING, (PROBE_TIMEOUT - 0.001, "ask", B, 1), (0.001, "ask", B, None), (0, "ask", C, 1)),
        ["open", "half_open"],
    ),
    "each failed probe waits for twice the cooldown": (
        (
            *PROBING,
            (0, "fail", A),
            (0.5, "ask", B, None),
            (0, "fail", B),
            (0.5, "ask", A, 1),
            (0, "ask", B, 1),
            (0, "ask", C, None),
            (0, "succeed", C),
        ),
        ["open", "half_open", "open", "half_open", "open", "half_open", "closed"],
    ),
    "open_for: stays open for the given time, then allows one probe": (
        ((0, "open_for", 7), (0, "ask", A, 7), (6.5, "ask", A, 1), (0.5, "ask", A, None), (0, "ask", B, 1)),
        ["open", "half_open"],
    ),
    "open_for: a shorter time does not end a longer one": (
        ((0, "open_for", 30), (0, "open_for", 1), (0, "ask", A, 30)),
        ["open"],
    ),
    "open_for: the time to wait is at most a minute": (((0, "open_for", 3_600), (0, "ask", A, 60)), ["open"]),
    "close: allows all calls": (
        (*OPEN, (0, "close"), (0, "ask", A, None), *FAIL_4, (0, "ask", C, None)),
        ["open", "closed"],
    ),
}


@pytest.mark.parametrize(("steps", "states"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_sequence_of_results(steps: tuple[Step, ...], states: list[BreakerState]) -> None:
    clock, changes = ManualClock(), list[BreakerState]()
    breaker = CircuitBreaker(clock.monotonic, PROBE_TIMEOUT, changes.append)

    for number, (seconds, action, *arguments) in enumerate(steps):
        clock.advance(seconds)
        match action, arguments:
            case "fail", [key, *group]:
                breaker.record_failure(key, group[0] if group else key)
            case "succeed", [key]:
                breaker.record_success(key)
            case "open_for", [duration]:
                breaker.open_for(duration)
            case "close", []:
                breaker.close()
            case "ask", [key, expected]:
                assert breaker.retry_after(key) == expected, f"step {number}"
            case _:
                raise AssertionError(action)

    assert changes == states
    assert breaker.state == (states[-1] if states else "closed")


def test_number_of_failed_probes_in_memory_is_limited() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock.monotonic, PROBE_TIMEOUT, lambda _state: None)
    breaker.open_for(0.5)
    for number in range(100):
        clock.advance(1)
        breaker.retry_after(number)
        breaker.record_failure(number, number)
    clock.advance(0.5)

    assert breaker.retry_after(0) == 1
    assert breaker.retry_after(99) is None


def test_repr_shows_the_state() -> None:
    breaker = CircuitBreaker(ManualClock().monotonic, PROBE_TIMEOUT, lambda _state: None)
    breaker.record_failure(A, A)

    assert repr(breaker) == "<CircuitBreaker closed, 1 failures>"
