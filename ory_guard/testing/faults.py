"""Faults: what network and server failures do to a response."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

__all__ = ["Fault", "Faults"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of one response. The class methods create the common ones.

    Args:
        seconds: The delay before the response starts.
        status: Respond with this status instead of running the operation.
        headers: The headers of that response.
        body: The body of that response. Without `status`, it replaces the body of the normal response.
        resets: Whether the connection is reset before the body is sent.
        truncates: Whether the connection is closed after half of the body.
        drip_seconds: The time over which the body is sent, in 16 chunks.
        locks_database: Whether Kratos cannot use its database while it handles the request.
    """

    seconds: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    resets: bool = False
    truncates: bool = False
    drip_seconds: float = 0.0
    locks_database: bool = False

    @classmethod
    def latency(cls, seconds: float) -> Self:
        """Delay the response by `seconds`."""
        return cls(seconds=seconds)

    @classmethod
    def reset(cls) -> Self:
        """Reset the connection. In process, the caller gets a ConnectionResetError."""
        return cls(resets=True)

    @classmethod
    def rate_limited(cls, retry_after: int = 1) -> Self:
        """Respond with 429 and a `Retry-After` header in seconds."""
        headers = {"content-type": "text/plain", "retry-after": str(retry_after)}
        return cls(status=429, headers=headers, body=b"too many requests\n")

    @classmethod
    def server_error(cls, status: int = 503) -> Self:
        """Respond with a 5xx status and an HTML body, as a proxy in front of Kratos does."""
        headers = {"content-type": "text/html"}
        return cls(status=status, headers=headers, body=b"<h1>Internal error</h1>\n")

    @classmethod
    def database_locked(cls, seconds: float = 0.0) -> Self:
        """Lock the SQLite database of Kratos: valid sessions get a 401 from whoami, and new flows a 500.

        Args:
            seconds: The time for which Kratos waits for the database; 5 to 10 seconds in the recordings.
        """
        return cls(seconds=seconds, locks_database=True)

    @classmethod
    def wrong_body(cls, body: bytes = b"<html></html>") -> Self:
        """Replace the body of the normal response; status and headers stay."""
        return cls(body=body)

    @classmethod
    def truncated(cls) -> Self:
        """Send half of the body and close the connection."""
        return cls(truncates=True)

    @classmethod
    def slow_drip(cls, seconds: float) -> Self:
        """Send the body in small chunks over `seconds`."""
        return cls(drip_seconds=seconds)


@dataclass(slots=True)
class _PlannedFault:
    fault: Fault
    remaining: int
    path: str | None


class Faults:
    """The planned faults, in the order in which they were added."""

    def __init__(self) -> None:
        self._planned: list[_PlannedFault] = []

    def add(self, fault: Fault, *, times: int = 1, path: str | None = None) -> None:
        """Apply a fault to the next `times` requests, or to the next `times` requests to `path`.

        Raises:
            ValueError: If `times` is less than 1.
        """
        if times < 1:
            raise ValueError(f"times must be 1 or more, not {times}")
        self._planned.append(_PlannedFault(fault, times, path))

    def clear(self) -> None:
        """Remove all planned faults."""
        self._planned.clear()

    def take(self, path: str) -> Fault | None:
        """Return the next fault planned for a path, or None, and count it as used."""
        for planned in self._planned:
            if planned.path in {None, path}:
                planned.remaining -= 1
                if not planned.remaining:
                    self._planned.remove(planned)
                return planned.fault
        return None

    def __len__(self) -> int:
        return sum(planned.remaining for planned in self._planned)
