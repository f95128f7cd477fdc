"""Queries of several servers at once, of which the first response counts."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

from redis.exceptions import AuthenticationError, RedisError, ResponseError

__all__ = ["first_response"]

ResponseT = TypeVar("ResponseT")

_TIMEOUT: Final = 1.0


async def first_response(questions: Sequence[Coroutine[Any, Any, ResponseT | None]]) -> ResponseT | None:
    """Run all coroutines, and return the first result that is not None, or None if there is none.

    Raises:
        AuthenticationError: If there is no result, and a server rejects the user or the password.
        ResponseError: If there is no result, and a server rejects a command.
        TimeoutError: If there is no result within a second, and a coroutine is still running.
    """
    tasks = [asyncio.create_task(question) for question in questions]
    rejection: RedisError | None = None
    try:
        async with asyncio.timeout(_TIMEOUT):
            for task in asyncio.as_completed(tasks):
                try:
                    response = await task
                except (AuthenticationError, ResponseError) as error:
                    rejection = error
                except (OSError, RedisError):
                    continue
                else:
                    if response is not None:
                        return response
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if rejection is not None:
        raise rejection
    return None
