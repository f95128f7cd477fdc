"""A guard that accepts several session cookies and cookies with tokens, on a Kratos that knows them by value."""

from typing import Any
from urllib.parse import urlsplit

from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import Pair, guard_of
from support.scripted_kratos import KratosRequest, KratosResponse, ScriptedKratos

from ory_guard import OryGuard, Outcome
from ory_guard.events import Event

NAMES: dict[str, Any] = {"cookie_names": ("s", "t"), "token_cookie_names": ("token",)}


class TwoCookiesBench:
    """A guard with the session cookies `s` and `t` and the token in `token`.

    Args:
        settings: More settings.
        answers: Kratos' response to each value.

    Attributes:
        answers: Kratos' response to each value, or the error of the call.
        asked: The values that Kratos was asked for with whoami.
        events: The events of the guard.
    """

    def __init__(self, settings: dict[str, Any] | None = None, **answers: KratosResponse | Exception | str) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.clock = AdjustableClock()
        self.kratos = ScriptedKratos(self._answer)
        self.events: list[Event] = []
        self.guard: OryGuard = guard_of(
            self.kratos, self.clock, listeners=[self.events.append], **NAMES, **(settings or {})
        )

    def _answer(self, request: KratosRequest) -> KratosResponse:
        assert urlsplit(request.url).path == "/sessions/whoami"
        ((_, credential),) = request.credentials()
        value = credential.rpartition("=")[2]
        self.asked.append(value)
        answer = self.answers[value]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, KratosResponse), "an invalid cookie is not sent"
        return answer

    async def outcome(self, *cookies: bytes, **more: Any) -> Outcome:
        """Return the outcome of a GET with these `Cookie` headers."""
        return await self.guard.authenticate(scope_of(*cookies, **more))

    def take_asked(self) -> list[str]:
        """Return the values that Kratos was asked for since the last call."""
        asked, self.asked = self.asked, []
        return sorted(asked)


def scope_of(*cookies: bytes, headers: tuple[Pair, ...] = (), **more: Any) -> dict[str, Any]:
    """Return the scope of a request with these `Cookie` headers."""
    return http_scope(headers=[*((b"cookie", value) for value in cookies), *headers], **more)
