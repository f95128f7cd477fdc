"""Methods, paths, and ids in other spellings."""

import re

import httpx2
import pytest
from support.flow_client import FlowClient

from ory_guard.testing.server.uuids import canonical_uuid, parse_uuid

pytestmark = pytest.mark.anyio

ID = "4870e0e4-6c42-4b96-9b8d-451983b7f12d"
PUBLIC, ADMIN = "http://127.0.0.1:4433", "http://127.0.0.1:4434/admin"


@pytest.mark.parametrize(
    ("api", "request_line", "status", "header"),
    [
        ("public", "PUT /self-service/login", 405, "GET, HEAD, POST"),
        ("public", "POST /self-service/login/api", 405, "GET, HEAD"),
        ("public", "PATCH /sessions", 405, "DELETE, GET, HEAD"),
        ("public", f"GET /sessions/{ID}", 405, "DELETE"),
        ("public", "POST /self-service/login/browser", 403, None),
        ("public", "DELETE /self-service/errors", 403, None),
        ("public", "POST /nope", 403, None),
        ("public", "OPTIONS /self-service/login/browser", 405, "GET, HEAD"),
        ("public", "GET /nope", 404, None),
        ("public", "DELETE /version", 404, None),
        ("public", "HEAD /self-service/login/api", 200, None),
        ("public", "HEAD /health/alive", 200, None),
        ("public", "PATCH /identities", 405, "GET, HEAD, POST"),
        ("public", "GET /admin/schemas", 200, None),
        ("public", "GET /admin/sessions", 404, None),
        ("public", "POST /admin/sessions", 403, None),
        ("public", "GET /self-service/fed-cm/parameters", 404, None),
        ("public", "GET /identities?a=b", 307, f"{ADMIN}/identities?a=b"),
        ("public", "POST /admin/identities", 307, f"{ADMIN}/identities"),
        ("public", f"DELETE /identities/{ID}/sessions", 307, f"{ADMIN}/identities/{ID}/sessions"),
        ("public", "POST /recovery/code", 307, f"{ADMIN}/recovery/code"),
        ("public", "GET /admin/courier/messages", 307, f"{ADMIN}/courier/messages"),
        ("admin", "POST /schemas", 405, "GET, HEAD"),
        ("admin", "POST /sessions/whoami", 405, "DELETE, GET, HEAD"),
        ("admin", "DELETE /sessions/whoami", 400, None),
        ("admin", "PUT /sessions", 405, "DELETE, GET, HEAD"),
        ("admin", "PUT /self-service/login", 405, "GET, HEAD, POST"),
        ("admin", "GET /self-service/logout/api", 405, "DELETE"),
        ("admin", "GET /nope", 404, None),
        ("admin", "GET /admin/schemas?a=b", 307, f"{PUBLIC}/schemas?a=b"),
        ("admin", "GET /admin/sessions/whoami", 307, f"{PUBLIC}/sessions/whoami"),
        ("admin", "DELETE /admin/sessions", 307, f"{PUBLIC}/sessions"),
        ("admin", "POST /self-service/login?flow=x", 307, f"{PUBLIC}/self-service/login?flow=x"),
    ],
)
async def test_method_and_path_select_the_response(
    browser: FlowClient, admin: httpx2.AsyncClient, *, api: str, request_line: str, status: int, header: str | None
) -> None:
    method, path = request_line.split()
    response = await (browser.client if api == "public" else admin).request(method, path)
    headers = response.headers

    assert (response.status_code, headers.get("location", headers.get("allow"))) == (status, header)
    assert method != "HEAD" or response.content == b""


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
