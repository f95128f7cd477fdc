"""Tests of the whoami client over real sockets: its request, its responses and its deadline."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pool_calls import CUT, SESSION, SLOW, occupy
from support.certificates import make_certificate
from support.memory_store import SOON
from support.raw_kratos import RawKratos, hang, hang_up, raw_response, respond_without_end
from support.scripted_kratos import COOKIE, KRATOS, KratosResponse, ScriptedKratos, signed_in

from ory_guard.kratos.caller import UNKNOWN, Caller
from ory_guard.kratos.http import PoolTimeout, ResponseTooLarge, Transport, _load_tls_context
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio

TOKEN = Credential("x_session_token", b"", b"ory_st_secret")
SESSION_COOKIE = Credential("cookie", *COOKIE.split(b"=", 1))
FAILURES = (OSError, httpx2.TransportError)
"""The errors of a connection: of the pool, and of httpx2."""


def make_client(url: str = KRATOS, transport: Transport | None = None, **options: Any) -> WhoamiClient:
    """Return a client with a long timeout."""
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


async def test_sends_one_get_request_with_one_credential(client_of: MakeClient) -> None:
    async with RawKratos(SESSION) as kratos:
        client = client_of(kratos)
        await client.get(TOKEN, bypass_caches=False)
        await client.get(SESSION_COOKIE, bypass_caches=True)

        host = kratos.url.removeprefix("http://").encode()
        common = (
            b"GET /sessions/whoami HTTP/1.1\r\nHost: " + host + b"\r\nAccept: application/json\r\n"
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


async def test_keeps_the_path_of_the_url(client_of: MakeClient) -> None:
    async with RawKratos(SESSION) as kratos:
        await client_of(kratos, url=f"{kratos.url}/kratos").get(TOKEN, bypass_caches=False)

        assert kratos.requests[0].head.startswith(b"GET /kratos/sessions/whoami HTTP/1.1\r\n")


async def test_returns_the_response_as_it_is(client_of: MakeClient) -> None:
    """The status, the headers with lower-case names, and the bytes of the body."""
    async with RawKratos(raw_response(b"\xff{}", 418, ("X-Odd", "a"), ("X-ODD", "b"))) as kratos:
        response = await client_of(kratos).get(TOKEN, bypass_caches=False)

    assert (response.status, response.body) == (418, b"\xff{}")
    assert [pair for pair in response.headers if pair[0] == b"x-odd"] == [(b"x-odd", b"a"), (b"x-odd", b"b")]


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

        response = await client.get(TOKEN, bypass_caches=False)

        assert response.status == 200
        assert (kratos.connections, len(kratos.requests)) == (2, 3)


@pytest.mark.parametrize("reply", [hang_up, CUT], ids=["without a response", "in the middle"])
async def test_does_not_retry_on_a_new_connection(client_of: MakeClient, reply: Any) -> None:
    async with RawKratos(reply) as kratos:
        with pytest.raises(FAILURES):
            await client_of(kratos).get(TOKEN, bypass_caches=False)

        assert len(kratos.requests) == 1


async def test_does_not_retry_after_a_part_of_a_response(client_of: MakeClient) -> None:
    async with RawKratos(SESSION, CUT) as kratos:
        client = client_of(kratos)
        await client.get(TOKEN, bypass_caches=False)

        with pytest.raises(FAILURES):
            await client.get(TOKEN, bypass_caches=False)

        assert len(kratos.requests) == 2


@pytest.mark.parametrize("reply", [hang, SLOW], ids=["silent", "byte by byte"])
async def test_the_deadline_covers_the_whole_call(client_of: MakeClient, reply: Any) -> None:
    async with RawKratos(reply) as kratos:
        client = client_of(kratos, timeout=0.2)
        started = asyncio.get_running_loop().time()

        with pytest.raises(TimeoutError):
            await client.get(TOKEN, bypass_caches=False)

        assert asyncio.get_running_loop().time() - started < SOON


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


async def test_a_refused_connection_is_an_error(client_of: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        kratos = RawKratos()
        kratos.url = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(FAILURES):
        await client_of(kratos).get(TOKEN, bypass_caches=False)


@pytest.mark.parametrize(
    "reply", [raw_response(b" " * 2_049), respond_without_end], ids=["with a length", "without a length"]
)
async def test_does_not_read_a_response_beyond_the_limit(client_of: MakeClient, reply: Any) -> None:
    async with RawKratos(reply) as kratos:
        with pytest.raises(ResponseTooLarge):
            await client_of(kratos, max_response_bytes=2_048).get(TOKEN, bypass_caches=False)


async def test_reads_a_response_of_exactly_the_limit(client_of: MakeClient) -> None:
    async with RawKratos(raw_response(b" " * 2_048)) as kratos:
        response = await client_of(kratos, max_response_bytes=2_048).get(TOKEN, bypass_caches=False)

    assert len(response.body) == 2_048


async def test_does_not_follow_redirects(client_of: MakeClient) -> None:
    """The credential would go to another server."""
    async with (
        RawKratos(raw_response(b"elsewhere")) as elsewhere,
        RawKratos(raw_response(b"", 302, ("Location", f"{elsewhere.url}/sessions/whoami"))) as kratos,
    ):
        assert (await client_of(kratos).get(TOKEN, bypass_caches=False)).status == 302

        assert elsewhere.connections == 0


async def test_does_not_store_cookies(client_of: MakeClient) -> None:
    """A shared cookie jar would log in one user as another."""
    async with RawKratos(SESSION) as kratos:
        client = client_of(kratos)
        await client.get(SESSION_COOKIE, bypass_caches=False)
        await client.get(TOKEN, bypass_caches=False)

        assert b"cookie" not in kratos.requests[1].head.lower()


async def test_does_not_use_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with RawKratos(SESSION) as kratos:
        client = make_client(kratos.url)

        assert (await client.get(TOKEN, bypass_caches=False)).status == 200

        await client.aclose()


async def test_reports_that_all_connections_were_busy() -> None:
    async with RawKratos(hang) as kratos:
        client = make_client(kratos.url, max_concurrency=1, timeout=0.05)
        pool = await client.pool()
        assert pool is not None
        occupy(pool)

        with pytest.raises(PoolTimeout):
            await client.get(TOKEN, bypass_caches=False)

        await client.aclose()


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


@pytest.mark.parametrize("limit", [1, 3])
async def test_makes_no_more_concurrent_calls_than_allowed(client_of: MakeClient, limit: int) -> None:
    async with RawKratos(SESSION) as kratos:
        client = client_of(kratos, max_concurrency=limit)

        responses = await asyncio.gather(*(client.get(TOKEN, bypass_caches=False) for _ in range(20)))

        assert {response.status for response in responses} == {200}
        assert kratos.connections <= limit


async def test_does_not_close_a_given_transport() -> None:
    kratos = ScriptedKratos(KratosResponse(200, b"{}"))
    client = make_client(KRATOS, kratos)
    await client.get(TOKEN, bypass_caches=False)

    await client.aclose()

    assert await client.pool() is None
    assert kratos.closed == 0
    assert kratos.requests[0].url == f"{KRATOS}/sessions/whoami"


async def test_loads_the_certificates_once_and_only_for_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes tens of milliseconds, which must not delay a request."""
    loaded: list[ssl.SSLContext] = []
    create = httpx2.create_ssl_context

    def counting(**options: Any) -> ssl.SSLContext:
        loaded.append(create(**options))
        return loaded[-1]

    monkeypatch.setattr(httpx2, "create_ssl_context", counting)
    _load_tls_context.cache_clear()

    make_client()
    assert loaded == []
    client = make_client("https://127.0.0.1:9")
    assert [context.verify_mode for context in loaded] == [ssl.CERT_REQUIRED]
    for _ in range(2):
        with pytest.raises(OSError, match=r"127\.0\.0\.1"):
            await client.get(TOKEN, bypass_caches=False)
        await client.aclose()
    assert len(loaded) == 1


async def test_does_not_send_the_credential_to_a_server_with_an_untrusted_certificate(
    client_of: MakeClient, tmp_path: Path
) -> None:
    server_context, _ = make_certificate(tmp_path)
    async with RawKratos(SESSION, tls=server_context) as kratos:
        with pytest.raises(FAILURES, match="certificate verify failed"):
            await client_of(kratos).get(TOKEN, bypass_caches=False)

        assert kratos.requests == []


async def test_does_not_log_credentials(client_of: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the one that was sent nor the one in `Set-Cookie`, at any level, with any transport."""
    async with RawKratos(SESSION) as kratos:
        with caplog.at_level(logging.DEBUG):
            await client_of(kratos).get(SESSION_COOKIE, bypass_caches=False)

    assert COOKIE.decode() not in caplog.text
    assert "=new-secret" not in caplog.text
