"""The recorded exchanges of the release v26.2.0, and the facts about users and sessions that they contain."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .release_bodies import RELEASE, URLS, body_of

SESSION_COOKIE = "ory_kratos_session"
# The recordings truncate the cookies of requests.
COOKIE_LENGTH = 120


@dataclass(frozen=True)
class Case:
    """A recorded request and its response."""

    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: Any
    response: dict[str, Any]

    @property
    def family(self) -> str:
        """The first part of the name; the cases of a family follow each other as they were sent."""
        return self.name.partition(".")[0]

    @property
    def path(self) -> str:
        """The path of the URL."""
        return urlsplit(self.url).path

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters."""
        return dict(parse_qsl(urlsplit(self.url).query))

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies of the request."""
        pairs = [pair.partition("=") for pair in self.headers.get("cookie", "").split("; ")]
        return {name: value[:COOKIE_LENGTH] for name, separator, value in pairs if separator}

    @cached_property
    def credential(self) -> str | None:
        """The session token, or else the session cookie, of the request."""
        bearer = self.headers.get("authorization", "").partition(" ")[2]
        token = self.body.get("session_token") if isinstance(self.body, dict) else None
        candidates = (self.headers.get("x-session-token"), bearer, self.cookies.get(SESSION_COOKIE), token)
        return next((str(value) for value in candidates if value), None)

    @cached_property
    def flow_id(self) -> str | None:
        """The id of the flow that the request reads or submits."""
        flow_id = self.query.get("id" if self.path.endswith("/flows") else "flow")
        try:
            return str(uuid.UUID(flow_id)) if flow_id else None
        except ValueError:
            return flow_id

    @property
    def sends_code(self) -> bool:
        """Whether the request contains a code or the token of a link, which the flow must have sent before."""
        return "code" in self.fields or bool({"code", "token"} & self.query.keys())

    @property
    def fields(self) -> dict[str, Any]:
        """The submitted fields; empty if the body is not an object or a form."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass
class Facts:
    """Facts that responses contain about the identities, sessions and flows of the recordings.

    Attributes:
        public_url: The URL of the public API.
        emails: The email address of each identity id.
        session_emails: The email address of each session id.
        sessions: The session id of each credential.
        flows: The first recorded document of each flow.
    """

    public_url: str
    emails: dict[str, str] = field(default_factory=dict)
    session_emails: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    credential_emails: dict[str, str] = field(default_factory=dict)
    flows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def learn(self, case: Case) -> None:
        """Add the facts of a response."""
        for document in _documents(case.response["body"]):
            if "traits" in document and "schema_id" in document and "id" in document:
                self.emails.setdefault(document["id"], document["traits"].get("email"))
                if case.credential and case.url.startswith(self.public_url) and case.response["status"] < 400:
                    self.credential_emails.setdefault(case.credential, document["traits"].get("email"))
            if "ui" in document and "id" in document:
                self.flows.setdefault(document["id"], document)
            if "authenticator_assurance_level" in document:
                identity = document.get("identity") or {}
                if identity:
                    self.session_emails.setdefault(document["id"], identity["traits"].get("email"))
                if case.path == "/sessions/whoami" and case.credential:
                    self.sessions.setdefault(case.credential, document["id"])


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _documents(inner)


def load_cases(name: str) -> list[Case]:
    """Return the recorded exchanges of a configuration, in the order in which they were sent."""
    lines = (RELEASE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [_case(json.loads(line)) for line in lines]


def _case(raw: dict[str, Any]) -> Case:
    request = raw["request"]
    headers = {
        name.lower(): value for name, value in request.get("headers", ()) if name.lower() != "content-length"
    }
    body = body_of(raw["case"], headers, request.get("body"))
    return Case(
        raw["case"], request["method"], URLS.get(raw["case"], request["url"]), headers, body, raw["response"]
    )
