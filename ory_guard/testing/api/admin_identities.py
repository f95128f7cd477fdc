"""Identities in the admin API."""

from http import HTTPStatus
from typing import Any, Final

from ory_guard.testing.api.credential_documents import credential_documents
from ory_guard.testing.api.identity_list import list_identities
from ory_guard.testing.api.imported_credentials import ImportedCredentials, imported_credentials
from ory_guard.testing.api.json_bodies import IDENTITY_FIELDS, check_fields, read_json_body, read_strict_body
from ory_guard.testing.api.json_patch import apply_json_patch
from ory_guard.testing.api.patched_identity import read_patched_identity
from ory_guard.testing.api.sessions import path_uuid
from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.server.uuids import canonical_uuid, parse_uuid
from ory_guard.testing.store.identities import (
    create_identity,
    delete_identity,
    is_identifier_taken,
    set_state,
    set_traits,
    touch,
)
from ory_guard.testing.store.records import Identity

__all__ = ["AdminIdentityEndpoints"]

_UPDATABLE: Final = {
    name: IDENTITY_FIELDS[name]
    for name in ("schema_id", "traits", "credentials", "metadata_public", "metadata_admin", "state", "external_id")
}
MAX_PATCHES: Final = 1_000
MAX_PASSWORDS: Final = 200
_CREDENTIAL_TYPES: Final = frozenset(
    {"password", "oidc", "saml", "totp", "lookup_secret", "webauthn", "code", "passkey", "profile", "link_recovery"}
)


class AdminIdentityEndpoints:
    """The operations on identities."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create_identity(self, request: FakeRequest) -> FakeResponse:
        """`createIdentity`: add an identity, optionally with a password."""
        body = read_strict_body(request, IDENTITY_FIELDS)
        try:
            identity = self._create(body)
        except ApiError as error:
            if error.status == HTTPStatus.CONFLICT:
                error.reason = "Another identity has this identifier, external id or credential."
            raise
        location = f"{self._server.settings.admin_url}/identities/{identity.id}"
        document = self._submitted_document(identity, body)
        if webauthn := document["credentials"].get("webauthn"):
            webauthn["version"] = 0  # read again, it is 1
        return FakeResponse.json(document, 201, {"location": location})

    def update_identities(self, request: FakeRequest) -> FakeResponse:
        """`batchPatchIdentities`: create several identities; each has a result of its own."""
        body = read_strict_body(request, {"identities": list}, code=500)
        patches = [self._patch(entry) for entry in body.get("identities") or ()]
        if len(patches) > MAX_PATCHES:
            raise ApiError(400, reason=f"A request can have at most {MAX_PATCHES} identities.")
        passwords = (imported_credentials(patch.get("create") or {}).password for patch in patches)
        if sum(password is not None for password in passwords) > MAX_PASSWORDS:
            raise ApiError(400, reason=f"A request can have at most {MAX_PASSWORDS} identities with a password.")
        for patch in patches:
            _require_state((patch.get("create") or {}).get("state"))
        results = [self._batch_result(patch) for patch in patches]
        conflicts = [result for result in results if result and result["action"] == "error"]
        if results and len(conflicts) == len(results):
            raise _conflict()
        return FakeResponse.json({"identities": results})

    def _patch(self, entry: Any) -> dict[str, Any]:
        try:
            check_fields({"identities": entry}, {"identities": dict})
            patch: dict[str, Any] = entry or {}
            check_fields(patch, {"create": dict, "patch_id": str})
            if patch.get("patch_id"):
                parse_uuid(patch["patch_id"])
            check_fields(patch.get("create") or {}, IDENTITY_FIELDS)
            imported_credentials(patch.get("create") or {})
        except ValueError as error:
            raise ApiError(400, message=str(error), code=500) from error
        return patch

    def _batch_result(self, patch: dict[str, Any]) -> dict[str, Any] | None:
        if patch.get("create") is None:
            return None
        patch_id = {"patch_id": patch["patch_id"]} if patch.get("patch_id") else {}
        try:
            identity = self._create(patch["create"])
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
        """`listIdentities`."""
        return list_identities(self._server, request, self._document)

    def patch_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`patchIdentity`: apply a JSON Patch to state, traits, schema or metadata; other paths are ignored."""
        identity = self._identity(identity_id)
        document = self._document(identity, None)
        document.setdefault("external_id", None)
        changed = apply_json_patch(document, request.body, denied=("/id", "/credentials"))
        patch = read_patched_identity(document, changed)
        self._replace(identity, patch.fields, ImportedCredentials())
        identity.organization_id = patch.organization_id
        for address in identity.verifiable_addresses:
            if address.value in patch.verified and not address.verified:
                address.mark_verified(self._server.now())
        return FakeResponse.json(self._document(identity, request))

    def update_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`updateIdentity`: replace traits, metadata and external id, and schema and state if they are given."""
        body = read_json_body(request, _UPDATABLE)
        identity = self._identity(identity_id)
        fields = dict.fromkeys(("metadata_public", "metadata_admin", "external_id"))
        credentials = _credentials(body, allows_unknown=True)
        self._replace(identity, {"traits": None, **fields, **body}, credentials)
        return FakeResponse.json(self._submitted_document(identity, body))

    def delete_identity(self, request: FakeRequest, identity_id: str) -> FakeResponse:
        """`deleteIdentity`: delete an identity and its sessions."""
        delete_identity(self._server, self._identity(identity_id))
        return FakeResponse(204)

    def delete_credential(self, request: FakeRequest, identity_id: str, kind: str) -> FakeResponse:
        """`deleteIdentityCredentials`: remove the credentials of one type, but not the only first factor."""
        identity = self._identity(identity_id)
        credentials = identity.credentials
        shown = credential_documents(identity, self._server.schema_of(identity), set())
        if kind not in shown or (kind == "webauthn" and not credentials.webauthn.keys):
            raise ApiError(404, reason=f"The identity has no credentials of the type {kind!r}.")
        if kind == "totp":
            credentials.totp_secret = None
        elif kind == "lookup_secret":
            credentials.lookup_codes.clear()
        elif kind == "webauthn":
            for key in credentials.webauthn.usable(is_passwordless=False):
                credentials.webauthn.remove(key)
        elif kind in {"password", "oidc"} and len(credentials.first_factors) > 1:
            self._delete_first_factor(request, identity, kind)
        else:
            raise ApiError(400, reason=f"Credentials of the type {kind!r} cannot be removed.")
        return FakeResponse(204)

    def _delete_first_factor(self, request: FakeRequest, identity: Identity, kind: str) -> None:
        credentials = identity.credentials
        if kind == "password":
            credentials.password = None
            return
        provider, _, subject = request.query.get("identifier", "").partition(":")
        if credentials.oidc_subjects.get(provider) != subject:
            raise ApiError(404, reason="The parameter identifier must be the provider and subject of a credential.")
        del credentials.oidc_subjects[provider]

    def _create(self, body: dict[str, Any]) -> Identity:
        credentials = _credentials(body)
        schema_id = self._schema_id(body.get("schema_id") or self._server.settings.default_schema_id)
        traits = self._validated_traits(None, schema_id, body.get("traits"))
        _require_state(body.get("state"))
        self._require_unique(None, body.get("external_id"), credentials)
        if organization_id := body.get("organization_id"):
            organization_id = path_uuid(organization_id)
        identity = create_identity(self._server, traits, password=credentials.password, schema_id=schema_id)
        identity.credentials.oidc_subjects |= credentials.subjects
        identity.organization_id = organization_id
        verified = _imported_verified_addresses(body)
        for address in identity.verifiable_addresses:
            if address.value in verified:
                address.mark_verified(self._server.now())
                address.status = "completed"
        self._update_fields(identity, body)
        return identity

    def _replace(self, identity: Identity, fields: dict[str, Any], credentials: ImportedCredentials) -> None:
        """Change an identity; nothing is changed if a value is invalid."""
        schema_id = self._schema_id(fields.get("schema_id") or identity.schema_id)
        traits = self._validated_traits(identity, schema_id, fields["traits"])
        _require_state(fields.get("state"))
        self._require_unique(identity, fields.get("external_id"), credentials)
        identity.schema_id = schema_id
        set_traits(self._server, identity, traits)
        identity.credentials.password = credentials.password or identity.credentials.password
        identity.credentials.oidc_subjects |= credentials.subjects
        self._update_fields(identity, fields)

    def _require_unique(
        self, identity: Identity | None, external_id: str | None, credentials: ImportedCredentials
    ) -> None:
        """Check that no other identity has an external id, or a subject at a provider."""
        for other in self._server.store.identities.values():
            subjects = other.credentials.oidc_subjects.items() & credentials.subjects.items()
            if other is not identity and (subjects or (external_id and other.external_id == external_id)):
                raise _conflict()

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
            raise _conflict()
        return traits

    def _update_fields(self, identity: Identity, fields: dict[str, Any]) -> None:
        set_state(self._server, identity, fields.get("state") or identity.state)
        for name in ("metadata_public", "metadata_admin", "external_id"):
            if name in fields:
                setattr(identity, name, fields[name])
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


def _conflict() -> ApiError:
    return ApiError(409, message="another identity has this identifier, external id or credential")


def _require_state(state: object) -> None:
    if state not in (None, "", "active", "inactive"):
        raise ApiError(400, reason=f'state must be active or inactive, not "{state}".')


def _imported_verified_addresses(body: dict[str, Any]) -> set[str]:
    entries = body.get("verifiable_addresses")
    addresses = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {str(address.get("value")).lower() for address in addresses if address.get("verified")}


def _credentials(body: dict[str, Any], *, allows_unknown: bool = False) -> ImportedCredentials:
    try:
        return imported_credentials(body, allows_unknown=allows_unknown)
    except MalformedBodyError as error:
        raise ApiError(400, message=str(error)) from error
