"""Methods, paths, and ids in other spellings."""

import re

import httpx2
import pytest
from support.flow_client import FlowClient, client_for

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
    admin: httpx2.AsyncClient, method: str, path: str, status: int, result: str | None
) -> None:
    response = await admin.request(method, path)
    location = response.headers.get("location", "").removeprefix("http://127.0.0.1:4433")

    assert (response.status_code, location or response.headers.get("allow")) == (status, result)


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
