"""Passkeys and security keys in the admin API."""

from typing import Any

import httpx2
import pytest
from support.flow_client import client_for

from ory_guard.testing import FakeKratos

from .users import add_key, authenticator, passkey_user

pytestmark = pytest.mark.anyio


async def credentials_of(fake: FakeKratos, admin: httpx2.AsyncClient, kind: str) -> dict[str, Any]:
    path = f"/admin/identities/{fake.identities[0].id}?include_credential={kind}"
    return dict((await admin.get(path)).json()["credentials"])


async def test_passkeys_are_listed_with_their_handles(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    identity, key = await passkey_user(fake, "bob@example.test")
    credentials = await credentials_of(fake, admin, "passkey")
    (listed,) = credentials["passkey"]["config"]["credentials"]

    assert credentials["passkey"]["identifiers"] == [identity.credentials.passkey.user_handle.decode()]
    assert credentials["passkey"]["version"] == 1
    assert listed["is_passwordless"] is True
    assert listed["authenticator"]["sign_count"] == key.sign_count
    assert credentials["webauthn"]["identifiers"] == ["bob@example.test"]
    assert "config" not in credentials["webauthn"]


async def test_second_factors_are_deleted_and_passkeys_are_not(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    identity, _ = await passkey_user(fake, "bob@example.test")
    client = client_for(fake)
    client.use(fake.sign_in(identity))
    await add_key(client, authenticator(), "Key A")
    listed = await credentials_of(fake, admin, "webauthn")
    path = f"/admin/identities/{identity.id}/credentials"
    statuses = [(await admin.delete(f"{path}/{kind}")).status_code for kind in ("webauthn", "webauthn", "passkey")]

    assert listed["webauthn"]["config"]["credentials"][0]["display_name"] == "Key A"
    assert statuses == [204, 404, 400]
    assert identity.credentials.second_factors == ()


@pytest.mark.parametrize("method", ["webauthn", "totp"])
async def test_session_has_the_second_factor_of_the_identity(fake: FakeKratos, method: str) -> None:
    identity = fake.add_identity("bob@example.test", totp=method == "totp")
    client = client_for(fake)
    client.use(fake.sign_in(identity, aal="aal2" if method == "totp" else "aal1"))
    await add_key(client, authenticator())

    assert [entry.method for entry in fake.sign_in(identity, aal="aal2").session.methods] == ["password", method]
