"""The admin API."""

from typing import Any

import httpx2
import pytest
from support.flow_client import FlowClient, client_for

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def admin(fake: FakeKratos) -> httpx2.AsyncClient:
    """A client of the admin API."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=fake.admin_app), base_url="http://127.0.0.1:4434")


async def test_created_identity_can_log_in(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    """The response contains no secrets."""
    body = {
        "schema_id": "default",
        "traits": {"email": "ada@example.test"},
        "credentials": {"password": {"config": {"password": "a-long-enough-one"}}},
        "verifiable_addresses": [
            {"value": "Ada@example.test", "verified": True, "via": "email"},
            {"verified": True},
        ],
        "metadata_public": {"plan": "pro"},
        "metadata_admin": {"note": 1},
        "organization_id": "7942aef0-8fde-48cb-bc04-456236edafde",
        "external_id": "42",
    }
    created = await admin.post("/admin/identities", json=body)
    stored = (await admin.get(created.headers["location"])).json()

    assert created.status_code == 201
    assert (
        stored["credentials"]["webauthn"].pop("version") - 1 == created.json()["credentials"]["webauthn"]["version"]
    )
    assert stored.keys() == created.json().keys()
    assert stored["credentials"]["password"]["identifiers"] == ["ada@example.test"]
    assert "a-long-enough-one" not in created.text
    assert stored["verifiable_addresses"][0]["verified"] is True
    assert (stored["metadata_admin"], stored["external_id"]) == ({"note": 1}, "42")
    assert (await client_for(fake).log_in("ada@example.test", "a-long-enough-one")).status_code == 200


async def test_identity_only_requires_traits(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    created = await admin.post("/admin/identities", json={"traits": {"email": "ada@example.test"}})

    assert created.json()["state"] == "active"
    assert created.json()["traits"] == {"email": "ada@example.test"}
    assert (await client_for(fake).log_in("ada@example.test", "")).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"traits": {}}, 400),
        ({"traits": 7}, 400),
        ({"traits": {"email": "taken@example.test"}}, 409),
        ({"traits": {"email": "a@example.test"}, "schema_id": "none"}, 400),
        ({"traits": {"email": "a@example.test"}, "schema_id": ["default"]}, 400),
        ({"traits": {"email": "a@example.test"}, "state": "banned"}, 400),
        ({"traits": {"email": "a@example.test"}, "state": ["active"]}, 400),
        (None, 400),
    ],
    ids=str,
)
async def test_invalid_identity_is_rejected(
    fake: FakeKratos, admin: httpx2.AsyncClient, body: Any, status: int
) -> None:
    fake.add_identity("taken@example.test")
    malformed = {"content": b"{", "headers": {"content-type": "application/json"}}
    response = await admin.post("/admin/identities", **({"json": body} if body else malformed))

    assert (response.status_code, response.json()["error"]["code"]) == (status, status)


async def test_identities_are_listed_and_filtered_by_identifier(
    fake: FakeKratos, admin: httpx2.AsyncClient
) -> None:
    for name in ("ada", "bob", "eve"):
        fake.add_identity(f"{name}@example.test")
    page = await admin.get("/admin/identities", params={"page_size": "2"})
    ada = await admin.get("/admin/identities", params={"credentials_identifier": "ADA@example.test"})
    unknown = await admin.get("/admin/identities", params={"credentials_identifier": "x"})

    assert (len(page.json()), page.headers.get("x-total-count")) == (2, None)
    assert 'rel="next"' in page.headers["link"]
    assert [identity["traits"]["email"] for identity in ada.json()] == ["ada@example.test"]
    assert unknown.json() == []


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ([{"op": "replace", "path": "/state", "value": "inactive"}], 200),
        ([{"op": "replace", "path": "/traits/email", "value": "new@example.test"}], 200),
        ([{"op": "add", "path": "/traits/name", "value": {"first": "Ada"}}], 200),
        ([{"op": "remove", "path": "/metadata_public"}], 200),
        ([{"op": "remove", "path": "/traits/name"}], 200),
        ([{"op": "replace", "path": "/none/deeper", "value": 1}], 200),
        ([{"op": "replace", "path": "/credentials/password", "value": {}}], 200),
        ([{"op": "add", "path": "/metadata_public/roles", "value": ["a"]}], 200),
        ([{"op": "test", "path": "/state", "value": "active"}], 400),
        ([{"op": "replace", "path": "/schema_id", "value": "none"}], 400),
        ([{"op": "replace", "path": "/traits/none", "value": 1}], 400),
        ([{"op": "replace", "path": "/traits/none/deeper", "value": 1}], 400),
        ([{"op": "replace", "path": "/traits/email/x", "value": 1}], 400),
        ([{"op": "replace", "path": "/id", "value": "x"}], 400),
        ([{"op": "move", "path": "/state", "from": "/traits"}], 400),
        ([{"op": "remove", "path": "/traits/email"}], 400),
        ([{"op": "replace", "path": "/state"}], 400),
        (["nonsense"], 400),
        ({"state": "inactive"}, 400),
        (b"{", 400),
    ],
    ids=str,
)
async def test_patch_is_applied_completely_or_not_at_all(
    fake: FakeKratos, admin: httpx2.AsyncClient, patch: Any, status: int
) -> None:
    identity = fake.add_identity("ada@example.test", metadata_public={"plan": "pro"})
    before = (await admin.get(f"/admin/identities/{identity.id}")).json()
    body = {"content": patch} if isinstance(patch, bytes) else {"json": patch}
    response = await admin.patch(f"/admin/identities/{identity.id}", **body)
    after = (await admin.get(f"/admin/identities/{identity.id}")).json()

    assert response.status_code == status
    assert after == (before if status == 400 else response.json())


async def test_state_decides_whether_sessions_are_valid(
    fake: FakeKratos, admin: httpx2.AsyncClient, clock: ManualClock, app: FlowClient, ada: Identity
) -> None:
    app.use(fake.sign_in(ada))
    clock.advance(5)
    statuses = []
    for state in ("inactive", "active"):
        patch = [{"op": "replace", "path": "/state", "value": state}]
        await admin.patch(f"/admin/identities/{ada.id}", json=patch)
        statuses.append((await app.whoami()).status_code)

    assert statuses == [401, 200]
    assert ada.state_changed_at == int(clock.time() * 1e9)


async def test_sessions_can_be_listed_extended_revoked_and_deleted(
    fake: FakeKratos, admin: httpx2.AsyncClient, clock: ManualClock, ada: Identity
) -> None:
    first, second = fake.sign_in(ada).session, fake.sign_in(ada).session
    clock.advance(60)
    listed = await admin.get("/admin/sessions")
    extended = await admin.patch(f"/admin/sessions/{first.id}/extend")
    revoked = await admin.delete(f"/admin/sessions/{second.id}")
    shown = await admin.get(f"/admin/sessions/{second.id}")
    path = f"/admin/identities/{ada.id}/sessions"
    counts = [len((await admin.get(path, params=query)).json()) for query in ({}, {"active": "true"})]
    deleted = await admin.delete(path)
    deleted_again = await admin.delete(path)

    assert [session["id"] for session in listed.json()] == [second.id, first.id]
    assert extended.json()["expires_at"] == "2026-01-01T01:01:00Z"
    assert (revoked.status_code, shown.json()["active"]) == (204, False)
    assert counts == [2, 1]
    assert (deleted.status_code, deleted_again.status_code) == (204, 404)


async def test_deleting_an_identity_deletes_its_sessions(
    fake: FakeKratos, admin: httpx2.AsyncClient, ada: Identity
) -> None:
    session = fake.sign_in(ada).session
    deleted = await admin.delete(f"/admin/identities/{ada.id}")

    assert deleted.status_code == 204
    assert (await admin.get(f"/admin/identities/{ada.id}")).status_code == 404
    assert (await admin.get(f"/admin/sessions/{session.id}")).status_code == 404
    assert fake.identities == ()


@pytest.mark.parametrize(
    ("query", "recipients"),
    [
        ({}, ["bob@example.test", "ada@example.test"]),
        ({"recipient": "ada@example.test"}, ["ada@example.test"]),
        ({"status": "sent"}, ["bob@example.test", "ada@example.test"]),
        ({"status": "queued"}, []),
    ],
    ids=str,
)
async def test_courier_messages_are_listed_newest_first(
    fake: FakeKratos, admin: httpx2.AsyncClient, query: dict[str, str], recipients: list[str]
) -> None:
    for name in ("ada", "bob"):
        fake.add_identity(f"{name}@example.test")
        browser = client_for(fake)
        await browser.submit(await browser.create_flow("recovery"), method="code", email=f"{name}@example.test")
    messages = (await admin.get("/admin/courier/messages", params=query)).json()

    assert [message["recipient"] for message in messages] == recipients
    assert all(message["template_type"] == "recovery_code_valid" for message in messages)
    assert all(message.code in message.body for message in fake.messages)


@pytest.mark.parametrize("path", ["/admin/health/alive", "/health/ready"])
async def test_health_is_served_under_both_prefixes(admin: httpx2.AsyncClient, path: str) -> None:
    assert (await admin.get(path)).json() == {"status": "ok"}


async def test_public_api_redirects_to_the_admin_api(fake: FakeKratos) -> None:
    response = await client_for(fake).get(f"/admin/identities/{UNKNOWN}?a=b")

    assert response.status_code == 307
    assert response.headers["location"] == f"http://127.0.0.1:4434/admin/identities/{UNKNOWN}?a=b"
