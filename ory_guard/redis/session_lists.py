"""The lists of the sessions of an id, by which a revocation finds them."""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError

__all__ = ["delete_lists"]


async def delete_lists(client: Redis, lists: Sequence[str]) -> list[Exception]:
    """Delete the sessions in these lists, and the lists; return the errors."""
    async with client.pipeline(transaction=False) as pipe:
        for name in lists:
            pipe.zrange(name, 0, -1)
        replies = await pipe.execute(raise_on_error=False)
    members = dict(zip(lists, replies, strict=True))
    errors: list[Exception] = [reply for reply in replies if isinstance(reply, Exception)]
    sessions = [name for names in members.values() if isinstance(names, list) for name in names]
    # A key of another type is deleted, too, so that the next attempt succeeds.
    obsolete = [name for name, names in members.items() if names]
    if obsolete:
        try:
            await client.delete(*obsolete, *sessions)
        except ResponseError as error:
            errors.append(error)
    return errors
