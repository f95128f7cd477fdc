"""`/sessions`: whoami, and the list and revocation of a user's other sessions."""

import base64
import json
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.clock import SECOND
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.server.uuids import parse_uuid
from ory_guard.testing.store.records import Session
from ory_guard.testing.store.serialization import identity_document, session_document
from ory_guard.testing.store.sessions import Sessions

__all__ = ["DEFAULT_PAGE_SIZE", "SessionEndpoints", "link_header", "parse_integer", "parse_pagination", "path_uuid"]

NO_CREDENTIAL_CACHE_SECONDS: Final = 60
DEFAULT_PAGE_SIZE: Final = 250
MAX_PAGE_SIZE: Final = 1_000
_PAGINATION: Final = ("page", "per_page", "page_size", "page_token")


class SessionEndpoints:
    """The operations under `/sessions`, except the token exchange.

    Args:
        server: The shared state of the fake.
        sessions: The session rules.
        tokenize: Creates the JWT for (template, session document).
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

    def whoami(self, request: FakeRequest) -> FakeResponse:
        """`to_session`: return the session of the credential."""
        settings = self._server.settings
        session = self._sessions.find(request)
        if session is None:
            return self._unauthorized(request)
        self._sessions.require_aal(session, settings.whoami_required_aal)
        document = self._sessions.document(session)
        headers = {"x-kratos-authenticated-identity-id": session.identity.id}
        if template := request.query.get("tokenize_as"):
            document["tokenized"] = self._tokenize(template, document)
        elif settings.cacheable_sessions:
            seconds_left = (session.expires_at - self._server.now()) / SECOND
            headers["ory-session-cache-for"] = f"{min(seconds_left, settings.cacheable_sessions_max_age):.0f}"
        try:
            self._sessions.refresh_cookie(request, session)
        except ApiError as error:
            response = error.to_response()
            response.headers |= headers
            return response
        return FakeResponse.json(document, headers=headers)

    def _unauthorized(self, request: FakeRequest) -> FakeResponse:
        response = ApiError(401, reason="The request has no active session.").to_response()
        if self._server.settings.cacheable_sessions and self._sessions.credential_token(request) is None:
            response.headers["ory-session-cache-for"] = str(NO_CREDENTIAL_CACHE_SECONDS)
        return response

    def list_my_sessions(self, request: FakeRequest) -> FakeResponse:
        """`list_my_sessions`: return the other active sessions of the identity."""
        current = self._require_session(request)
        now = self._server.now()
        others = [session for session in self._other_sessions(current) if session.is_active(now)]
        page, size = parse_pagination(request)
        # As in Kratos, links count pages from 0 and the query counts from 1, so that 0 and 1 are the same page.
        start = (max(page, 1) - 1) * size
        documents = [self._session_list_entry(session) for session in others[start : start + size]]
        headers = {
            "x-total-count": str(len(others)),
            "link": link_header(request, "/sessions", len(others), page, size),
        }
        return FakeResponse.json(documents, headers=headers)

    def disable_my_other_sessions(self, request: FakeRequest) -> FakeResponse:
        """`disable_my_other_sessions`: revoke the other sessions; the count includes those already revoked."""
        others = self._other_sessions(self._require_session(request, any_aal=True))
        for session in others:
            session.active = False
        return FakeResponse.json({"count": len(others)})

    def disable_my_session(self, request: FakeRequest, session_id: str) -> FakeResponse:
        """`disable_my_session`: revoke one of the other sessions. Unknown ids are accepted."""
        current = self._require_session(request, any_aal=True)
        session_id = path_uuid(session_id)
        if session_id == current.id:
            raise ApiError(400, message="the current session cannot be revoked; log out instead")
        for session in self._other_sessions(current):
            if session.id == session_id:
                session.active = False
        return FakeResponse(204, headers={"content-type": "application/json; charset=utf-8"})

    def _require_session(self, request: FakeRequest, *, any_aal: bool = False) -> Session:
        session = self._sessions.find(request)
        if session is None:
            raise ApiError(401, reason="The request has no active session.")
        if not any_aal:
            self._sessions.require_aal(session, self._server.settings.whoami_required_aal)
        return session

    def _other_sessions(self, current: Session) -> list[Session]:
        sessions = self._server.store.sessions_of(current.identity)
        return [session for session in sessions if session is not current]

    def _session_list_entry(self, session: Session) -> dict[str, Any]:
        return session_document(session, identity_document(session.identity, "", addresses=False))


def path_uuid(text: str) -> str:
    """Return an id in a path in its canonical spelling.

    Raises:
        ApiError: If it is not a UUID.
    """
    try:
        return parse_uuid(text)
    except ValueError as error:
        raise ApiError(400, message=str(error)) from error


def parse_pagination(request: FakeRequest) -> tuple[int, int]:
    """Return the page and its size: from `page_token` and `page_size`, or else from `page` and `per_page`."""
    query = request.query
    by_token = "page_token" in query or "page_size" in query
    size = parse_integer(query.get("page_size" if by_token else "per_page"), DEFAULT_PAGE_SIZE)
    size = min(max(size, 1), MAX_PAGE_SIZE)
    page = (
        _decode_page_token(query.get("page_token", "")) // size if by_token else parse_integer(query.get("page"), 0)
    )
    return max(page, 0), size


def link_header(
    request: FakeRequest,
    path: str,
    total: int,
    page: int,
    size: int,
    *,
    parameters: Sequence[str] = _PAGINATION,
) -> str:
    """Return the `Link` header of a list; its values for an empty list are odd, as in Kratos.

    Args:
        request: The request, whose other parameters are part of the links.
        path: The path of the list.
        total: The number of entries.
        page: The number of the page, from 0.
        size: The number of entries of a page.
        parameters: The parameters that select a page.
    """
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
    query = [pair for pair in request.query_pairs if pair[0] not in parameters]

    def url(index: int) -> str:
        values = [pair for pair in _pagination(index, size) if pair[0] in parameters]
        return f"{path}?{urlencode(sorted([*query, *values], key=itemgetter(0)))}"

    return ",".join(f'<{url(index)}>; rel="{name}"' for name, index in pages.items())


def _pagination(page: int, size: int) -> list[tuple[str, str]]:
    text = json.dumps({"offset": str(page * size), "v": 2}, separators=(",", ":"))
    token = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    values = {"page": str(page), "page_size": str(size), "page_token": token, "per_page": str(size)}
    return list(values.items())


def _decode_page_token(token: str) -> int:
    """Return the offset in a page token; 0 if it is malformed."""
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(content["offset"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return 0


def parse_integer(text: str | None, default: int) -> int:
    """Return the value of a parameter, or the default if it is missing or not an integer."""
    try:
        return int(text or default)
    except ValueError:
        return default
