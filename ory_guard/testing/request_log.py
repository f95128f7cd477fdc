"""A record of what the fake was asked."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["RecordedRequest", "RequestLog"]

KEPT_REQUESTS: Final = 1_000
WHOAMI: Final = "/sessions/whoami"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request, and the status it was answered with (0 where the connection broke)."""

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
        """Tell whether all that is given is so; `query` and `headers` may leave entries out."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        return (
            (method is None or self.method == method.upper())
            and (path is None or self.path == path)
            and (status is None or self.status == status)
            and (query or {}).items() <= dict(self.query).items()
            and sent.items() <= dict(self.headers).items()
        )


class RequestLog:
    """The newest thousand requests, the oldest first."""

    def __init__(self) -> None:
        self._requests: deque[RecordedRequest] = deque(maxlen=KEPT_REQUESTS)
        self._whoami_calls = 0

    @property
    def whoami_calls(self) -> int:
        """How often whoami was called since the record began or was cleared, however long ago."""
        return self._whoami_calls

    def add(self, request: RecordedRequest) -> None:
        """Take a request down."""
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
        """Return the requests of which all that is given is so; `query` and `headers` may leave entries out."""
        return [
            one
            for one in self._requests
            if one.matches(method=method, path=path, query=query, headers=headers, status=status)
        ]

    def clear(self) -> None:
        """Begin the record anew."""
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
