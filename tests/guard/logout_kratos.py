"""A Kratos double that knows sessions by their credential, and ends each by its own logout token."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
from support.scripted_kratos import (
    COOKIE,
    SESSION_ID,
    TOKEN,
    KratosRequest,
    KratosResponse,
    ScriptedKratos,
    refused,
    session_body,
    signed_in,
)

WHOAMI, CREATE, SUBMIT, NATIVE = (
    "/sessions/whoami",
    "/self-service/logout/browser",
    "/self-service/logout",
    "/self-service/logout/api",
)
LINK = "https://id.example.com/self-service/logout?token="
CLEARED = "ory_kratos_session=cleared; Path=/; Max-Age=0"
SESSIONS = {COOKIE.decode(): SESSION_ID, TOKEN.decode(): SESSION_ID}


class LogoutKratos(ScriptedKratos):
    """Responds to whoami and to the operations of a logout.

    Args:
        answers: Responses or errors that replace its own, by path and `Cookie` header, or by path alone.
        sessions: Session ids by `Cookie` header or token; by default those of `COOKIE` and `TOKEN`.

    Attributes:
        sessions: The sessions that have not ended.
        logouts: The path and the `Cookie` header of each request for a logout.
    """

    def __init__(
        self, answers: Mapping[Any, KratosResponse | Exception] | None = None, sessions: dict[str, str] = SESSIONS
    ) -> None:
        super().__init__(self._respond)
        self.answers = dict(answers or {})
        self.sessions = dict(sessions)
        self.logouts: list[tuple[str, str | None]] = []
        self._held: dict[str, asyncio.Event] = {}

    @property
    def ended(self) -> list[str | None]:
        """The `Cookie` header of each logout, None for a native one."""
        return [cookie for path, cookie in self.logouts if path != CREATE]

    def hold_path(self, path: str) -> asyncio.Event:
        """Delay the responses of a path until the event is set."""
        return self._held.setdefault(path, asyncio.Event())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Respond like Kratos."""
        response = await super().handle_async_request(request)
        if request.url.path in self._held:
            await self._held[request.url.path].wait()
        return response

    def _respond(self, request: KratosRequest) -> KratosResponse:
        url, cookie = urlsplit(request.url), request.header("cookie")
        if url.path != WHOAMI:
            self.logouts.append((url.path, cookie))
        answer: KratosResponse | Exception | None = self.answers.get((url.path, cookie), self.answers.get(url.path))
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if url.path == NATIVE:
            return KratosResponse(204, b"")
        ((_, value),) = request.credentials()
        return self._respond_to(url.path, url.query, value.removeprefix("Bearer "))

    def _respond_to(self, path: str, query: str, credential: str) -> KratosResponse:
        session_id = self.sessions.get(credential)
        if session_id is None:
            return refused(401)
        if path == WHOAMI:
            return signed_in(session_body(id=session_id))
        if path == CREATE:
            return KratosResponse(200, {"logout_url": LINK + session_id, "logout_token": session_id})
        assert query == f"token={session_id}", "each session has a token of its own"
        del self.sessions[credential]
        return KratosResponse(204, b"", (("set-cookie", CLEARED),))
