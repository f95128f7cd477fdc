"""Up-down counters that are set to values."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.metrics import UpDownCounter

from ory_guard.telemetry.attributes import CREDENTIAL_CLASS, STATE

__all__ = ["ClassGauge", "Gauge", "StateGauge"]


class Gauge:
    """An up-down counter that is set to values."""

    def __init__(self, counter: UpDownCounter) -> None:
        self._counter = counter
        self._value = 0

    def set(self, value: int, attributes: Mapping[str, Any]) -> None:
        """Set the value."""
        self._counter.add(value - self._value, attributes)
        self._value = value


class ClassGauge:
    """One gauge for known credentials, and one for all others."""

    def __init__(self, counter: UpDownCounter, common: Mapping[str, Any]) -> None:
        self._known, self._unknown = Gauge(counter), Gauge(counter)
        self._common = common

    def set(self, known: int, unknown: int) -> None:
        """Set both values."""
        self._known.set(known, {**self._common, CREDENTIAL_CLASS: "known"})
        self._unknown.set(unknown, {**self._common, CREDENTIAL_CLASS: "unknown"})


class StateGauge:
    """One gauge per state: 1 for the current state, 0 for the others; without data before the first state."""

    def __init__(self, counter: UpDownCounter, states: tuple[str, ...], common: Mapping[str, Any]) -> None:
        self._gauges = {state: (Gauge(counter), {**common, STATE: state}) for state in states}
        self._known = False

    def set(self, state: str | None) -> None:
        """Set the current state; with None, all states are 0."""
        self._known = self._known or state is not None
        for name, (gauge, attributes) in self._gauges.items():
            if self._known:
                gauge.set(int(name == state), attributes)
