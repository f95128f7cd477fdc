"""Faults on demand: what a network and a server in trouble do to an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

__all__ = ["Fault", "Faults"]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What goes wrong with one answer; the class methods make the usual ones.

    Args:
        seconds: How long the answer takes to begin.
        status: Answer with this instead of asking the operation.
        headers: Headers of such an answer.
        body: Its body; without a status it replaces the operation's body.
        resets: The connection breaks before any of the body.
        truncates: The connection breaks after half of the body.
        drip_seconds: How long the body takes, in sixteen pieces.
    """

    seconds: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    resets: bool = False
    truncates: bool = False
    drip_seconds: float = 0.0

    @classmethod
    def latency(cls, seconds: float) -> Self:
        """Answer, but only after `seconds`."""
        return cls(seconds=seconds)

    @classmethod
    def reset(cls) -> Self:
        """Break the connection; in process the caller gets a ConnectionResetError."""
        return cls(resets=True)

    @classmethod
    def rate_limited(cls, retry_after: int = 1) -> Self:
        """Answer 429 with a `Retry-After` in seconds."""
        headers = {"content-type": "text/plain", "retry-after": str(retry_after)}
        return cls(status=429, headers=headers, body=b"too many requests\n")

    @classmethod
    def server_error(cls, status: int = 503) -> Self:
        """Answer with a 5xx that is no JSON, as a proxy in front of Kratos does."""
        headers = {"content-type": "text/html"}
        return cls(status=status, headers=headers, body=b"<h1>Something broke</h1>\n")

    @classmethod
    def wrong_body(cls, body: bytes = b"<html></html>") -> Self:
        """Keep status and headers of the right answer, but send something else."""
        return cls(body=body)

    @classmethod
    def truncated(cls) -> Self:
        """Send half of the body and break the connection."""
        return cls(truncates=True)

    @classmethod
    def slow_drip(cls, seconds: float) -> Self:
        """Send the body piece by piece, all in all in `seconds`."""
        return cls(drip_seconds=seconds)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int
    path: str | None


class Faults:
    """The faults that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(self, fault: Fault, *, times: int = 1, path: str | None = None) -> None:
        """
        Let the next `times` requests (to `path`, if given) go wrong like this.

        Raises:
            ValueError: `times` is less than 1.
        """
        if times < 1:
            raise ValueError(f"times must be 1 or more, not {times}")
        self._planned.append(_Planned(fault, times, path))

    def clear(self) -> None:
        """Let everything go well again."""
        self._planned.clear()

    def take(self, path: str) -> Fault | None:
        """Return the fault for a request to this path, if there is one, and count it."""
        for planned in self._planned:
            if planned.path in {None, path}:
                planned.left -= 1
                if not planned.left:
                    self._planned.remove(planned)
                return planned.fault
        return None

    def __len__(self) -> int:
        return sum(planned.left for planned in self._planned)
