"""`ory-guard serve`: `ForwardAuth` on a Unix socket or a TCP address, from a TOML file."""

import contextlib
import http.client
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import call, call_until_interrupted, served_kratos
from support.doc_pages import ROOT, block_titled
from support.ports import free_port

SECRET = "5e1f0c1e2f0b4d0e9a550f6d8d1c7a01"
GUARD = '[guard]\nkratos_public_url = "http://127.0.0.1:4433"\napp_url = "https://app.example.com"\n'
UNIX = 'listen = "unix:auth.sock"\n'
HEADERS = {
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Uri": "/page",
    "X-Forwarded-Host": "app.example.com",
}

Connect = Callable[[], socket.socket]


def write(folder: Path, text: str) -> Path:
    """Write the configuration, and return its path."""
    path = folder / "forward-auth.toml"
    path.write_text(text, encoding="utf-8")
    return path


def ask(connect: Connect, **headers: str) -> int:
    """Send a sub-request, and return the status of the response."""
    connection = http.client.HTTPConnection("guard", timeout=30)
    connection.sock = connect()
    with contextlib.closing(connection):
        connection.request(
            "GET", "/", headers=HEADERS | {name.replace("_", "-"): headers[name] for name in headers}
        )
        return connection.getresponse().status


def unix(path: Path) -> Connect:
    """Return a function that connects to a Unix socket."""

    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(path))
        except OSError:
            client.close()
            raise
        return client

    return connect


def test_serves_on_a_unix_socket(tmp_path: Path) -> None:
    """Only the user and the group of the process can connect; the socket of an earlier process is replaced."""
    path = tmp_path / "auth.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with served_kratos() as kratos:
        ada = kratos.sign_in(kratos.add_identity())
        config = write(tmp_path, UNIX + GUARD.replace("http://127.0.0.1:4433", kratos.settings.public_url))

        def client() -> Any:
            statuses = ask(unix(path)), ask(unix(path), X_Session_Token=ada.token)
            return statuses, stat.S_IMODE(path.stat().st_mode)

        result, returned = call_until_interrupted(unix(path), client, "serve", "--config", config)

    assert returned == ((401, 200), 0o660)
    assert (result.code, result.out) == (0, f"Listening on unix:{path}. Stop it with Ctrl+C.\n")


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]")])
def test_serves_on_a_tcp_address_with_a_secret(host: str, shown: str, tmp_path: Path) -> None:
    bare, port = host.strip("[]"), free_port()
    if bare == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    config = write(tmp_path, f'listen = "{host}:{port}"\nsecret_file = "secret"\n{GUARD}')
    (tmp_path / "secret").write_text(f"{SECRET}\n")

    def connect() -> socket.socket:
        return socket.create_connection((bare, port))

    def client() -> Any:
        return [ask(connect, **headers) for headers in ({}, {"X_Ory_Guard_Secret": "wrong"}, _SECRET)]

    result, statuses = call_until_interrupted(connect, client, "serve", "--config", config)

    assert statuses == [403, 403, 401]
    assert (result.code, result.out) == (0, f"Listening on {shown}:{port}. Stop it with Ctrl+C.\n")


_SECRET = {"X_Ory_Guard_Secret": SECRET}


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def test_address_in_use(tmp_path: Path) -> None:
    """The socket of a running process, or a file, is not replaced."""
    path = tmp_path / "auth.sock"
    config = write(tmp_path, UNIX + GUARD)
    with socket.socket(socket.AF_UNIX) as running:
        running.bind(str(path))
        running.listen()
        by_socket = call("serve", "--config", config)
    path.unlink()
    path.write_text("")
    by_file = call("serve", "--config", config)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        by_port = call(
            "serve", "--config", write(tmp_path, f'listen = "127.0.0.1:{port}"\nsecret = "{SECRET}"\n{GUARD}')
        )

    for result, address in ((by_socket, f"unix:{path}"), (by_file, f"unix:{path}"), (by_port, f"127.0.0.1:{port}")):
        assert result.code == 3
        assert result.error.startswith(f"can't listen on {address} (Address already in use): stop the program")


def test_check_accepts_a_valid_configuration(tmp_path: Path) -> None:
    """That of the page, and one with every key."""
    complete = f"""
        listen = "0.0.0.0:4456"
        secret = "{SECRET}"
        for_nginx = true
        default = {{ verified = "email" }}
        redis = {{ url = "redis://127.0.0.1:6379/0", secret = "{SECRET}" }}
        [routes]
        "/a" = "session"
        "/b" = {{ aal = "aal2", max_age = 60, authentication_methods = ["totp"], revalidate = true }}
        [identity_headers]
        "X-User" = "identity.id"
        {GUARD}
    """
    for text in (block_titled(ROOT / "docs/how-to/forward-auth.md", "forward-auth.toml"), complete):
        path = write(tmp_path, text)
        result = call("serve", "--config", path, "--check")
        assert (result.code, result.out) == (0, f"{path} is valid.\n")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("listen = ", "is not a TOML file: Invalid value"),
        ("\udcff", "is not a TOML file: 'utf-8' codec can't decode"),
        ("port = 1", "unknown key port in the file; valid keys: listen, secret, "),
        (GUARD, "listen: 127.0.0.1:4456 needs a secret, because "),
        ('listen = "0.0.0.0:4456"\n' + GUARD, "listen: 0.0.0.0:4456 needs a secret, because "),
        *(
            (
                f"listen = {value}\n" + GUARD,
                f"listen: {value.replace(chr(34), chr(39))} is not allowed: use unix: and",
            )
            for value in (
                *('"unix:"', '"localhost:4456"', '"127.0.0.1"', '"127.0.0.1:"', '"127.0.0.1:65536"'),
                '"[::1]"',
            )
        ),
        ("listen = 4456\n" + GUARD, "listen: 4456 is not allowed"),
        (f'secret = "short"\n{GUARD}', "secret must have at least 16 printable ASCII characters"),
        (f"secret = 7\n{GUARD}", "secret must have at least 16 printable ASCII characters"),
        (f'secret = "{SECRET}"\nsecret_file = "a"\n{GUARD}', "secret and secret_file are both set"),
        (f'secret_file = "missing"\n{GUARD}', "secret_file: missing can't be read: No such file or directory"),
        (f'secret_file = "forward-auth.toml"\n# é\n{GUARD}', "secret_file: forward-auth.toml must contain ASCII"),
        (f"secret_file = 7\n{GUARD}", "secret_file: 7 is not allowed: use the path of a file"),
        (f"{UNIX}for_nginx = 1\n{GUARD}", "for_nginx: 1 is not allowed: use true or false"),
        (f"{UNIX}routes = []\n{GUARD}", "routes must be a table (got [])"),
        (f"{UNIX}guard = 1", "guard must be a table (got 1)"),
        (UNIX, "guard: kratos_public_url is required"),
        (f"{UNIX}{GUARD}ttl = 3", "guard: unknown setting ttl"),
        (
            f'{UNIX}{GUARD}[routes]\n"/a" = "open"',
            "routes: '/a': 'open' is not allowed: use \"public\", \"session\"",
        ),
        (f'{UNIX}{GUARD}[routes]\n"a" = "public"', "routes: 'a' must be a decoded path"),
        (f'{UNIX}{GUARD}[routes]\n"/a" = {{ when = 1 }}', "unknown key when in routes.'/a'; valid keys: aal, "),
        (f'{UNIX}{GUARD}[default]\naal = "aal3"', "aal: 'aal3' is not allowed"),
        (f'{UNIX}{GUARD}[identity_headers]\n"X-A" = "email"', "the value 'email' of X-A is not in a session"),
        (f"{UNIX}{GUARD}[redis]\nport = 1", "unknown key port in redis; valid keys: url, secret, secret_file"),
        (f'{UNIX}{GUARD}[redis]\nurl = "redis://a"', "redis needs url, and secret or secret_file"),
    ],
)
def test_invalid_configuration_is_a_sentence(text: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / "forward-auth.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))

    result = call("serve", "--config", path)

    assert result.code == 2
    assert result.error.startswith(f"{path}")
    assert error in result.error
    assert result.error.count("\n") == 1


def test_missing_file(tmp_path: Path) -> None:
    result = call("serve", "--config", tmp_path / "none.toml")

    assert (result.code, result.error) == (2, f"{tmp_path}/none.toml can't be read: No such file or directory\n")


def test_redis_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ory_guard.redis", None)

    result = call("serve", "--config", write(tmp_path, f'{UNIX}{GUARD}[redis]\nurl = "redis://a"'))

    assert result.code == 2
    assert "install the extra with pip install 'ory-guard[redis]'" in result.error
