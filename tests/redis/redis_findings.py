"""The findings of the doctor about a Redis server."""

from dataclasses import replace

from support.guard_bench import settings_of

from ory_guard.cli.doctor.command import make_context
from ory_guard.cli.doctor.context import Finding
from ory_guard.cli.doctor.redis import check_redis

__all__ = ["findings_of"]


async def findings_of(url: str) -> list[Finding]:
    """Return the findings about the server of a URL, which may be slow."""
    settings = settings_of()
    context = make_context(kratos_url=settings.kratos_public_url, redis_url=url)
    return await check_redis(replace(context, settings=settings))
