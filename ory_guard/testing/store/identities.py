"""Creation and changes of identities: traits, addresses, passwords."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.server.state import Server
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.password_similarity import is_similar
from ory_guard.testing.store.records import Address, Identity

__all__ = [
    "add_password_error",
    "apply_changes",
    "create_identity",
    "delete_identity",
    "is_identifier_taken",
    "set_state",
    "set_traits",
    "touch",
]

# The limit of bcrypt.
MAX_PASSWORD_BYTES: Final = 72


def create_identity(
    server: Server,
    traits: Mapping[str, Any],
    *,
    password: str | None = None,
    schema_id: str | None = None,
) -> Identity:
    """Store a new identity with the addresses in its traits."""
    now = server.now() // 1_000 * 1_000
    schema = server.schemas[schema_id or server.settings.default_schema_id]
    identity = Identity(schema_id=schema.id, traits=dict(traits), created_at=now)
    identity.state_changed_at = server.now()
    identity.credentials.password = password
    _set_addresses(server, identity)
    server.store.identities[identity.id] = identity
    return identity


def delete_identity(server: Server, identity: Identity) -> None:
    """Delete an identity and its sessions."""
    for session in server.store.sessions_of(identity):
        server.store.delete_session(session)
    server.store.identities.pop(identity.id, None)


def set_state(server: Server, identity: Identity, state: Literal["active", "inactive"]) -> None:
    """Activate or deactivate an identity. Its sessions are invalid while it is inactive."""
    if identity.state != state:
        identity.state = state
        identity.state_changed_at = server.now()
        touch(server, identity)


def set_traits(server: Server, identity: Identity, traits: Mapping[str, Any]) -> None:
    """Replace the traits of an identity. Addresses that remain keep their verification status."""
    identity.traits = dict(traits)
    touch(server, identity)
    _set_addresses(server, identity)


def apply_changes(server: Server, identity: Identity, changes: Mapping[str, Any]) -> None:
    """Apply the changes of an identity that a web hook returned. Addresses follow from the traits."""
    for name in ("schema_id", "state", "metadata_public", "metadata_admin", "external_id"):
        if name in changes:
            setattr(identity, name, changes[name])
    if "traits" in changes:
        set_traits(server, identity, changes["traits"])
    verified = {address["value"]: address for address in changes.get("verifiable_addresses", ())}
    for address in identity.verifiable_addresses:
        if address.value in verified:
            address.status = verified[address.value].get("status", address.status)
            if verified[address.value].get("verified"):
                address.mark_verified(server.now())


def touch(server: Server, identity: Identity) -> None:
    """Set `updated_at` to now."""
    identity.updated_at = server.now() // 1_000 * 1_000


def is_identifier_taken(server: Server, identity: Identity | None, traits: Mapping[str, Any]) -> bool:
    """Return whether another identity uses one of the login identifiers in these traits."""
    schema = server.schema_of(identity) if identity else server.schema
    owners = (server.find_identity(identifier) for identifier in schema.identifiers(traits))
    return any(owner is not None and owner is not identity for owner in owners)


def add_password_error(settings: FakeKratosSettings, password: str, identifiers: list[str], ui: Ui) -> bool:
    """Add an error to the form if a new password is not acceptable, and return whether one was added."""
    size = len(password.encode(errors="replace"))
    if size < settings.min_password_length:
        context = {"actual_length": size, "min_length": settings.min_password_length}
        ui.add_error(4000032, context, at="password")
        return True
    if any(is_similar(password, identifier) for identifier in identifiers):
        ui.add_error(4000031, at="password")
        return True
    if settings.hasher == "bcrypt" and size > MAX_PASSWORD_BYTES:
        ui.add_error(4000033, {"actual_length": size, "max_length": MAX_PASSWORD_BYTES}, at="password")
        return True
    return False


def _set_addresses(server: Server, identity: Identity) -> None:
    schema = server.schema_of(identity)
    identity.verifiable_addresses = _merge_addresses(
        server, identity.verifiable_addresses, schema.addresses(identity.traits, "verification")
    )
    identity.recovery_addresses = _merge_addresses(
        server, identity.recovery_addresses, schema.addresses(identity.traits, "recovery")
    )


def _merge_addresses(server: Server, old: list[Address], values: list[tuple[str, str]]) -> list[Address]:
    existing = {(address.value, address.via): address for address in old}
    now = server.now() // 1_000 * 1_000
    return [existing.get((value, via)) or Address(value, via, now) for value, via in values]
