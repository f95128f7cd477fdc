"""Tests of `ory_guard.client.transport`: exceptions for failed requests."""

import asyncio
import gzip
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from recorded import ScriptedTransport
from support.certificates import make_certificate
from support.raw_kratos import RawKratos, hang, raw_response, respond_slowly

from ory_guard.client import FrontendClient
from ory_guard.client.transport import MAX_CONCURRENCY, MAX_RESPONSE_BYTES
from ory_guard.exceptions import KratosProtocolError, KratosTimeout, KratosUnavailable
from ory_guard.kratos.caller import anonymous_caller, calling
from ory_guard.kratos.http import InvalidResponse

pytestmark = pytest.mark.anyio

LOGOUT = raw_response({"logout_token": "t", "logout_url": "u"})


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_bytes_after_a_response_are_not_the_next_response(tmp_path: Path, *, tls: bool) -> None:
    """The response to a call never belongs to another user, even if the server sends more than one."""
    surplus = raw_response({"logout_token": "of another user", "logout_url": "u"})
    context, ca_file = make_certificate(tmp_path) if tls else (None, None)
    async with RawKratos(LOGOUT + surplus, LOGOUT, tls=context) as kratos:
        url = kratos.url.replace("127.0.0.1", "localhost") if tls else kratos.url
        async with FrontendClient(url, ca_file=None if ca_file is None else str(ca_file)) as client:
            flows = [await client.create_browser_logout_flow(cookie=f"a={n}") for n in range(2)]

    assert [flow.logout_token for flow in flows] == ["t", "t"]


@pytest.mark.parametrize("handler", [hang, respond_slowly(LOGOUT)], ids=["silent", "a byte at a time"])
async def test_timeout_covers_the_whole_call(handler: Any) -> None:
    async with RawKratos(handler) as kratos, FrontendClient(kratos.url, timeout=0.1) as client:
        with pytest.raises(KratosTimeout) as caught:
            await client.to_session(x_session_token="ory_st_secret")

    assert str(caught.value) == "to_session: no response from Kratos within 0.1 s"


async def test_call_above_the_concurrency_limit_times_out() -> None:
    transport = ScriptedTransport()
    client = FrontendClient("http://id.example", transport=transport, timeout=0.05)

    async with AsyncExitStack() as stack:
        for number in range(MAX_CONCURRENCY * 3 // 4):
            await stack.enter_async_context(client._slots.take(anonymous_caller((str(number), 1))))
        with pytest.raises(KratosTimeout):
            await client.to_session(x_session_token="ory_st_secret")

    assert transport.requests == []


async def test_calls_for_one_client_of_the_application_leave_slots_for_another() -> None:
    """The caller is known in the requests of the guard and of its pages."""
    end = asyncio.Event()

    class Kratos(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.headers["cookie"] == "slow":
                await end.wait()
            return httpx2.Response(200, json={"logout_token": "t", "logout_url": "u"})

    client = FrontendClient("http://id.example", transport=Kratos(), timeout=60)

    async def create(cookie: str, address: str) -> str:
        with calling(anonymous_caller((address, 1))):
            return (await client.create_browser_logout_flow(cookie=cookie)).logout_token

    flood = [asyncio.ensure_future(create("slow", "192.0.2.1")) for _ in range(300)]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(30):
        assert await create("a=b", "192.0.2.2") == "t"
    end.set()
    assert set(await asyncio.gather(*flood)) == {"t"}


async def test_refused_connection_is_unavailable() -> None:
    async with RawKratos() as kratos:
        pass

    async with FrontendClient(kratos.url) as client:
        with pytest.raises(KratosUnavailable) as caught:
            await client.to_session(x_session_token="ory_st_secret")

    assert str(caught.value) == "to_session: Kratos is unreachable (ConnectError)"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("kratos_response", "message"),
    [
        (
            raw_response(b" " * (MAX_RESPONSE_BYTES + 1)),
            "to_session: the response is larger than 1048576 bytes: it has 1048577 bytes or more",
        ),
        (
            raw_response(gzip.compress(b"{}"), 200, ("Content-Encoding", "gzip")),
            "to_session: the response is encoded, although identity was requested",
        ),
    ],
    ids=["large", "encoded"],
)
async def test_unreadable_response_is_a_protocol_error(kratos_response: bytes, message: str) -> None:
    """A body is neither read beyond the limit nor decompressed."""
    async with RawKratos(kratos_response) as kratos, FrontendClient(kratos.url) as client:
        with pytest.raises(KratosProtocolError, match=f"^{re.escape(message)}$"):
            await client.to_session(x_session_token="ory_st_secret")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx2.ConnectTimeout("secret"), KratosTimeout),
        (httpx2.PoolTimeout("secret"), KratosTimeout),
        (httpx2.RemoteProtocolError("secret"), KratosUnavailable),
        (OSError("secret"), KratosUnavailable),
        (ValueError("secret"), KratosUnavailable),
        (InvalidResponse("the transport is not asynchronous"), KratosProtocolError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
async def test_transport_errors_are_converted(raised: Exception, expected: type[KratosUnavailable]) -> None:
    client = FrontendClient("http://id.example", transport=ScriptedTransport(raised))

    with pytest.raises(KratosUnavailable) as caught:
        await client.to_session(cookie="secret=1")

    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


async def test_cancellation_is_not_converted() -> None:
    async with RawKratos(hang) as kratos, FrontendClient(kratos.url) as client:
        call = asyncio.create_task(client.to_session(cookie="a=b"))
        await kratos.received.wait()
        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call


def test_repr_shows_the_base_url() -> None:
    assert repr(FrontendClient("https://id.example/")) == "<FrontendClient https://id.example>"
