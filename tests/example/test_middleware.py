"""Tests of the middleware in front of the guard."""

from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from support.asgi_calls import call

from example_app.middleware import CanonicalHost

from .deployment import APP_URL, Deployment

pytestmark = pytest.mark.anyio

LOCALHOST = (b"host", b"localhost:4455")


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/", b"", f"{APP_URL}/"),
        ("/me", b"a=1%202&b=x", f"{APP_URL}/me?a=1%202&b=x"),
        ("//evil.example", b"", f"{APP_URL}//evil.example"),
        ("/a\r\nb", b"\xff\r\n", f"{APP_URL}/a%0D%0Ab?%EF%BF%BD%0D%0A"),
        ("/.ory/self-service/login/browser", b"", f"{APP_URL}/.ory/self-service/login/browser"),
    ],
)
async def test_localhost_is_redirected_to_the_host_of_app_url(
    deployment: Deployment, path: str, query: bytes, location: str
) -> None:
    """The method is kept, and the URL can't inject a header."""
    response = await call(deployment.app, path, headers=[LOCALHOST], query_string=query)

    assert (response.status, response.header(b"location")) == (307, location.encode())


@pytest.mark.parametrize("host", [b"127.0.0.1:4455", b"localhost.evil.example", b"evil.example", b""])
async def test_other_hosts_are_not_redirected(deployment: Deployment, host: bytes) -> None:
    assert (await call(deployment.app, "/", headers=[(b"host", host)])).status == 200


async def test_address_is_redirected_to_localhost_if_app_url_is_localhost() -> None:
    app = CanonicalHost(PlainTextResponse("app"), "http://localhost:4455")
    redirected = await call(app, "/me", headers=[(b"host", b"127.0.0.1:4455")])

    assert (await call(app, "/", headers=[LOCALHOST])).body == b"app"
    assert redirected.header(b"location") == b"http://localhost:4455/me"


async def test_static_files_and_embedded_kratos_bypass_the_guard(deployment: Deployment) -> None:
    cookie = [(b"cookie", b"ory_kratos_session=unknown")]
    for path in ("/static/postern.css", "/.ory/sessions/whoami"):
        await call(deployment.app, path, headers=cookie)

    assert [request.path for request in deployment.fake.requests] == ["/sessions/whoami"]


@pytest.mark.parametrize("path", ["/static/../pages.py", "/static/%2e%2e/pages.py", "/static/nothing.css"])
async def test_static_files_outside_the_folder_are_not_served(deployment: Deployment, path: str) -> None:
    more: dict[str, Any] = {"raw_path": path.encode()}

    assert (await call(deployment.app, path, **more)).status == 404
