"""A small part of Kratos' admin API, under its paths: identities, sessions, and the e-mails that were sent."""

import copy
import json
from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.api.sessions import link_header, page_of
from ory_guard.testing.clock import timestamp
from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.server.request import Exchange, MalformedBodyError
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import (
    create_identity,
    delete_identity,
    identifiers_taken,
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

    def create_identity(self, exchange: Exchange) -> Answer:
        """`createIdentity`: add somebody, with a password if one is given."""
        body = self._body(exchange)
        schema_id = body.get("schema_id", self._server.settings.default_schema_id)
        if not isinstance(schema_id, str) or schema_id not in self._server.schemas:
            raise ApiError(400, reason=f'There is no identity schema "{schema_id}".')
        traits = self._checked_traits(None, schema_id, body.get("traits"))
        identity = create_identity(self._server, traits, password=_password(body), schema_id=schema_id)
        self._update(identity, body)
        location = f"/admin/identities/{identity.id}"
        return Answer.json(self._described(identity), 201, {"location": location})

    def get_identity(self, exchange: Exchange, number: str) -> Answer:  # noqa: ARG002 - every operation takes the request
        """`getIdentity`."""
        return Answer.json(self._described(self._identity(number)))

    def list_identities(self, exchange: Exchange) -> Answer:
        """`listIdentities`: page by page, or those with the identifier that is asked for."""
        found = list(self._server.store.identities.values())
        if wanted := exchange.query.get("credentials_identifier"):
            owner = self._server.find_identity(wanted)
            found = [owner] if owner else []
        return self._page(exchange, "/admin/identities", [self._described(one) for one in found])

    def patch_identity(self, exchange: Exchange, number: str) -> Answer:
        """`patchIdentity`: apply a JSON Patch to state, traits or metadata."""
        identity = self._identity(number)
        document = {name: getattr(identity, name) for name in _PATCHABLE}
        changed = _patched(document, exchange.body)
        changed["traits"] = self._checked_traits(identity, identity.schema_id, changed["traits"])
        set_traits(self._server, identity, changed["traits"])
        self._update(identity, changed)
        return Answer.json(self._described(identity))

    def delete_identity(self, exchange: Exchange, number: str) -> Answer:  # noqa: ARG002 - every operation takes the request
        """`deleteIdentity`: forget somebody and their sessions."""
        delete_identity(self._server, self._identity(number))
        return Answer(204)

    def list_identity_sessions(self, exchange: Exchange, number: str) -> Answer:
        """`listIdentitySessions`."""
        found = self._server.store.sessions_of(self._identity(number))
        if (active := exchange.query.get("active")) is not None:
            now = self._server.now()
            found = [one for one in found if one.is_active(now) is (active == "true")]
        shown = [self._described_session(one) for one in found]
        return self._page(exchange, f"/admin/identities/{number}/sessions", shown)

    def delete_identity_sessions(self, exchange: Exchange, number: str) -> Answer:  # noqa: ARG002 - every operation takes the request
        """`deleteIdentitySessions`: forget all sessions of somebody; 404 where there are none."""
        found = self._server.store.sessions_of(self._identity(number))
        if not found:
            raise ApiError(404)
        for session in found:
            self._server.store.drop_session(session)
        return Answer(204)

    def list_sessions(self, exchange: Exchange) -> Answer:
        """`listSessions`: of everybody, the newest first."""
        found = list(reversed(self._server.store.sessions.values()))
        return self._page(exchange, "/admin/sessions", [self._described_session(one) for one in found])

    def get_session(self, exchange: Exchange, number: str) -> Answer:  # noqa: ARG002 - every operation takes the request
        """`getSession`."""
        return Answer.json(self._described_session(self._session(number)))

    def extend_session(self, exchange: Exchange, number: str) -> Answer:  # noqa: ARG002 - every operation takes the request
        """`extendSession`: let it last a full lifespan from now."""
        session = self._session(number)
        self._sessions.extend(session)
        return Answer.json(self._described_session(session))

    def disable_session(self, exchange: Exchange, number: str) -> Answer:  # noqa: ARG002 - every operation takes the request
        """`disableSession`: revoke it."""
        self._session(number).active = False
        return Answer(204)

    def list_courier_messages(self, exchange: Exchange) -> Answer:
        """`listCourierMessages`: the newest first."""
        found = list(reversed(self._server.store.messages))
        if recipient := exchange.query.get("recipient"):
            found = [one for one in found if one.recipient == recipient]
        if exchange.query.get("status", "sent") != "sent":
            found = []
        return self._page(exchange, "/admin/courier/messages", [_described_message(one) for one in found])

    def _page(self, exchange: Exchange, path: str, entries: list[dict[str, Any]]) -> Answer:
        page, size = page_of(exchange)
        query = {name: value for name, value in exchange.query.items() if not name.endswith(("page", "page_size"))}
        query.pop("page_token", None)
        link = link_header(f"{path}?{urlencode(query)}" if query else path, len(entries), page, size)
        headers = {"link": link, "x-total-count": str(len(entries))}
        return Answer.json(entries[page * size : (page + 1) * size], headers=headers)

    def _body(self, exchange: Exchange) -> dict[str, Any]:
        try:
            return exchange.payload()
        except MalformedBodyError as error:
            raise ApiError(400, reason=f"The request could not be read: {error}.") from error

    def _identity(self, number: str) -> Identity:
        identity = self._server.store.identities.get(number)
        if identity is None:
            raise ApiError(404, message="There is no such identity")
        return identity

    def _session(self, number: str) -> Session:
        session = self._server.store.sessions.get(number)
        if session is None:
            raise ApiError(404, message="There is no such session")
        return session

    def _checked_traits(self, identity: Identity | None, schema_id: str, traits: Any) -> dict[str, Any]:
        ui = Ui("")
        if not isinstance(traits, dict) or not self._server.schemas[schema_id].check(traits, ui):
            words = [one["text"] for one in ui.messages]
            words += [one["text"] for node in ui.nodes for one in node["messages"]]
            raise ApiError(400, reason=" ".join(["The traits don't fit their schema.", *words]))
        if identifiers_taken(self._server, identity, traits):
            raise ApiError(409, reason="Somebody else signs in with an identifier in these traits.")
        return traits

    def _update(self, identity: Identity, fields: dict[str, Any]) -> None:
        state = fields.get("state", identity.state)
        if state not in ("active", "inactive"):
            raise ApiError(400, reason=f'state must be active or inactive, not "{state}".')
        set_state(self._server, identity, state)
        for name in ("metadata_public", "metadata_admin", "organization_id", "external_id"):
            if name in fields:
                setattr(identity, name, fields[name])
        verified = _verified_addresses(fields)
        for address in identity.verifiable_addresses:
            if address.value in verified:
                address.verified, address.verified_at = True, self._server.now()
                address.status = "completed"
        touch(self._server, identity)

    def _described(self, identity: Identity) -> dict[str, Any]:
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

    def _described_session(self, session: Session) -> dict[str, Any]:
        document = self._sessions.document(session)
        return {**document, "active": session.is_active(self._server.now())}


def _described_message(message: CourierMessage) -> dict[str, Any]:
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


def _verified_addresses(body: dict[str, Any]) -> set[str]:
    given = body.get("verifiable_addresses")
    addresses = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return {str(one.get("value")).lower() for one in addresses if one.get("verified")}


def _password(body: dict[str, Any]) -> str | None:
    found: Any = body
    for key in ("credentials", "password", "config", "password"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _patched(document: dict[str, Any], patch: bytes) -> dict[str, Any]:
    """Return a copy of the document with a patch applied.

    Raises:
        ApiError: The patch can't be read or doesn't fit the document.
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
            _apply_patch(changed, operation)
        except (KeyError, TypeError, AttributeError) as error:
            raise ApiError(400, reason=f"This operation doesn't fit the identity: {operation!r}.") from error
    return changed


def _apply_patch(document: dict[str, Any], operation: dict[str, Any]) -> None:
    name, path = operation["op"], operation["path"]
    if name not in _PATCH_OPERATIONS:
        raise KeyError(name)
    *parents, last = (step.replace("~1", "/").replace("~0", "~") for step in path.lstrip("/").split("/"))
    place: dict[str, Any] = document
    for step in parents:
        place = place[step]
    if place is document and last not in document:
        raise KeyError(last)
    if name == "test":
        if place[last] != operation["value"]:
            raise KeyError(last)
    elif name == "remove" and place is not document:
        del place[last]
    elif name == "replace" and last not in place:
        raise KeyError(last)
    else:
        place[last] = None if name == "remove" else operation["value"]
