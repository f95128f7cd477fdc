"""A log of the requests that the fake received."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["RecordedRequest", "RequestLog"]

MAX_REQUESTS: Final = 1_000
WHOAMI: Final = "/sessions/whoami"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request and the status of its response (0 if the connection was reset)."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int

    def matches(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> bool:
        """Return whether the request matches all given arguments; `query` and `headers` may be partial."""
        expected_headers = {name.lower(): value for name, value in (headers or {}).items()}
        return (
            (method is None or self.method == method.upper())
            and (path is None or self.path == path)
            and (status is None or self.status == status)
            and (query or {}).items() <= dict(self.query).items()
            and expected_headers.items() <= dict(self.headers).items()
        )


class RequestLog:
    """The last 1,000 requests, oldest first."""

    def __init__(self) -> None:
        self._requests: deque[RecordedRequest] = deque(maxlen=MAX_REQUESTS)
        self._whoami_calls = 0

    @property
    def whoami_calls(self) -> int:
        """The number of whoami calls since the log was created or cleared, however many there were."""
        return self._whoami_calls

    def add(self, request: RecordedRequest) -> None:
        """Add a request."""
        self._requests.append(request)
        self._whoami_calls += request.path == WHOAMI

    def matching(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> list[RecordedRequest]:
        """Return the requests that match all given arguments; `query` and `headers` may be partial."""
        return [
            request
            for request in self._requests
            if request.matches(method=method, path=path, query=query, headers=headers, status=status)
        ]

    def clear(self) -> None:
        """Remove all requests and reset `whoami_calls`."""
        self._requests.clear()
        self._whoami_calls = 0

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[RecordedRequest]:
        return iter(tuple(self._requests))

    def __getitem__(self, index: int) -> RecordedRequest:
        return self._requests[index]

    def __repr__(self) -> str:
        return f"<RequestLog {len(self)} requests, {self._whoami_calls} of whoami>"
