"""Users with passkeys and security keys."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
from support.flow_client import FlowClient, client_for, field_value

from ory_guard.testing import FakeKratos, Identity, SoftwareAuthenticator

ORIGIN = "http://localhost"
EVIL_ORIGIN = "http://evil.example"

# Ids of messages.
SAVED, WRONG, UNKNOWN, MALFORMED = 1050001, 4000008, 4000015, 4000001

Change = Callable[[dict[str, Any]], object]


def authenticator(**settings: Any) -> SoftwareAuthenticator:
    """Return an authenticator at the page of the UI."""
    return SoftwareAuthenticator(settings.pop("origin", ORIGIN), **settings)


def changed(text: str, change: Change) -> str:
    """Return JSON after a change of the decoded document."""
    document = json.loads(text)
    change(document)
    return json.dumps(document)


def response_fields(**fields: Any) -> Change:
    """Return a change of the inner response of a browser."""
    return lambda document: document["response"].update(fields)


def node(flow: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the node with a name."""
    return next(node for node in flow["ui"]["nodes"] if node["attributes"].get("name") == name)


async def registration_form(client: FlowClient, email: str) -> dict[str, Any]:
    """Return the second step of a registration."""
    flow = await client.create_flow("registration")
    return dict((await client.submit(flow, method="profile", traits={"email": email})).json())


async def sign_up(client: FlowClient, email: str, key: SoftwareAuthenticator) -> httpx2.Response:
    """Create an account with a passkey."""
    flow = await registration_form(client, email)
    created = key.create(field_value(flow, "passkey_create_data"))
    return await client.submit(flow, traits={"email": email}, passkey_register=created)


async def passkey_user(fake: FakeKratos, email: str) -> tuple[Identity, SoftwareAuthenticator]:
    """Return a new identity whose only credential is a passkey, and its authenticator."""
    key = authenticator()
    response = await sign_up(client_for(fake), email, key)
    assert response.status_code == 200, response.text
    return fake.identities[-1], key


async def log_in(client: FlowClient, key: SoftwareAuthenticator) -> httpx2.Response:
    """Log in with a passkey."""
    flow = await client.create_flow("login")
    return await client.submit(
        flow, method="passkey", passkey_login=key.get(field_value(flow, "passkey_challenge"))
    )


async def add_key(client: FlowClient, key: SoftwareAuthenticator, name: str = "Key") -> httpx2.Response:
    """Add a security key in settings."""
    flow = await client.create_flow("settings")
    created = key.create(field_value(flow, "webauthn_register_trigger"))
    return await client.submit(flow, webauthn_register=created, webauthn_register_displayname=name)


def methods_of(session: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the methods of a session document, each with its level."""
    return [(method["method"], method["aal"]) for method in session["authentication_methods"]]
