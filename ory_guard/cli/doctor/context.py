"""What a check is given, and what it returns."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx2

from ory_guard.cli.credential_input import Header
from ory_guard.client.transport import Wire
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.session_parser import Answer
from ory_guard.models import Clock, SystemClock

__all__ = [
    "DoctorContext",
    "Finding",
    "Level",
    "Probe",
    "error_object",
    "json_object",
    "notice",
    "ok",
    "problem",
    "skipped",
    "text_header",
]

Level = Literal["ok", "notice", "problem", "skipped"]

JSON: Header = (b"accept", b"application/json")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        level: `ok`, `notice` for what may be meant so, `problem` for what will not work, or `skipped` for what
            could not be looked at.
        message: What was found.
        fix: What to do about it; for what was skipped, what to give so that it can be looked at.
        check: The check that found it.
    """

    level: Level
    message: str
    fix: str = ""
    check: str = ""


def ok(message: str) -> Finding:
    """Return that something is as it should be."""
    return Finding("ok", message)


def notice(message: str, fix: str = "") -> Finding:
    """Return something that may be meant so."""
    return Finding("notice", message, fix)


def problem(message: str, fix: str) -> Finding:
    """Return something that will not work."""
    return Finding("problem", message, fix)


def skipped(message: str, fix: str = "") -> Finding:
    """Return that something could not be looked at."""
    return Finding("skipped", message, fix)


class Probe:
    """Asks one of Kratos' APIs.

    Args:
        url: Where it is.
        transport: A transport to use instead of connections of its own.
        timeout: Seconds that one answer may take.

    Attributes:
        answers: Every answer so far.
    """

    def __init__(self, url: str, transport: httpx2.AsyncBaseTransport | None = None, *, timeout: float) -> None:
        self.url = url
        self.answers: list[Answer] = []
        self._wire = Wire(transport, timeout=timeout, secure=url.startswith("https:"))

    async def get(self, path: str, *headers: Header, **query: str) -> Answer:
        """Return the answer to a GET, for JSON unless a header says otherwise.

        Raises:
            KratosUnavailable: There was none.
        """
        url = httpx2.URL(self.url + path, params=query) if query else httpx2.URL(self.url + path)
        sent = [(b"host", url.netloc), JSON, (b"accept-encoding", b"identity"), (b"user-agent", b"ory-guard")]
        answer = await self._wire.send(path, httpx2.Request("GET", url, headers=[*sent, *headers]))
        self.answers.append(answer)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()


@dataclass(frozen=True, slots=True)
class DoctorContext:
    """One set-up to look at.

    Attributes:
        settings: The guard's settings.
        kratos: Kratos' public API.
        admin: Its admin API, where it was told.
        credential: Somebody's session token or browser cookies, where they were given.
        redis_url: Where the shared store is, where there is one.
        jwks: Where the keys of tokens are, where there are any.
        template: The tokenizer template that tokens are made with.
        clock: Where the time comes from.
        on_progress: Is told the name of each check.
    """

    settings: GuardSettings
    kratos: Probe
    admin: Probe | None = None
    credential: Header | None = None
    redis_url: str | None = None
    jwks: str | Path | None = None
    template: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    on_progress: Callable[[str], None] = lambda _: None


def json_object(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer, or an empty one where it has none."""
    try:
        document = json.loads(answer.body) if answer.is_json() else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def error_object(answer: Answer) -> dict[str, Any]:
    """Return the `error` of an answer, or an empty one where it has none."""
    error = json_object(answer).get("error")
    return error if isinstance(error, dict) else {}


def text_header(answer: Answer, name: str) -> str:
    """Return the first value of a header as text, or an empty one where it has none."""
    return (answer.header(name.encode()) or b"").decode("latin-1")
