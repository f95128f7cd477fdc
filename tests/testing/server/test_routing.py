"""Methods, paths, and ids in other spellings."""

import re

import httpx2
import pytest
from support.flow_client import FlowClient, client_for, field_value

from ory_guard.testing import FakeKratos
from ory_guard.testing.server.uuids import canonical_uuid, parse_uuid

pytestmark = pytest.mark.anyio

ID = "4870e0e4-6c42-4b96-9b8d-451983b7f12d"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/self-service/login", 405, "GET, HEAD, POST"),
        ("POST", "/self-service/login/api", 405, "GET, HEAD"),
        ("PATCH", "/sessions", 405, "DELETE, GET, HEAD"),
        ("GET", f"/sessions/{ID}", 405, "DELETE"),
        ("POST", "/self-service/login/browser", 403, None),
        ("DELETE", "/self-service/errors", 403, None),
        ("POST", "/nope", 403, None),
        ("OPTIONS", "/self-service/login/browser", 405, "GET, HEAD"),
        ("GET", "/nope", 404, None),
        ("DELETE", "/version", 404, None),
        ("HEAD", "/self-service/login/api", 200, None),
        ("HEAD", "/health/alive", 200, None),
    ],
)
async def test_other_methods(fake: FakeKratos, method: str, path: str, status: int, allow: str | None) -> None:
    response = await client_for(fake).client.request(method, path)

    assert (response.status_code, response.headers.get("allow")) == (status, allow)
    assert method != "HEAD" or response.content == b""


@pytest.mark.parametrize(
    ("method", "path", "status", "result"),
    [
        ("GET", "/admin/schemas?a=b", 307, "/schemas?a=b"),
        ("POST", "/schemas", 405, "GET, HEAD"),
        ("GET", "/admin/sessions/whoami", 307, "/sessions/whoami"),
        ("POST", "/sessions/whoami", 405, "DELETE, GET, HEAD"),
        ("DELETE", "/sessions/whoami", 400, None),
        ("DELETE", "/admin/sessions", 307, "/sessions"),
        ("PUT", "/sessions", 405, "DELETE, GET, HEAD"),
        ("POST", "/self-service/login?flow=x", 307, "/self-service/login?flow=x"),
        ("PUT", "/self-service/login", 405, "GET, HEAD, POST"),
        ("GET", "/self-service/logout/api", 405, "DELETE"),
        ("GET", "/nope", 404, None),
    ],
)
async def test_other_methods_of_the_admin_api(
    fake: FakeKratos, method: str, path: str, status: int, result: str | None
) -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=fake.admin_app), base_url=fake.settings.admin_url
    ) as client:
        response = await client.request(method, path)
    location = response.headers.get("location")

    assert response.status_code == status
    assert result == (
        location.removeprefix(fake.settings.public_url) if location else response.headers.get("allow")
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/identities?a=b", 307),
        ("POST", "/admin/identities", 307),
        ("PATCH", "/identities", 405),
        ("DELETE", f"/identities/{ID}/sessions", 307),
        ("POST", "/recovery/code", 307),
        ("GET", "/admin/courier/messages", 307),
        ("GET", "/admin/schemas", 200),
        ("GET", "/admin/sessions", 404),
        ("POST", "/admin/sessions", 403),
        ("GET", "/self-service/fed-cm/parameters", 404),
    ],
)
async def test_admin_paths_of_the_public_api(fake: FakeKratos, method: str, path: str, status: int) -> None:
    response = await client_for(fake).client.request(method, path)
    location = f"{fake.settings.admin_url}/admin{path.removeprefix('/admin')}" if status == 307 else None

    assert (response.status_code, response.headers.get("location")) == (status, location)


@pytest.mark.parametrize("body", [b"state=q+w&a=2", b"a=%zz"])
async def test_response_of_a_provider_by_form_is_redirected(browser: FlowClient, body: bytes) -> None:
    """Some providers post their response. Parameters of the path count more."""
    response = await browser.client.post(
        "/self-service/methods/oidc/callback/apple?z=1&a=1",
        content=body,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    query = response.headers["location"].partition("?")[2]

    assert (response.status_code, query) == (302, "a=1&state=q+w&z=1" if b"state" in body else "a=1&z=1")


@pytest.mark.parametrize("in_header", [True, False])
async def test_csrf_token_admits_an_unsafe_method_to_the_router(browser: FlowClient, in_header: bool) -> None:
    token = field_value(await browser.create_flow("login"), "csrf_token")
    headers = {"x-csrf-token": token} if in_header else {}
    data = {} if in_header else {"csrf_token": token}
    response = await browser.client.post("/self-service/login/browser", headers=headers, data=data)

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_unknown_paths_set_an_anti_csrf_cookie_once(browser: FlowClient) -> None:
    first, second = await browser.get("/nope"), await browser.get("/nope")

    assert "csrf_token_" in first.headers["set-cookie"]
    assert "set-cookie" not in second.headers


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("//sessions/whoami", "/sessions/whoami"),
        ("/sessions//whoami/?a=b", "/sessions/whoami/?a=b"),
        ("/a/..//sessions/./whoami", "/sessions/whoami"),
        ("//", "/"),
    ],
)
async def test_other_spellings_of_a_path_are_redirected(fake: FakeKratos, path: str, location: str) -> None:
    client = client_for(fake).client
    response = await client.send(client.build_request("GET", f"{fake.settings.public_url}{path}"))

    assert (response.status_code, response.headers["location"]) == (307, location)


async def test_accept_is_case_sensitive(browser: FlowClient) -> None:
    statuses = [
        (await browser.start("login", accept)).status_code for accept in ("application/json", "APPLICATION/JSON")
    ]

    assert statuses == [200, 303]


@pytest.mark.parametrize(
    "text", [ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", f"{{{ID.replace('-', '')}}}"]
)
def test_uuid_is_accepted_in_all_spellings(text: str) -> None:
    assert canonical_uuid(text) == ID


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", 'uuid: incorrect UUID length 4 in string "nope"'),
        ("", 'uuid: incorrect UUID length 0 in string ""'),
        ("é", 'uuid: incorrect UUID length 2 in string "é"'),
        (ID.replace("-", "_"), "uuid: incorrect UUID format in string"),
        ("g" * 32, "uuid: incorrect UUID format in string"),
        (f"({ID})", "uuid: incorrect UUID format in string"),
        (f"{{{ID})", "uuid: incorrect UUID format in string"),
        (f"urn_uuid:{ID}", "uuid: incorrect UUID format in string"),
    ],
)
def test_parse_uuid_explains_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_uuid(text)

    assert canonical_uuid(text) is None


def test_nil_uuid_is_not_an_id() -> None:
    assert canonical_uuid("0" * 32) is None


async def test_session_dies_by_an_id_in_any_spelling(fake: FakeKratos, app: FlowClient) -> None:
    identity = fake.add_identity()
    app.use(fake.sign_in(identity))
    for spelling in (str.upper, lambda text: text.replace("-", ""), lambda text: f"urn:uuid:{text}"):
        other = fake.sign_in(identity)
        response = await app.client.delete(f"/sessions/{spelling(other.session.id)}")

        assert (response.status_code, other.session.active) == (204, False)


async def test_session_id_must_be_a_uuid(fake: FakeKratos, app: FlowClient) -> None:
    anonymous = await app.client.delete("/sessions/nope")
    app.use(fake.sign_in(fake.add_identity()))
    response = await app.client.delete("/sessions/nope")

    assert anonymous.status_code == 401
    assert (response.status_code, response.json()["error"]["message"]) == (
        400,
        'uuid: incorrect UUID length 4 in string "nope"',
    )


async def test_delete_of_whoami_returns_the_session(fake: FakeKratos, app: FlowClient) -> None:
    signed_in = fake.sign_in(fake.add_identity())
    app.use(signed_in)
    response = await app.client.delete("/sessions/whoami")

    assert (response.json()["id"], signed_in.session.active) == (signed_in.session.id, True)


async def test_other_sessions_end_at_aal1_of_a_user_with_two_factors(fake: FakeKratos, app: FlowClient) -> None:
    identity = fake.add_identity(totp=True)
    others = [fake.sign_in(identity), fake.sign_in(identity)]
    app.use(fake.sign_in(identity))
    one = await app.client.delete(f"/sessions/{others[0].session.id}")
    rest = await app.client.delete("/sessions")

    assert (await app.get("/sessions")).status_code == 403
    assert (one.status_code, rest.status_code) == (204, 200)
    assert [other.session.active for other in others] == [False, False]
