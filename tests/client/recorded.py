"""The recordings of a real Kratos, and a transport that replays responses."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

_FOLDER = Path(__file__).parent.parent / "recordings"
_ERRORS = Path(__file__).with_name("recorded_errors.jsonl")


@dataclass(frozen=True)
class Exchange:
    """One request to Kratos and its response.

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
    return [exchange for file in sorted(_FOLDER.glob("*.jsonl")) for exchange in _read(file)]


def recorded_errors() -> list[Exchange]:
    """Return the recorded errors that only occur with short lifespans, many attempts or unverified addresses."""
    return _read(_ERRORS)


def exchange_of(case: str) -> Exchange:
    """Return one recording."""
    (match,) = [exchange for exchange in exchanges() if exchange.case == case]
    return match


def recorded_body(case: str) -> Any:
    """Return the response body of one recording."""
    return exchange_of(case).response["body"]


class ScriptedTransport(httpx2.AsyncBaseTransport):
    """A transport that returns or raises its answers in order, and stores the requests."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers = iter(answers)
        self.requests: list[httpx2.Request] = []
        self.closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return or raise the next answer."""
        await request.aread()
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Record that the transport was closed."""
        self.closed = True


def response(
    status: int, body: Any = None, headers: Iterable[tuple[str, str]] = (("content-type", "application/json"),)
) -> httpx2.Response:
    """Return a response: text and bytes unchanged, anything else as JSON."""
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return httpx2.Response(status, headers=list(headers), content=content)


def recorded_response(exchange: Exchange) -> httpx2.Response:
    """Return the recorded response, with its recorded headers except the length."""
    pairs = [(name, value) for name, value in exchange.response["headers"] if name != "content-length"]
    return response(exchange.response["status"], exchange.response["body"], pairs)


def _read(file: Path) -> list[Exchange]:
    lines = map(json.loads, file.read_text().splitlines())
    return [Exchange(line["case"], line["operation"], line["request"], line["response"]) for line in lines]
