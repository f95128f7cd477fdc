"""Calls of the connection pool, for its tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

from support.raw_kratos import RawKratos, raw_response, respond, respond_slowly
from support.scripted_kratos import session_body

from ory_guard.kratos.caller import UNKNOWN
from ory_guard.kratos.connection_pool import ConnectionPool
from ory_guard.kratos.exchange import Exchange
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.server_address import ServerAddress

__all__ = ["CUT", "REQUEST", "SESSION", "SLOW", "occupy", "open_pool", "result_of", "send", "set_timeout", "until"]

REQUEST = b"GET /sessions/whoami HTTP/1.1\r\nHost: kratos\r\nX-Session-Token: ory_st_canary\r\n\r\n"
SESSION = raw_response(session_body(), 200, ("Set-Cookie", "ory_kratos_session=new-secret; Path=/; HttpOnly"))
CUT = respond(SESSION[:-20], then_close=True)
SLOW = respond_slowly(SESSION)


@asynccontextmanager
async def open_pool(kratos: RawKratos | ServerAddress, **options: Any) -> AsyncIterator[ConnectionPool]:
    address = kratos if isinstance(kratos, ServerAddress) else ServerAddress.from_url(kratos.url, None)
    pool = ConnectionPool(
        address, **{"timeout": 30.0, "max_connections": 8, "max_response_bytes": 4_096, **options}
    )
    try:
        yield pool
    finally:
        await pool.aclose()


def send(pool: ConnectionPool, request: bytes = REQUEST) -> asyncio.Future[HTTPResponse | Exception]:
    """Send a request; the future gets the response or the error."""
    future: asyncio.Future[HTTPResponse | Exception] = asyncio.get_running_loop().create_future()
    pool.send(request, future.set_result)
    return future


def occupy(pool: ConnectionPool) -> Exchange:
    """Take a slot of the pool until the exchange is finished. It has no timeout, so no other one ends before it."""
    exchange = Exchange(pool.admission, lambda _exchange: None, b"", lambda _result: None, UNKNOWN)
    exchange.deadline = inf
    pool.admission.enter(exchange)
    return exchange


def set_timeout(pool: ConnectionPool, seconds: float) -> None:
    """Set the timeout of later requests; there are none in progress."""
    pool._timeout = seconds
    if pool._timer is not None:
        pool._timer.cancel()
        pool._timer = None


async def result_of(pool: ConnectionPool, request: bytes = REQUEST) -> int | str:
    result = await send(pool, request)
    return type(result).__name__ if isinstance(result, Exception) else result.status


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - sockets have no event for this
        await asyncio.sleep(0)
