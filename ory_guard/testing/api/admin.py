"""Identities in the admin API."""

from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.api.credential_documents import credential_documents
from ory_guard.testing.api.json_patch import apply_json_patch
from ory_guard.testing.api.keyset import NIL_UUID, keyset_page
from ory_guard.testing.api.sessions import parse_pagination
from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.server.uuids import canonical_uuid
from ory_guard.testing.store.identities import (
    create_identity,
    delete_identity,
    is_identifier_taken,
    set_state,
    set_traits,
    touch,
)
from ory_guard.testing.store.records import Identity

__all__ = ["AdminEndpoints"]

_PATCHABLE: Final = (
    "state",
    "traits",
    "schema_id",
    "metadata_public",
    "metadata_admin",
    "organization_id",
    "external_id",
)
_CREATABLE: Final = frozenset({*_PATCHABLE, "credentials", "verifiable_addresses", "recovery_addresses"})
_CREDENTIAL_TYPES: Final = frozenset(
    {"password", "oidc", "saml", "totp", "lookup_secret", "webauthn", "code", "passkey", "profile", "link_recovery"}
)


class AdminEndpoints:
    """The operations on identities."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create_identity(self, request: FakeRequest) -> FakeResponse:
        """`createIdentity`: add an identity, optionally with a password."""
        body = self._body(request)
        identity = self._create(body)
        location = f"{self._server.settings.admin_url}/identities/{identity.id}"
        return FakeResponse.json(self._submitted_document(identity, body), 201, {"location": location})

    def update_identities(self, request: FakeRequest) -> FakeResponse:
        """`batchPatchIdentities`: create several identities; each has a result of its own."""
        entries = self._body(request).get("identities")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ApiError(400, reason="identities must be a list of objects.")
        return FakeResponse.json({"identities": [self._batch_result(entry) for entry in entries]})

    def _batch_result(self, entry: dict[str, Any]) -> dict[str, Any]:
        patch_id = {"patch_id": entry["patch_id"]} if entry.get("patch_id") else {}
        create = entry.get("create")
        try:
            identity = self._create(create if isinstance(create, dict) else {})
        except ApiError as error:
            return {"action": "error", **patch_id, "error": error.document()}
        return {"action": "create", "identity": identity.id, **patch_id}

    def get_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`getIdentity`."""
        return FakeResponse.json(self._document(self._identity(identity_id), request))

    def get_identity_by_external_id(self, request: FakeRequest, external_id: str) -> FakeResponse:
        """`getIdentityByExternalID`."""
        for identity in self._server.store.identities.values():
            if identity.external_id == external_id:
                return FakeResponse.json(self._document(identity, request))
        raise ApiError(404)

    def list_identities(self, request: FakeRequest) -> FakeResponse:
        """`listIdentities`: one page of identities in the order of their ids, filtered by ids or identifier."""
        identities = sorted(self._server.store.identities.values(), key=lambda identity: identity.id)
        if ids := {canonical_uuid(value) for name, value in request.query_pairs if name == "ids"}:
            identities = [identity for identity in identities if identity.id in ids]
        identifier = request.query.get("credentials_identifier")
        if identifier:
            owner = self._server.find_identity(identifier)
            identities = [identity for identity in identities if identity is owner]

        def document(identity: Identity) -> dict[str, Any]:
            shows_credentials = identifier or "include_credential" in request.query
            return self._document(identity, request if shows_credentials else None)

        if "page" in request.query or "per_page" in request.query:
            return _numbered_page(request, [document(identity) for identity in identities])
        return keyset_page(
            request,
            "/admin/identities",
            identities,
            token_of=lambda identity: identity.id,
            first=NIL_UUID,
            document=document,
            max_size=500,
        )

    def patch_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`patchIdentity`: apply a JSON Patch to state, traits, schema or metadata; other paths are ignored."""
        identity = self._identity(identity_id)
        document = {name: getattr(identity, name) for name in _PATCHABLE}
        changed = apply_json_patch(document, request.body, denied=("/id",))
        self._replace(identity, changed)
        return FakeResponse.json(self._document(identity, request))

    def update_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`updateIdentity`: replace traits, metadata and external id, and schema and state if they are given."""
        identity = self._identity(identity_id)
        body = self._body(request)
        fields = dict.fromkeys(("metadata_public", "metadata_admin", "external_id"))
        self._replace(identity, {"traits": None, **fields, **body})
        return FakeResponse.json(self._submitted_document(identity, body))

    def delete_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`deleteIdentity`: delete an identity and its sessions."""
        delete_identity(self._server, self._identity(identity_id))
        return FakeResponse(204)

    def delete_credential(self, request: FakeRequest, identity_id: str, kind: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """`deleteIdentityCredentials`: remove the second factors of one type."""
        credentials = self._identity(identity_id).credentials
        if kind == "totp" and credentials.totp_secret:
            credentials.totp_secret = None
        elif kind == "lookup_secret" and credentials.lookup_codes:
            credentials.lookup_codes.clear()
        elif kind == "webauthn" and credentials.webauthn.keys:
            for key in credentials.webauthn.usable(is_passwordless=False):
                credentials.webauthn.remove(key)
        elif kind in {"password", "code", "passkey"} or kind not in _CREDENTIAL_TYPES:
            raise ApiError(400, reason=f"Credentials of the type {kind!r} cannot be removed.")
        else:
            raise ApiError(404, reason=f"The identity has no credentials of the type {kind!r}.")
        return FakeResponse(204)

    def _create(self, body: dict[str, Any]) -> Identity:
        if unknown := sorted(body.keys() - _CREATABLE):
            raise ApiError(400, message=f"json: unknown field {unknown[0]!r}")
        schema_id = self._schema_id(body.get("schema_id") or self._server.settings.default_schema_id)
        traits = self._validated_traits(None, schema_id, body.get("traits"))
        _require_state(body.get("state", "active"))
        identity = create_identity(self._server, traits, password=_password(body), schema_id=schema_id)
        self._update_fields(identity, body)
        return identity

    def _replace(self, identity: Identity, fields: dict[str, Any]) -> None:
        """Change an identity; nothing is changed if a value is invalid."""
        schema_id = self._schema_id(fields.get("schema_id") or identity.schema_id)
        traits = self._validated_traits(identity, schema_id, fields["traits"])
        _require_state(fields.get("state") or identity.state)
        identity.schema_id = schema_id
        set_traits(self._server, identity, traits)
        self._update_fields(identity, fields)

    def _body(self, request: FakeRequest) -> dict[str, Any]:
        try:
            return request.payload()
        except MalformedBodyError as error:
            raise ApiError(400, message=str(error)) from error

    def _identity(self, identity_id: str) -> Identity:
        identity = self._server.store.identities.get(canonical_uuid(identity_id) or "")
        if identity is None:
            raise ApiError(404)
        return identity

    def _schema_id(self, schema_id: object) -> str:
        if not isinstance(schema_id, str) or schema_id not in self._server.schemas:
            raise ApiError(400, reason=f'Unknown identity schema "{schema_id}".')
        return schema_id

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
        set_state(self._server, identity, fields.get("state") or identity.state)
        for name in ("metadata_public", "metadata_admin", "organization_id", "external_id"):
            if name in fields:
                setattr(identity, name, fields[name])
        verified = _imported_verified_addresses(fields)
        for address in identity.verifiable_addresses:
            if address.value in verified:
                address.mark_verified(self._server.now())
                address.status = "completed"
        touch(self._server, identity)

    def _document(self, identity: Identity, request: FakeRequest | None) -> dict[str, Any]:
        """Return the JSON document of an identity, with the credentials that a request includes."""
        document = self._server.identity_document(identity)
        document["metadata_admin"] = identity.metadata_admin
        if request is None:
            return document
        included = {value for name, value in request.query_pairs if name == "include_credential"}
        if unknown := sorted(included - _CREDENTIAL_TYPES):
            raise ApiError(400, reason=f"The credential type {unknown[0]!r} does not exist.")
        document["credentials"] = credential_documents(identity, self._server.schema_of(identity), included)
        return document

    def _submitted_document(self, identity: Identity, body: dict[str, Any]) -> dict[str, Any]:
        """Return the document that follows a creation or an update, which has only submitted admin metadata."""
        document = self._server.identity_document(identity)
        if body.get("metadata_admin") is not None:
            document["metadata_admin"] = identity.metadata_admin
        document["credentials"] = credential_documents(identity, self._server.schema_of(identity), set())
        return document


def _numbered_page(request: FakeRequest, documents: list[dict[str, Any]]) -> FakeResponse:
    """Return a page by its number, which is the older pagination; 0 and 1 are the same page."""
    page, size = parse_pagination(request)
    last = max(len(documents) - 1, 0) // size
    pages = {"first": 0, "next": page + 1, "prev": page - 1, "last": last}
    if page == 0:
        del pages["first"], pages["prev"]
    if page >= last:
        pages = {name: number for name, number in pages.items() if name not in {"next", "last"}}
    query = [pair for pair in request.query_pairs if pair[0] not in {"page", "per_page"}]
    links = []
    for name, number in pages.items():
        parameters = sorted([*query, ("page", str(number)), ("per_page", str(size))])
        links.append(f'</admin/identities?{urlencode(parameters)}>; rel="{name}"')
    start = (max(page, 1) - 1) * size
    headers = {"x-total-count": str(len(documents)), "link": ",".join(links)}
    return FakeResponse.json(documents[start : start + size], headers=headers)


def _require_state(state: object) -> None:
    if state not in ("active", "inactive"):
        raise ApiError(400, reason=f'state must be active or inactive, not "{state}".')


def _imported_verified_addresses(body: dict[str, Any]) -> set[str]:
    entries = body.get("verifiable_addresses")
    addresses = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {str(address.get("value")).lower() for address in addresses if address.get("verified")}


def _password(body: dict[str, Any]) -> str | None:
    value: Any = body
    for key in ("credentials", "password", "config", "password"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
