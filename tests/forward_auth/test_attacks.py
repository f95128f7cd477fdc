"""Attacks on `ForwardAuth`: no sub-request gets 200 without the session that its route requires."""

import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from attack_table import AMBIGUOUS, REJECTED_HEADERS
from sub_requests import HOST, NAVIGATION, SECRET, SIGNED_IN, TCP, UNIX, ForwardBench, Pair, forwarded
from support.asgi_calls import connect
from support.scripted_kratos import APP, refused

from ory_guard import Requirement

pytestmark = pytest.mark.anyio

FOREIGN = (b"origin", b"https://evil.test")
CROSS_SITE = (b"sec-fetch-site", b"cross-site")


def _other_family(name: bytes) -> bytes:
    first, second = b"x-forwarded-", b"x-original-"
    return name.replace(first, second) if name.startswith(first) else name.replace(second, first)


@pytest.mark.parametrize("headers", REJECTED_HEADERS)
@pytest.mark.parametrize("family", ["forwarded", "original"])
async def test_incomplete_or_contradictory_description_is_rejected(headers: list[Pair], family: str) -> None:
    """The response is 403 even with a valid session, and Kratos is not called."""
    bench = ForwardBench()
    if family == "original":
        headers = [(_other_family(name), value) for name, value in headers]

    response = await bench.ask(headers, SIGNED_IN)

    assert (response.status, response.error_id) == (403, "forwarded_request_rejected")
    assert (response.header(b"cache-control"), response.header(b"location")) == (b"no-store", None)
    assert bench.calls == 0


@pytest.mark.parametrize(
    ("secret", "server", "sent", "is_trusted"),
    [
        pytest.param(None, UNIX, [], True, id="Unix socket"),
        pytest.param(None, TCP, [], False, id="TCP without a secret"),
        pytest.param(None, TCP, [SECRET], False, id="secret that is not configured"),
        pytest.param(None, None, [], False, id="unknown server"),
        pytest.param(None, ("guard.test", None), [], False, id="in-process client"),
        pytest.param(None, ("/guard", 80), [], False, id="path with a port"),
        pytest.param(SECRET, TCP, [SECRET], True, id="secret"),
        pytest.param(SECRET, TCP, [], False, id="no secret"),
        pytest.param(SECRET, UNIX, [], False, id="no secret, Unix socket"),
        pytest.param(SECRET, TCP, [""], False, id="empty secret"),
        pytest.param(SECRET, TCP, [SECRET[:-1]], False, id="truncated secret"),
        pytest.param(SECRET, TCP, [SECRET.upper()], False, id="secret in upper case"),
        pytest.param(SECRET, TCP, ["\xff" * 32], False, id="secret that is not ASCII"),
        pytest.param(SECRET, TCP, [SECRET, SECRET], False, id="repeated secret"),
        pytest.param(SECRET, TCP, ["wrong", SECRET], False, id="wrong and right secret"),
    ],
)
@pytest.mark.parametrize("uri", ["/page", "/public/a"])
async def test_only_a_trusted_proxy_gets_200(
    secret: str | None, server: Any, sent: list[str], *, is_trusted: bool, uri: str
) -> None:
    bench = ForwardBench(app={"secret": secret})
    headers = [(b"x-ory-guard-secret", value.encode("latin-1")) for value in sent]

    response = await bench.ask(forwarded(uri), SIGNED_IN, *headers, server=server)

    assert response.status == (200 if is_trusted else 403)
    assert is_trusted or bench.calls == 0


async def test_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *values: compared.append(values))

    await ForwardBench(app={"secret": SECRET}).ask(None, (b"x-ory-guard-secret", b"guess"))

    assert compared == [(b"guess", SECRET.encode())]


@pytest.mark.parametrize("uri", AMBIGUOUS)
async def test_ambiguous_path_must_meet_all_requirements(uri: bytes) -> None:
    """It is neither public nor is a session at aal1 sufficient, since some route requires aal2."""
    bench = ForwardBench()

    assert (await bench.ask(forwarded(uri))).status == 401
    assert (await bench.ask(forwarded(uri), SIGNED_IN)).status == 403


@pytest.mark.parametrize(
    ("uri", "anonymous", "signed_in"),
    [
        ("/", 200, 200),
        ("/?next=/../admin//;", 200, 200),
        ("/public/a", 200, 200),
        ("/public/a%20b", 200, 200),
        ("/%70ublic/a", 200, 200),
        ("/caf%C3%A9", 200, 200),
        ("/public/private/a", 401, 200),
        ("/public/privat%65/a", 401, 200),
        ("/public", 401, 200),
        ("/publicity", 401, 200),
        ("/PUBLIC/a", 401, 200),
        ("/unlisted", 401, 200),
        ("/public/private", 401, 200),
        ("/admin", 401, 403),
        ("/admin/users", 401, 403),
        ("/%61dmin/users", 401, 403),
    ],
)
async def test_rule_is_that_of_the_decoded_path(uri: str, anonymous: int, signed_in: int) -> None:
    bench = ForwardBench()

    assert (await bench.ask(forwarded(uri))).status == anonymous
    assert (await bench.ask(forwarded(uri), SIGNED_IN)).status == signed_in


@pytest.mark.parametrize(
    ("uri", "anonymous", "signed_in"),
    [
        ("/exact", 401, 403),
        ("/exact/", 401, 403),
        ("/exact/a", 401, 200),
        ("/prefix", 401, 403),
        ("/prefix/", 401, 403),
        ("/prefix-a", 401, 200),
        ("/listed", 200, 200),
        ("/listed/", 401, 403),
        ("/open/exact", 401, 403),
        ("/open/exact/", 401, 403),
        ("/open/exact/a", 200, 200),
        ("/open/", 200, 200),
        ("/open", 401, 200),
        ("/public", 200, 200),
        ("/public/", 401, 200),
    ],
)
async def test_rule_also_applies_with_or_without_a_trailing_slash(uri: str, anonymous: int, signed_in: int) -> None:
    """Services such as Express serve one page for both. A path that has a rule of its own keeps it."""
    strict = Requirement(aal="aal2")
    routes = {
        "/exact": strict,
        "/prefix/*": strict,
        "/listed": None,
        "/listed/*": strict,
        "/open/*": None,
        "/open/exact": strict,
        "/public": None,
    }
    bench = ForwardBench(app={"routes": routes})

    assert (await bench.ask(forwarded(uri))).status == anonymous
    assert (await bench.ask(forwarded(uri), SIGNED_IN)).status == signed_in


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        pytest.param("GET", [CROSS_SITE, FOREIGN], 200, id="GET"),
        pytest.param("HEAD", [CROSS_SITE, FOREIGN], 200, id="HEAD"),
        pytest.param("POST", [CROSS_SITE, FOREIGN], 403, id="POST"),
        pytest.param("POST", [CROSS_SITE], 403, id="POST without an origin"),
        pytest.param("POST", [FOREIGN], 403, id="POST of an old browser"),
        pytest.param("POST", [(b"origin", b"null")], 403, id="POST of an opaque origin"),
        pytest.param("post", [CROSS_SITE, FOREIGN], 403, id="method in lower case"),
        pytest.param("get", [CROSS_SITE, FOREIGN], 403, id="safe method in lower case"),
        pytest.param("PURGE", [CROSS_SITE], 403, id="unknown method"),
        pytest.param("TRACE", [CROSS_SITE], 403, id="TRACE"),
        pytest.param("POST", [(b"sec-fetch-site", b"same-origin")], 200, id="same-origin POST"),
        pytest.param("POST", [(b"origin", APP.encode())], 200, id="POST of a trusted origin"),
        pytest.param("POST", [], 200, id="POST without a browser"),
    ],
)
async def test_forwarded_method_counts_for_csrf(method: str, more: list[Pair], status: int) -> None:
    """The sub-request is a GET in each case."""
    bench = ForwardBench()

    response = await bench.ask(forwarded(method=method), SIGNED_IN, *more)

    assert response.status == status
    assert status == 200 or (response.error_id, bench.calls) == ("security_csrf_violation", 0)


async def test_cross_site_request_to_a_public_path_has_no_identity() -> None:
    response = await ForwardBench().ask(forwarded("/public/a", "POST"), SIGNED_IN, CROSS_SITE)

    assert (response.status, response.header(b"x-user-id")) == (200, None)


@pytest.mark.parametrize(
    "mark",
    [
        (b"upgrade", b"websocket"),
        (b"upgrade", b"WebSocket"),
        (b"upgrade", b"h2c, websocket"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-protocol", b"chat"),
        (b"sec-fetch-mode", b"websocket"),
        (b"x-forwarded-proto", b"ws"),
        (b"x-forwarded-proto", b"wss"),
        (b"x-forwarded-proto", b"https, WSS"),
        (b"x-original-proto", b"wss"),
    ],
)
async def test_websocket_with_a_cookie_needs_a_trusted_origin(mark: Pair) -> None:
    """`Sec-Fetch-Site` does not replace the origin, and a websocket is never redirected."""
    bench = ForwardBench()
    same_site, html = (b"sec-fetch-site", b"same-origin"), (b"accept", b"text/html")

    for headers in ([], [FOREIGN], [same_site], [(b"origin", b"null")], [html]):
        response = await bench.ask(forwarded(), mark, SIGNED_IN, *headers)
        assert (response.status, response.error_id) == (403, "security_csrf_violation")
    assert bench.calls == 0
    assert (await bench.ask(forwarded(), mark, SIGNED_IN, (b"origin", APP.encode()))).status == 200
    assert (await bench.ask(forwarded(), mark, html)).status == 401


async def test_extended_connect_is_a_websocket() -> None:
    """A proxy may forward a websocket over HTTP/2 or HTTP/3 (RFC 8441) without any other mark."""
    bench = ForwardBench()

    assert (await bench.ask(forwarded(method="CONNECT"), SIGNED_IN)).status == 403
    assert (await bench.ask(forwarded(method="CONNECT"), SIGNED_IN, (b"origin", APP.encode()))).status == 200


@pytest.mark.parametrize(
    ("method", "forwarded_method", "status"),
    [
        ("GET", "POST", 200),
        ("POST", "POST", 200),
        ("HEAD", "HEAD", 200),
        ("POST", "GET", 403),
        ("HEAD", "GET", 403),
        ("DELETE", "POST", 403),
        ("get", "POST", 403),
    ],
)
async def test_method_of_the_sub_request_contradicts_nothing(
    method: str, forwarded_method: str, status: int
) -> None:
    response = await ForwardBench().ask(forwarded(method=forwarded_method), SIGNED_IN, method=method)

    assert response.status == status


@pytest.mark.parametrize("denial", [True, False])
async def test_websocket_to_forward_auth_itself_is_refused(*, denial: bool) -> None:
    """A sub-request is HTTP, so an accepted websocket would mean nothing to the proxy."""
    sent = await connect(ForwardBench().app, headers=[*forwarded("/public/a"), SIGNED_IN], denial=denial)

    assert "websocket.accept" not in {message["type"] for message in sent}
    assert sent[0].get("status", 403) == 403


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:443"])
@pytest.mark.parametrize("uri", ["/a?b=c", "//evil.test/a", "/\\evil.test", "/a/..//evil.test"])
async def test_location_has_a_configured_origin(host: str, uri: str) -> None:
    bench = ForwardBench(refused(401))

    response = await bench.ask(forwarded(uri, host=host), NAVIGATION, (b"host", b"evil.test"))

    location = urlsplit((response.header(b"location") or b"").decode())
    return_to = urlsplit(parse_qs(location.query)["return_to"][0])
    assert response.status == 303
    assert (location.scheme, location.netloc) == ("https", "id.example.com")
    assert (return_to.scheme, return_to.netloc) == ("https", HOST)
