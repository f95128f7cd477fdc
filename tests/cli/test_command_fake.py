"""`ory-guard fake`: a fake Kratos on two local ports that prints its codes."""

import json
import re
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from command_line import CommandResult, call, call_until_interrupted
from support.ports import free_port

from ory_guard.cli.errors import ExitCode
from ory_guard.testing.fake_kratos import DEFAULT_PASSWORD as PASSWORD

SEED = Path(__file__).parent / "people.json"

Client = Callable[["Ports"], Any]
"""Sends requests to a fake, and returns its result."""


class Ports:
    """The two ports of a running fake, and a client."""

    def __init__(self) -> None:
        self.public, self.admin = free_port(), free_port()
        self.client = httpx2.Client(timeout=60, trust_env=False)

    def connect(self) -> socket.socket:
        """Connect to the public API."""
        return socket.create_connection(("127.0.0.1", self.public))

    def get(self, port: int, path: str, accept: str = "application/json") -> httpx2.Response:
        """Return the response to a GET request."""
        return self.client.get(f"http://127.0.0.1:{port}{path}", headers={"accept": accept})

    def page(self, path: str) -> httpx2.Response:
        """Return the response to a browser."""
        return self.get(self.public, path, "text/html")

    def submit(self, flow: str, **body: Any) -> Any:
        """Create a native flow and submit it."""
        action = self.get(self.public, f"/self-service/{flow}/api").json()["ui"]["action"]
        assert action.startswith(f"http://127.0.0.1:{self.public}/")
        return self.client.post(action, json=body, headers={"accept": "application/json"}).json()


def serve(client: Client, *arguments: object) -> tuple[CommandResult, Any]:
    """Serve a fake, run a client when it responds, and interrupt the command."""
    served = _serve_once(client, arguments)
    taken = served[0].code == ExitCode.ERROR  # another program took a free port in the meantime
    return _serve_once(client, arguments) if taken else served


def _serve_once(client: Client, arguments: tuple[object, ...]) -> tuple[CommandResult, Any]:
    ports = Ports()
    options = ("fake", "--port", ports.public, "--admin-port", ports.admin, *arguments)
    with ports.client:
        return call_until_interrupted(ports.connect, partial(client, ports), *options)


def test_serves_both_apis_until_interrupted() -> None:
    def client(ports: Ports) -> Any:
        whoami = ports.get(ports.public, "/sessions/whoami").json()
        identities = ports.get(ports.admin, "/admin/identities").json()
        return ports, whoami["error"]["code"], identities

    result, (ports, code, identities) = serve(client)

    assert (result.code, code, identities) == (0, 401, [])
    assert result.out.splitlines() == [
        "This is a fake Kratos for development, never for production. It keeps all data in memory,",
        "and anyone who can reach it can log in as any user.",
        "",
        f"  public API  http://127.0.0.1:{ports.public} (port {ports.public})",
        f"  admin API   http://127.0.0.1:{ports.admin} (port {ports.admin})",
        "  UI pages    http://127.0.0.1:4455/login and others, served by your application",
        "  To serve login pages here, pass the URL of your application in --app-url.",
        "",
        "The codes and links of emails are printed here. Stop it with Ctrl+C.",
        "Stopped. All data has been discarded.",
    ]


def test_serves_login_pages_for_an_application() -> None:
    """Kratos' flows lead to the pages, and from there to the application."""

    def client(ports: Ports) -> Any:
        flow = ports.page("/self-service/login/browser").headers["location"]
        page = ports.client.get(flow, headers={"accept": "text/html"}).text
        return ports, flow, page, ports.page("/ui/assets/pages.css").text, ports.page("/health/alive").text

    result, (ports, flow, page, style, alive) = serve(client, "--app-url", "http://127.0.0.1:8000")

    assert "  Security keys and passkeys are disabled: " in result.out
    assert flow.startswith(f"http://127.0.0.1:{ports.public}/ui/login?flow=")
    assert 'name="identifier"' in page
    assert 'href="http://127.0.0.1:8000"' in page
    assert "--accent" in style
    assert "ok" in alive
    assert (
        f"  UI pages    http://127.0.0.1:{ports.public}/ui/login and others, served by this command" in result.out
    )


@pytest.mark.parametrize("has_extra", [True, False])
def test_flows_lead_to_the_pages_of_the_application(has_extra: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_extra:
        monkeypatch.setitem(sys.modules, "ory_guard.ui", None)
    pages = ("--ui-url", "http://127.0.0.1:8000/auth") if has_extra else ()

    result, location = serve(
        lambda ports: ports.page("/self-service/login/browser").headers["location"],
        "--app-url",
        "http://127.0.0.1:8000",
        *pages,
    )

    expected = "http://127.0.0.1:8000/auth" if has_extra else "http://127.0.0.1:4455"
    assert location.startswith(f"{expected}/login?flow=")
    assert f"  UI pages    {expected}/login and others, served by your application\n" in result.out
    assert ("install the extra ui" in result.out) is not has_extra


def test_prints_identities_and_their_codes_with_address_but_no_password() -> None:
    def client(ports: Ports) -> Any:
        for flow in ("recovery", "verification"):
            ports.submit(flow, method="code", email="ada@example.test")
        messages = ports.get(ports.admin, "/admin/courier/messages").json()
        login = ports.submit("login", method="password", identifier="ada@example.test", password=PASSWORD)
        return login, [re.findall(r"\d{6}", message["body"])[0] for message in messages]

    result, (login, (verification, recovery)) = serve(client, "--seed", SEED)

    assert login["session"]["active"] is True
    assert f"recovery code for ada@example.test: {recovery}\n" in result.out
    assert f"verification code for ada@example.test: {verification}\n" in result.out
    assert "  identities  ada@example.test, grace@example.test\n" in result.out
    assert PASSWORD not in result.out


def test_config_file_takes_precedence_over_default_urls(tmp_path: Path) -> None:
    """A config file can also list identities."""
    config = tmp_path / "kratos.json"
    config.write_text(
        json.dumps(
            {
                "serve": {"public": {"base_url": "https://id.example.com"}},
                "selfservice": {"flows": {"login": {"ui_url": "https://app.example.com/sign-in"}}},
                "identities": [{"email": "alan@example.test"}],
            }
        )
    )

    def client(ports: Ports) -> Any:
        return ports.get(ports.public, "/self-service/login/api").json()["ui"]["action"]

    result, action = serve(client, "--config", config)

    assert action.startswith("https://id.example.com/self-service/login?flow=")
    assert "  public API  https://id.example.com (port " in result.out
    assert "  UI pages    https://app.example.com/sign-in and others" in result.out
    assert "  identities  alan@example.test\n" in result.out


def test_config_file_of_kratos_and_url_of_an_application(tmp_path: Path) -> None:
    """Features that the fake does not support are named; flows may return to the application."""
    config = tmp_path / "kratos.yml"
    config.write_text("dsn: memory\nselfservice:\n  methods:\n    saml:\n      enabled: true\n")

    def client(ports: Ports) -> Any:
        path = "/self-service/login/api?return_to=http://127.0.0.1:8000/vault"
        return ports.get(ports.public, path).json()["return_to"]

    result, return_to = serve(client, "--config", config, "--app-url", "http://127.0.0.1:8000")

    assert return_to == "http://127.0.0.1:8000/vault"
    assert result.out.startswith(f"{config}: selfservice.methods.saml is not supported: ")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "myapp://callback", "http:///x", "http://[x", "http://x:y"])
def test_exits_with_2_for_an_invalid_url_of_an_application(url: str) -> None:
    result = call("fake", "--port", 0, "--admin-port", 0, "--app-url", url)

    assert result.code == 2
    assert f"--app-url must be an absolute http(s) URL such as http://127.0.0.1:8000, not '{url}'" in result.error


def test_listening_beyond_loopback_requires_dangerous_option() -> None:
    """The output contains a warning; this test uses the loopback address nevertheless."""

    def client(ports: Ports) -> Any:
        return ports.get(ports.public, "/health/alive")

    result, _ = serve(client, "--dangerously-listen-on", "127.0.0.1")

    assert "IT IS REACHABLE FROM OTHER MACHINES, at 127.0.0.1.\n" in result.out
    assert "--host" not in call("fake", "--help").out


def test_exits_with_3_if_a_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = call("fake", "--port", 0, "--admin-port", port)

    assert result.code == 3
    assert result.error.startswith(f"can't listen on 127.0.0.1:{port} (Address already in use)")
    assert "--admin-port" in result.error


@pytest.mark.parametrize("option", ["--config", "--seed"])
def test_exits_with_2_for_an_invalid_file(option: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('{"session": {"lifespan": "long"}, "identities": [{"name": "Ada"}]}')

    result = call("fake", "--port", 0, "--admin-port", 0, option, path)

    assert result.code == 2
    assert str(path) in result.error


def test_exits_with_2_if_an_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ory_guard.cli.fake", raising=False)
    monkeypatch.setitem(sys.modules, "ory_guard.testing", None)

    result = call("fake")

    assert result.code == 2
    assert "install the extras with pip install 'ory-guard[cli,testing]'" in result.error
