"""The requests of web hooks: method, headers, authentication, body, retries and redirects."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.flow_client import client_for

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing import FakeKratos

from .scenario import ALL, Receiver, base64_uri, fake_with, web_hook

pytestmark = pytest.mark.anyio

FORM = "application/x-www-form-urlencoded"


async def start_login(fake: FakeKratos) -> Any:
    """Start a login, and return the response."""
    return await client_for(fake, native=True).start("login")


async def sent(receiver: Receiver, template: str = "function(ctx) { type: ctx.flow.type }", **config: Any) -> Any:
    """Return the request of a hook with this configuration."""
    fake = fake_with(receiver, {"login.before": (web_hook("login", template, **config),)})
    assert (await start_login(fake)).status_code == 200
    return receiver.hooks[-1]


API_KEY = {"type": "api_key", "config": {"name": "X-Key", "value": "secret", "in": "header"}}
IN_COOKIE = {"type": "api_key", "config": {"name": "key", "value": "secret", "in": "cookie"}}
WITHOUT_IN = {"type": "api_key", "config": {"name": "X-Key", "value": "secret"}}
BASIC = {"type": "basic_auth", "config": {"user": "kratos", "password": "p:w"}}
JSON_HEADERS = {"content-type": "application/json", "user-agent": "Go-http-client/1.1"}
JSON_BODY = b'{\n    "type": "api"\n}'


@pytest.mark.parametrize(
    ("config", "method", "headers", "body"),
    [
        ({}, "POST", JSON_HEADERS, JSON_BODY),
        ({"emit_analytics_event": False}, "POST", JSON_HEADERS, JSON_BODY),
        ({"method": "put"}, "PUT", {}, JSON_BODY),
        ({"method": "TRACE"}, "TRACE", {}, b""),
        ({"headers": {"x-tenant": "a"}}, "POST", {"x-tenant": "a"}, JSON_BODY),
        ({"headers": {"content-type": FORM}}, "POST", {"content-type": FORM}, b"type=api"),
        ({"auth": API_KEY}, "POST", {"x-key": "secret"}, JSON_BODY),
        ({"auth": WITHOUT_IN}, "POST", {"x-key": "secret"}, JSON_BODY),
        ({"auth": IN_COOKIE}, "POST", {"cookie": "key=secret"}, JSON_BODY),
        ({"auth": BASIC}, "POST", {"authorization": "Basic a3JhdG9zOnA6dw=="}, JSON_BODY),
    ],
    ids=str,
)
async def test_request_follows_the_configuration(
    config: dict[str, Any], method: str, headers: dict[str, str], body: bytes
) -> None:
    hook = await sent(Receiver(), **config)

    assert hook.method == method
    assert headers.items() <= hook.headers.items()
    assert hook.body == body
    has_random_ids = config.get("emit_analytics_event", True)
    for name in ("ory-webhook-request-id", "ory-webhook-trigger-id"):
        assert (name in hook.headers) is has_random_ids


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"body": ""}, "empty template"),
        ({"body": base64_uri("function(ctx) ctx.nope")}, "no such field: nope"),
        ({"body": base64_uri("function(ctx)")}, "syntax error"),
        ({"body": base64_uri("function(ctx) importstr '/etc/hostname'")}, "cannot import files"),
        ({"headers": {"Content-Type": "text/plain"}}, "incorrect Content-Type"),
        ({"headers": {"Content-Type": FORM}}, "object of strings"),
    ],
    ids=str,
)
async def test_body_that_cannot_be_built_fails_the_flow(config: dict[str, Any], message: str) -> None:
    receiver = Receiver()
    fake = fake_with(receiver, {"registration.before": (web_hook("registration", **config),)})
    response = await client_for(fake, native=True).start("registration")

    assert response.status_code == 500
    assert message in response.json()["error"]["message"]
    assert receiver.hooks == []


@pytest.mark.parametrize(
    ("responses", "status", "calls"),
    [
        ([(503, b""), (204, b"")], 200, 2),
        ([(429, b""), OSError("refused"), (204, b"")], 200, 3),
        ([(500, b"")] * 3, 500, 3),
        ([OSError("refused")] * 3, 500, 3),
        ([(501, b"")], 502, 1),
        ([(307, b"", ("location", "/moved"))], 200, 2),
        ([(303, b"", ("location", "/moved"))], 200, 2),
        ([(302, b"")], 200, 1),
    ],
    ids=str,
)
async def test_failed_requests_are_repeated_and_redirects_are_followed(
    responses: list[Any], status: int, calls: int
) -> None:
    becomes_get = responses[0] == (303, b"", ("location", "/moved"))
    receiver = Receiver({"registration": list(responses)})
    fake = fake_with(receiver, {"registration.before": (web_hook("registration"),)})
    response = await client_for(fake, native=True).start("registration")

    assert (response.status_code, len(receiver.hooks)) == (status, calls)
    last = receiver.hooks[-1]
    assert (last.method, last.body == b"") == (("GET", True) if becomes_get else ("POST", False))


async def test_redirects_end_after_ten() -> None:
    receiver = Receiver({"login": (307, b"", ("location", "/login"))})
    assert (await start_login(fake_with(receiver, {"login.before": (web_hook("login"),)}))).status_code == 200
    assert len(receiver.hooks) == 11


@pytest.mark.parametrize(
    ("status", "template", "logged"),
    [
        (204, ALL, ""),
        (400, ALL, "failed"),
        (500, ALL, "failed"),
        (204, "function(ctx) ctx.nope", "no such field"),
    ],
)
async def test_ignored_hook_has_no_effect(
    status: int, template: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver({"login": (status, b"")})
    fake = fake_with(receiver, {"login.before": (web_hook("login", template, response={"ignore": True}),)})

    assert (await start_login(fake)).status_code == 200
    await fake.wait_for_web_hooks()

    assert fake.web_hook_app is receiver
    assert receiver.paths[:1] == (["login"] if template == ALL else [])
    assert logged in caplog.text if logged else not caplog.text


@contextmanager
def served_once(response: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answer one connection on a socket, and yield the URL and the received bytes."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                received.append(connection.recv(65_536))
                connection.sendall(response)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook?a=b", received
        thread.join()


async def test_hooks_are_sent_over_the_network_by_default() -> None:
    with served_once(b"HTTP/1.1 204 No Content\r\n\r\n") as (url, received):
        config = {"url": url, "method": "GET", "body": base64_uri(ALL)}
        fake = FakeKratos(hooks={"login.before": ({"hook": "web_hook", "config": config},)})
        assert (await start_login(fake)).status_code == 200

    assert received[0].startswith(b"GET /hook?a=b HTTP/1.1\r\n")


async def test_unreachable_receiver_fails_the_flow() -> None:
    config = {"url": "https://127.0.0.1:1/", "method": "POST", "body": base64_uri(ALL)}
    fake = FakeKratos(hooks={"registration.before": ({"hook": "web_hook", "config": config},)})

    assert (await client_for(fake, native=True).start("registration")).status_code == 500


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({}, "requires an http"),
        ({"url": "http://a.test"}, "requires an http"),
        ({"url": "ftp://a.test", "method": "POST"}, "requires an http"),
        ({"response": {"ignore": True, "parse": True}}, "both ignore and parse"),
        ({"response": {"ignore": True}, "can_interrupt": True}, "both ignore and parse"),
        ({"auth": {"type": "oauth2"}}, "must be an api_key"),
        ({"auth": {"type": "api_key", "config": {"name": "x"}}}, "must be an api_key"),
        ({"auth": {"type": "basic_auth"}}, "must be an api_key"),
        ({"body": "https://a.test/x.jsonnet"}, "does not download"),
        ({"body": "base64://%"}, "cannot be read"),
        ({"body": "file:///nowhere/x.jsonnet"}, "cannot be read"),
    ],
    ids=str,
)
def test_invalid_configuration_raises(config: dict[str, Any], match: str) -> None:
    usable = {"url": "http://a.test/", "method": "POST"} if "url" not in config and config else {}
    hooks = {"login.after.password": ({"hook": "web_hook", "config": usable | config},)}

    with pytest.raises(ConfigurationError, match=r"hooks\['login.after.password'\]: .*" + match):
        FakeKratos(hooks=hooks)


@pytest.mark.parametrize("uri", ["file://./body.jsonnet", "body.jsonnet", "file:///etc/config/kratos/body.jsonnet"])
async def test_body_of_a_configuration_file_is_beside_it(tmp_path: Path, uri: str) -> None:
    (tmp_path / "body.jsonnet").write_text("function(ctx) { from: 'file' }")
    path = tmp_path / "kratos.yml"
    path.write_text(
        f"""
        clients: {{web_hook: {{header_allowlist: [Accept]}}}}
        selfservice:
          flows:
            login:
              before:
                hooks:
                  - hook: web_hook
                    config: {{url: "http://receiver.test/login", method: POST, body: "{uri}"}}
        """
    )
    receiver = Receiver()
    fake = FakeKratos.from_config(path)
    fake.web_hook_app = receiver
    await start_login(fake)

    assert receiver.hooks[0].json == {"from": "file"}
    assert fake.settings.web_hook_header_allowlist == ("Accept",)
