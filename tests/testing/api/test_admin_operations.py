"""Paging, replacement, batches, recovery and credentials in the admin API."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from support.flow_client import FlowClient, client_for

from ory_guard.testing import FakeKratos
from ory_guard.testing.api.json_patch import apply_json_patch
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.store.records import Identity

pytestmark = pytest.mark.anyio

UNKNOWN = "361ca423-2310-4686-b190-40d5497c9d17"


@pytest.fixture
async def admin(fake: FakeKratos) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the admin API."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=fake.admin_app), base_url="http://127.0.0.1:4434"
    ) as client:
        yield client


def next_link(response: httpx2.Response) -> str | None:
    """Return the link to the next page."""
    links = [part.split(">; rel=") for part in response.headers["link"].split(",<")]
    return next((url.strip("<") for url, rel in links if rel == '"next"'), None)


@pytest.mark.parametrize("path", ["/admin/identities", "/identities", "/admin/sessions", "/admin/courier/messages"])
async def test_pages_are_linked(fake: FakeKratos, admin: httpx2.AsyncClient, path: str) -> None:
    for name in ("ada", "bob", "eve"):
        fake.sign_in(fake.add_identity(f"{name}@example.test"))
        browser = client_for(fake)
        await browser.submit(await browser.create_flow("recovery"), method="code", email=f"{name}@example.test")
    seen: list[str] = []
    link: str | None = f"{path}?page_size=2"
    while link:
        response = await admin.get(link)
        seen += [entry["id"] for entry in response.json()]
        link = next_link(response)

    assert len(seen) == len(set(seen)) == 3
    assert (await admin.get(path, params={"page_token": "zzz"})).status_code == 400


@pytest.mark.parametrize(
    ("query", "count", "rels"),
    [
        ({"per_page": "1", "page": "0"}, 1, ["next", "last"]),
        ({"per_page": "2", "page": "1", "ids": ""}, 1, ["first", "prev"]),
        ({"page": "-1", "per_page": "0"}, 1, ["next", "last"]),
        ({"per_page": "1", "page": "1"}, 1, ["first", "next", "prev", "last"]),
        ({"per_page": "5", "page": "x"}, 3, ["first"]),
    ],
    ids=str,
)
async def test_identities_have_numbered_pages(
    fake: FakeKratos, admin: httpx2.AsyncClient, query: dict[str, str], count: int, rels: list[str]
) -> None:
    for name in ("ada", "bob", "eve"):
        fake.add_identity(f"{name}@example.test")
    response = await admin.get("/admin/identities", params=[pair for pair in query.items() if pair[1]])

    assert (len(response.json()), response.headers["x-total-count"]) == (count, "3")
    assert [part.split('rel="')[1].strip('"') for part in response.headers["link"].split(",<") if part] == rels


async def test_identity_is_found_by_its_external_id(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    ada = fake.add_identity()
    ada.external_id = "ext-1"
    found = await admin.get("/admin/identities/by/external/ext-1")

    assert found.json()["id"] == ada.id
    assert (await admin.get("/admin/identities/by/external/ext-2")).status_code == 404


async def test_batch_has_a_result_for_each_entry(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    create = {"traits": {"email": "ada@example.test"}}
    ids = [UNKNOWN, UNKNOWN.replace("0", "1")]
    body = {"identities": [*({"create": create, "patch_id": patch_id} for patch_id in ids), {}]}
    created, conflict, empty = (await admin.patch("/admin/identities", json=body)).json()["identities"]

    assert (created["action"], created["patch_id"], created["identity"]) == (
        "create",
        ids[0],
        fake.identities[0].id,
    )
    assert (conflict["action"], conflict["patch_id"], conflict["error"]["code"]) == ("error", ids[1], 409)
    assert empty is None
    assert (await admin.patch("/admin/identities", json={"identities": [{"create": create}]})).status_code == 409
    assert (await admin.patch("/admin/identities", content="null")).json() == {"identities": []}


async def test_recovery_code_logs_in(fake: FakeKratos, admin: httpx2.AsyncClient, ada: Identity) -> None:
    body = {"identity_id": ada.id, "expires_in": "10m"}
    created = (await admin.post("/admin/recovery/code", json=body)).json()
    flow_id = urlsplit(created["recovery_link"]).query.removeprefix("flow=")
    browser = client_for(fake)
    flow = (await browser.get_flow("recovery", flow_id)).json()
    fields = {"method": "code", "code": created["recovery_code"]}
    response = await browser.client.post(flow["ui"]["action"], json=fields)

    assert (flow["state"], response.json()["state"]) == ("sent_email", "passed_challenge")
    assert (await browser.whoami()).json()["identity"]["id"] == ada.id
    assert created["expires_at"] == "2026-01-01T00:10:00Z"


async def test_recovery_code_of_an_app_returns_a_token(
    fake: FakeKratos, admin: httpx2.AsyncClient, app: FlowClient, ada: Identity
) -> None:
    """The flow accepts browsers, too."""
    created = (await admin.post("/admin/recovery/code", json={"identity_id": ada.id, "flow_type": "api"})).json()
    flow_id = urlsplit(created["recovery_link"]).query.removeprefix("flow=")
    app.client.headers["origin"] = "http://127.0.0.1:4455"
    flow = (await app.get_flow("recovery", flow_id)).json()
    response = await app.submit(flow, method="code", code=created["recovery_code"])

    assert response.json()["continue_with"][0]["action"] == "set_ory_session_token"


@pytest.mark.parametrize("method", ["code", "link"])
async def test_recovery_by_a_disabled_method_is_not_found(method: str) -> None:
    fake = FakeKratos(methods={"password"})
    ada = fake.add_identity()
    transport = httpx2.ASGITransport(app=fake.admin_app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:4434") as client:
        response = await client.post(f"/admin/recovery/{method}", json={"identity_id": ada.id})

    assert response.status_code == 404


async def test_recovery_link_of_an_unknown_identity_is_rejected(admin: httpx2.AsyncClient) -> None:
    assert (await admin.post("/admin/recovery/link", json={"identity_id": UNKNOWN})).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"identity_id": "nope"}', 400),
        (b'{"identity_id": "00000000-0000-0000-0000-000000000000"}', 404),
        (b"{}", 404),
        (b'{"identity_id": 1}', 400),
        (b'{"identity_id": "ID", "flow_type": "x"}', 400),
        (b"{", 400),
        (b'{"identity_id": "ID", "expires_in": "soon"}', 400),
        (b'{"identity_id": "ID", "expires_in": "0.0001ns"}', 400),
    ],
)
async def test_invalid_recovery_is_rejected(
    admin: httpx2.AsyncClient, ada: Identity, body: bytes, status: int
) -> None:
    content = body.replace(b'"ID"', f'"{ada.id}"'.encode())
    response = await admin.post(
        "/admin/recovery/code", content=content, headers={"content-type": "application/json"}
    )

    assert response.status_code == status


async def test_second_factors_are_removed(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    ada = fake.add_identity(totp=True)
    ada.credentials.lookup_codes["abc"] = False
    kinds = ("totp", "totp", "lookup_secret", "lookup_secret", "password", "nonsense")
    statuses = [
        (await admin.delete(f"/admin/identities/{ada.id}/credentials/{kind}")).status_code for kind in kinds
    ]

    assert statuses == [204, 404, 204, 404, 400, 404]
    assert ada.credentials.second_factors == ()


async def test_credentials_are_included_on_request(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    path = f"/admin/identities/{fake.add_identity(totp=True).id}"
    plain, password, totp, unknown = [
        await admin.get(path, params=query)
        for query in ({}, *({"include_credential": name} for name in ("password", "totp", "none")))
    ]

    assert "config" not in plain.json()["credentials"]["password"]
    assert password.json()["credentials"]["password"]["config"] == {"hashed_password": "$2a$08$fake"}
    assert totp.json()["credentials"]["totp"]["config"] == {}
    assert unknown.status_code == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/admin/sessions/nope", 400),
        (f"/admin/sessions/{UNKNOWN}", 404),
        ("/admin/identities/nope", 404),
        ("/admin/identities/nope/sessions", 400),
        (f"/admin/identities/{UNKNOWN}/sessions", 200),
        ("/admin/courier/messages?status=nope", 400),
        ("/admin/courier/messages/nope", 400),
        (f"/admin/courier/messages/{UNKNOWN}", 404),
        ("/sessions/whoami", 307),
        ("/schemas/default", 307),
        ("/admin/none", 404),
    ],
)
async def test_paths_of_the_admin_api(admin: httpx2.AsyncClient, path: str, status: int) -> None:
    assert (await admin.get(path)).status_code == status


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


@pytest.mark.parametrize(
    ("path", "default", "maximum"),
    [("identities", 250, 500), ("sessions", 250, 1000), ("courier/messages", 10, 500)],
)
async def test_page_sizes_of_admin_lists(admin: httpx2.AsyncClient, path: str, default: int, maximum: int) -> None:
    sizes = {"": default, "0": default, "-1": default, "+3": 3, "501": min(501, maximum), "1001": maximum}
    links = {
        size: (await admin.get(f"/admin/{path}", params={"page_size": size})).headers["link"] for size in sizes
    }

    assert [size for size, expected in sizes.items() if f"page_size={expected}&" not in links[size]] == []
