"""The recordings of a real Kratos, and a transport that answers as they do."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

_FOLDER = Path(__file__).parent.parent / "recordings"


@dataclass(frozen=True)
class Exchange:
    """One question to Kratos and its answer.

    Attributes:
        case: The recording's name, unique over all files.
        operation: The operationId in snake_case, or `-`.
        request: Its `method`, `path`, `query`, `headers` and `body`.
        response: Its `status`, `headers` (pairs) and `body`.
    """

    case: str
    operation: str
    request: dict[str, Any]
    response: dict[str, Any]


def exchanges() -> list[Exchange]:
    """Return every recorded exchange, in the order of the files' names."""
    lines = [line for file in sorted(_FOLDER.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [
        Exchange(found["case"], found["operation"], found["request"], found["response"])
        for found in map(json.loads, lines)
    ]


def exchange_of(case: str) -> Exchange:
    """Return one recording."""
    (found,) = [exchange for exchange in exchanges() if exchange.case == case]
    return found


def answer_of(case: str) -> Any:
    """Return the answered body of one recording."""
    return exchange_of(case).response["body"]


class Script(httpx2.AsyncBaseTransport):
    """Answers each request with the next of its answers, or raises it, and keeps the requests."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers = iter(answers)
        self.requests: list[httpx2.Request] = []
        self.closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Play the next answer."""
        await request.aread()
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Note that somebody closed it."""
        self.closed = True


def response(
    status: int, body: Any = None, headers: Iterable[tuple[str, str]] = (("content-type", "application/json"),)
) -> httpx2.Response:
    """Return an answer: text and bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    return httpx2.Response(status, headers=list(headers), content=raw)


def recorded_response(exchange: Exchange) -> httpx2.Response:
    """Return the recorded answer, under its recorded headers but for the length."""
    pairs = [(name, value) for name, value in exchange.response["headers"] if name != "content-length"]
    return response(exchange.response["status"], exchange.response["body"], pairs)
