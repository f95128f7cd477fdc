"""Identities in the admin API, beyond the recordings."""

from typing import Any

import httpx2
import pytest
from support.flow_client import PASSWORD, client_for

from ory_guard.testing import FakeKratos, Identity, ManualClock
from ory_guard.testing.api.json_patch import apply_json_patch
from ory_guard.testing.server.response import ApiError

pytestmark = pytest.mark.anyio

IDENTITIES = "/admin/identities"
UNKNOWN = "00000000-0000-0000-0000-000000000001"
BODY = {"schema_id": "default", "traits": {"email": "grace@example.test"}}
GOOGLE = {"oidc": {"config": {"providers": [{"provider": "google", "subject": "s1"}]}}}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"state": None}, 201),
        ({"state": 1}, 400),
        ({"schema_id": ["default"]}, 400),
        ({"external_id": 1}, 400),
        ({"external_id": "taken"}, 409),
        ({"organization_id": "nope"}, 400),
        ({"organization_id": UNKNOWN}, 201),
        ({"credentials": []}, 400),
        ({"credentials": {"unknown": {}}}, 400),
        ({"credentials": {"password": {"config": {"password": PASSWORD}}}}, 201),
        ({"credentials": {"password": {"config": {"hashed_password": "x"}}}}, 400),
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


async def test_addresses_are_imported(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    addresses = [{"value": "Grace@example.test", "verified": True, "via": "email"}, {"verified": True}]
    await admin.post(IDENTITIES, json={**BODY, "verifiable_addresses": addresses})

    assert [address.verified for address in fake.identities[0].verifiable_addresses] == [True]


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
    headers = {"content-type": content_type}
    response = await admin.request(method, path.replace("ID", ada.id), content=body, headers=headers)

    assert response.status_code == status


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "replace", "path": "/traits/email", "value": "new@example.test"}, 200),
        ({"op": "add", "path": "/traits/name", "value": {"first": "Ada"}}, 200),
        ({"op": "remove", "path": "/traits/name"}, 200),
        ({"op": "replace", "path": "/none/deeper", "value": 1}, 200),
        ({"op": "add", "path": "/credentials/password", "value": {}}, 200),
        ({"op": "replace", "path": "/verifiable_addresses/0/verified", "value": True}, 200),
        ({"op": "replace", "path": "/updated_at", "value": "2020-01-01T00:00:00Z"}, 200),
        ({"op": "add", "path": "/organization_id", "value": UNKNOWN}, 200),
        ({"op": "add", "path": "/unknown", "value": 1}, 200),
        ({"op": "replace", "path": "/credentials", "value": {}}, 400),
        ({"op": "remove", "path": "/traits/nope"}, 400),
        ({"op": "remove", "path": "/traits/email"}, 400),
        ({"op": "remove", "path": "/state"}, 400),
        ({"op": "add", "path": "/traits/x/99999999999999999999", "value": 1}, 400),
        ({"op": "replace", "path": "/traits/none/deeper", "value": 1}, 400),
        ({"op": "replace", "path": "/traits/email/x", "value": 1}, 400),
        ({"op": "replace", "path": "/updated_at", "value": "x"}, 400),
        ({"op": "add", "path": "/organization_id", "value": "x"}, 400),
        ({"op": "move", "path": "/state", "from": "/traits"}, 400),
        ({"op": "replace", "path": "/state"}, 400),
        ("nonsense", 400),
    ],
    ids=str,
)
async def test_patch_is_applied_completely_or_not_at_all(
    admin: httpx2.AsyncClient, ada: Identity, operation: Any, status: int
) -> None:
    path = f"{IDENTITIES}/{ada.id}"
    before = (await admin.get(path)).json()
    response = await admin.patch(path, json=[operation])
    after = (await admin.get(path)).json()

    assert response.status_code == status
    assert after == (before if status == 400 else response.json())
    assert ada.verifiable_addresses[0].verified is ("verified" in str(operation))


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (b'[{"op": "add", "path": "/a/-", "value": 3}]', [1, 2, 3]),
        (b'[{"op": "add", "path": "/a/0", "value": 0}]', [0, 1, 2]),
        (b'[{"op": "replace", "path": "/a/1", "value": 5}]', [1, 5]),
        (b'[{"op": "remove", "path": "/a/0"}]', [2]),
        (b'[{"op": "remove", "path": "/a/7"}]', None),
        (b'[{"op": "add", "path": "/a/x", "value": 1}]', None),
        (b'[{"op": "add", "path": "/a/0/x", "value": 1}]', None),
        (b'[{"op": "add", "path": "/a/9/x", "value": 1}]', None),
    ],
)
def test_patch_changes_lists(patch: bytes, expected: Any) -> None:
    document = {"a": [1, 2]}
    if expected is None:
        with pytest.raises(ApiError):
            apply_json_patch(document, patch)
    else:
        assert apply_json_patch(document, patch) == {"a": expected}


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
    ("patches", "status"),
    [
        ([], 200),
        ([{}], 200),
        ([{"patch_id": 1}], 400),
        ([{"patch_id": "nope", "create": BODY}], 400),
        ([{"unknown": 1}], 400),
        ([{"create": {**BODY, "state": "x"}}], 400),
        ([{"create": {**BODY, "credentials": {"x": {}}}}], 400),
        ([{"create": {**BODY, "traits": {"email": "ada@example.test"}}}], 409),
        ([{}] * 1_001, 400),
        ([{"create": {"credentials": {"password": {"config": {"password": "x"}}}}}] * 201, 400),
    ],
    ids=["none", "empty", "number", "no UUID", "unknown", "state", "credentials", "conflict", "many", "passwords"],
)
@pytest.mark.usefixtures("ada")
async def test_batch(admin: httpx2.AsyncClient, patches: list[Any], status: int) -> None:
    assert (await admin.patch(IDENTITIES, json={"identities": patches})).status_code == status


async def test_batch_has_a_result_for_each_entry(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    ids = [UNKNOWN, UNKNOWN.replace("1", "2")]
    body = {"identities": [*({"create": BODY, "patch_id": patch_id} for patch_id in ids), {}]}
    created, conflict, empty = (await admin.patch(IDENTITIES, json=body)).json()["identities"]

    assert created == {"action": "create", "patch_id": ids[0], "identity": fake.identities[0].id}
    assert (conflict["action"], conflict["patch_id"], conflict["error"]["code"]) == ("error", ids[1], 409)
    assert empty is None
    assert (await admin.patch(IDENTITIES, content="null")).json() == {"identities": []}


async def test_batch_without_a_body_has_the_code_500(admin: httpx2.AsyncClient) -> None:
    response = await admin.patch(IDENTITIES)

    assert (response.status_code, response.json()["error"]["code"]) == (400, 500)


async def test_credentials_are_deleted_except_for_the_last_first_factor(
    fake: FakeKratos, admin: httpx2.AsyncClient
) -> None:
    ada = fake.add_identity(totp=True)
    ada.credentials.lookup_codes["abc"] = False
    ada.credentials.oidc_subjects["google"] = "s1"
    expected = [
        *[("totp", 204), ("totp", 404), ("lookup_secret", 204), ("lookup_secret", 404), ("nonsense", 404)],
        *[("oidc", 404), ("oidc?identifier=google:s1", 204), ("password", 400)],
    ]
    path = f"{IDENTITIES}/{ada.id}/credentials"
    statuses = [(name, (await admin.delete(f"{path}/{name}")).status_code) for name, _ in expected]
    ada.credentials.oidc_subjects["google"] = "s1"
    password = await admin.delete(f"{path}/password")

    assert statuses == expected
    assert ada.credentials.second_factors == ()
    assert (password.status_code, ada.credentials.password) == (204, None)


async def test_credentials_are_included_on_request(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    path = f"{IDENTITIES}/{fake.add_identity(totp=True).id}"
    plain, password, totp, unknown = [
        await admin.get(path, params=query)
        for query in ({}, *({"include_credential": name} for name in ("password", "totp", "none")))
    ]

    assert "config" not in plain.json()["credentials"]["password"]
    assert password.json()["credentials"]["password"]["config"] == {"hashed_password": "$2a$08$fake"}
    assert totp.json()["credentials"]["totp"]["config"] == {}
    assert unknown.status_code == 400


async def test_new_state_has_a_time(admin: httpx2.AsyncClient, clock: ManualClock, ada: Identity) -> None:
    clock.advance(5)
    await admin.patch(f"{IDENTITIES}/{ada.id}", json=[{"op": "replace", "path": "/state", "value": "inactive"}])

    assert (ada.state, ada.state_changed_at) == ("inactive", int(clock.time() * 1e9))
