"""Tests of what stands before the guard: one host name, and applications beside the application."""

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
async def test_localhost_is_sent_to_the_other_name(
    deployment: Deployment, path: str, query: bytes, location: str
) -> None:
    """Cookies know one host name; the method stays, and nothing of the address breaks out of the header."""
    answer = await call(deployment.app, path, headers=[LOCALHOST], query_string=query)

    assert (answer.status, answer.header(b"location")) == (307, location.encode())


@pytest.mark.parametrize("host", [b"127.0.0.1:4455", b"localhost.evil.example", b"evil.example", b""])
async def test_other_hosts_are_answered_where_they_are(deployment: Deployment, host: bytes) -> None:
    """No host name but localhost is looked at."""
    assert (await call(deployment.app, "/", headers=[(b"host", host)])).status == 200


async def test_an_application_on_localhost_stays_there() -> None:
    """Whoever sets `app_url` to localhost means it."""
    app = CanonicalHost(PlainTextResponse("here"), "http://localhost:4455")

    assert (await call(app, "/", headers=[LOCALHOST])).body == b"here"


async def test_static_files_and_the_embedded_kratos_ask_the_guard_nothing(deployment: Deployment) -> None:
    """Requests beside the application do not count as looks at a session."""
    cookie = [(b"cookie", b"ory_kratos_session=unknown")]
    for path in ("/static/postern.css", "/.ory/sessions/whoami"):
        await call(deployment.app, path, headers=cookie)

    assert [request.path for request in deployment.fake.requests] == ["/sessions/whoami"]


@pytest.mark.parametrize("path", ["/static/../pages.py", "/static/%2e%2e/pages.py", "/static/nothing.css"])
async def test_only_files_of_the_folder_are_served(deployment: Deployment, path: str) -> None:
    """No path leads out of the folder of static files."""
    more: dict[str, Any] = {"raw_path": path.encode()}

    assert (await call(deployment.app, path, **more)).status == 404
