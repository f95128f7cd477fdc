"""The check `redis`: can the guard use the shared Redis, with the permissions of the application?

It does what the guard does: it subscribes, stores a session, reads it, and revokes it. Its keys and its channel
start with the prefix of the application, so that the same permissions apply, but no guard reads them.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import aclosing, suppress
from math import inf
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from ory_guard.cache import StoredSession
from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, notice, ok, problem, skipped
from ory_guard.exceptions import ConfigurationError

if TYPE_CHECKING:
    from ory_guard.redis import RedisSessionStore

__all__ = ["check_redis"]

_FIX: Final = "check that the server runs, and the host, port and password in --redis-url (REDIS_URL)"
_PERMISSIONS: Final = (
    "grant the permissions in the guide on several workers; give --redis-prefix if it is another one"
)
_REPLICA: Final = "use the address of the primary", "is a replica, which accepts no writes"
_ROLES: Final[dict[bytes, tuple[str, str]]] = {
    b"cluster": ("write redis+cluster:// (rediss+cluster:// with TLS) in the URL", "is a cluster"),
    b"sentinel": ("use the address of the primary that it monitors", "is a sentinel, which stores nothing"),
    b"replica": _REPLICA,
    b"slave": _REPLICA,
}
_DENIED_IN_SCRIPT: Final = "The user executing the script can't run this command"
_MIN_CLUSTER_VERSION: Final = 7
_TTL: Final = 5.0
_MAX_CONNECTIONS: Final = 4


async def check_redis(context: DoctorContext) -> list[Finding]:
    """Use the store as the guard does."""
    if context.redis_url is None:
        return [skipped("no Redis URL was given", "give --redis-url, or set REDIS_URL")]
    try:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        from ory_guard.redis import RedisSessionStore
        from ory_guard.redis.connections import ConnectionFactory
    except ModuleNotFoundError as error:
        return [
            problem(f"a Redis URL was given, but {error.name} is not installed", "pip install 'ory-guard[redis]'")
        ]
    try:
        prefix = f"{context.redis_prefix}:doctor-{token_hex(8)}"
        stores = [
            RedisSessionStore(context.redis_url, secrets=[secret], prefix=prefix) for secret in [token_hex(32)] * 2
        ]
        factory = ConnectionFactory(context.redis_url, _MAX_CONNECTIONS)
    except ConfigurationError as error:
        return [problem("--redis-url is not a Redis URL", str(error).removeprefix("url: "))]
    address = _address(context.redis_url)
    redis = f"Redis at {address}"
    client: Redis | None = None
    try:
        async with asyncio.timeout(context.settings.timeout):
            client = await factory.create_client()
            # Permissions do not apply to HELLO.
            hello = await cast("Any", client).execute_command("HELLO", 2)
        facts = dict(zip(hello[::2], hello[1::2], strict=True))
        version = facts.get(b"version", b"").decode()
        if factory.is_cluster:
            unsuitable = _judge_cluster(facts.get(b"mode"), version)
        else:
            unsuitable = _ROLES.get(facts.get(b"mode", b"")) or _ROLES.get(facts.get(b"role", b""))
        if unsuitable is not None:
            fix, what = unsuitable
            return [problem(f"{redis} {what}", fix)]
        async with asyncio.timeout(context.settings.timeout):
            seconds = await _use(context, *stores)
        return [await _judge(client, f"Redis {version} at {address} responds", seconds, stores[0].timeout)]
    except (RedisError, OSError, _Lost) as error:
        return [_explain(error, redis)]
    finally:
        for store in stores:
            await store.aclose()
        if client is not None:
            await client.aclose()


def _judge_cluster(mode: bytes | None, version: str) -> tuple[str, str] | None:
    """Return the fix and the problem of a server that the URL says is part of a cluster, or None."""
    if mode != b"cluster":
        return "write redis:// or redis+sentinel:// in the URL", "is not part of a cluster"
    if int(version.partition(".")[0]) < _MIN_CLUSTER_VERSION:
        return "use Redis 7 or newer", f"has version {version}, which has no sharded channels"
    return None


class _Lost(Exception):
    """Something that was stored or published was not received."""


async def _use(context: DoctorContext, store: "RedisSessionStore", other: "RedisSessionStore") -> float:
    """Subscribe, put, get and publish; return the seconds that `get` took."""
    key, id_, now = bytes(32), "doctor", context.clock.time()
    session = StoredSession(b"{}", id_, id_, age=0.0, ttl=_TTL, asked_at=now, fresh_until=now + _TTL)
    async with aclosing(other.subscribe()) as messages:
        await anext(messages)
        await store.put(key, session, unless_revoked_since=now)
        await store.get([key])  # opens the connection
        started = context.clock.monotonic()
        stored = await store.get([key])
        seconds = context.clock.monotonic() - started
        if stored is None or stored.revoked_at != -inf or await store.revoked_at([id_]) is not None:
            raise _Lost("a session")
        await store.revoke([id_], now, _TTL)
        if await anext(messages) != (id_,):
            raise _Lost("a revocation")
        return seconds


async def _judge(client: Any, message: str, seconds: float, limit: float) -> Finding:
    from redis.exceptions import NoPermissionError

    message = f"{message} in {seconds * 1e3:.1f} ms"
    if seconds > limit:
        return problem(
            f"{message}, but requests wait for it for at most {limit * 1e3:.0f} ms",
            "use a server with less latency",
        )
    with suppress(NoPermissionError):
        memory = await client.info("memory")
        if memory.get("maxmemory") and memory.get("maxmemory_policy") == "noeviction":
            return notice(
                f"{message}, but rejects writes when its memory is full", "set maxmemory-policy to volatile-ttl"
            )
    return ok(message)


def _explain(error: Exception, redis: str) -> Finding:
    from redis.exceptions import (
        AuthenticationError,
        NoPermissionError,
        OutOfMemoryError,
    )

    if isinstance(error, _Lost):
        return problem(f"{redis} has lost {error}", "check that no other server responds at the same address")
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
        return problem(f"the certificate of {redis} is not trusted", "add ?ssl_ca_certs=PATH to the URL")
    if isinstance(error, NoPermissionError) or _DENIED_IN_SCRIPT in str(error):
        # The text names the command, key or channel, except for a command of a script.
        return problem(f"{redis} denies a permission: {error}", _PERMISSIONS)
    if isinstance(error, AuthenticationError):
        return problem(f"{redis} rejects the user or the password", "correct them in --redis-url (REDIS_URL)")
    if isinstance(error, OutOfMemoryError):
        return problem(f"{redis} is full", "raise maxmemory, or set maxmemory-policy to volatile-ttl")
    # The text of any other error may quote the URL with its password.
    return problem(f"{redis} can't be used ({type(error).__name__})", _FIX)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _address(url: str) -> str:
    """Return the host and port, or the socket, of a Redis URL, without the password."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    if "+" in parts.scheme:
        return hosts
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
