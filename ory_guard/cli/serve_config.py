"""The configuration of `ory-guard serve`: a TOML file."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ory_guard.exceptions import ConfigurationError
from ory_guard.forward_auth import ForwardAuth
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.requirements import Conditions, Requirement
from ory_guard.guard.settings import GuardSettings

if TYPE_CHECKING:
    from ory_guard.cache.store_protocol import SessionStore

__all__ = ["ServeConfig", "read_serve_config"]

_UNIX: Final = "unix:"
_DEFAULT_LISTEN: Final = "127.0.0.1:4456"
_MAX_PORT: Final = 65_535
_KEYS: Final = (
    *("listen", "secret", "secret_file", "for_nginx"),
    *("guard", "routes", "default", "identity_headers", "redis"),
)
_TABLES: Final = ("guard", "routes", "default", "identity_headers", "redis")
_CONDITIONS: Final = tuple(name for name in Conditions.__annotations__ if name != "when")  # a function


@dataclass(frozen=True)
class ServeConfig:
    """What to serve, and at which address.

    Attributes:
        app: The application.
        socket: The path of a Unix socket, or None.
        host: An IP address, without a Unix socket.
        port: A TCP port; 0 selects a free port.
    """

    app: ForwardAuth
    socket: Path | None
    host: str = ""
    port: int = 0


def read_serve_config(path: Path) -> ServeConfig:
    """Read the configuration.

    Raises:
        ConfigurationError: If the file can't be read, or a value is invalid.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigurationError(f"{path} is not a TOML file: {error}") from None
    try:
        return _config(document, path.parent)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _config(document: Mapping[str, Any], folder: Path) -> ServeConfig:
    _check_keys(document, _KEYS, "the file")
    for name in _TABLES:
        if not isinstance(document.get(name, {}), dict):
            raise ConfigurationError(f"{name} must be a table (got {document[name]!r})")
    secret = _secret(document, folder)
    socket, host, port = _address(document.get("listen", _DEFAULT_LISTEN), folder)
    if socket is None and secret is None:
        raise ConfigurationError(
            f"listen: {host}:{port} needs a secret, because every program that can connect to it could describe a "
            "request: set secret or secret_file, or listen on a Unix socket such as unix:/run/ory-guard.sock"
        )
    for_nginx = document.get("for_nginx", False)
    if not isinstance(for_nginx, bool):
        raise ConfigurationError(f"for_nginx: {for_nginx!r} is not allowed: use true or false")
    app = ForwardAuth(
        OryGuard(_settings(document.get("guard", {})), store=_store(document.get("redis"), folder)),
        routes={pattern: _rule(pattern, rule) for pattern, rule in document.get("routes", {}).items()},
        secret=secret,
        identity_headers=document.get("identity_headers"),
        for_nginx=for_nginx,
        **_conditions("default", document.get("default", {})),
    )
    return ServeConfig(app, socket, host, port)


def _check_keys(table: Mapping[str, Any], valid: Collection[str], place: str) -> None:
    for name in table:
        if name not in valid:
            raise ConfigurationError(f"unknown key {name} in {place}; valid keys: {', '.join(valid)}")


def _settings(table: dict[str, Any]) -> GuardSettings:
    try:
        return GuardSettings(**table)
    except ConfigurationError as error:
        raise ConfigurationError(f"guard: {error}") from None


def _rule(pattern: str, rule: Any) -> Requirement | None:
    if rule == "public":
        return None
    if rule == "session":
        return Requirement()
    if isinstance(rule, dict):
        return Requirement(**_conditions(f"routes.{pattern!r}", rule))
    raise ConfigurationError(
        f'routes: {pattern!r}: {rule!r} is not allowed: use "public", "session", or a table of conditions such as '
        '{ aal = "aal2" }'
    )


def _conditions(place: str, table: dict[str, Any]) -> Conditions:
    _check_keys(table, _CONDITIONS, place)
    return cast("Conditions", table)  # `Requirement` checks the values


def _secret(table: Mapping[str, Any], folder: Path) -> str | None:
    if "secret_file" not in table:
        return table.get("secret")
    if "secret" in table:
        raise ConfigurationError("secret and secret_file are both set: remove one of them")
    return _read_secret(table["secret_file"], folder)


def _read_secret(name: Any, folder: Path) -> str:
    if not isinstance(name, str):
        raise ConfigurationError(f"secret_file: {name!r} is not allowed: use the path of a file")
    try:
        return (folder / name).read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigurationError(f"secret_file: {name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"secret_file: {name} must contain ASCII characters only") from None


def _store(table: dict[str, Any] | None, folder: Path) -> "SessionStore | None":
    if table is None:
        return None
    _check_keys(table, ("url", "secret", "secret_file"), "redis")
    try:
        from ory_guard.redis import RedisSessionStore
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"redis needs {error.name}: install the extra with pip install 'ory-guard[redis]'"
        ) from None
    url, secret = table.get("url"), _secret(table, folder)
    if not isinstance(url, str) or not isinstance(secret, str):
        raise ConfigurationError("redis needs url, and secret or secret_file")
    return RedisSessionStore(url, secrets=secret.split())  # one per line, the newest first


def _address(listen: Any, folder: Path) -> tuple[Path | None, str, int]:
    if isinstance(listen, str) and listen.startswith(_UNIX) and len(listen) > len(_UNIX):
        return folder / listen.removeprefix(_UNIX), "", 0
    host, _, port = str(listen).rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ip_address(host)
        if not port.isascii() or not port.isdecimal() or int(port) > _MAX_PORT:
            raise ValueError(port)  # noqa: TRY301 - one message for the host and the port
    except ValueError:
        raise ConfigurationError(
            f"listen: {listen!r} is not allowed: use unix: and a path, or an IP address and a port such as "
            f"{_DEFAULT_LISTEN}"
        ) from None
    return None, host, int(port)
