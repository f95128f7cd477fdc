"""Tests of the whoami client over real sockets: its request, its responses and its deadline."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from pool_calls import SESSION
from support.raw_kratos import RawKratos, hang, hang_up, raw_response
from support.scripted_kratos import COOKIE, KRATOS, ScriptedKratos, signed_in

from ory_guard.kratos.caller import UNKNOWN, Caller
from ory_guard.kratos.http import PoolTimeout, Transport
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio

TOKEN = Credential("x_session_token", b"", b"ory_st_secret")
SESSION_COOKIE = Credential("cookie", *COOKIE.split(b"=", 1))


def make_client(url: str = KRATOS, transport: Transport | None = None, **options: Any) -> WhoamiClient:
    return WhoamiClient(
        url,
        transport=transport,
        **{"timeout": 60, "max_response_bytes": 65_536, "max_concurrency": 64, **options},
    )


MakeClient = Callable[..., WhoamiClient]


@pytest.fixture(params=["pool", "transport"])
async def client_of(request: pytest.FixtureRequest) -> AsyncIterator[MakeClient]:
    """Make clients that call Kratos over the connection pool, or over a transport of httpx2."""
    async with AsyncExitStack() as stack:

        def make(kratos: RawKratos, **changes: Any) -> WhoamiClient:
            transport = httpx2.AsyncHTTPTransport() if request.param == "transport" else None
            if transport is not None:
                stack.push_async_callback(transport.aclose)
            client = make_client(changes.pop("url", kratos.url), transport, **changes)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.mark.parametrize("path", ["", "/kratos"])
async def test_sends_one_get_request_with_one_credential(client_of: MakeClient, path: str) -> None:
    """The path of the URL is that of Kratos."""
    async with RawKratos(SESSION) as kratos:
        client = client_of(kratos, url=kratos.url + path)
        await client.get(TOKEN, bypass_caches=False)
        await client.get(SESSION_COOKIE, bypass_caches=True)

        host = kratos.url.removeprefix("http://").encode()
        common = (
            b"GET "
            + path.encode()
            + b"/sessions/whoami HTTP/1.1\r\nHost: "
            + host
            + b"\r\nAccept: application/json\r\n"
            b"Accept-Encoding: identity\r\nUser-Agent: ory-guard\r\n"
        )
        assert [request.head for request in kratos.requests] == [
            common + b"X-Session-Token: ory_st_secret\r\n\r\n",
            common + b"Cookie: " + COOKIE + b"\r\nCache-Control: max-age=0\r\n\r\n",
        ]


@pytest.mark.parametrize("value", [b"a\r\nX-Session-Token: b", b"a\nb", b"a\rb"])
async def test_does_not_send_a_credential_with_a_line_break(value: bytes) -> None:
    async with RawKratos(SESSION) as kratos:
        client = make_client(kratos.url)

        for name in (b"", b"name"):
            with pytest.raises(ValueError, match="line break"):
                await client.get(Credential("cookie" if name else "bearer", name, value), bypass_caches=False)

        assert kratos.requests == []
        await client.aclose()


async def test_reuses_connections_until_it_is_closed() -> None:
    async with RawKratos(SESSION) as kratos:
        client = make_client(kratos.url)
        for _ in range(10):
            await client.get(TOKEN, bypass_caches=False)
        assert kratos.connections == 1

        await client.aclose()
        await client.get(TOKEN, bypass_caches=False)
        assert kratos.connections == 2
        await client.aclose()


async def test_retries_once_if_kratos_closed_a_reused_connection(client_of: MakeClient) -> None:
    async with RawKratos(SESSION, hang_up, SESSION) as kratos:
        client = client_of(kratos)
        await client.get(TOKEN, bypass_caches=False)

        assert (await client.get(TOKEN, bypass_caches=False)).status == 200
        assert (kratos.connections, len(kratos.requests)) == (2, 3)


async def test_the_deadline_covers_the_whole_call(client_of: MakeClient) -> None:
    async with RawKratos(hang) as kratos:
        with pytest.raises(TimeoutError):
            await client_of(kratos, timeout=0.2).get(TOKEN, bypass_caches=False)


async def test_a_429_during_a_burst_of_unknown_credentials_is_not_the_result(
    client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credential is sent once more. Without a burst, its 429 is the result."""
    monkeypatch.setattr("ory_guard.kratos.admission._RETRY_DELAY", 0.0)
    limited, known = raw_response(b"", 429), Caller(identity=1, key=b"known")
    async with RawKratos(*[limited] * 5, SESSION, limited, SESSION) as kratos:
        client = client_of(kratos)

        async def status(caller: Caller) -> int:
            return (await client.get(TOKEN, bypass_caches=False, caller=caller)).status

        assert await status(known) == 429
        assert [await status(UNKNOWN) for _ in range(3)] == [429] * 3
        assert [await status(known), await status(UNKNOWN)] == [200, 200]
        assert len(kratos.requests) == 8


async def test_a_canceled_call_leaves_a_usable_client(client_of: MakeClient) -> None:
    async with RawKratos(SESSION) as kratos:
        client = client_of(kratos)
        await client.get(TOKEN, bypass_caches=False)
        canceled = asyncio.create_task(client.get(TOKEN, bypass_caches=False))
        await asyncio.sleep(0)

        canceled.cancel()
        await asyncio.wait([canceled])

        assert (await client.get(TOKEN, bypass_caches=False)).status == 200


async def test_reports_that_all_slots_of_a_transport_were_busy() -> None:
    kratos = ScriptedKratos(signed_in())
    client = make_client(KRATOS, kratos, max_concurrency=1, timeout=0.05)

    async with client._slots.take(UNKNOWN):
        with pytest.raises(PoolTimeout):
            await client.get(TOKEN, bypass_caches=False)

    assert kratos.requests == []
    assert (await client.get(TOKEN, bypass_caches=False)).status == 200


async def test_closing_ends_calls_that_wait_for_a_slot_of_a_transport() -> None:
    client = make_client(KRATOS, ScriptedKratos(signed_in()), max_concurrency=1)
    async with client._slots.take(UNKNOWN):
        waiting = asyncio.ensure_future(client.get(TOKEN, bypass_caches=False))
        await asyncio.sleep(0)

        await client.aclose()

        with pytest.raises(PoolTimeout):
            await waiting
