"""Responses of a real Kratos, and a transport that replays responses."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2
from support.recorded_kratos import Recording, read_recordings, recording


def recorded_errors() -> list[Recording]:
    """Return the recorded errors that only occur with short lifespans, many attempts or unverified addresses."""
    return read_recordings(Path(__file__).with_name("recorded_errors.jsonl"))


def recorded_body(case: str) -> Any:
    """Return the response body of one recording."""
    return recording(case).response["body"]


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


def recorded_response(recorded: Recording) -> httpx2.Response:
    """Return the recorded response, with its recorded headers except the length."""
    pairs = [(name, value) for name, value in recorded.response["headers"] if name != "content-length"]
    return response(recorded.response["status"], recorded.response["body"], pairs)
