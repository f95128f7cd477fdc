"""Tests of the whoami client: its request, its settings and its retry."""

import pytest
from support.raw_kratos import RawKratos, hang_up, raw_response
from support.scripted_kratos import COOKIE, KRATOS, KratosResponse, ScriptedKratos, signed_in

from ory_guard.kratos.http import PoolTimeout, ResponseTooLarge
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio

TOKEN = Credential("x_session_token", b"", b"ory_st_secret")
SESSION_COOKIE = Credential("cookie", *COOKIE.split(b"=", 1))
OK = raw_response({})


def client_of(kratos: RawKratos) -> WhoamiClient:
    """Return a client for a Kratos double."""
    return WhoamiClient(kratos.url, timeout=60, max_response_bytes=2_048, max_concurrency=2)


async def test_request_contains_one_credential() -> None:
    """The whole head is compared: nothing of the caller's request except the credential is sent."""
    async with RawKratos(OK) as kratos:
        client = client_of(kratos)
        await client.get(TOKEN, no_cache=False)
        await client.get(SESSION_COOKIE, no_cache=True)
        await client.aclose()

        host = kratos.url.removeprefix("http://").encode()
        common = (
            b"GET /sessions/whoami HTTP/1.1\r\nHost: " + host + b"\r\nAccept: application/json\r\n"
            b"Accept-Encoding: identity\r\nUser-Agent: ory-guard\r\n"
        )
        assert [request.head for request in kratos.requests] == [
            common + b"X-Session-Token: ory_st_secret\r\n\r\n",
            common + b"Cookie: " + COOKIE + b"\r\nCache-Control: max-age=0\r\n\r\n",
        ]


async def test_path_prefix_of_kratos_is_kept() -> None:
    """Kratos may be behind a path prefix."""
    kratos = ScriptedKratos(signed_in())
    client = WhoamiClient(
        f"{KRATOS}/kratos", timeout=60, max_response_bytes=262_144, max_concurrency=1, transport=kratos
    )

    await client.get(TOKEN, no_cache=False)

    assert kratos.requests[0].url == f"{KRATOS}/kratos/sessions/whoami"


async def test_request_on_a_lost_reused_connection_is_sent_once_more() -> None:
    """The user does not notice that Kratos closed an idle connection."""
    async with RawKratos(OK, hang_up, OK) as kratos:
        client = client_of(kratos)
        await client.get(TOKEN, no_cache=False)

        assert (await client.get(TOKEN, no_cache=False)).status == 200
        assert (kratos.connections, len(kratos.requests)) == (2, 3)
        await client.aclose()


async def test_response_size_is_limited() -> None:
    """The limit of the client applies."""
    async with RawKratos(raw_response(b" " * 2_049)) as kratos:
        client = client_of(kratos)

        with pytest.raises(ResponseTooLarge):
            await client.get(TOKEN, no_cache=False)

        await client.aclose()


async def test_concurrency_is_limited() -> None:
    """A third call waits until its deadline."""
    kratos = ScriptedKratos(signed_in())
    client = WhoamiClient(KRATOS, timeout=0.05, max_response_bytes=2_048, max_concurrency=2, transport=kratos)
    semaphore = (await client._http._pools.get()).semaphore

    async with semaphore, semaphore:
        with pytest.raises(PoolTimeout):
            await client.get(TOKEN, no_cache=False)

    assert kratos.requests == []


async def test_transport_is_not_closed() -> None:
    """A custom transport belongs to its owner."""
    kratos = ScriptedKratos(KratosResponse(200, b"{}"))
    client = WhoamiClient(KRATOS, timeout=60, max_response_bytes=2_048, max_concurrency=1, transport=kratos)
    await client.get(TOKEN, no_cache=False)

    await client.aclose()

    assert kratos.closed == 0
