"""The URLs of Redis: a single server, a primary that sentinels monitor, and a cluster.

`redis+sentinel://` and `redis+cluster://` have a list of addresses. The rest is that of a `redis://` URL of
redis-py.
"""

from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode

from ory_guard.exceptions import ConfigurationError

__all__ = ["Address", "RedisURL", "parse_redis_url"]

Address: TypeAlias = tuple[str, int]

_SCHEMES: Final = {"redis": "redis", "valkey": "redis", "rediss": "rediss", "valkeys": "rediss", "unix": "unix"}
_TOPOLOGIES: Final[dict[str, Literal["node", "sentinel", "cluster"]]] = {
    "": "node",
    "sentinel": "sentinel",
    "cluster": "cluster",
}
_DEFAULT_PORTS: Final = {"sentinel": 26379, "cluster": 6379}
_MAX_PORT: Final = 65_535
_INVALID_SCHEME: Final = (
    "url: must be a valid redis://, rediss://, valkey://, valkeys://, unix://, redis+sentinel:// or "
    "redis+cluster:// URL (rediss+sentinel:// and rediss+cluster:// for TLS); write for example redis://127.0.0.1:6379/0"
)
_EXAMPLES: Final = {
    "sentinel": "write redis+sentinel://host:26379,host:26379/service, with the name of the service that the "
    "sentinels monitor",
    "cluster": "write redis+cluster://host:6379,host:6379, with some nodes of the cluster",
}


class RedisURL(NamedTuple):
    """The parts of a URL.

    Attributes:
        topology: The kind of deployment.
        url: A URL for redis-py, of the first address.
        addresses: The addresses of the sentinels, or of some nodes of the cluster; otherwise empty.
        service: The name of the service that the sentinels monitor.
        sentinel_username: The user at the sentinels, or None.
        sentinel_password: The password for the sentinels, or None.
    """

    topology: Literal["node", "sentinel", "cluster"]
    url: str
    addresses: tuple[Address, ...] = ()
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = None


def parse_redis_url(url: str) -> RedisURL:
    """Return the parts of a URL.

    Raises:
        ConfigurationError: If the scheme is unknown, or if an address, the service or the database is invalid. The
            message contains no part of the URL, because that may be the password.
    """
    scheme, separator, rest = url.partition("://")
    base, _, topology_name = scheme.lower().partition("+")
    topology = _TOPOLOGIES.get(topology_name)
    if not separator or base not in _SCHEMES or topology is None or (base == "unix" and topology != "node"):
        raise ConfigurationError(_INVALID_SCHEME)
    scheme = _SCHEMES[base]
    if topology == "node":
        return RedisURL(topology, f"{scheme}://{rest}")
    location, _, query = rest.partition("#")[0].partition("?")
    authority, _, path = location.partition("/")
    credentials, at, hosts = authority.rpartition("@")
    addresses = tuple(_parse_address(each, topology) for each in hosts.split(","))
    host, port = addresses[0]
    first = f"{scheme}://{credentials}{at}{f'[{host}]' if ':' in host else host}:{port}"
    if topology == "cluster":
        if path.strip("/") not in {"", "0"}:
            raise ConfigurationError(f"url: a cluster only has database 0; {_EXAMPLES[topology]}")
        return RedisURL(topology, f"{first}?{query}", addresses)
    service, _, database = path.partition("/")
    if not service or not (database.isdigit() or not database):
        raise ConfigurationError(f"url: the service is missing, or the database is invalid; {_EXAMPLES[topology]}")
    options = dict(parse_qsl(query, keep_blank_values=True))
    username, password = options.pop("sentinel_username", None), options.pop("sentinel_password", None)
    node_url = f"{first}/{database or 0}?{urlencode(options)}"
    return RedisURL(topology, node_url, addresses, unquote(service), username, password)


def _parse_address(text: str, topology: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    is_port = port.isdecimal() and 0 < int(port[:6]) <= _MAX_PORT
    if not host or not (is_port or not (colon and port)):
        raise ConfigurationError(f"url: an address is invalid; {_EXAMPLES[topology]}")
    return unquote(host), int(port) if is_port else _DEFAULT_PORTS[topology]
