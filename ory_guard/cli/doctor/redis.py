"""The check `redis`: can the guard use the shared Redis?"""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ory_guard.cache.store_connection import CALL_TIMEOUT
from ory_guard.cli.doctor.context import DoctorContext, Finding, notice, ok, problem, skipped

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["check_redis"]

_FIX: Final = "check that the server runs, and the host, port and password in --redis-url (REDIS_URL)"


async def check_redis(context: DoctorContext) -> list[Finding]:
    """Connect, and run the commands that the store needs."""
    if context.redis_url is None:
        return [skipped("no Redis URL was given", "give --redis-url, or set REDIS_URL")]
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - an optional extra
        from redis.exceptions import RedisError  # noqa: PLC0415 - as above

        from ory_guard.redis.connections import with_redis_scheme  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        return [
            problem(f"a Redis URL was given, but {error.name} is not installed", "pip install 'ory-guard[redis]'")
        ]
    address = _address(context.redis_url)
    try:
        url = with_redis_scheme(context.redis_url)
        client = Redis.from_url(url, socket_timeout=context.settings.timeout, protocol=2)
    except ValueError:
        return [problem("--redis-url is not a Redis URL", "use the form redis://host:port/0, or rediss://")]
    try:
        return [await _check_server(context, client, address)]
    except (RedisError, OSError) as error:
        # The text of the error may quote the URL with its password.
        return [problem(f"Redis at {address} can't be used ({type(error).__name__})", _FIX)]
    finally:
        await client.aclose()


async def _check_server(context: DoctorContext, client: "Redis", address: str) -> Finding:
    information = await client.info()
    if information.get("redis_mode") == "cluster":
        return problem(
            f"Redis at {address} is a cluster, where the keys of one script may be on different nodes",
            "use a single node, or one with replicas",
        )
    await client.eval("return 1", 0)
    started = context.clock.monotonic()
    await client.ping()
    seconds = context.clock.monotonic() - started
    version = information.get("redis_version", "of unknown version")
    message = f"Redis {version} at {address} responds in {seconds * 1e3:.1f} ms"
    if seconds > CALL_TIMEOUT:
        return problem(
            f"{message}, but requests wait for it for {CALL_TIMEOUT * 1e3:.0f} ms only",
            "use a server with less latency",
        )
    if information.get("maxmemory") and information.get("maxmemory_policy") == "noeviction":
        return notice(
            f"{message}, but rejects writes when its memory is full", "set maxmemory-policy to volatile-ttl"
        )
    return ok(message)


def _address(url: str) -> str:
    """Return the host and port, or the socket, of a Redis URL, without the password."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
