"""How identities begin and change: traits, addresses, passwords."""

from collections.abc import Mapping
from typing import Any, Literal

from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.server.state import Server
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.records import Address, Identity

__all__ = [
    "create_identity",
    "delete_identity",
    "identifiers_taken",
    "password_problem",
    "set_state",
    "set_traits",
    "touch",
]


def create_identity(
    server: Server,
    traits: Mapping[str, Any],
    *,
    password: str | None = None,
    schema_id: str | None = None,
) -> Identity:
    """Remember a new identity with the addresses that its traits name."""
    now = server.now() // 1_000 * 1_000
    schema = server.schemas[schema_id or server.settings.default_schema_id]
    identity = Identity(schema_id=schema.id, traits=schema.filled(traits), created_at=now)
    identity.state_changed_at = server.now()
    identity.credentials.password = password
    _set_addresses(server, identity)
    server.store.identities[identity.id] = identity
    return identity


def delete_identity(server: Server, identity: Identity) -> None:
    """Forget an identity and its sessions."""
    for session in server.store.sessions_of(identity):
        server.store.drop_session(session)
    server.store.identities.pop(identity.id, None)


def set_state(server: Server, identity: Identity, state: Literal["active", "inactive"]) -> None:
    """Enable or disable an identity; its sessions stop counting while it is disabled."""
    if identity.state != state:
        identity.state = state
        identity.state_changed_at = server.now()
        touch(server, identity)


def set_traits(server: Server, identity: Identity, traits: Mapping[str, Any]) -> None:
    """Give an identity other traits; addresses that stay keep what is known about them."""
    identity.traits = server.schema_of(identity).filled(traits)
    touch(server, identity)
    _set_addresses(server, identity)


def touch(server: Server, identity: Identity) -> None:
    """Note that an identity changed."""
    identity.updated_at = server.now() // 1_000 * 1_000


def identifiers_taken(server: Server, identity: Identity | None, traits: Mapping[str, Any]) -> bool:
    """Tell whether somebody else signs in with one of the identifiers in these traits."""
    schema = server.schema_of(identity) if identity else server.schema
    owners = (server.find_identity(one) for one in schema.identifiers(traits))
    return any(owner is not None and owner is not identity for owner in owners)


def password_problem(settings: FakeKratosSettings, password: object, identifiers: list[str], ui: Ui) -> bool:
    """Put what is wrong with a new password at its field; tell whether anything is."""
    if not isinstance(password, str) or not password:
        ui.complain(4000002, {"property": "password"}, at="password")
        return True
    length = len(password)
    if length < settings.min_password_length:
        context = {"actual_length": length, "min_length": settings.min_password_length}
        ui.complain(4000032, context, at="password")
        return True
    if any(_similar(password.lower(), one.lower()) for one in identifiers):
        ui.complain(4000031, at="password")
        return True
    return False


def _similar(password: str, identifier: str) -> bool:
    return password in identifier or (bool(identifier) and identifier in password)


def _set_addresses(server: Server, identity: Identity) -> None:
    schema = server.schema_of(identity)
    identity.verifiable_addresses = _addresses(
        server, identity.verifiable_addresses, schema.addresses(identity.traits, "verification")
    )
    identity.recovery_addresses = _addresses(
        server, identity.recovery_addresses, schema.addresses(identity.traits, "recovery")
    )


def _addresses(server: Server, old: list[Address], wanted: list[tuple[str, str]]) -> list[Address]:
    known = {(one.value, one.via): one for one in old}
    now = server.now() // 1_000 * 1_000
    return [known.get((value, via)) or Address(value, via, now) for value, via in wanted]
