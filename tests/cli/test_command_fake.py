"""`ory-guard fake`: a Kratos on two ports of this machine, with its codes on the screen."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, call
from support.ports import free_port

from ory_guard.cli.errors import ExitCode
from ory_guard.testing.fake_kratos import DEFAULT_PASSWORD as PASSWORD

SEED = Path(__file__).parent / "people.json"

Errand = Callable[["Ports"], Any]


class Ports:
    """The two ports of a fake that is being served."""

    def __init__(self) -> None:
        self.public = free_port()
        self.admin = free_port()

    def wait(self, over: threading.Event) -> bool:
        """Wait until the public API answers; False if that is over before."""
        while not over.wait(0.01):
            with contextlib.suppress(OSError):
                return bool(self.get(self.public, "/health/alive"))
        return False

    def get(self, port: int, path: str, **headers: str) -> Any:
        """Return the JSON of an answer."""
        return self._ask(port, "GET", path, None, headers)

    def post(self, port: int, path: str, body: Any) -> Any:
        """Return the JSON of the answer to a JSON body."""
        return self._ask(port, "POST", path, json.dumps(body), {"content-type": "application/json"})

    def _ask(self, port: int, method: str, path: str, body: str | None, headers: dict[str, str]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def submit(self, flow: str, **body: Any) -> Any:
        """Begin a native flow and submit it."""
        action = self.get(self.public, f"/self-service/{flow}/api")["ui"]["action"]
        assert action.startswith(f"http://127.0.0.1:{self.public}/")
        return self.post(self.public, action.partition(str(self.public))[2], body)


def serve(errand: Errand, *arguments: object) -> tuple[Ended, Any]:
    """Serve a fake, run an errand once it answers, and interrupt it as a person does."""
    ended, result = _served(errand, arguments)
    if ended.code == ExitCode.ERROR:  # another program took a port that was free a moment before
        ended, result = _served(errand, arguments)
    return ended, result


def _served(errand: Errand, arguments: tuple[object, ...]) -> tuple[Ended, Any]:
    ports, results, over = Ports(), [], threading.Event()

    def run() -> None:
        try:
            if ports.wait(over):
                results.append(errand(ports))
        finally:
            if not over.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    helper = threading.Thread(target=run)
    helper.start()
    try:
        ended = call("fake", "--port", ports.public, "--admin-port", ports.admin, *arguments)
    finally:
        over.set()
        helper.join()
    return ended, results[0] if results else None


def test_it_answers_on_both_ports_until_it_is_interrupted() -> None:
    """The public and the admin API, on 127.0.0.1, with URLs that follow the port."""

    def errand(ports: Ports) -> Any:
        nobody = ports.get(ports.public, "/sessions/whoami")
        people = ports.get(ports.admin, "/admin/identities")
        return ports, nobody["error"]["code"], people

    ended, (ports, code, people) = serve(errand)

    assert (ended.code, code, people) == (0, 401, [])
    assert ended.out.splitlines() == [
        "This is a fake Kratos for development, never for production: it keeps everything in memory,",
        "and whoever reaches it can become anybody.",
        "",
        f"  public API  http://127.0.0.1:{ports.public} (port {ports.public})",
        f"  admin API   port {ports.admin}",
        "  UI pages    http://127.0.0.1:4455/login and others, which your application serves",
        "",
        "Codes are shown here as they are sent. Stop it with Ctrl+C.",
        "Stopped; everything that it knew is gone.",
    ]


def test_codes_are_shown_as_they_are_sent() -> None:
    """For recovery and for verification, with the address that they would have gone to."""

    def errand(ports: Ports) -> Any:
        for flow in ("recovery", "verification"):
            ports.submit(flow, method="code", email="ada@example.test")
        messages = ports.get(ports.admin, "/admin/courier/messages")
        return [re.findall(r"\d{6}", message["body"])[0] for message in messages]

    ended, (verification, recovery) = serve(errand, "--seed", SEED)

    assert f"recovery code for ada@example.test: {recovery}\n" in ended.out
    assert f"verification code for ada@example.test: {verification}\n" in ended.out


def test_people_of_a_seed_may_sign_in() -> None:
    """They are named on the screen, their passwords are not."""

    def errand(ports: Ports) -> Any:
        return ports.submit("login", method="password", identifier="ada@example.test", password=PASSWORD)

    ended, signed_in = serve(errand, "--seed", SEED)

    assert signed_in["session"]["active"] is True
    assert "  people      ada@example.test, grace@example.test\n" in ended.out
    assert PASSWORD not in ended.out


def test_a_file_of_kratos_own_keys_sets_it_up(tmp_path: Path) -> None:
    """URLs of the file win over those that follow the port, and it may list people too."""
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

    def errand(ports: Ports) -> Any:
        return ports.get(ports.public, "/self-service/login/api")["ui"]["action"]

    ended, action = serve(errand, "--config", config)

    assert action.startswith("https://id.example.com/self-service/login?flow=")
    assert "  public API  https://id.example.com (port " in ended.out
    assert "  UI pages    https://app.example.com/sign-in and others" in ended.out
    assert "  people      alan@example.test\n" in ended.out


def test_another_address_than_loopback_takes_a_frightening_flag() -> None:
    """And the screen says so; here it is loopback all the same."""

    def errand(ports: Ports) -> Any:
        return ports.get(ports.public, "/health/alive")

    ended, _ = serve(errand, "--dangerously-listen-on", "127.0.0.1")

    assert "IT CAN BE REACHED FROM OTHER MACHINES, at 127.0.0.1.\n" in ended.out
    assert "--host" not in call("fake", "--help").out


def test_a_port_that_is_taken_ends_with_3() -> None:
    """With the options that choose another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = call("fake", "--port", 0, "--admin-port", port)

    assert ended.code == 3
    assert ended.error.startswith(f"127.0.0.1:{port} can't be listened on (Address already in use)")
    assert "--admin-port" in ended.error


@pytest.mark.parametrize("option", ["--config", "--seed"])
def test_a_file_that_is_wrong_ends_with_2(option: str, tmp_path: Path) -> None:
    """Before anything is served."""
    path = tmp_path / "wrong.json"
    path.write_text('{"session": {"lifespan": "long"}, "identities": [{"name": "Ada"}]}')

    ended = call("fake", "--port", 0, "--admin-port", 0, option, path)

    assert ended.code == 2
    assert str(path) in ended.error


def test_an_extra_that_is_missing_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to install it."""
    monkeypatch.delitem(sys.modules, "ory_guard.cli.fake", raising=False)
    monkeypatch.setitem(sys.modules, "ory_guard.testing", None)

    ended = call("fake")

    assert ended.code == 2
    assert "install the extras with pip install 'ory-guard[cli,testing]'" in ended.error
