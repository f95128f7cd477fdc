"""Event loops and servers without full support: trio, daphne and AWS Lambda."""

import asyncio
import gc
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from mangum import Mangum
from support.asgi_calls import Application, call

from frameworks.django_app import build as build_django
from frameworks.requests_table import CASES, World, check_request, headers_of
from frameworks.starlette_app import build
from ory_guard.exceptions import ConfigurationError

pytestmark = [pytest.mark.frameworks]


def test_startup_in_trio_fails(world: World) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    app: Application = build(world.guard)
    with pytest.raises(ConfigurationError, match="asyncio only"):
        trio.run(app, {"type": "lifespan"}, receive, send)

    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]


def test_request_in_trio_fails_with_the_cause(world: World) -> None:
    """As with anyio's backend for tests, which sends no lifespan events."""
    with pytest.raises(ConfigurationError, match="asyncio only"):
        trio.run(world.guard.authenticate, {"type": "http", "method": "GET", "path": "/", "headers": [world.token]})


def test_django_without_lifespan_is_logged_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Daphne sends no lifespan events; the event loop closes the connections at its end."""
    app = build_django(world.guard)

    async def twice() -> None:
        for _ in range(2):
            await check_request(app, CASES["API, token"], world)

    with caplog.at_level(logging.INFO, "ory_guard"), warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        asyncio.run(twice())
        gc.collect()

    lines = [record.getMessage() for record in caplog.records if record.name == "ory_guard"]
    assert [line.split(":")[0] for line in lines] == ["lifespan.missing"]


def lambda_event(path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return the event of a request to an HTTP API of Amazon API Gateway; it sends cookies as a list."""
    values = {name.decode(): value.decode() for name, value in headers if name != b"cookie"}
    cookies = [value.decode() for name, value in headers if name == b"cookie"]
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": values,
        "cookies": cookies,
        "requestContext": {"http": {"method": "GET", "path": path, "sourceIp": "192.0.2.7"}},
        "isBase64Encoded": False,
    }


@pytest.fixture
def event_loop_of_thread() -> Iterator[None]:
    """The event loop that Mangum uses, closed at the end."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)


@pytest.mark.usefixtures("event_loop_of_thread")
@pytest.mark.parametrize("lifespan", ["auto", "on", "off"])
def test_lambda_function(world: World, lifespan: Any) -> None:
    handler = Mangum(build(world.guard), lifespan=lifespan)

    found = [
        handler(lambda_event("/me", headers_of(CASES[name], world)), object())
        for name in ("API, anonymous", "navigation, cookie", "navigation, anonymous", "API, token")
    ]

    assert [one["statusCode"] for one in found] == [401, 200, 303, 200]
    assert json.loads(found[0]["body"])["error"]["id"] == "session_inactive"
    assert found[1]["body"] == world.user.session.identity.id


@pytest.mark.anyio
async def test_application_works_without_lifespan(world: World) -> None:
    assert (await call(build(world.guard), "/public")).status == 200
