"""`/sessions`: whoami, the list of a user's other sessions, and their end."""

import base64
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.clock import SECOND
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Session
from ory_guard.testing.store.serialization import identity_document, session_document
from ory_guard.testing.store.sessions import Sessions

__all__ = ["DEFAULT_PAGE_SIZE", "SessionEndpoints", "link_header", "page_of"]

NO_CREDENTIAL_CACHE_SECONDS: Final = 60
DEFAULT_PAGE_SIZE: Final = 250
MAX_PAGE_SIZE: Final = 1_000


class SessionEndpoints:
    """
    The operations under `/sessions`, but the token exchange.

    Args:
        server: The fake's shared parts.
        sessions: The session rules.
        tokenize: Makes the JWT for (template, session document).
    """

    def __init__(
        self,
        server: Server,
        sessions: Sessions,
        tokenize: Callable[[str, dict[str, Any]], str],
    ) -> None:
        self._server = server
        self._sessions = sessions
        self._tokenize = tokenize

    def whoami(self, exchange: Exchange) -> Answer:
        """`to_session`: say whose session the credential is."""
        settings = self._server.settings
        session = self._sessions.find(exchange)
        if session is None:
            return self._nobody(exchange)
        self._sessions.require_aal(session, settings.whoami_required_aal)
        document = self._sessions.document(session)
        headers = {"x-kratos-authenticated-identity-id": session.identity.id}
        if template := exchange.query.get("tokenize_as"):
            document["tokenized"] = self._tokenize(template, document)
        elif settings.cacheable_sessions:
            left = (session.expires_at - self._server.now()) / SECOND
            headers["ory-session-cache-for"] = f"{min(left, settings.cacheable_sessions_max_age):.0f}"
        try:
            self._sessions.refresh_cookie(exchange, session)
        except ApiError as error:
            answer = error.answer()
            answer.headers |= headers
            return answer
        return Answer.json(document, headers=headers)

    def _nobody(self, exchange: Exchange) -> Answer:
        answer = ApiError(401, reason="No session belongs to what was sent.").answer()
        if self._server.settings.cacheable_sessions and self._sessions.token_in(exchange) is None:
            answer.headers["ory-session-cache-for"] = str(NO_CREDENTIAL_CACHE_SECONDS)
        return answer

    def list_others(self, exchange: Exchange) -> Answer:
        """`list_my_sessions`: the active sessions of the caller's identity, but the caller's own."""
        current = self._own(exchange)
        now = self._server.now()
        others = [one for one in self._others(current) if one.is_active(now)]
        page, size = page_of(exchange)
        # Pages are counted from 0 in the links and from 1 in the query of the rows: 0 and 1 are the same.
        start = (max(page, 1) - 1) * size
        shown = [self._listed(one) for one in others[start : start + size]]
        headers = {"x-total-count": str(len(others)), "link": link_header("/sessions", len(others), page, size)}
        return Answer.json(shown, headers=headers)

    def disable_others(self, exchange: Exchange) -> Answer:
        """`disable_my_other_sessions`: revoke all but the caller's; the count includes those revoked before."""
        others = self._others(self._own(exchange))
        for one in others:
            one.active = False
        return Answer.json({"count": len(others)})

    def disable(self, exchange: Exchange, number: str) -> Answer:
        """`disable_my_session`: revoke one of the caller's other sessions; unknown ids are fine, too."""
        current = self._own(exchange)
        if number == current.id:
            raise ApiError(400, message="the current session can't be revoked here; log out instead")
        for one in self._others(current):
            if one.id == number:
                one.active = False
        return Answer(204, headers={"content-type": "application/json; charset=utf-8"})

    def _own(self, exchange: Exchange) -> Session:
        session = self._sessions.find(exchange)
        if session is None:
            raise ApiError(401, reason="No session belongs to what was sent.")
        self._sessions.require_aal(session, self._server.settings.whoami_required_aal)
        return session

    def _others(self, current: Session) -> list[Session]:
        return [one for one in self._server.store.sessions_of(current.identity) if one is not current]

    def _listed(self, session: Session) -> dict[str, Any]:
        return session_document(session, identity_document(session.identity, "", addresses=False))


def page_of(exchange: Exchange) -> tuple[int, int]:
    """Return page and page size: `page_token` and `page_size` if one is sent, else `page` and `per_page`."""
    query = exchange.query
    by_token = "page_token" in query or "page_size" in query
    size = _number(query.get("page_size" if by_token else "per_page"), DEFAULT_PAGE_SIZE)
    size = min(size, MAX_PAGE_SIZE) if size > 0 else DEFAULT_PAGE_SIZE
    page = _offset(query.get("page_token", "")) // size if by_token else _number(query.get("page"), 0)
    return max(page, 0), size


def link_header(path: str, total: int, page: int, size: int) -> str:
    """Return the `Link` header of a list with its relative addresses, odd ones for an empty list included."""
    last = (total - 1) // size
    if total == 0:
        pages = {"first": 0, "next": page + 1, "prev": page - 1}
    elif page >= last:
        pages = {"first": 0} if total <= size else {"first": 0, "prev": last - 1}
        size = min(total, size)
    elif page == 0:
        pages = {"next": 1, "last": last}
    else:
        pages = {"first": 0, "next": page + 1, "prev": page - 1, "last": last}
    return ",".join(f'<{path}?{_page_query(number, size)}>; rel="{name}"' for name, number in pages.items())


def _page_query(page: int, size: int) -> str:
    text = json.dumps({"offset": str(page * size), "v": 2}, separators=(",", ":"))
    token = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return urlencode({"page": page, "page_size": size, "page_token": token, "per_page": size})


def _offset(token: str) -> int:
    """Read a page token; what is none is the first page."""
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(found["offset"])
    except (ValueError, TypeError, KeyError):
        return 0


def _number(text: str | None, default: int) -> int:
    try:
        return int(text or default)
    except ValueError:
        return default
