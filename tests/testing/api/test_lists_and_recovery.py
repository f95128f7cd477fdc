"""Lists, recovery and courier messages in the admin API, beyond the recordings."""

from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from support.flow_client import FlowClient, client_for

from ory_guard.testing import FakeKratos, Identity

pytestmark = pytest.mark.anyio

UNKNOWN = "361ca423-2310-4686-b190-40d5497c9d17"
IDENTITIES, SESSIONS, MESSAGES = "/admin/identities", "/admin/sessions", "/admin/courier/messages"
EMAILS = [f"{name}@example.test" for name in ("ada", "bob", "eve")]


def next_link(response: httpx2.Response) -> str | None:
    """Return the link to the next page."""
    links = [part.split(">; rel=") for part in response.headers["link"].split(",<")]
    return next((url.strip("<") for url, rel in links if rel == '"next"'), None)


async def recover(client: FlowClient, email: str) -> None:
    """Let a recovery flow send an email."""
    await client.submit(await client.create_flow("recovery"), method="code", email=email)


@pytest.mark.parametrize("path", [IDENTITIES, "/identities", SESSIONS, MESSAGES])
async def test_pages_are_linked(fake: FakeKratos, admin: httpx2.AsyncClient, path: str) -> None:
    for email in EMAILS:
        fake.sign_in(fake.add_identity(email))
        await recover(client_for(fake), email)
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
        ({"per_page": "2", "page": "1"}, 1, ["first", "prev"]),
        ({"page": "-1", "per_page": "0"}, 1, ["next", "last"]),
        ({"per_page": "1", "page": "1"}, 1, ["first", "next", "prev", "last"]),
        ({"per_page": "5", "page": "x"}, 3, ["first"]),
    ],
    ids=str,
)
async def test_identities_have_numbered_pages(
    fake: FakeKratos, admin: httpx2.AsyncClient, query: dict[str, str], count: int, rels: list[str]
) -> None:
    for email in EMAILS:
        fake.add_identity(email)
    response = await admin.get(IDENTITIES, params=query)

    assert (len(response.json()), response.headers["x-total-count"]) == (count, "3")
    assert [part.split('rel="')[1].strip('"') for part in response.headers["link"].split(",<")] == rels


@pytest.mark.parametrize(
    ("path", "default", "maximum"), [(IDENTITIES, 250, 500), (SESSIONS, 250, 1000), (MESSAGES, 10, 500)]
)
async def test_page_sizes_of_lists(admin: httpx2.AsyncClient, path: str, default: int, maximum: int) -> None:
    sizes = {"": default, "0": default, "-1": default, "+3": 3, "501": min(501, maximum), "1001": maximum}
    links = {size: (await admin.get(path, params={"page_size": size})).headers["link"] for size in sizes}

    assert [size for size, expected in sizes.items() if f"page_size={expected}&" not in links[size]] == []


@pytest.mark.parametrize(
    ("path", "status", "count"),
    [
        (f"{IDENTITIES}?ids=x", 400, 0),
        (f"{IDENTITIES}?organization_id=x", 400, 0),
        (f"{IDENTITIES}?organization_id={UNKNOWN}", 200, 1),
        (f"{IDENTITIES}?organization_id={UNKNOWN}&credentials_identifier=x", 400, 0),
        (f"{IDENTITIES}?credentials_identifier=ADA@example.test", 200, 1),
        (f"{IDENTITIES}?preview_credentials_identifier_similar=ADA", 200, 1),
        (f"{IDENTITIES}?preview_credentials_identifier_similar=da@", 200, 0),
        (f"{IDENTITIES}?page=5&per_page=250", 400, 0),
        (f"{IDENTITIES}?per_page=1", 200, 1),
        (f"{IDENTITIES}?per_page=x", 400, 0),
        (f"{IDENTITIES}?page_size={'9' * 5_000}", 400, 0),
        (f"{IDENTITIES}/by/external/ext-2", 404, 0),
        (f"{SESSIONS}?page_size={'9' * 5_000}", 400, 0),
        (f"{SESSIONS}?page_token=x", 400, 0),
        (f"{SESSIONS}?active=x", 400, 0),
        (f"{SESSIONS}?active=T", 200, 1),
        (f"{SESSIONS}?active=0", 200, 0),
        (f"{SESSIONS}?active=", 200, 1),
        (f"{SESSIONS}?expand=nope", 400, 0),
        (f"{MESSAGES}?page_size=x", 400, 0),
        (f"{MESSAGES}/nope", 400, 0),
        (f"{MESSAGES}/{UNKNOWN}", 404, 0),
    ],
    ids=lambda value: str(value)[:90],
)
async def test_parameters_of_lists(
    fake: FakeKratos, admin: httpx2.AsyncClient, path: str, status: int, count: int
) -> None:
    fake.sign_in(fake.add_identity(EMAILS[0]))
    fake.add_identity(EMAILS[1]).organization_id = UNKNOWN
    response = await admin.get(path)

    assert response.status_code == status
    assert status != 200 or len(response.json()) == count


async def test_message_is_found_by_its_id(fake: FakeKratos, admin: httpx2.AsyncClient, app: FlowClient) -> None:
    fake.add_identity(EMAILS[0])
    for _ in range(2):
        await recover(app, EMAILS[0])
    message = fake.messages[0]

    found = (await admin.get(f"{MESSAGES}/{message.id}")).json()
    assert (found["body"], found["template_type"]) == (message.body, "recovery_code_valid")


@pytest.mark.parametrize(("kind", "action"), [("browser", "show_settings_ui"), ("api", "set_ory_session_token")])
async def test_recovery_code_logs_in(
    fake: FakeKratos, admin: httpx2.AsyncClient, ada: Identity, kind: str, action: str
) -> None:
    """The flow of an app accepts browsers, too."""
    body = {"identity_id": ada.id, "expires_in": "10m", "flow_type": kind}
    created = (await admin.post("/admin/recovery/code", json=body)).json()
    client = client_for(fake, native=kind == "api")
    client.client.headers["origin"] = "http://127.0.0.1:4455"
    flow = (
        await client.get_flow("recovery", urlsplit(created["recovery_link"]).query.removeprefix("flow="))
    ).json()
    fields = {"method": "code", "code": created["recovery_code"]}
    response = await client.client.post(flow["ui"]["action"], json=fields)

    assert created["expires_at"] == "2026-01-01T00:10:00Z"
    assert (flow["state"], response.json()["state"]) == ("sent_email", "passed_challenge")
    assert response.json()["continue_with"][0]["action"] == action


@pytest.mark.parametrize("method", ["code", "link"])
@pytest.mark.parametrize(
    ("settings", "statuses"),
    [({"methods": {"password"}}, (404, 404)), ({"recovery_enabled": False}, (201, 200))],
    ids=str,
)
async def test_method_of_recovery_must_be_enabled(
    settings: dict[str, Any], statuses: tuple[int, int], method: str
) -> None:
    fake = FakeKratos(**settings)
    transport = httpx2.ASGITransport(app=fake.admin_app)
    async with httpx2.AsyncClient(transport=transport, base_url=fake.settings.admin_url) as admin:
        response = await admin.post(f"/admin/recovery/{method}", json={"identity_id": fake.add_identity().id})

    assert response.status_code == statuses[method == "link"]


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("code", b'{"identity_id": "nope"}', 400),
        ("code", b'{"identity_id": "00000000-0000-0000-0000-000000000000"}', 404),
        ("code", b"{}", 404),
        ("code", b'{"identity_id": 1}', 400),
        ("code", b'{"identity_id": "ID", "flow_type": "x"}', 400),
        ("code", b"{", 400),
        ("code", b'{"identity_id": "ID", "expires_in": "soon"}', 400),
        ("code", b'{"identity_id": "ID", "expires_in": "0.0001ns"}', 400),
        ("link", f'{{"identity_id": "{UNKNOWN}"}}'.encode(), 400),
    ],
)
async def test_invalid_recovery_is_rejected(
    admin: httpx2.AsyncClient, ada: Identity, method: str, body: bytes, status: int
) -> None:
    content = body.replace(b'"ID"', f'"{ada.id}"'.encode())
    headers = {"content-type": "application/json"}
    response = await admin.post(f"/admin/recovery/{method}", content=content, headers=headers)

    assert response.status_code == status
