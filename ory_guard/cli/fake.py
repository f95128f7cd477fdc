"""`ory-guard fake`: serve a fake Kratos on two ports, for development."""

import contextlib
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.output import print_line, sanitize

try:
    import uvicorn

    from ory_guard.cli.fake_pages import EXTRA_HINT, add_pages, can_serve_pages
    from ory_guard.cli.fake_settings import LOOPBACK, host_notes, make_settings, require_url
    from ory_guard.testing import CourierMessage, FakeKratos
    from ory_guard.testing.config_file import ConfigFile, read_config
except ModuleNotFoundError as _error:
    raise CommandFailed(
        f"ory-guard fake needs {_error.name}: install the extras with pip install 'ory-guard[cli,testing]'",
        ExitCode.USAGE,
    ) from None

__all__ = ["by_port", "run"]

_PAGES_HINT: Final = "  To serve login pages here, pass the URL of your application in --app-url."

Application = Callable[[Any, Any, Any], Any]


def run(
    *,
    port: int,
    admin_port: int,
    config: Path | None,
    seed: Path | None,
    app_url: str | None = None,
    ui_url: str | None = None,
    exposed: str | None = None,
) -> None:
    """Serve a fake Kratos until it is interrupted, with login pages if only the URL of an application is given.

    Args:
        port: The port of the public API; 0 selects a free port.
        admin_port: The port of the admin API; 0 selects a free port.
        config: A file with Kratos' configuration keys.
        seed: A file with a list of identities.
        app_url: The URL of an application that flows may return to.
        ui_url: The URL of login pages, such as the mount of `FlowPages` in the application.
        exposed: The address to listen on instead of 127.0.0.1.

    Raises:
        CommandFailed: If a port is in use.
        ConfigurationError: If a file is invalid.
    """
    address = exposed or LOOPBACK
    with contextlib.ExitStack() as stack:
        public, admin = (stack.enter_context(_listen(address, number)) for number in (port, admin_port))
        file = ConfigFile({}, ()) if config is None else read_config(config)
        fields = dict(file.fields)
        if ui_url is not None:
            fields["ui_url"] = require_url(ui_url, "--ui-url")
        serves_pages = _serves_pages(fields, app_url)
        ports = {"port": _port(public), "admin_port": _port(admin)}
        settings = make_settings(fields, app_url=app_url, serves_pages=serves_pages, **ports)
        kratos = FakeKratos(settings, on_message=_print_code)
        for path in (config, seed):
            if path is not None:
                kratos.seed(path)
        for note in file.notes:
            print_line(f"{config}: {note}", style="yellow")
        _print_banner(kratos, public, admin, exposed=exposed is not None, serves_pages=serves_pages)
        if not serves_pages and not _names_pages(fields):
            print_line(_PAGES_HINT if app_url is None else EXTRA_HINT)
        for note in host_notes(settings, fields, {"--app-url": app_url, "--ui-url": ui_url}):
            print_line(f"  {note}", style="yellow")
        print_line()
        print_line("The codes and links of emails are printed here. Stop it with Ctrl+C.")
        application: Application = kratos.app
        if app_url is not None and serves_pages:
            application = add_pages(kratos, _port(public), app_url)
        server = uvicorn.Server(
            uvicorn.Config(
                by_port(kratos.admin_app, _port(admin), application),
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


def _serves_pages(fields: Mapping[str, Any], app_url: str | None) -> bool:
    """Return whether this command serves the login pages, because the configuration names no others."""
    return app_url is not None and not _names_pages(fields) and can_serve_pages()


def _names_pages(fields: Mapping[str, Any]) -> bool:
    return any(name.endswith("ui_url") for name in fields)


def _print_code(message: CourierMessage) -> None:
    template = message.template_type.removesuffix("_valid").replace("_", " ")
    print_line(f"{template} for {message.recipient}: {message.code}")


def _print_banner(
    kratos: FakeKratos, public: socket.socket, admin: socket.socket, *, exposed: bool, serves_pages: bool
) -> None:
    print_line(
        "This is a fake Kratos for development, never for production. It keeps all data in memory,", style="bold"
    )
    print_line("and anyone who can reach it can log in as any user.", style="bold")
    if exposed:
        print_line(f"IT IS REACHABLE FROM OTHER MACHINES, at {public.getsockname()[0]}.", style="bold red")
    print_line()
    print_line(f"  public API  {kratos.settings.public_url} (port {_port(public)})")
    print_line(f"  admin API   {kratos.settings.admin_url} (port {_port(admin)})")
    server = "this command" if serves_pages else "your application"
    print_line(f"  UI pages    {kratos.settings.login_ui_url} and others, served by {server}")
    if kratos.identities:
        names = ", ".join(sanitize(identity.traits.get("email", identity.id)) for identity in kratos.identities)
        print_line(f"  identities  {names}")
