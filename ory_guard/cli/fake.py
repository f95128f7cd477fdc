"""`ory-guard fake`: a Kratos in memory on two ports, for development."""

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.output import print_line, sanitize

try:
    import uvicorn

    from ory_guard.testing import CourierMessage, FakeKratos
    from ory_guard.testing.config_file import read_settings
except ModuleNotFoundError as _error:
    raise CommandFailed(
        f"ory-guard fake needs {_error.name}: install the extras with pip install 'ory-guard[cli,testing]'",
        ExitCode.USAGE,
    ) from None

__all__ = ["by_port", "run"]

LOOPBACK: Final = "127.0.0.1"

Application = Callable[[Any, Any, Any], Any]


def run(*, port: int, admin_port: int, config: Path | None, seed: Path | None, exposed: str | None) -> None:
    """Serve a fake until it is interrupted.

    Args:
        port: The public API's port.
        admin_port: The admin API's.
        config: A file that says how it is set up.
        seed: A file that lists identities.
        exposed: Where to listen instead of 127.0.0.1.

    Raises:
        CommandFailed: A port is taken.
        ConfigurationError: A file is wrong.
    """
    address = exposed or LOOPBACK
    with contextlib.ExitStack() as stack:
        public, admin = (stack.enter_context(_listen(address, number)) for number in (port, admin_port))
        kratos = _make(_port(public), config, seed)
        _tell(kratos, public, admin, exposed=exposed is not None)
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
    print_line("Stopped; everything that it knew is gone.")


def by_port(admin: Application, admin_port: int, public: Application) -> Application:
    """Return an application that answers on one port as the admin API, and on all others as the public one."""

    async def choose(scope: Any, receive: Any, send: Any) -> None:
        """Hand the request to whoever answers on its port."""
        chosen = admin if scope["server"][1] == admin_port else public
        await chosen(scope, receive, send)

    return choose


def _listen(address: str, port: int) -> socket.socket:
    try:
        listening = socket.create_server((address, port))
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise CommandFailed(
            f"{address}:{port} can't be listened on ({reason}): stop what uses it, or choose another port "
            "with --port and --admin-port"
        ) from None
    # asyncio does this only for sockets that it made: without it, each answer comes 40 ms late.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _port(listening: socket.socket) -> int:
    number: int = listening.getsockname()[1]
    return number


def _make(port: int, config: Path | None, seed: Path | None) -> FakeKratos:
    fields = {} if config is None else read_settings(config)
    fields.setdefault("public_url", f"http://{LOOPBACK}:{port}")
    kratos = FakeKratos(**fields, on_message=_show)
    for path in (config, seed):
        if path is not None:
            kratos.seed(path)
    return kratos


def _show(message: CourierMessage) -> None:
    what = message.template_type.removesuffix("_valid").replace("_", " ")
    print_line(f"{what} for {message.recipient}: {message.code}")


def _tell(kratos: FakeKratos, public: socket.socket, admin: socket.socket, *, exposed: bool) -> None:
    print_line(
        "This is a fake Kratos for development, never for production: it keeps everything in memory,", style="bold"
    )
    print_line("and whoever reaches it can become anybody.", style="bold")
    if exposed:
        print_line(f"IT CAN BE REACHED FROM OTHER MACHINES, at {public.getsockname()[0]}.", style="bold red")
    print_line()
    print_line(f"  public API  {kratos.settings.public_url} (port {_port(public)})")
    print_line(f"  admin API   port {_port(admin)}")
    print_line(f"  UI pages    {kratos.settings.login_ui_url} and others, which your application serves")
    if kratos.identities:
        people = ", ".join(sanitize(identity.traits.get("email", identity.id)) for identity in kratos.identities)
        print_line(f"  people      {people}")
    print_line()
    print_line("Codes are shown here as they are sent. Stop it with Ctrl+C.")
