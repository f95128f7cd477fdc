"""Submissions that name a method which is disabled, or is not part of the flow, as seen on Kratos v26.2.0."""

from typing import Any

import pytest
from support.flow_client import PASSWORD, client_for, message_ids, node_names

from ory_guard.testing import FakeKratos, OidcProvider

pytestmark = pytest.mark.anyio

EMAIL = "grace@example.test"
NO_METHOD = {"login": 4010002, "registration": 4010003, "settings": 4010004}


@pytest.mark.parametrize(
    ("name", "fields", "native"),
    [
        ("login", {"method": "password", "identifier": "x", "password": "y"}, True),
        ("login", {"provider": "acme"}, True),
        ("login", {"method": "oidc", "provider": "acme"}, True),
        ("login", {"method": "passkey"}, True),
        ("login", {"passkey_login": "{}"}, True),
        ("login", {"method": "webauthn", "identifier": "x"}, False),
        ("registration", {"method": "password", "password": PASSWORD}, True),
        ("registration", {"method": "code"}, True),
        ("registration", {"method": "oidc", "provider": "acme"}, True),
        ("registration", {"passkey_register": "{}"}, True),
        ("settings", {"method": "password", "password": PASSWORD}, True),
        ("settings", {"method": "profile"}, True),
        ("settings", {"method": "totp", "totp_code": "123456"}, True),
        ("settings", {"link": "acme"}, True),
        ("settings", {"passkey_remove": "x"}, True),
        ("settings", {"webauthn_remove": "x"}, False),
        ("settings", {"lookup_secret_reveal": True}, True),
    ],
    ids=str,
)
async def test_disabled_method_is_not_found(name: str, fields: dict[str, Any], native: bool) -> None:
    fake = FakeKratos(methods=())
    client = client_for(fake, native=native)
    if name == "settings":
        client.use(fake.sign_in(fake.add_identity()))
    response = await client.submit(await client.create_flow(name), **{"traits": {"email": EMAIL}, **fields})

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("login", {"method": "oidc"}),
        ("login", {"method": "password_", "provider": "acme"}),
        ("login", {"method": "totp"}),
        ("login", {"method": "webauthn", "identifier": "x"}),
        ("registration", {"method": "oidc"}),
        ("registration", {"method": "passkey"}),
        ("registration", {"passkey_register": "true"}),
        ("settings", {"method": "oidc"}),
        ("settings", {"method": "passkey"}),
        ("settings", {"method": "webauthn"}),
        ("settings", {"webauthn_remove": "x"}),
    ],
    ids=str,
)
async def test_method_without_its_fields_is_not_responsible(
    fake: FakeKratos, name: str, fields: dict[str, Any]
) -> None:
    app = client_for(fake, native=True)
    if name == "settings":
        app.use(fake.sign_in(fake.add_identity()))
    response = await app.submit(await app.create_flow(name), **{"traits": {"email": EMAIL}, **fields})

    assert (response.status_code, message_ids(response.json())) == (400, [NO_METHOD[name]])


async def test_forms_omit_disabled_methods() -> None:
    fake = FakeKratos(methods={"totp"}, oidc_providers=(OidcProvider("mini"),), two_steps_registration=False)
    identity = fake.add_identity(totp=True)
    identity.credentials.lookup_codes = {"x": False}
    browser = client_for(fake)
    flows = [await browser.create_flow("login"), await browser.create_flow("registration")]
    browser.use(fake.sign_in(identity, aal="aal2"))
    flows += [
        await browser.create_flow("login", refresh="true"),
        await browser.create_flow("login", aal="aal2", refresh="true"),
        await browser.create_flow("settings"),
    ]

    assert [node_names(flow) for flow in flows] == [
        ["csrf_token"],
        ["csrf_token", "traits.email", "traits.name.first", "traits.name.last"],
        ["csrf_token"],
        ["csrf_token", "totp_code", "method"],
        ["csrf_token", "totp_unlink"],
    ]
