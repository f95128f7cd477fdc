"""The admin API of the fake."""

from typing import Any

import httpx2
import pytest
from visitor import Visitor

from ory_guard.testing import FakeKratos, ManualClock

pytestmark = pytest.mark.anyio

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def admin(fake: FakeKratos) -> httpx2.AsyncClient:
    """A client of the admin API."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=fake.admin_app), base_url="http://127.0.0.1:4434")


async def test_an_identity_that_is_created_can_sign_in(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    """All that is sent is kept, and secrets are not shown."""
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
        "organization_id": "acme",
        "external_id": "42",
    }
    created = await admin.post("/admin/identities", json=body)
    found = (await admin.get(created.headers["location"])).json()

    assert created.status_code == 201
    assert found == created.json()
    assert found["credentials"]["password"]["identifiers"] == ["ada@example.test"]
    assert "a-long-enough-one" not in created.text
    assert found["verifiable_addresses"][0]["verified"] is True
    assert (found["metadata_admin"], found["external_id"]) == ({"note": 1}, "42")
    assert (await Visitor(fake).sign_in("ada@example.test", "a-long-enough-one")).status_code == 200


async def test_an_identity_needs_nothing_but_traits(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    """Without a password it can't sign in with one."""
    created = await admin.post("/admin/identities", json={"traits": {"email": "ada@example.test"}})

    assert (created.json()["state"], created.json()["credentials"]) == ("active", {})
    assert (await Visitor(fake).sign_in("ada@example.test", "")).status_code == 400


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
async def test_an_identity_that_does_not_fit_is_refused(
    fake: FakeKratos, admin: httpx2.AsyncClient, body: Any, status: int
) -> None:
    """The refusal is an error in Ory's form."""
    fake.add_identity("taken@example.test")
    kind = {"content-type": "application/json"}
    sent = {"json": body} if body else {"content": b"{", "headers": kind}
    answer = await admin.post("/admin/identities", **sent)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)


async def test_identities_are_listed_and_found_by_identifier(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    """Lists come in pages; an identifier finds its owner or nobody."""
    for name in ("ada", "bob", "eve"):
        fake.add_identity(f"{name}@example.test")
    page = await admin.get("/admin/identities", params={"page_size": "2"})
    ada = await admin.get("/admin/identities", params={"credentials_identifier": "ADA@example.test"})
    nobody = await admin.get("/admin/identities", params={"credentials_identifier": "x"})

    assert (len(page.json()), page.headers["x-total-count"]) == (2, "3")
    assert 'rel="next"' in page.headers["link"]
    assert [one["traits"]["email"] for one in ada.json()] == ["ada@example.test"]
    assert nobody.json() == []


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ([{"op": "replace", "path": "/state", "value": "inactive"}], 200),
        ([{"op": "replace", "path": "/traits/email", "value": "new@example.test"}], 200),
        ([{"op": "add", "path": "/traits/name", "value": {"first": "Ada"}}], 200),
        ([{"op": "remove", "path": "/metadata_public"}], 200),
        ([{"op": "remove", "path": "/traits/name"}], 200),
        ([{"op": "test", "path": "/state", "value": "active"}], 200),
        ([{"op": "test", "path": "/state", "value": "inactive"}], 400),
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
async def test_an_identity_is_patched(fake: FakeKratos, admin: httpx2.AsyncClient, patch: Any, status: int) -> None:
    """A patch that fits is applied, any other is refused and changes nothing."""
    identity = fake.add_identity("ada@example.test", metadata_public={"plan": "pro"})
    before = (await admin.get(f"/admin/identities/{identity.id}")).json()
    sent = {"content": patch} if isinstance(patch, bytes) else {"json": patch}
    answer = await admin.patch(f"/admin/identities/{identity.id}", **sent)
    after = (await admin.get(f"/admin/identities/{identity.id}")).json()

    assert answer.status_code == status
    assert after == (before if status == 400 else answer.json())


async def test_a_disabled_identity_is_signed_out_and_back_in(
    fake: FakeKratos, admin: httpx2.AsyncClient, clock: ManualClock
) -> None:
    """A state that changes says when."""
    identity = fake.add_identity("ada@example.test")
    app = Visitor(fake, app=True)
    app.client.headers.update(fake.sign_in(identity).headers)
    clock.advance(5)
    statuses = []
    for state in ("inactive", "active"):
        patch = [{"op": "replace", "path": "/state", "value": state}]
        await admin.patch(f"/admin/identities/{identity.id}", json=patch)
        statuses.append((await app.whoami()).status_code)

    assert statuses == [401, 200]
    assert identity.state_changed_at == int(clock.time() * 1e9)


async def test_sessions_are_shown_extended_revoked_and_deleted(
    fake: FakeKratos, admin: httpx2.AsyncClient, clock: ManualClock
) -> None:
    """An operator can do all that to any session."""
    identity = fake.add_identity("ada@example.test")
    first, second = fake.sign_in(identity).session, fake.sign_in(identity).session
    clock.advance(60)
    listed = await admin.get("/admin/sessions")
    extended = await admin.patch(f"/admin/sessions/{first.id}/extend")
    revoked = await admin.delete(f"/admin/sessions/{second.id}")
    shown = await admin.get(f"/admin/sessions/{second.id}")
    own = f"/admin/identities/{identity.id}/sessions"
    counts = [len((await admin.get(own, params=query)).json()) for query in ({}, {"active": "true"})]
    deleted = await admin.delete(own)
    again = await admin.delete(own)

    assert [one["id"] for one in listed.json()] == [second.id, first.id]
    assert extended.json()["expires_at"] == "2026-01-01T01:01:00Z"
    assert (revoked.status_code, shown.json()["active"]) == (204, False)
    assert counts == [2, 1]
    assert (deleted.status_code, again.status_code) == (204, 404)


async def test_an_identity_is_deleted_with_its_sessions(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    """Nothing is left of it."""
    identity = fake.add_identity("ada@example.test")
    session = fake.sign_in(identity).session
    deleted = await admin.delete(f"/admin/identities/{identity.id}")

    assert deleted.status_code == 204
    assert (await admin.get(f"/admin/identities/{identity.id}")).status_code == 404
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
async def test_messages_are_listed_newest_first(
    fake: FakeKratos, admin: httpx2.AsyncClient, query: dict[str, str], recipients: list[str]
) -> None:
    """A message has its code in its body."""
    for name in ("ada", "bob"):
        fake.add_identity(f"{name}@example.test")
        visitor = Visitor(fake)
        await visitor.submit(await visitor.flow("recovery"), method="code", email=f"{name}@example.test")
    found = (await admin.get("/admin/courier/messages", params=query)).json()

    assert [one["recipient"] for one in found] == recipients
    assert all(one["template_type"] == "recovery_code_valid" for one in found)
    assert all(message.code in message.body for message in fake.messages)


@pytest.mark.parametrize("path", ["/admin/health/alive", "/health/ready"])
async def test_the_admin_api_is_healthy(admin: httpx2.AsyncClient, path: str) -> None:
    """Probes find it under both prefixes."""
    assert (await admin.get(path)).json() == {"status": "ok"}


async def test_the_public_api_has_no_admin_paths(fake: FakeKratos) -> None:
    """What is for operators is on another application."""
    assert (await Visitor(fake).get(f"/admin/identities/{UNKNOWN}")).status_code == 404
