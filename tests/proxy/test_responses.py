"""Responses of Kratos become responses of the application's own origin, and contain nothing else."""

import gzip
import json
from typing import Any

import httpx2
import pytest
from support.asgi_calls import HTML, NAVIGATE, SentResponse, call

from .upstream import APP, JSON, KRATOS, PROXY, Pair, Reply, Upstream, json_reply, proxied

pytestmark = pytest.mark.anyio

WHOAMI = "/.ory/sessions/whoami"
SCRIPT = "/.ory/.well-known/ory/webauthn.js"
TEXT, PAGE = (b"content-type", b"text/plain; charset=utf-8"), (b"content-type", b"text/html; charset=utf-8")
JAVASCRIPT = (b"content-type", b"text/javascript; charset=utf-8")


async def respond(
    reply: Reply | Exception, path: str = WHOAMI, method: str = "GET", **settings: Any
) -> SentResponse:
    """Return the response of the proxy to a reply of Kratos."""
    app = proxied(Upstream(reply), **settings)
    return await call(app, path, method=method)


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (f"{KRATOS}/self-service/login/browser?aal=aal2", f"{PROXY}/self-service/login/browser?aal=aal2"),
        (KRATOS, PROXY),
        ("/self-service/login?x=1", f"{PROXY}/self-service/login?x=1"),
        # A parameter is not changed: Kratos accepts its own URLs as `return_to`.
        (f"{KRATOS}/a?return_to={KRATOS}/b", f"{PROXY}/a?return_to={KRATOS}/b"),
        ("http://app.test/login?flow=1", "http://app.test/login?flow=1"),
        ("https://accounts.google.com/o?redirect_uri=http%3A%2F%2Fkratos.test%3A4433", None),
        ("http://kratos.test:4433.evil.example/", None),
        ("http://kratos.test:4433@evil.example/", None),
        ("http://kratos.test/x", None),
        ("https://kratos.test:4433/x", None),
        ("//evil.example/x", None),
        ("myapp://callback?code=1", None),
    ],
)
async def test_location_is_changed_only_for_kratos(sent: str, received: str | None) -> None:
    body = f'<a href="{sent}">See Other</a>.'.encode()
    response = await respond(Reply(303, body, (PAGE, (b"location", sent.encode()))))

    assert (response.status, response.header(b"location")) == (303, (received or sent).encode())
    assert response.body == b""  # the body has the unchanged URL
    assert response.header(b"content-type") is None


@pytest.mark.parametrize(
    ("location", "settings", "page"),
    [
        (f"{KRATOS}/ui/login?flow=1", {}, f"{PROXY}/ui/login"),
        (f"{PROXY}/login?flow=1", {}, f"{PROXY}/login"),
        ("/error?id=1", {}, f"{PROXY}/error"),
        (f"{KRATOS}/self-service/login/browser?aal=aal2", {}, None),
        (f"{APP}/auth/login?flow=1", {}, None),
        (f"{APP}/login?flow=1", {"kratos_browser_url": APP}, None),
    ],
)
async def test_redirect_to_a_page_that_the_proxy_does_not_serve_is_logged(
    location: str, settings: dict[str, Any], page: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    await respond(Reply(303, b"", ((b"location", location.encode()),)), **settings)

    messages = [message for message in caplog.messages if message.startswith("proxy.ui_url")]
    assert [message.split()[1] for message in messages] == ([f"location={page}:"] if page else [])
    assert all("--ui-url" in message and "flow=1" not in message for message in messages)


async def test_location_of_a_new_resource_has_a_body() -> None:
    response = await respond(json_reply({"a": 1}, 201, (b"location", f"{KRATOS}/x".encode())))

    assert (response.header(b"location"), response.json) == (f"{PROXY}/x".encode(), {"a": 1})


@pytest.mark.parametrize("location", [b"/\\evil.example", b"http://a b", b"/a\x7f", b"/\xc3\xa4", b""])
async def test_malformed_location_is_an_error(location: bytes) -> None:
    response = await respond(Reply(303, b"", ((b"location", location),)))

    assert (response.status, response.error_id) == (502, "kratos_protocol_error")
    assert response.header(b"location") is None


async def test_links_of_pages_lead_to_the_proxy() -> None:
    link = (
        b'</sessions?page=1>; rel="next",<http://kratos.test:4433/sessions>; rel="first",<https://x.test/>; rel="x"'
    )
    response = await respond(json_reply([], 200, (b"link", link)))

    base = PROXY.encode()
    assert response.header(b"link") == (
        b"<"
        + base
        + b'/sessions?page=1>; rel="next",<'
        + base
        + b'/sessions>; rel="first",<https://x.test/>; rel="x"'
    )


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (None, b"private, no-store"),
        (b"public, max-age=3600", b"private, no-store"),
        (b"no-store", b"private, no-store"),
        (b"private, no-store, public", b"private, no-store"),
        (b"private, no-cache, no-store, must-revalidate", b"private, no-cache, no-store, must-revalidate"),
    ],
)
@pytest.mark.parametrize("path", [WHOAMI, SCRIPT])
async def test_response_is_not_cached(path: str, sent: bytes | None, received: bytes) -> None:
    headers = () if sent is None else ((b"cache-control", sent),)
    kind = JAVASCRIPT if path == SCRIPT else JSON
    response = await respond(Reply(200, b"{}", (kind, *headers)), path)

    assert response.header(b"cache-control") == received
    assert response.header(b"x-content-type-options") == b"nosniff"


KEPT: list[Pair] = [
    (b"vary", b"Cookie"),
    (b"ory-error-id", b"1"),
    (b"x-total-count", b"3"),
    (b"retry-after", b"7"),
    (b"x-kratos-authenticated-identity-id", b"1"),
    (b"ory-session-cache-for", b"60"),
]
DROPPED = (
    *(b"strict-transport-security", b"alt-svc", b"clear-site-data", b"content-security-policy"),
    *(b"access-control-allow-origin", b"access-control-allow-credentials", b"service-worker-allowed", b"refresh"),
    *(b"x-accel-redirect", b"x-sendfile", b"server", b"via", b"x-envoy-upstream-service-time"),
    *(b"connection", b"keep-alive", b"transfer-encoding", b"trailer", b"upgrade"),
    *(b"proxy-authenticate", b"www-authenticate", b"etag", b"set-cookie2"),
)


async def test_headers_are_forwarded_by_an_allow_list() -> None:
    response = await respond(json_reply({}, 200, *KEPT, *((name, b"identity") for name in DROPPED)))

    assert set(KEPT) <= set(response.headers)
    assert {*DROPPED} & {name for name, _ in response.headers} == set()


@pytest.mark.parametrize("name", [b"x-request-id", b"x-unknown"])
async def test_header_with_a_control_character_is_an_error(name: bytes) -> None:
    response = await respond(json_reply({}, 200, (name, b"a\r\nset-cookie: session=evil")))

    assert response.status == 502


FLOW = json.dumps({"ui": {"action": f"{KRATOS}/self-service/login?flow=1"}}).encode()


@pytest.mark.parametrize(
    ("reply", "path", "status", "body"),
    [
        (Reply(200, FLOW), WHOAMI, 200, FLOW.replace(KRATOS.encode(), PROXY.encode())),
        (Reply(400, FLOW, ((b"content-type", b"APPLICATION/JSON ; charset=utf-8"),)), WHOAMI, 400, None),
        (Reply(200, b"var x = 1;", (JAVASCRIPT,)), SCRIPT, 200, b"var x = 1;"),
        (Reply(200, b"x", ((b"content-type", b"application/javascript"),)), SCRIPT, 200, b"x"),
        (Reply(404, b"404 page not found", (TEXT,)), WHOAMI, 404, b"404 page not found"),
        (Reply(429, b"slow down", (TEXT,)), WHOAMI, 429, b"slow down"),
        (Reply(204, b"", ()), WHOAMI, 204, b""),
        (Reply(204, b"surplus", (TEXT,)), WHOAMI, 204, b""),
        (Reply(304, b"surplus", (TEXT,)), WHOAMI, 304, b""),
        (Reply(200, b"", ()), WHOAMI, 200, b""),
        # types that a browser would execute under the origin of the application, and unknown ones
        (Reply(200, b"<script>", (PAGE,)), WHOAMI, 502, None),
        (Reply(404, b"<script>", (PAGE,)), WHOAMI, 502, None),
        (Reply(200, b"<svg>", ((b"content-type", b"image/svg+xml"),)), WHOAMI, 502, None),
        (Reply(200, b"alert(1)", (JAVASCRIPT,)), WHOAMI, 502, None),
        (Reply(200, b"<script>", (PAGE,)), SCRIPT, 502, None),
        (Reply(200, b"<script>", ()), WHOAMI, 502, None),
        (Reply(200, b"{}", (JSON, PAGE)), WHOAMI, 502, None),
        (Reply(200, b"{}", ((b"content-type", b"application/json, text/html"),)), WHOAMI, 502, None),
        (Reply(200, b"x", ((b"content-type", b"multipart/x-mixed-replace"),)), WHOAMI, 502, None),
        # not JSON
        (Reply(200, b"<script>"), WHOAMI, 502, None),
        (Reply(200, b'{"a": 1} trailing'), WHOAMI, 502, None),
        (Reply(200, b'{"a": '), WHOAMI, 502, None),
        (Reply(200, b'{"a": NaN}'), WHOAMI, 502, None),
        (Reply(200, b'"\xff"'), WHOAMI, 502, None),
        (Reply(200, b"[" * 200_000), WHOAMI, 502, None),
        (Reply(200, b'{"x":' * 200_000), WHOAMI, 502, None),
        (Reply(200, b'"' + b"a" * 1_100_000 + b'"'), WHOAMI, 502, None),
        # encodings, and statuses that are not a response
        (Reply(200, gzip.compress(b"{}"), (JSON, (b"content-encoding", b"gzip"))), WHOAMI, 502, None),
        (Reply(101, b"", ()), WHOAMI, 502, None),
        (Reply(600, b"{}"), WHOAMI, 502, None),
        # errors of Kratos, and of a component in front of it
        (Reply(500, b'{"error": {"code": 500}}'), WHOAMI, 500, b'{"error": {"code": 500}}'),
        (Reply(500, b"<h1>nginx at 10.0.0.7</h1>", (PAGE,)), WHOAMI, 502, None),
        (Reply(502, b"upstream 10.0.0.7 refused", (TEXT,)), WHOAMI, 502, None),
        (Reply(503, b"<h1>envoy</h1>", (PAGE, (b"retry-after", b"9"))), WHOAMI, 503, None),
        (Reply(504, b"<h1>envoy</h1>", (PAGE,)), WHOAMI, 504, None),
    ],
)
async def test_response_is_one_of_kratos_or_an_error(
    reply: Reply, path: str, status: int, body: bytes | None
) -> None:
    response = await respond(reply, path)

    assert response.status == status
    if body is not None:
        assert response.body == body
    if status >= 502:
        assert response.error_id.startswith("kratos_")
        assert b"10.0.0.7" not in response.body
        assert b"script" not in response.body
    has_size = status not in (204, 304)
    assert response.header(b"content-length") == (str(len(response.body)).encode() if has_size else None)


@pytest.mark.parametrize(("sent", "received"), [(b"9", b"9"), (b"soon", b"1"), (None, b"1")])
async def test_outage_has_a_time_for_the_next_attempt(sent: bytes | None, received: bytes) -> None:
    headers = () if sent is None else ((b"retry-after", sent),)
    response = await respond(Reply(503, b"x", (TEXT, *headers)))

    assert response.header(b"retry-after") == received


async def test_head_has_the_headers_without_a_body() -> None:
    response = await respond(Reply(200, b"", (JSON, (b"content-length", b"42"))), method="HEAD")

    assert (response.status, response.body, response.header(b"content-type")) == (200, b"", JSON[1])
    assert response.header(b"content-length") is None


@pytest.mark.parametrize(
    ("error", "status", "error_id"),
    [
        (httpx2.ConnectError("http://kratos.internal refused"), 503, "kratos_unavailable"),
        (httpx2.RemoteProtocolError("kratos.internal sent garbage"), 502, "kratos_protocol_error"),
        (OSError("kratos.internal"), 503, "kratos_unavailable"),
        (TimeoutError("kratos.internal"), 504, "kratos_timeout"),
        (RuntimeError("kratos.internal"), 503, "kratos_unavailable"),
    ],
)
@pytest.mark.parametrize("is_page", [True, False])
async def test_failure_of_kratos_is_an_error(
    error: Exception, status: int, error_id: str, is_page: bool, caplog: pytest.LogCaptureFixture
) -> None:
    response = await call(proxied(Upstream(error)), WHOAMI, headers=[NAVIGATE, HTML] if is_page else [])

    assert response.status == status
    assert is_page or response.error_id == error_id
    assert (response.header(b"retry-after") is not None) == (status == 503)
    assert b"internal" not in response.body
    assert "kratos.internal" not in caplog.text
    assert caplog.messages[-1].startswith("proxy.failed reason=")
