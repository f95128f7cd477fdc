"""Bad inputs: no page of the example responds with 5xx or redirects to another origin."""

from itertools import product
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest
from security.bad_inputs import requests
from security.bench import request
from support.asgi_calls import HTML, NAVIGATE, SentResponse, call, connect

from .deployment import APP_URL, Deployment
from .visitor import Visitor

pytestmark = pytest.mark.anyio

PAGES: Final = (
    *("/", "/welcome", "/me", "/vault", "/members", "/transfer", "/sessions", "/live", "/api", "/api/me"),
    *("/login", "/registration", "/recovery", "/verification", "/settings", "/error", "/outbox", "/debug/guard"),
)
FORMS: Final = ("/transfer", "/logout", "/sessions/others/revoke", f"/sessions/{UUID(int=1)}/revoke", "/cookies")
DEMO_FORMS: Final = ("/demo/clock", "/demo/other-browser", "/demo/other-browser/revoke")
SLOW: Final = "cookie that is slow to unquote"
A_FILE: Final = b'--x\r\nContent-Disposition: form-data; name="recipient"; filename="f"\r\n\r\nabc\r\n--x--\r\n'


def redirects_to_another_origin(response: SentResponse) -> bool:
    """Return whether a response redirects to another origin."""
    location = (response.header(b"location") or b"").decode("latin-1")
    return bool(location) and urlsplit(location).netloc not in ("", urlsplit(APP_URL).netloc)


@pytest.mark.parametrize("browser", [(), (NAVIGATE, HTML)], ids=["API client", "browser"])
async def test_pages_answer_bad_requests_below_500(deployment: Deployment, browser: tuple[Any, ...]) -> None:
    """No page redirects a bad request of the security tests to another origin."""
    count = 0
    for (name, _, scope), page in product(requests(), PAGES):
        if scope["type"] == "websocket" or (name.startswith(SLOW) and page != "/me"):
            continue
        url = {"path": page, "raw_path": quote(page).encode()} if scope["path"] == request()["path"] else {}
        sent = {**scope, "headers": [*scope["headers"], *browser], **url}
        del sent["type"]
        response = await call(deployment.app, **sent)
        assert response.status < 500, f"{name} on {page}: {response.body[:300]!r}"
        assert not redirects_to_another_origin(response), f"{name} on {page}: {response.headers}"
        count += 1

    assert count > 1_000


async def test_websocket_refuses_bad_handshakes_before_accepting(deployment: Deployment) -> None:
    for name, _, scope in requests():
        sent = await connect(deployment.app, "/ws", headers=scope["headers"])
        assert sent[0]["type"] == "websocket.http.response.start", name
        assert sent[0]["status"] in (401, 403), name


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"recipient=%ff%fe&amount=%00&note=\xff"),
        ("application/x-www-form-urlencoded", b"&".join(b"a=b" for _ in range(5_000))),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data; boundary=x", A_FILE),
        ("application/json", b'{"recipient": "Grace"'),
        ("text/plain", b"recipient=Grace"),
        ("", b""),
    ],
)
async def test_malformed_bodies_are_client_errors(visitor: Visitor, kind: str, body: bytes) -> None:
    await visitor.register("ada@example.test")
    headers = {"content-type": kind, "sec-fetch-site": "same-origin"}

    for path in FORMS:
        response = await visitor.client.post(APP_URL + path, content=body, headers=headers, follow_redirects=False)
        assert response.status_code in (303, 400, 404, 422), f"{path}: {response.status_code}"
    transfers = await visitor.client.get(f"{APP_URL}/transfer")

    assert "Recent transfers" not in transfers.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999", "sec-fetch-site": "same-site"},
    ],
    ids=["cross-site", "opaque", "same-site"],
)
async def test_cross_site_forms_are_refused(
    visitor: Visitor, deployment: Deployment, headers: dict[str, str]
) -> None:
    await visitor.register("ada@example.test")
    activity = repr(deployment.fake)

    for path in (*FORMS, *DEMO_FORMS):
        response = await visitor.client.post(APP_URL + path, data={"amount": "1"}, headers=headers)
        assert response.status_code == 403, path
    assert repr(deployment.fake) == activity
    await visitor.open("/me")

    assert visitor.status == 200


async def test_every_response_has_the_security_headers(visitor: Visitor) -> None:
    """Pages contain neither inline scripts nor inline styles."""
    await visitor.register("ada@example.test")
    for path in (*PAGES, "/no-such-page"):
        response = await visitor.client.get(APP_URL + path, follow_redirects=False)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "same-origin"
        assert "<style" not in response.text
        assert " style=" not in response.text
        assert " onclick" not in response.text
        assert "<script>" not in response.text
