"""The admin API."""

from typing import Any

import httpx2
import pytest

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def admin(fake: FakeKratos) -> httpx2.AsyncClient:
    """A client of the admin API."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=fake.admin_app), base_url="http://127.0.0.1:4434")


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
