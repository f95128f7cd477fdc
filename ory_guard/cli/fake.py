"""`ory-guard fake`: serve a fake Kratos on two ports, for development."""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.output import print_line, sanitize

try:
    import uvicorn

    from ory_guard.testing import CourierMessage, FakeKratos, FakeKratosSettings
    from ory_guard.testing.config_file import ConfigFile, read_config
except ModuleNotFoundError as _error:
    raise CommandFailed(
        f"ory-guard fake needs {_error.name}: install the extras with pip install 'ory-guard[cli,testing]'",
        ExitCode.USAGE,
    ) from None

__all__ = ["by_port", "run"]

LOOPBACK: Final = "127.0.0.1"

Application = Callable[[Any, Any, Any], Any]


def run(
    *,
    port: int,
    admin_port: int,
    config: Path | None,
    seed: Path | None,
    app_url: str | None = None,
    exposed: str | None = None,
) -> None:
    """Serve a fake Kratos until it is interrupted.

    Args:
        port: The port of the public API; 0 selects a free port.
        admin_port: The port of the admin API; 0 selects a free port.
        config: A file with Kratos' configuration keys.
        seed: A file with a list of identities.
        app_url: The URL of an application that flows may return to.
        exposed: The address to listen on instead of 127.0.0.1.

    Raises:
        CommandFailed: If a port is in use.
        ConfigurationError: If a file is invalid.
    """
    address = exposed or LOOPBACK
    with contextlib.ExitStack() as stack:
        public, admin = (stack.enter_context(_listen(address, number)) for number in (port, admin_port))
        file = ConfigFile({}, ()) if config is None else read_config(config)
        kratos = _make(_port(public), file.fields, app_url)
        for path in (config, seed):
            if path is not None:
                kratos.seed(path)
        for note in file.notes:
            print_line(f"{config}: {note}", style="yellow")
        _print_banner(kratos, public, admin, exposed=exposed is not None)
        server = uvicorn.Server(
            uvicorn.Config(
                by_port(kratos.admin_app, _port(admin), kratos.app),
                lifespan="off",
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[public, admin])
    print_line("Stopped. All data has been discarded.")


def by_port(admin: Application, admin_port: int, public: Application) -> Application:
    """Return an application that serves the admin API on its port, and the public API on every other port."""

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        """Forward the request to the API of its port."""
        application = admin if scope["server"][1] == admin_port else public
        await application(scope, receive, send)

    return dispatch


def _listen(address: str, port: int) -> socket.socket:
    try:
        server_socket = socket.create_server((address, port))
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise CommandFailed(
            f"can't listen on {address}:{port} ({reason}): stop the program that uses it, or choose another port "
            "with --port and --admin-port"
        ) from None
    # asyncio sets this only on sockets that it created; without it, each response is delayed by 40 ms.
    server_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server_socket


def _port(server_socket: socket.socket) -> int:
    number: int = server_socket.getsockname()[1]
    return number


def _make(port: int, fields: dict[str, Any], app_url: str | None) -> FakeKratos:
    settings = FakeKratosSettings(**{"public_url": f"http://{LOOPBACK}:{port}", **fields})
    if app_url is not None:
        if urlsplit(app_url).scheme not in {"http", "https"} or not urlsplit(app_url).netloc:
            raise CommandFailed(
                f"--app-url must be an absolute http(s) URL such as http://127.0.0.1:8000, not {app_url!r}",
                ExitCode.USAGE,
            )
        settings = replace(settings, allowed_return_urls=(*settings.allowed_return_urls, app_url))
    return FakeKratos(settings, on_message=_print_code)


def _print_code(message: CourierMessage) -> None:
    template = message.template_type.removesuffix("_valid").replace("_", " ")
    print_line(f"{template} for {message.recipient}: {message.code}")


def _print_banner(kratos: FakeKratos, public: socket.socket, admin: socket.socket, *, exposed: bool) -> None:
    print_line(
        "This is a fake Kratos for development, never for production. It keeps all data in memory,", style="bold"
    )
    print_line("and anyone who can reach it can log in as any user.", style="bold")
    if exposed:
        print_line(f"IT IS REACHABLE FROM OTHER MACHINES, at {public.getsockname()[0]}.", style="bold red")
    print_line()
    print_line(f"  public API  {kratos.settings.public_url} (port {_port(public)})")
    print_line(f"  admin API   port {_port(admin)}")
    print_line(f"  UI pages    {kratos.settings.login_ui_url} and others, served by your application")
    if kratos.identities:
        names = ", ".join(sanitize(identity.traits.get("email", identity.id)) for identity in kratos.identities)
        print_line(f"  identities  {names}")
    print_line()
    print_line("The codes and links of emails are printed here. Stop it with Ctrl+C.")
