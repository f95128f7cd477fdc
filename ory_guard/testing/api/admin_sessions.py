"""Sessions and courier messages in the admin API."""

from typing import Any, Final

from ory_guard.testing.api.keyset_pagination import NIL_UUID, encode_token, keyset_page
from ory_guard.testing.api.sessions import link_header, parse_pagination, path_uuid
from ory_guard.testing.clock import timestamp
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.form_values import parse_bool
from ory_guard.testing.store.records import CourierMessage, Session
from ory_guard.testing.store.serialization import identity_document, session_document
from ory_guard.testing.store.sessions import Sessions

__all__ = ["AdminSessionEndpoints"]

_EXPANSIONS: Final = frozenset({"identity", "devices"})
_MESSAGE_STATES: Final = frozenset({"queued", "sent", "processing", "abandoned"})
_FIRST_SESSIONS: Final = encode_token(f"id={NIL_UUID}/created_at=2200-12-31 23:59:59")
_FIRST_MESSAGES: Final = encode_token(f"id={NIL_UUID}/created_at=2200-12-31 23:59:59")


class AdminSessionEndpoints:
    """The operations on sessions and courier messages."""

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions

    def list_identity_sessions(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`listIdentitySessions`: one page of the sessions of an identity; none for an unknown identity."""
        identity = self._server.store.identities.get(path_uuid(identity_id))
        sessions = self._matching(request, self._server.store.sessions_of(identity) if identity else [])
        page, size = parse_pagination(request)
        link = link_header(request, f"/admin/identities/{identity_id}/sessions", len(sessions), page, size)
        start = (max(page, 1) - 1) * size
        now = self._server.now()
        documents = [
            session_document(
                session,
                identity_document(session.identity, "", addresses=False),
                active=session.is_active(now),
            )
            for session in sessions[start : start + size]
        ]
        return FakeResponse.json(documents, headers={"x-total-count": str(len(sessions)), "link": link})

    def delete_identity_sessions(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`deleteIdentitySessions`: delete all sessions of an identity; 404 if it has none."""
        identity = self._server.store.identities.get(path_uuid(identity_id))
        sessions = self._server.store.sessions_of(identity) if identity else []
        if not sessions:
            raise ApiError(404)
        for session in sessions:
            self._server.store.delete_session(session)
        return FakeResponse(204)

    def list_sessions(self, request: FakeRequest) -> FakeResponse:
        """`listSessions`: all sessions, newest first, with identity and devices only if they are expanded."""
        sessions = self._matching(request, list(reversed(self._server.store.sessions.values())))
        expanded = _expansions(request)
        return keyset_page(
            request,
            "/admin/sessions",
            sessions,
            token_of=lambda session: encode_token(f"id={session.id}/created_at={timestamp(session.issued_at)}"),
            first=_FIRST_SESSIONS,
            document=lambda session: self._document(session, expanded, addresses=False, devices=None),
            max_size=1000,
            invalid=lambda _: ApiError(400, message="could not parse parameter page_size"),
        )

    def get_session(self, request: FakeRequest, session_id: str) -> FakeResponse:
        """`getSession`."""
        expanded = _expansions(request)
        return FakeResponse.json(self._document(self._session(session_id), expanded, addresses=True, devices=[]))

    def extend_session(self, request: FakeRequest, session_id: str) -> FakeResponse:
        """`extendSession`: set the expiry to a full lifespan from now."""
        session = self._session(session_id)
        self._sessions.extend(session)
        return FakeResponse.json(self._document(session, {"identity"}, addresses=True, devices=[]))

    def disable_session(self, request: FakeRequest, session_id: str) -> FakeResponse:
        """`disableSession`: revoke a session."""
        self._session(session_id).active = False
        return FakeResponse(204, headers={"content-type": "application/json; charset=utf-8"})

    def list_courier_messages(self, request: FakeRequest) -> FakeResponse:
        """`listCourierMessages`: newest first."""
        status = request.query.get("status", "sent")
        if status not in _MESSAGE_STATES:
            raise ApiError(400, reason=f"The message status {status!r} is not valid.")
        messages = list(reversed(self._server.store.messages)) if status == "sent" else []
        if recipient := request.query.get("recipient"):
            messages = [message for message in messages if message.recipient == recipient]
        return keyset_page(
            request,
            "/admin/courier/messages",
            messages,
            token_of=lambda message: encode_token(f"id={message.id}"),
            first=_FIRST_MESSAGES,
            document=_message_document,
            default_size=10,
            max_size=500,
            invalid=lambda problem: ApiError(400, code=500, message=problem),
        )

    def get_courier_message(self, request: FakeRequest, message_id: str) -> FakeResponse:
        """`getCourierMessage`."""
        wanted = path_uuid(message_id)
        for message in self._server.store.messages:
            if message.id == wanted:
                return FakeResponse.json(_message_document(message))
        raise ApiError(404)

    def _matching(self, request: FakeRequest, sessions: list[Session]) -> list[Session]:
        text = request.query.get("active")
        if not text:
            return sessions
        active, now = parse_bool(text), self._server.now()
        if active is None:
            raise ApiError(400, message="could not parse parameter active")
        return [session for session in sessions if session.is_active(now) is active]

    def _session(self, session_id: str) -> Session:
        session = self._server.store.sessions.get(path_uuid(session_id))
        if session is None:
            raise ApiError(404)
        return session

    def _document(
        self, session: Session, expanded: set[str], *, addresses: bool, devices: list[Any] | None
    ) -> dict[str, Any]:
        identity = session.identity
        schema_url = self._server.url(self._server.schema_of(identity).path)
        document = session_document(
            session,
            identity_document(identity, schema_url, addresses=addresses),
            active=session.is_active(self._server.now()),
        )
        if "identity" not in expanded:
            document["identity"] = None
        if "devices" not in expanded:
            document["devices"] = devices
        return document


def _expansions(request: FakeRequest) -> set[str]:
    expanded = {value for name, value in request.query_pairs if name == "expand"}
    if unknown := {value for value in expanded if value.lower() not in _EXPANSIONS}:
        raise ApiError(400, reason=f"The expand option {min(unknown)!r} is not supported.")
    return {value.lower() for value in expanded}


def _message_document(message: CourierMessage) -> dict[str, Any]:
    created = timestamp(message.created_at)
    return {
        "id": message.id,
        "status": "sent",
        "type": "email",
        "recipient": message.recipient,
        "body": message.body,
        "subject": message.subject,
        "template_type": message.template_type,
        "channel": "email",
        "send_count": 1,
        "created_at": created,
        "updated_at": created,
    }
