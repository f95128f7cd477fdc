"""JSON documents of identities and sessions, in Kratos' format."""

from typing import Any, Final

from ory_guard.testing.clock import timestamp
from ory_guard.testing.store.records import Address, FakeAuthenticationMethod, FakeDevice, Identity, Session

__all__ = ["NO_ID", "identity_document", "session_document", "unsaved_identity", "unsaved_session"]

NO_ID: Final = "00000000-0000-0000-0000-000000000000"
_NO_TIME: Final = "0001-01-01T00:00:00Z"
_SET_WHEN_SAVED: Final[dict[str, str]] = {"id": NO_ID, "created_at": _NO_TIME, "updated_at": _NO_TIME}


def identity_document(identity: Identity, schema_url: str, *, addresses: bool = True) -> dict[str, Any]:
    """Return the JSON document of an identity, as its owner sees it.

    Args:
        identity: The identity.
        schema_url: The URL of its schema; empty in lists of sessions.
        addresses: Whether to include the addresses; lists of sessions omit them.
    """
    document: dict[str, Any] = {
        "id": identity.id,
        "schema_id": identity.schema_id,
        "schema_url": schema_url,
        "state": identity.state,
    }
    # The releases lose the time when a settings flow saves traits.
    if identity.state_changed_at is not None:
        document["state_changed_at"] = timestamp(identity.state_changed_at)
    document["traits"] = identity.traits
    if addresses and identity.verifiable_addresses:
        document["verifiable_addresses"] = [_verifiable(address) for address in identity.verifiable_addresses]
    if addresses and identity.recovery_addresses:
        document["recovery_addresses"] = [_recovery(address) for address in identity.recovery_addresses]
    return document | {
        "metadata_public": identity.metadata_public,
        "created_at": timestamp(identity.created_at),
        "updated_at": timestamp(identity.updated_at),
        "organization_id": identity.organization_id,
        **({"external_id": identity.external_id} if identity.external_id else {}),
    }


def session_document(session: Session, identity: dict[str, Any], *, active: bool = True) -> dict[str, Any]:
    """Return the JSON document of a session, as in `/sessions/whoami`."""
    return {
        "id": session.id,
        "active": active,
        "expires_at": timestamp(session.expires_at),
        "authenticated_at": timestamp(session.authenticated_at),
        "authenticator_assurance_level": session.aal,
        "authentication_methods": [_method(method) for method in session.methods],
        "issued_at": timestamp(session.issued_at),
        "identity": identity,
        "devices": [_device(device) for device in session.devices],
    }


def unsaved_identity(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of an identity as hooks get it before it is saved: without ids and times."""
    lists = ("verifiable_addresses", "recovery_addresses")
    addresses = {name: [address | _SET_WHEN_SAVED for address in document.get(name, ())] for name in lists}
    return {**document, **addresses, **_SET_WHEN_SAVED, "schema_url": ""}


def unsaved_session(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a session as hooks get it before it is saved: without ids."""
    devices = [device | {"id": NO_ID} for device in document["devices"]]
    return {**document, "id": NO_ID, "devices": devices}


def _verifiable(address: Address) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": address.id,
        "value": address.value,
        "verified": address.verified,
        "via": address.via,
        "status": address.status,
    }
    if address.verified_at is not None:
        document["verified_at"] = timestamp(address.verified_at)
    return document | {
        "created_at": timestamp(address.created_at),
        "updated_at": timestamp(address.updated_at),
    }


def _recovery(address: Address) -> dict[str, Any]:
    return {
        "id": address.id,
        "value": address.value,
        "via": address.via,
        "created_at": timestamp(address.created_at),
        "updated_at": timestamp(address.updated_at),
    }


def _method(method: FakeAuthenticationMethod) -> dict[str, Any]:
    document = {
        "method": method.method,
        "aal": method.aal,
        "completed_at": timestamp(method.completed_at),
    }
    return document | ({"provider": method.provider} if method.provider else {})


def _device(device: FakeDevice) -> dict[str, Any]:
    return {
        "id": device.id,
        "ip_address": device.ip_address,
        "user_agent": device.user_agent,
        "location": device.location,
    }
