"""The recorded exchanges of a real Kratos, and a transport that replays those of whoami."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from support.clock import AdjustableClock
from support.scripted_kratos import KratosRequest

FOLDER = Path(__file__).parent.parent / "recordings"

# The guard settings for each of the two recorded servers.
SERVERS: dict[str, dict[str, Any]] = {
    "default": {"whoami_required_aal": "highest_available"},
    "strict": {"whoami_required_aal": "aal1", "cookie_names": ("acme_session",)},
}

_CREDENTIAL_HEADERS = ("x-session-token", "cookie", "authorization")


@dataclass(frozen=True)
class Recording:
    """A recorded request and its response.

    Attributes:
        case: The recording's name, unique over all files.
        operation: The operationId in snake_case, or `-`.
        server: The recorded server, a key of `SERVERS`.
        request: Its `method`, `path`, `query`, `headers` and `body`.
        response: Its `status`, `headers` (pairs) and `body`.
    """

    case: str
    operation: str
    server: str
    request: dict[str, Any]
    response: dict[str, Any]

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of the request in ASGI format."""
        return [(name.encode(), value.encode("latin-1")) for name, value in self.request["headers"].items()]

    def credentials(self) -> dict[str, str]:
        """Return the credential headers of the request that are not empty."""
        headers = self.request["headers"]
        return {name: headers[name] for name in _CREDENTIAL_HEADERS if headers.get(name)}

    def has_credential(self, name: str, value: str) -> bool:
        """Return whether the request contains a credential, possibly among others."""
        recorded = self.credentials().get(name, "")
        if name == "cookie":
            return value in [pair.strip() for pair in recorded.split(";")]
        if name == "authorization":
            return recorded.partition(" ")[2] == value.partition(" ")[2]
        return recorded == value

    def to_response(self) -> httpx2.Response:
        """Return the recorded response as the response of a transport."""
        body = self.response["body"]
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return httpx2.Response(
            self.response["status"], headers=self.response["headers"], stream=httpx2.ByteStream(raw)
        )


class RecordedKratos(httpx2.AsyncBaseTransport):
    """A transport that returns the recorded response to the same credential, and records the requests.

    The recorded client may have sent more than one credential; the guard sends only the one that Kratos evaluates.
    """

    def __init__(self, *recordings: Recording) -> None:
        self.recordings = recordings
        self.requests: list[KratosRequest] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the recorded response, or fail without one."""
        received = KratosRequest.of(request)
        self.requests.append(received)
        assert urlsplit(received.url).path == "/sessions/whoami"
        assert urlsplit(received.url).query == ""
        ((name, value),) = received.credentials()
        for recording in self.recordings:
            if recording.has_credential(name, value):
                return recording.to_response()
        raise AssertionError(f"no recording contains the credential in the header {name}")


def recordings(operation: str | None = None) -> list[Recording]:
    """Return all recordings, or those of an operation, in the order of the file names."""
    found = [one for file in sorted(FOLDER.glob("*.jsonl")) for one in read_recordings(file)]
    return [one for one in found if operation in (None, one.operation)]


def read_recordings(file: Path) -> list[Recording]:
    """Return the recordings in a file."""
    lines = map(json.loads, file.read_text().splitlines())
    fields = ("case", "operation", "server", "request", "response")
    return [Recording(*(line.get(name, "default") for name in fields)) for line in lines]


def recording(case: str) -> Recording:
    """Return one recording."""
    (match,) = [recording for recording in recordings() if recording.case == case]
    return match


def clock_of(*recordings: Recording) -> AdjustableClock:
    """Return a clock at the time of the recordings, when their sessions were young."""
    bodies = [recording.response["body"] for recording in recordings]
    times = [body["issued_at"] for body in bodies if isinstance(body, dict) and body.get("issued_at")]
    latest = max(times, default="2026-11-21T22:40:00Z")
    return AdjustableClock(datetime.fromisoformat(latest[:19] + "+00:00"))
