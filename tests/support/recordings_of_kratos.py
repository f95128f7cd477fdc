"""What a real Kratos answered, and a transport that answers it again."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from support.stub_kratos import Asked, StandingClock

FOLDER = Path(__file__).parent.parent / "recordings"

# How the two servers of the recordings were set up.
SERVERS: dict[str, dict[str, Any]] = {
    "default": {"whoami_required_aal": "highest_available"},
    "strict": {"whoami_required_aal": "aal1", "cookie_names": ("acme_session",)},
}

_CREDENTIALS = ("x-session-token", "cookie", "authorization")


@dataclass(frozen=True)
class Recorded:
    """One exchange, as it was recorded."""

    case: str
    operation: str
    server: str
    request: dict[str, Any]
    response: dict[str, Any]

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the request's headers as an ASGI server has them."""
        return [(name.encode(), value.encode("latin-1")) for name, value in self.request["headers"].items()]

    def credentials(self) -> dict[str, str]:
        """Return the request's credential headers that are not empty."""
        headers = self.request["headers"]
        return {name: headers[name] for name in _CREDENTIALS if headers.get(name)}

    def answer(self) -> httpx2.Response:
        """Return Kratos' answer."""
        body = self.response["body"]
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return httpx2.Response(
            self.response["status"], headers=self.response["headers"], stream=httpx2.ByteStream(raw)
        )


class RecordedKratos(httpx2.AsyncBaseTransport):
    """Answers what Kratos answered to this very request, and records what was sent.

    Kratos reads credentials in an order of its own, so a recorded request is found by the one credential that is
    sent, even where the recorded client sent others beside it.
    """

    def __init__(self, *recordings: Recorded) -> None:
        self.recordings = recordings
        self.asked: list[Asked] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer from the recordings; an unknown question is an error of the test."""
        headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers.raw]
        asked = Asked(request.method, str(request.url), headers)
        self.asked.append(asked)
        assert urlsplit(asked.url).path == "/sessions/whoami"
        assert urlsplit(asked.url).query == ""
        (credential,) = asked.credentials()
        for recorded in self.recordings:
            if _carries(recorded, credential):
                return recorded.answer()
        raise AssertionError(f"no recording holds the {credential[0]} that was sent")


def _carries(recorded: Recorded, credential: tuple[str, str]) -> bool:
    name, value = credential
    sent = recorded.credentials().get(name, "")
    if name == "cookie":
        return value in [pair.strip() for pair in sent.split(";")]
    if name == "authorization":
        return sent.partition(" ")[2] == value.partition(" ")[2]
    return sent == value


def recordings(operation: str) -> list[Recorded]:
    """Return every exchange of an operation, of all files in the order of their names."""
    lines = [line for file in sorted(FOLDER.glob("*.jsonl")) for line in file.read_text().splitlines()]
    found = [json.loads(line) for line in lines]
    return [
        Recorded(one["case"], one["operation"], one["server"], one["request"], one["response"])
        for one in found
        if one["operation"] == operation
    ]


def recording(case: str) -> Recorded:
    """Return one whoami exchange."""
    (found,) = [one for one in recordings("to_session") if one.case == case]
    return found


def moment_of(*recorded: Recorded) -> StandingClock:
    """Return a clock that stands when the recordings were made: all sessions in them are young."""
    times = [one.response["body"].get("issued_at") for one in recorded if isinstance(one.response["body"], dict)]
    latest = max((time for time in times if time), default="2026-11-21T22:40:00Z")
    return StandingClock(datetime.fromisoformat(latest[:19] + "+00:00"))
