"""Can the Redis that processes share be used?"""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ory_guard.cache.store_connection import PATIENCE
from ory_guard.cli.doctor.context import DoctorContext, Finding, notice, ok, problem, skipped

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["check_redis"]

_FIX = "see that the server runs, and that --redis-url (REDIS_URL) has its host, port and password"


async def check_redis(context: DoctorContext) -> list[Finding]:
    """Connect, and try the commands that the store needs."""
    if context.redis_url is None:
        return [skipped("no Redis was named", "give --redis-url, or set REDIS_URL")]
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - an extra of its own
        from redis.exceptions import RedisError  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        return [problem(f"a Redis was named, but {error.name} is not installed", "pip install 'ory-guard[redis]'")]
    where = _without_password(context.redis_url)
    try:
        client = Redis.from_url(context.redis_url, socket_timeout=context.settings.timeout, protocol=2)
    except ValueError:
        return [problem("--redis-url is no URL of a Redis", "write it as redis://host:port/0, or rediss://")]
    try:
        return [await _try_out(context, client, where)]
    except (RedisError, OSError) as error:
        # Its text may quote the URL, and so the password.
        return [problem(f"Redis at {where} can't be used ({type(error).__name__})", _FIX)]
    finally:
        await client.aclose()


async def _try_out(context: DoctorContext, client: "Redis", where: str) -> Finding:
    information = await client.info()
    if information.get("redis_mode") == "cluster":
        return problem(
            f"Redis at {where} is a cluster, whose nodes would each hold a part of what belongs together",
            "use a single node, or one with replicas",
        )
    await client.eval("return 1", 0)
    started = context.clock.monotonic()
    await client.ping()
    seconds = context.clock.monotonic() - started
    version = information.get("redis_version", "of unknown version")
    told = f"Redis {version} at {where} answers in {seconds * 1e3:.1f} ms"
    if seconds > PATIENCE:
        return problem(f"{told}: a request goes on without it after {PATIENCE * 1e3:.0f} ms", "put it nearer")
    if information.get("maxmemory") and information.get("maxmemory_policy") == "noeviction":
        return notice(f"{told}, and refuses writes when its memory is full", "set maxmemory-policy to volatile-ttl")
    return ok(told)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
