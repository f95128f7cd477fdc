"""Only Kratos' public routes are forwarded, whatever the spelling of the path."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.asgi_calls import HTML, NAVIGATE, call, connect

from .upstream import Upstream, proxied

pytestmark = pytest.mark.anyio

OPERATIONS = json.loads((Path(__file__).parents[1] / "spec" / "openapi-frontend-v26.2.0.json").read_text())["paths"]
DOCUMENTED = [
    (method.upper(), path.replace("{id}", "5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01"))
    for path, methods in OPERATIONS.items()
    for method in methods
]
BEYOND_THE_DOCUMENT = [
    ("HEAD", "/sessions/whoami"),
    ("GET", "/schemas"),
    ("GET", "/schemas/ZGVmYXVsdA"),
    ("GET", "/self-service/recovery"),  # a link in an email
    ("GET", "/self-service/settings"),  # continues an update after a login
    ("GET", "/self-service/methods/oidc/callback"),
    ("GET", "/self-service/methods/oidc/callback/google"),
    ("POST", "/self-service/methods/oidc/callback/apple"),
    ("GET", "/self-service/methods/oidc/organization/5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01/callback/acme"),
]


@pytest.mark.parametrize(("method", "path"), [*DOCUMENTED, *BEYOND_THE_DOCUMENT])
async def test_public_route_is_forwarded(method: str, path: str) -> None:
    upstream = Upstream()
    response = await call(proxied(upstream), f"/.ory{path}", method=method, query_string=b"flow=1&a=%2Fb%00")

    assert response.status == 200
    assert (upstream.last.method, upstream.last.target) == (method, f"{path}?flow=1&a=%2Fb%00")


UNKNOWN = [
    # the admin API, and other endpoints of Kratos
    *("/admin/identities", "/identities", "/identities/1/sessions", "/admin/sessions/1", "/recovery/code"),
    *("/recovery/link", "/courier/messages", "/health/ready", "/health/alive", "/version"),
    *("/metrics/prometheus", "/self-service/login/anything", "/ui/login", "/"),
    # dot segments, empty segments, backslashes and parameters of segments
    *("/self-service/../admin/identities", "/self-service/login/../../admin/identities"),
    *("/self-service/./login", "/self-service/login/.", "/schemas/..", "/schemas/.", "/schemas/%2e%2e"),
    *("/sessions/..", "//self-service/login", "/self-service//login", "/self-service/login/"),
    *("\\self-service\\login", "/self-service\\login", "/schemas/a\\b", "/self-service/login;x=1"),
    "/SELF-SERVICE/LOGIN",
    # a second encoding, which a server in front may decode
    "/self-service%2flogin",
    "/self-service%252flogin",
    "/%2e%2e/admin/identities",
    "/schemas/%2e%2e%2fadmin%2fidentities",
    "/schemas/a%5cb",
    # control characters, spaces and other characters
    *("/self-service/login\x00", "/self-service/login\n", "/self-service/login\r\nHost: evil.example"),
    *("/self-service/login\x7f", "/self-service/login ", "/schemas/ä", "/schemas/\udc80"),
    f"/schemas/{'a' * 256}",
    # absolute and other forms of the request target
    "/http://evil.example/self-service/login",
    "/@evil.example/self-service/login",
    "/self-service/login?x",
    "/self-service/login#x",
]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_other_path_is_not_found(path: str) -> None:
    upstream = Upstream()
    response = await call(proxied(upstream), f"/.ory{path}")

    assert response.status == 404 or response.body == b"the application"
    assert upstream.requests == []


@pytest.mark.parametrize(("query", "is_explained"), [(b"flow=1", True), (b"id=1", True), (b"x=flow=1", False)])
async def test_page_of_kratos_that_is_not_found_names_the_setting(query: bytes, is_explained: bool) -> None:
    response = await call(proxied(Upstream()), "/.ory/ui/login", query_string=query)

    assert (response.status, response.error_id) == (404, "not_found")
    assert ("set it to a page of the application" in response.json["error"]["reason"]) == is_explained


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/.ory/self-service/login", b"/.ory/self-service%2Flogin"),
        ("/.ory/self-service/login", b"/.ory%2Fself-service/login"),
        ("/.ory/self-service/login", b"/.ory/self-service/%6cogin"),
        ("/.ory/self-service/login", b"/.ory/x/../self-service/login%20"),
        ("/.ory/self-service/login", b"http://evil.example/.ory/self-service/login"),
        ("/.ory/self-service/login", b"evil.example:443/.ory/self-service/login"),
        ("http://evil.example/self-service/login", b"http://evil.example/self-service/login"),
        ("*", b"*"),
    ],
)
async def test_other_spelling_of_a_known_path_is_not_found(path: str, raw_path: bytes) -> None:
    upstream = Upstream()
    response = await call(proxied(upstream), path, raw_path=raw_path)

    assert upstream.requests == []
    assert response.status == 404 or response.body == b"the application"


async def test_server_without_raw_path_is_supported() -> None:
    upstream = Upstream()
    response = await call(proxied(upstream), "/.ory/sessions/whoami", raw_path=None)

    assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("OPTIONS", "/sessions/whoami", b"GET, HEAD"),
        ("POST", "/sessions/whoami", b"GET, HEAD"),
        ("PUT", "/self-service/login", b"GET, HEAD, POST"),
        ("get", "/self-service/login", b"GET, HEAD, POST"),
        ("TRACE", "/self-service/login/browser", b"GET, HEAD"),
        ("CONNECT", "/self-service/login/browser", b"GET, HEAD"),
        ("PATCH", "/sessions/5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01", b"DELETE"),
        ("GET", "/sessions/5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01", b"DELETE"),
        ("DELETE", "/self-service/logout", b"GET, HEAD"),
        ("GET", "/self-service/fed-cm/token", b"POST"),
    ],
)
async def test_other_method_is_not_allowed(method: str, path: str, allow: bytes) -> None:
    upstream = Upstream()
    response = await call(proxied(upstream), f"/.ory{path}", method=method)

    assert (response.status, response.error_id, response.header(b"allow")) == (405, "method_not_allowed", allow)
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"flow=a b", 400),
        (b"flow=\r\nX-Session-Token: x", 400),
        (b"flow=\x00", 400),
        (b"flow=a#b", 400),
        (b"flow=\xc3\xa4", 400),
        (b"a" * 16_385, 414),
        (b"a" * 16_384, 200),
    ],
)
async def test_query_is_bounded_and_percent_encoded(query: bytes, status: int) -> None:
    upstream = Upstream()
    response = await call(proxied(upstream), "/.ory/self-service/login/browser", query_string=query)

    assert response.status == status
    assert len(upstream.requests) == (status == 200)


@pytest.mark.parametrize("denial", [True, False])
async def test_websocket_is_refused(denial: bool) -> None:
    upstream = Upstream()
    sent = await connect(proxied(upstream), "/.ory/sessions/whoami", denial=denial)

    first = sent[0]
    assert (first["type"], first.get("status", first.get("code"))) == (
        ("websocket.http.response.start", 404) if denial else ("websocket.close", 1008)
    )
    assert upstream.requests == []


async def test_error_of_the_proxy_is_a_page_for_a_navigation() -> None:
    response = await call(proxied(Upstream()), "/.ory/admin", headers=[NAVIGATE, HTML])

    assert response.status == 404
    assert response.header(b"content-type") == b"text/html; charset=utf-8"
    assert response.header(b"cache-control") == b"private, no-store"
    assert b"not part of Kratos" in response.body


@pytest.mark.parametrize(
    "scope",
    [
        # The ASGI specification: the path contains the root path.
        {"path": "/shop/.ory/sessions/whoami", "root_path": "/shop"},
        # A server that sets the root path and receives the path without it.
        {"path": "/.ory/sessions/whoami", "root_path": "/shop"},
        {"path": "/.ory/sessions/whoami", "root_path": ""},
    ],
)
async def test_mount_works_below_a_prefix(scope: dict[str, Any]) -> None:
    upstream = Upstream()
    app = proxied(upstream, app_url="http://app.test/shop", kratos_browser_url="http://app.test/shop/.ory")
    response = await call(app, **scope, headers=[(b"cookie", b"ory_kratos_session=value")])

    assert response.status == 200
    assert [request.target for request in upstream.requests] == ["/sessions/whoami"]


async def test_kratos_url_may_have_a_path() -> None:
    upstream = Upstream()
    await call(proxied(upstream, kratos_public_url="https://gw.test/kratos"), "/.ory/sessions/whoami")

    assert upstream.last.target == "/kratos/sessions/whoami"
    assert upstream.last.all(b"host") == [b"gw.test"]
