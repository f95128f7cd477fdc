"""A subset of Kratos' admin API: identities, sessions, and courier messages."""

import copy
import json
from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.api.sessions import link_header, parse_pagination
from ory_guard.testing.clock import timestamp
from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import (
    create_identity,
    delete_identity,
    is_identifier_taken,
    set_state,
    set_traits,
    touch,
)
from ory_guard.testing.store.records import CourierMessage, Identity, Session
from ory_guard.testing.store.sessions import Sessions

__all__ = ["AdminEndpoints"]

_PATCH_OPERATIONS: Final = frozenset({"add", "replace", "remove", "test"})
_PATCHABLE: Final = ("state", "traits", "metadata_public", "metadata_admin", "organization_id", "external_id")


class AdminEndpoints:
    """The operations of the admin API."""

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions

    def create_identity(self, request: FakeRequest) -> FakeResponse:
        """`createIdentity`: add an identity, optionally with a password."""
        body = self._body(request)
        schema_id = body.get("schema_id", self._server.settings.default_schema_id)
        if not isinstance(schema_id, str) or schema_id not in self._server.schemas:
            raise ApiError(400, reason=f'Unknown identity schema "{schema_id}".')
        traits = self._validated_traits(None, schema_id, body.get("traits"))
        identity = create_identity(self._server, traits, password=_password(body), schema_id=schema_id)
        self._update_fields(identity, body)
        location = f"/admin/identities/{identity.id}"
        return FakeResponse.json(self._identity_document(identity), 201, {"location": location})

    def get_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`getIdentity`."""
        return FakeResponse.json(self._identity_document(self._identity(identity_id)))

    def list_identities(self, request: FakeRequest) -> FakeResponse:
        """`listIdentities`: one page of identities, or the identity with the given identifier."""
        identities = list(self._server.store.identities.values())
        if identifier := request.query.get("credentials_identifier"):
            owner = self._server.find_identity(identifier)
            identities = [owner] if owner else []
        return self._page(
            request, "/admin/identities", [self._identity_document(identity) for identity in identities]
        )

    def patch_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`patchIdentity`: apply a JSON Patch to state, traits or metadata."""
        identity = self._identity(identity_id)
        document = {name: getattr(identity, name) for name in _PATCHABLE}
        changed = _apply_json_patch(document, request.body)
        changed["traits"] = self._validated_traits(identity, identity.schema_id, changed["traits"])
        set_traits(self._server, identity, changed["traits"])
        self._update_fields(identity, changed)
        return FakeResponse.json(self._identity_document(identity))

    def delete_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`deleteIdentity`: delete an identity and its sessions."""
        delete_identity(self._server, self._identity(identity_id))
        return FakeResponse(204)

    def list_identity_sessions(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`listIdentitySessions`."""
        sessions = self._server.store.sessions_of(self._identity(identity_id))
        if (active := request.query.get("active")) is not None:
            now = self._server.now()
            sessions = [session for session in sessions if session.is_active(now) is (active == "true")]
        documents = [self._session_document(session) for session in sessions]
        return self._page(request, f"/admin/identities/{identity_id}/sessions", documents)

    def delete_identity_sessions(self, request: FakeRequest, identity_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`deleteIdentitySessions`: delete all sessions of an identity; 404 if it has none."""
        sessions = self._server.store.sessions_of(self._identity(identity_id))
        if not sessions:
            raise ApiError(404)
        for session in sessions:
            self._server.store.delete_session(session)
        return FakeResponse(204)

    def list_sessions(self, request: FakeRequest) -> FakeResponse:
        """`listSessions`: all sessions, newest first."""
        sessions = reversed(self._server.store.sessions.values())
        return self._page(request, "/admin/sessions", [self._session_document(session) for session in sessions])

    def get_session(self, request: FakeRequest, session_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`getSession`."""
        return FakeResponse.json(self._session_document(self._session(session_id)))

    def extend_session(self, request: FakeRequest, session_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`extendSession`: set the expiry to a full lifespan from now."""
        session = self._session(session_id)
        self._sessions.extend(session)
        return FakeResponse.json(self._session_document(session))

    def disable_session(self, request: FakeRequest, session_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`disableSession`: revoke a session."""
        self._session(session_id).active = False
        return FakeResponse(204)

    def list_courier_messages(self, request: FakeRequest) -> FakeResponse:
        """`listCourierMessages`: newest first."""
        messages = list(reversed(self._server.store.messages))
        if recipient := request.query.get("recipient"):
            messages = [message for message in messages if message.recipient == recipient]
        if request.query.get("status", "sent") != "sent":
            messages = []
        return self._page(request, "/admin/courier/messages", [_message_document(message) for message in messages])

    def _page(self, request: FakeRequest, path: str, entries: list[dict[str, Any]]) -> FakeResponse:
        page, size = parse_pagination(request)
        query = {name: value for name, value in request.query.items() if not name.endswith(("page", "page_size"))}
        query.pop("page_token", None)
        link = link_header(f"{path}?{urlencode(query)}" if query else path, len(entries), page, size)
        headers = {"link": link, "x-total-count": str(len(entries))}
        return FakeResponse.json(entries[page * size : (page + 1) * size], headers=headers)

    def _body(self, request: FakeRequest) -> dict[str, Any]:
        try:
            return request.payload()
        except MalformedBodyError as error:
            raise ApiError(400, reason=f"The request body is invalid: {error}.") from error

    def _identity(self, identity_id: str) -> Identity:
        identity = self._server.store.identities.get(identity_id)
        if identity is None:
            raise ApiError(404, message="The identity was not found")
        return identity

    def _session(self, session_id: str) -> Session:
        session = self._server.store.sessions.get(session_id)
        if session is None:
            raise ApiError(404, message="The session was not found")
        return session

    def _validated_traits(self, identity: Identity | None, schema_id: str, traits: Any) -> dict[str, Any]:
        ui = Ui("")
        if not isinstance(traits, dict) or not self._server.schemas[schema_id].validate(traits, ui):
            errors = [message["text"] for message in ui.messages]
            errors += [message["text"] for node in ui.nodes for message in node["messages"]]
            raise ApiError(400, reason=" ".join(["The traits do not match the schema.", *errors]))
        if is_identifier_taken(self._server, identity, traits):
            raise ApiError(409, reason="Another identity uses an identifier in these traits.")
        return traits

    def _update_fields(self, identity: Identity, fields: dict[str, Any]) -> None:
        state = fields.get("state", identity.state)
        if state not in ("active", "inactive"):
            raise ApiError(400, reason=f'state must be active or inactive, not "{state}".')
        set_state(self._server, identity, state)
        for name in ("metadata_public", "metadata_admin", "organization_id", "external_id"):
            if name in fields:
                setattr(identity, name, fields[name])
        verified = _imported_verified_addresses(fields)
        for address in identity.verifiable_addresses:
            if address.value in verified:
                address.mark_verified(self._server.now())
                address.status = "completed"
        touch(self._server, identity)

    def _identity_document(self, identity: Identity) -> dict[str, Any]:
        document = self._server.identity_document(identity)
        enrolled = identity.credentials.first_factors + identity.credentials.second_factors
        identifiers = self._server.schema_of(identity).identifiers(identity.traits)
        document["metadata_admin"] = identity.metadata_admin
        document["credentials"] = {
            method: {
                "type": method,
                "identifiers": identifiers if method == "password" else [identity.id],
                "version": 0,
                "created_at": timestamp(identity.created_at),
                "updated_at": timestamp(identity.updated_at),
            }
            for method in enrolled
        }
        return document

    def _session_document(self, session: Session) -> dict[str, Any]:
        document = self._sessions.document(session)
        return {**document, "active": session.is_active(self._server.now())}


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


def _imported_verified_addresses(body: dict[str, Any]) -> set[str]:
    entries = body.get("verifiable_addresses")
    addresses = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {str(address.get("value")).lower() for address in addresses if address.get("verified")}


def _password(body: dict[str, Any]) -> str | None:
    value: Any = body
    for key in ("credentials", "password", "config", "password"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _apply_json_patch(document: dict[str, Any], patch: bytes) -> dict[str, Any]:
    """Return a copy of the document with a JSON Patch (RFC 6902) applied.

    Only `add`, `replace`, `remove` and `test` are supported.

    Raises:
        ApiError: If the patch is malformed or cannot be applied.
    """
    changed = copy.deepcopy(document)
    try:
        operations = json.loads(patch)
    except ValueError as error:
        raise ApiError(400, reason="The body is not JSON.") from error
    if not isinstance(operations, list):
        raise ApiError(400, reason="The body must be a JSON Patch: a list of operations.")
    for operation in operations:
        try:
            _apply_patch_operation(changed, operation)
        except (KeyError, TypeError, AttributeError) as error:
            raise ApiError(400, reason=f"The operation cannot be applied: {operation!r}.") from error
    return changed


def _apply_patch_operation(document: dict[str, Any], operation: dict[str, Any]) -> None:
    name, path = operation["op"], operation["path"]
    if name not in _PATCH_OPERATIONS:
        raise KeyError(name)
    *parents, last = (step.replace("~1", "/").replace("~0", "~") for step in path.lstrip("/").split("/"))
    target: dict[str, Any] = document
    for step in parents:
        target = target[step]
    if target is document and last not in document:
        raise KeyError(last)
    if name == "test":
        if target[last] != operation["value"]:
            raise KeyError(last)
    elif name == "remove" and target is not document:
        del target[last]
    elif name == "replace" and last not in target:
        raise KeyError(last)
    else:
        target[last] = None if name == "remove" else operation["value"]
