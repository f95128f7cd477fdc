"""`ory-guard serve`: serve `ForwardAuth` for a reverse proxy."""

import contextlib
import logging
import os
import socket
import stat
from pathlib import Path
from typing import Final

import uvicorn

from ory_guard.cli.errors import CommandFailed
from ory_guard.cli.output import print_line
from ory_guard.cli.serve_config import ServeConfig, read_serve_config

__all__ = ["run"]

_SOCKET_MASK: Final = 0o117  # mode 0660: only the user and the group can connect
_BACKLOG: Final = 2_048
_MAX_HEADER_BYTES: Final = 65_536  # more than proxies accept from clients, because they forward all of it
_KEEP_ALIVE: Final = (
    3_600  # seconds; a proxy should close idle connections first, so that it never uses a closed one
)


def run(path: Path, *, check: bool = False) -> None:
    """Serve until the process is interrupted or terminated.

    Args:
        path: The configuration file.
        check: Whether to check the configuration only.

    Raises:
        CommandFailed: If the address is in use.
        ConfigurationError: If the configuration is invalid.
    """
    config = read_serve_config(path)
    if check:
        print_line(f"{path} is valid.")
        return
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.WARNING)
    with _listener(config) as listener:
        print_line(f"Listening on {_name(config, listener)}. Stop it with Ctrl+C.")
        server = uvicorn.Server(
            uvicorn.Config(
                config.app,
                ws="none",
                lifespan="on",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                log_level="error",  # clients can cause warnings
                h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=5,
            )
        )
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _name(config: ServeConfig, listener: socket.socket) -> str:
    if config.socket is not None:
        return f"unix:{config.socket}"
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listener(config: ServeConfig) -> socket.socket:
    if config.socket is not None:
        return _unix_listener(config.socket)
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _cannot_listen(f"{config.host}:{config.port}", error) from None
    # asyncio sets this only on sockets that it created; without it, each response is delayed by 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _unix_listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    previous = os.umask(_SOCKET_MASK)
    try:
        _remove_unused_socket(path)
        listener.bind(os.fspath(path))
    except OSError as error:
        listener.close()
        raise _cannot_listen(f"unix:{path}", error) from None
    finally:
        os.umask(previous)
    listener.listen(_BACKLOG)
    return listener


def _remove_unused_socket(path: Path) -> None:
    """Remove a socket that an earlier process left behind; other files stay, and the bind fails."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()


def _cannot_listen(address: str, error: OSError) -> CommandFailed:
    reason = str(error.strerror or error).partition(" (")[0]
    return CommandFailed(f"can't listen on {address} ({reason}): stop the program that uses it, or change listen")
