"""Bodies of the admin API, as Kratos v26.2.0 decodes them."""

from typing import Any

import httpx2
import pytest
from support.flow_client import PASSWORD, client_for

from ory_guard.testing import FakeKratos, Identity

pytestmark = pytest.mark.anyio

IDENTITIES = "/admin/identities"
UNKNOWN = "00000000-0000-0000-0000-000000000001"
EMAIL = "grace@example.test"
BODY = {"schema_id": "default", "traits": {"email": EMAIL}}
GOOGLE = {"oidc": {"config": {"providers": [{"provider": "google", "subject": "s1"}]}}}


@pytest.fixture
def admin(fake: FakeKratos) -> httpx2.AsyncClient:
    """A client of the admin API."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=fake.admin_app), base_url="http://127.0.0.1:4434")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 201),
        ({"state": None}, 201),
        ({"state": 1}, 400),
        ({"state": "x"}, 400),
        ({"unknown": 1}, 400),
        ({"external_id": 1}, 400),
        ({"external_id": "taken"}, 409),
        ({"organization_id": "nope"}, 400),
        ({"organization_id": UNKNOWN}, 201),
        ({"credentials": []}, 400),
        ({"credentials": {"unknown": {}}}, 400),
        ({"credentials": {"password": {"config": {"password": PASSWORD}}}}, 201),
        ({"credentials": {"password": {"config": {"hashed_password": "x"}}}}, 400),
        ({"credentials": {"password": {"config": {"hashed_password": "$2a$04$u2YBUv5rkdIJIGnUI8O3Le"}}}}, 201),
        ({"credentials": GOOGLE}, 201),
        ({"credentials": {"oidc": {"config": {"providers": ["x"]}}}}, 400),
        ({"verifiable_addresses": "x"}, 400),
        ({"traits": [1]}, 400),
    ],
    ids=str,
)
async def test_create(fake: FakeKratos, admin: httpx2.AsyncClient, fields: dict[str, Any], status: int) -> None:
    fake.add_identity("ada@example.test").external_id = "taken"

    assert (await admin.post(IDENTITIES, json={**BODY, **fields})).status_code == status


@pytest.mark.parametrize(
    ("request_line", "entity", "status"),
    [
        (("POST", IDENTITIES), ("text/plain", b'{"traits": {"email": "a@example.test"}} x'), 201),
        (("POST", IDENTITIES), ("application/x-www-form-urlencoded", b"schema_id=default"), 400),
        (("POST", IDENTITIES), ("application/json", b"null"), 400),
        (("PUT", f"{IDENTITIES}/ID"), ("text/plain", b'{"traits": {"email": "a@example.test"}}'), 400),
        (("PUT", f"{IDENTITIES}/ID"), ("application/json", b""), 400),
        (("PUT", f"{IDENTITIES}/nope"), ("application/json", b""), 400),
        (("PUT", f"{IDENTITIES}/nope"), ("application/json", b"{}"), 404),
        (("PATCH", f"{IDENTITIES}/ID"), ("application/json", b"null"), 200),
        (("PATCH", f"{IDENTITIES}/ID"), ("application/json", b"[" * 50_000), 400),
        (("PATCH", IDENTITIES), ("application/json", b""), 400),
        (("POST", "/admin/recovery/code"), ("text/plain", b'{"identity_id": "ID"}'), 400),
    ],
)
async def test_content_types(
    admin: httpx2.AsyncClient, ada: Identity, request_line: tuple[str, str], entity: tuple[str, bytes], status: int
) -> None:
    method, path = request_line
    content_type, body = entity
    response = await admin.request(
        method, path.replace("ID", ada.id), content=body, headers={"content-type": content_type}
    )

    assert response.status_code == status


async def test_batch_without_a_body_has_the_code_500(admin: httpx2.AsyncClient) -> None:
    response = await admin.patch(IDENTITIES)

    assert (response.status_code, response.json()["error"]["code"]) == (400, 500)


@pytest.mark.parametrize(
    ("patches", "status"),
    [
        ([], 200),
        ([{}], 200),
        ([{"patch_id": 1}], 400),
        ([{"patch_id": "nope", "create": BODY}], 400),
        ([{"unknown": 1}], 400),
        ([{"create": {**BODY, "state": "x"}}], 400),
        ([{"create": {**BODY, "credentials": {"x": {}}}}], 400),
        ([{}] * 1_001, 400),
        ([{"create": {"credentials": {"password": {"config": {"password": "x"}}}}}] * 201, 400),
    ],
    ids=["none", "empty", "number", "no UUID", "unknown", "state", "credentials", "many", "passwords"],
)
async def test_batch(admin: httpx2.AsyncClient, patches: list[Any], status: int) -> None:
    assert (await admin.patch(IDENTITIES, json={"identities": patches})).status_code == status


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "replace", "path": "/credentials", "value": {}}, 400),
        ({"op": "add", "path": "/credentials/password", "value": {}}, 200),
        ({"op": "remove", "path": "/traits/nope"}, 400),
        ({"op": "remove", "path": "/state"}, 400),
        ({"op": "add", "path": "/traits/x/99999999999999999999", "value": 1}, 400),
        ({"op": "replace", "path": "/updated_at", "value": "x"}, 400),
        ({"op": "replace", "path": "/updated_at", "value": "2020-01-01T00:00:00Z"}, 200),
        ({"op": "add", "path": "/organization_id", "value": "x"}, 400),
        ({"op": "add", "path": "/organization_id", "value": UNKNOWN}, 200),
        ({"op": "add", "path": "/unknown", "value": 1}, 200),
    ],
    ids=str,
)
async def test_patch(admin: httpx2.AsyncClient, ada: Identity, operation: dict[str, Any], status: int) -> None:
    assert (await admin.patch(f"{IDENTITIES}/{ada.id}", json=[operation])).status_code == status


async def test_patch_verifies_an_address(admin: httpx2.AsyncClient, ada: Identity) -> None:
    operation = {"op": "replace", "path": "/verifiable_addresses/0/verified", "value": True}
    await admin.patch(f"{IDENTITIES}/{ada.id}", json=[operation])

    assert ada.verifiable_addresses[0].verified


async def test_put_imports_credentials(fake: FakeKratos, admin: httpx2.AsyncClient, ada: Identity) -> None:
    credentials = {"password": {"config": {"password": "another-long-one"}}, **GOOGLE}
    body = {"traits": ada.traits, "credentials": credentials, "unknown": 1, "verifiable_addresses": "ignored"}
    response = await admin.put(f"{IDENTITIES}/{ada.id}", json=body)
    other = fake.add_identity()
    taken = await admin.put(f"{IDENTITIES}/{other.id}", json={"traits": other.traits, "credentials": GOOGLE})

    assert response.json()["credentials"]["oidc"]["identifiers"] == ["google:s1"]
    assert (await client_for(fake).log_in("ada@example.test", "another-long-one")).status_code == 200
    assert (taken.status_code, taken.json()["error"].get("reason")) == (409, None)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("password", 400),
        ("oidc", 404),
        ("oidc?identifier=google:s1", 204),
    ],
)
async def test_first_factors_are_removed_except_for_the_last(
    admin: httpx2.AsyncClient, ada: Identity, path: str, status: int
) -> None:
    if status != 400:
        ada.credentials.oidc_subjects["google"] = "s1"
    response = await admin.delete(f"{IDENTITIES}/{ada.id}/credentials/{path}")

    assert response.status_code == status


async def test_password_is_removed_beside_another_first_factor(admin: httpx2.AsyncClient, ada: Identity) -> None:
    ada.credentials.oidc_subjects["google"] = "s1"
    response = await admin.delete(f"{IDENTITIES}/{ada.id}/credentials/password")

    assert (response.status_code, ada.credentials.password) == (204, None)


@pytest.mark.parametrize(
    ("path", "query", "status", "count"),
    [
        (IDENTITIES, {"ids": "x"}, 400, 0),
        (IDENTITIES, {"organization_id": "x"}, 400, 0),
        (IDENTITIES, {"organization_id": UNKNOWN}, 200, 1),
        (IDENTITIES, {"organization_id": UNKNOWN, "credentials_identifier": "x"}, 400, 0),
        (IDENTITIES, {"preview_credentials_identifier_similar": "ADA"}, 200, 1),
        (IDENTITIES, {"preview_credentials_identifier_similar": "da@"}, 200, 0),
        (IDENTITIES, {"page": "5", "per_page": "250"}, 400, 0),
        (IDENTITIES, {"per_page": "1"}, 200, 1),
        (IDENTITIES, {"per_page": "x"}, 400, 0),
        (IDENTITIES, {"page_size": "9" * 5_000}, 400, 0),
        ("/admin/sessions", {"page_size": "9" * 5_000}, 400, 0),
        ("/admin/sessions", {"page_token": "x"}, 400, 0),
        ("/admin/sessions", {"active": "x"}, 400, 0),
        ("/admin/sessions", {"active": "T"}, 200, 1),
        ("/admin/sessions", {"active": "0"}, 200, 0),
        ("/admin/sessions", {"active": ""}, 200, 1),
        ("/admin/courier/messages", {"page_size": "x"}, 400, 0),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_parameters_of_lists(
    fake: FakeKratos, path: str, query: dict[str, str], status: int, count: int
) -> None:
    fake.sign_in(fake.add_identity("ada@example.test"))
    fake.add_identity("bob@example.test").organization_id = UNKNOWN
    transport = httpx2.ASGITransport(app=fake.admin_app)
    async with httpx2.AsyncClient(transport=transport, base_url=fake.settings.admin_url) as admin:
        response = await admin.get(path, params=query)

    assert response.status_code == status
    assert status != 200 or len(response.json()) == count


async def test_links_of_sessions_keep_other_parameters(fake: FakeKratos, ada: Identity) -> None:
    app = client_for(fake, native=True)
    app.use(fake.sign_in(ada))
    response = await app.get("/sessions", active="true", page_token="WyJhIl0")

    assert response.headers["link"].startswith("</sessions?active=true&page=0&page_size=")
