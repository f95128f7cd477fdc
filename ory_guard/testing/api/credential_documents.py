"""The credentials of an identity, as the admin API shows them."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from fido2 import cbor

from ory_guard.testing.clock import timestamp
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.webauthn_credentials import WebAuthnCredential, WebAuthnCredentials

__all__ = ["credential_documents"]

# The releases changed the format of the configuration once.
_VERSIONS: Final = {"webauthn": 1, "passkey": 1, "code": 1}


def credential_documents(identity: Identity, schema: IdentitySchema, included: set[str]) -> dict[str, Any]:
    """Return the JSON documents of an identity's credentials.

    Args:
        identity: The identity.
        schema: The schema of the identity.
        included: The methods whose configuration is included.
    """
    identifiers = _identifiers(identity, schema)
    enrolled = identity.credentials.first_factors + identity.credentials.second_factors
    documents: dict[str, Any] = {}
    for method in dict.fromkeys((*identifiers, *enrolled)):
        documents[method] = {
            "type": method,
            "identifiers": identifiers.get(method, [identity.id]),
            **({"config": _config(identity, schema, method)} if method in included else {}),
            "version": _VERSIONS.get(method, 0),
            "created_at": timestamp(identity.created_at),
            "updated_at": timestamp(identity.updated_at),
        }
    return documents


def _identifiers(identity: Identity, schema: IdentitySchema) -> dict[str, list[str]]:
    """Return the identifiers of methods; those in the traits are there without a credential, too."""
    key_identifier = schema.webauthn_identifier(identity.traits)
    identifiers = {
        "password": schema.identifiers(identity.traits),
        "webauthn": [key_identifier] if key_identifier else [],
        "code": [value for value, _ in schema.code_addresses(identity.traits)],
        "oidc": [f"{provider}:{subject}" for provider, subject in identity.credentials.oidc_subjects.items()],
        "passkey": [handle.decode() for handle in identity.credentials.passkey.handles],
    }
    return {method: values for method, values in identifiers.items() if values}


def _config(identity: Identity, schema: IdentitySchema, method: str) -> Mapping[str, Any]:
    """Return the configuration of a credential, with a placeholder for a secret; the fake stores no hashes."""
    credentials = identity.credentials
    if method == "password" and credentials.password is not None:
        return {"hashed_password": "$2a$08$fake"}
    if method == "code":
        addresses = schema.code_addresses(identity.traits)
        return {"addresses": [{"channel": channel, "address": value} for value, channel in addresses]}
    keys = {"webauthn": credentials.webauthn, "passkey": credentials.passkey}.get(method, WebAuthnCredentials())
    if not keys.keys:
        return {}
    return {"credentials": [_key(key) for key in keys.keys], "user_handle": _base64(keys.user_handle)}


def _key(key: WebAuthnCredential) -> dict[str, Any]:
    return {
        "id": _base64(key.id),
        "public_key": _base64(cbor.encode(key.public_key)),
        "attestation_type": key.attestation_type,
        "authenticator": {"aaguid": _base64(key.aaguid), "sign_count": key.sign_count, "clone_warning": False},
        "display_name": key.display_name,
        "added_at": timestamp(key.added_at),
        "is_passwordless": key.is_passwordless,
        "flags": {
            "user_present": True,
            "user_verified": key.user_verified,
            "backup_eligible": key.backup_eligible,
            "backup_state": key.backup_state,
        },
    }


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
