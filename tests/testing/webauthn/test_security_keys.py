"""Security keys as a second factor, with the messages of Kratos v26.2.0."""

from typing import Any

import pytest
from support.flow_client import FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos, Identity, SoftwareAuthenticator

from .users import (
    MALFORMED,
    SAVED,
    UNKNOWN,
    WRONG,
    add_key,
    authenticator,
    changed,
    methods_of,
    node,
    response_fields,
)

pytestmark = pytest.mark.anyio

BOB = "bob@example.test"
NAME = "webauthn_register_displayname"


@pytest.fixture
def bob(fake: FakeKratos) -> Identity:
    return fake.add_identity(BOB)


@pytest.fixture
async def key(fake: FakeKratos, bob: Identity) -> SoftwareAuthenticator:
    """The security key of Bob."""
    client, added = client_for(fake), authenticator()
    client.use(fake.sign_in(bob))
    response = await add_key(client, added, "Key A")
    assert message_ids(response.json()) == [SAVED]
    return added


async def second_factor(browser: FlowClient) -> dict[str, Any]:
    """Log in with the password, and return the flow of the second factor."""
    await browser.log_in(BOB)
    return await browser.create_flow("login", aal="aal2")


def signed(flow: dict[str, Any], key: SoftwareAuthenticator) -> str:
    return key.get(field_value(flow, "webauthn_login_trigger"))


async def test_key_completes_the_second_factor(browser: FlowClient, key: SoftwareAuthenticator) -> None:
    first = await browser.log_in(BOB)
    refused = await browser.whoami()
    flow = await browser.create_flow("login", aal="aal2")
    response = await browser.submit(flow, webauthn_login=signed(flow, key), identifier=BOB)

    assert (first.status_code, refused.status_code) == (422, 403)
    assert field_value(flow, "identifier") == BOB
    assert node(flow, "webauthn_login_trigger")["attributes"]["onclickTrigger"] == "oryWebAuthnLogin"
    assert methods_of(response.json()["session"]) == [("password", "aal1"), ("webauthn", "aal2")]


@pytest.mark.parametrize("fields", [{"userHandle": "AAAA"}, {"signature": "AAAA"}], ids=str)
async def test_second_factor_checks_the_key(
    browser: FlowClient, key: SoftwareAuthenticator, fields: dict[str, str]
) -> None:
    flow = await second_factor(browser)
    submitted = changed(signed(flow, key), response_fields(**fields))
    response = await browser.submit(flow, webauthn_login=submitted, identifier=BOB)

    assert (response.status_code, message_ids(response.json())) == (400, [WRONG])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"method": "webauthn"}, [4000002]),
        ({"method": "webauthn", "identifier": BOB}, [MALFORMED]),
        ({"webauthn_login": "nope", "identifier": BOB}, [MALFORMED]),
    ],
)
@pytest.mark.usefixtures("key")
async def test_incomplete_second_factor(browser: FlowClient, fields: dict[str, str], expected: list[int]) -> None:
    response = await browser.submit(await second_factor(browser), **fields)

    assert (response.status_code, message_ids(response.json())) == (400, expected)


@pytest.mark.parametrize(("fields", "status"), [({"webauthn_login": "{}"}, 400), ({}, 400)])
@pytest.mark.usefixtures("key")
async def test_second_factor_does_not_refresh_the_first(
    browser: FlowClient, fields: dict[str, str], status: int
) -> None:
    await browser.log_in(BOB)
    flow = await browser.create_flow("login", refresh="true")
    response = await browser.submit(flow, method="webauthn", identifier=BOB, **fields)

    assert "webauthn_login" not in node_names(flow)
    assert response.status_code == status
    assert message_ids(response.json()) == [MALFORMED if fields else UNKNOWN]


async def test_apps_have_no_security_keys(fake: FakeKratos, app: FlowClient, key: SoftwareAuthenticator) -> None:
    signed_in = fake.sign_in(fake.identities[0], aal="aal2", methods=("password", "webauthn"))
    app.use(signed_in)
    settings = await app.create_flow("settings")
    refresh = await app.create_flow("login", aal="aal2", refresh="true")
    first = await app.create_flow("login", refresh="true")

    assert not [name for flow in (settings, refresh, first) for name in node_names(flow) if "webauthn" in name]
    assert key.credential_ids
