"""The invalidation of cached sessions when a forwarded request ends or changes them.

Anyone can send any credential, so an unknown one is recorded only if Kratos has confirmed a change.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ory_guard.guard.guard import OryGuard
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.models.credential import Credential, TokenCookie
from ory_guard.models.outcomes import Authenticated
from ory_guard.models.session import Session
from ory_guard.proxy.cookies import ProxyCookies
from ory_guard.proxy.routes import Target

__all__ = ["SessionChange", "SessionChanges"]

# A success of these is not visible in the status: a wrong code and an unknown address are 200, too.
_UNCONFIRMED: Final = ("address",)
_OF_IDENTITY: Final = ("settings", "other_sessions")


class SessionChange(NamedTuple):
    """A request that may change sessions.

    Attributes:
        target: The requested resource of Kratos.
        credentials: The credentials whose sessions may change.
        known: The credentials that are in a cache.
        sessions: The cached sessions of these credentials.
    """

    target: Target
    credentials: tuple[Credential, ...]
    known: frozenset[Credential]
    sessions: tuple["Session[Any]", ...]


class SessionChanges:
    """Invalidates sessions for one guard.

    Args:
        guard: The guard.
        cookies: Recognizes session cookies.
    """

    def __init__(self, guard: OryGuard, cookies: ProxyCookies) -> None:
        self._guard = guard
        self._authenticator = guard.authentication
        self._cookies = cookies

    async def prepare(
        self, target: Target, credentials: tuple[Credential, ...], body: object
    ) -> SessionChange | None:
        """Return the change that a request may cause, or None; Kratos is not called.

        Args:
            target: The requested resource of Kratos.
            credentials: The credentials of the request.
            body: The body; native logouts have their token in it.
        """
        if target.change == "none":
            return None
        if target.change == "native_logout":
            credentials = self._token_credentials(body)
        elif target.change == "session":
            credentials = ()  # Kratos does not revoke the session of the request itself
        known: dict[Credential, Session[Any] | None] = {}
        shared_cache = self._authenticator.shared_cache
        for credential in credentials:
            key = self._authenticator.cache_key(credential)
            entry = self._authenticator.cache.get(key)
            if entry is None and shared_cache is not None:
                entry = (await shared_cache.get(key, credential, is_leased=False)).entry
            if entry is not None:
                known[credential] = entry.outcome.session if isinstance(entry.outcome, Authenticated) else None
        sessions = tuple(session for session in known.values() if session is not None)
        return SessionChange(target, credentials, frozenset(known), sessions)

    async def apply(self, change: SessionChange, response: HTTPResponse | None) -> None:
        """Invalidate the sessions that the request has ended or changed.

        Args:
            change: The change.
            response: The response of Kratos, or None if there is none; the change may have happened.
        """
        kind = change.target.change
        is_confirmed = response is not None and self._is_confirmed(response, kind)
        if response is not None and response.status >= 400 and not is_confirmed:
            return
        sessions = change.sessions
        if is_confirmed and kind in _OF_IDENTITY and not sessions:
            sessions = await self._ask(change.credentials)
        try:
            if kind == "session" and is_confirmed:
                await self._guard.invalidate(session_id=change.target.path.rpartition("/")[2])
            for session in sessions:
                identity_id = session.identity.id if kind in _OF_IDENTITY else None
                await self._guard.invalidate(session_id=session.id, identity_id=identity_id)
        finally:
            for credential in change.credentials if is_confirmed else change.known:
                key = self._authenticator.cache_key(credential)
                await self._authenticator.invalidate_credential(key, credential)

    def _is_confirmed(self, response: HTTPResponse, kind: str) -> bool:
        if any(self._cookies.is_session(value) for value in response.values(b"set-cookie")):
            return True
        return response.status < 300 and kind not in _UNCONFIRMED

    async def _ask(self, credentials: Iterable[Credential]) -> tuple["Session[Any]", ...]:
        """Return the sessions of uncached credentials: other sessions of their identity may be cached."""
        sessions = []
        for credential in credentials:
            name, value = credential.header()
            scope = {"type": "http", "method": "GET", "path": "/", "headers": [(name.lower(), value)]}
            outcome = await self._guard.authenticate(scope)
            if isinstance(outcome, Authenticated):
                sessions.append(outcome.session)
        return tuple(sessions)

    def _token_credentials(self, body: object) -> tuple[Credential, ...]:
        try:
            document = json.loads(body) if isinstance(body, bytes) else None
        except (ValueError, RecursionError):
            return ()
        token = document.get("session_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not token.isascii():
            return ()
        value = token.encode("ascii")
        names = sorted(self._authenticator.extractor.token_names)
        credentials = (
            Credential("x_session_token", b"", value),
            Credential("bearer", b"", value),
            *(TokenCookie("cookie", name, value) for name in names),
        )
        return tuple(filter(self._authenticator.extractor.is_valid, credentials))
