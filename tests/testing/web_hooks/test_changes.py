"""Changes of identities by parsed responses of receivers, compared with Kratos v26.2.0."""

from typing import Any

import pytest
from support.flow_client import PASSWORD, client_for, message_ids

from ory_guard.testing import FakeKratos

from .scenario import CLIENT_ERROR, EMAIL, PARSE, REJECTED, Receiver, fake_with, run, web_hook

pytestmark = pytest.mark.anyio


async def test_parsed_response_changes_a_new_identity(fake: FakeKratos, receiver: Receiver) -> None:
    address = {"value": EMAIL, "verified": True, "via": "email", "status": "completed"}
    changes = {
        "traits": {"email": EMAIL, "name": {"first": "Ada"}},
        "metadata_public": {"plan": "free"},
        "metadata_admin": {"score": 1},
        "external_id": "ext-1",
        "verifiable_addresses": [address],
        "credentials": {"password": {}},
    }
    receiver.responses["parsed"] = (200, {"identity": changes})
    response = await run(fake, "registration", client_for(fake, native=True))

    (identity,) = fake.identities
    assert response.json()["identity"]["traits"]["name"] == {"first": "Ada"}
    assert (identity.metadata_public, identity.metadata_admin) == ({"plan": "free"}, {"score": 1})
    assert (identity.external_id, identity.verifiable_addresses[0].verified) == ("ext-1", True)
    assert identity.verifiable_addresses[0].status == "completed"
    assert identity.credentials.password == PASSWORD


@pytest.mark.parametrize(
    ("planned", "status", "expected"),
    [
        ((200, {"identity": {"traits": {"email": "nope"}}}), 400, [4000040]),
        ((200, {"identity": {"traits": {"email": "bob@example.test"}}}), 400, [4000007]),
        ((200, []), 400, 500),
        ((200, b"{"), 400, 500),
        ((200, {"identity": {"state": "inactive"}}), 401, 401),
    ],
    ids=str,
)
async def test_invalid_change_of_a_new_identity_is_an_error(
    fake: FakeKratos, receiver: Receiver, planned: Any, status: int, expected: Any
) -> None:
    fake.add_identity("bob@example.test")
    receiver.responses["parsed"] = planned
    response = await run(fake, "registration", client_for(fake, native=True))

    assert response.status_code == status
    if isinstance(expected, list):
        assert message_ids(response.json()) == expected
        assert len(fake.identities) == 1
    else:
        assert response.json()["error"]["code"] == expected


@pytest.mark.parametrize(
    "planned", [(200, {}), (200, {"identity": None}), (201, []), (304, b""), (204, b"")], ids=str
)
async def test_other_success_changes_nothing(fake: FakeKratos, receiver: Receiver, planned: Any) -> None:
    receiver.responses |= {"parsed": planned, "after": planned}
    response = await run(fake, "registration", client_for(fake, native=True))

    assert response.status_code == 200
    assert response.json()["identity"]["traits"]["email"] == EMAIL


async def test_addresses_keep_the_status_that_a_response_leaves_out(fake: FakeKratos, receiver: Receiver) -> None:
    addresses = [{"value": EMAIL}, {"value": "other@example.test", "verified": True}]
    receiver.responses["parsed"] = (200, {"identity": {"verifiable_addresses": addresses}})
    await run(fake, "registration", client_for(fake, native=True))

    (identity,) = fake.identities
    assert [(address.value, address.verified) for address in identity.verifiable_addresses] == [(EMAIL, False)]


@pytest.mark.parametrize(
    ("path", "planned", "status", "name"),
    [
        ("parsed", (204, b""), 200, "Ada"),
        ("parsed", (200, {"identity": {"traits": {"email": EMAIL, "name": {"first": "Eve"}}}}), 200, "Eve"),
        ("parsed", (200, {"identity": {"traits": {"email": "nope"}}}), 400, None),
        ("parsed", (200, {"identity": {"traits": {"email": "bob@example.test"}}}), 400, None),
        ("parsed", REJECTED, 400, None),
        ("parsed", (400, {}), 400, None),
        ("after", CLIENT_ERROR, 502, "Ada"),
    ],
    ids=str,
)
async def test_settings_are_saved_after_the_parsed_hook_accepted_them(
    fake: FakeKratos, receiver: Receiver, *, path: str, planned: Any, status: int, name: str | None
) -> None:
    fake.add_identity("bob@example.test")
    receiver.responses[path] = planned
    response = await run(fake, "settings", client_for(fake, native=True), name={"first": "Ada"})

    assert response.status_code == status
    assert fake.identities[1].traits["name"].get("first") == name


async def test_settings_that_are_not_saved_send_no_hook(receiver: Receiver) -> None:
    fake = fake_with(receiver, {"settings.after.lookup_secret": (web_hook("parsed", **PARSE),)})
    app = client_for(fake, native=True)
    identity = fake.add_identity(EMAIL)
    app.use(fake.sign_in(identity))
    flow = await app.create_flow("settings")
    await app.submit(flow, method="lookup_secret", lookup_secret_regenerate=True)
    assert receiver.paths == []

    receiver.responses["parsed"] = REJECTED
    await app.submit(flow, method="lookup_secret", lookup_secret_confirm=True)
    assert receiver.paths == ["parsed"]
    assert identity.credentials.lookup_codes == {}


async def test_parsed_response_after_a_login_changes_the_response_only(
    fake: FakeKratos, receiver: Receiver
) -> None:
    receiver.responses["parsed"] = (200, {"identity": {"metadata_public": {"seen": True}}})
    app = client_for(fake, native=True)
    first = (await run(fake, "login", app)).json()
    app.client.headers["x-session-token"] = first["session_token"]

    assert first["session"]["identity"]["metadata_public"] == {"seen": True}
    assert (await app.whoami()).json()["identity"]["metadata_public"] is None


async def test_failed_hook_after_a_refresh_keeps_the_old_session(fake: FakeKratos, receiver: Receiver) -> None:
    identity = fake.add_identity(EMAIL)
    signed_in = fake.sign_in(identity, age=600)
    app = client_for(fake, native=True)
    app.use(signed_in)
    receiver.responses["after"] = CLIENT_ERROR
    flow = await app.create_flow("login", refresh="true")
    response = await app.submit(flow, method="password", identifier=EMAIL, password=PASSWORD)

    assert response.status_code == 502
    assert len(signed_in.session.methods) == 1
    context = receiver.find("after").json
    assert context["session"]["id"] == signed_in.session.id
    assert len(context["session"]["authentication_methods"]) == 2
