"""The HTTP seam: what leaves, what is read, and for how long; over real sockets."""

import asyncio
import logging
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from support.adapters import whoami_client_of
from support.memory_store import SOON
from support.socket_kratos import SESSION, SocketKratos, break_off, drip, flood, hang_up, http, listening, silence
from support.stub_kratos import COOKIE, KRATOS, StubKratos, Told, settings_of, signed_in

from ory_guard.kratos.http import HTTPResponse, PoolTimeout, ResponseTooLarge, _tls_context
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio

TOKEN = Credential("x_session_token", b"", b"ory_st_secret")
SESSION_COOKIE = Credential("cookie", *COOKIE.split(b"=", 1))


def upstream_of(kratos: SocketKratos | StubKratos, **changes: Any) -> WhoamiClient:
    """Return the seam to a Kratos double."""
    if isinstance(kratos, SocketKratos):
        return whoami_client_of(settings_of(**{"kratos_public_url": kratos.url, "timeout": 60, **changes}), None)
    return whoami_client_of(settings_of(**changes), kratos)


async def whoami(upstream: WhoamiClient, credential: Credential = TOKEN, *, no_cache: bool = False) -> HTTPResponse:
    """Ask."""
    return await upstream.get(credential, no_cache=no_cache)


async def test_one_get_leaves_with_one_credential() -> None:
    """Method, path and every header, to the byte: nothing of the caller's request but the credential."""
    async with listening(SESSION) as kratos:
        upstream = upstream_of(kratos)
        await whoami(upstream)
        await whoami(upstream, SESSION_COOKIE, no_cache=True)
        await upstream.aclose()

        host = kratos.url.removeprefix("http://").encode()
        common = (
            b"GET /sessions/whoami HTTP/1.1\r\nHost: " + host + b"\r\nAccept: application/json\r\n"
            b"Accept-Encoding: identity\r\nUser-Agent: ory-guard\r\n"
        )
        assert kratos.heads == [
            common + b"X-Session-Token: ory_st_secret\r\n\r\n",
            common + b"Cookie: " + COOKIE + b"\r\nCache-Control: max-age=0\r\n\r\n",
        ]


async def test_a_path_in_kratos_url_is_kept() -> None:
    """A Kratos behind a prefix is asked behind that prefix."""
    kratos = StubKratos(signed_in())

    await whoami(whoami_client_of(settings_of(kratos_public_url=f"{KRATOS}/kratos/"), kratos))

    assert kratos.asked[0].url == f"{KRATOS}/kratos/sessions/whoami"


async def test_an_answer_is_read_as_it_is() -> None:
    """Status, headers with lower-case names and raw values, body."""
    async with listening(http(418, b"\xff{}", "X-Odd: a", "X-ODD: b")) as kratos:
        upstream = upstream_of(kratos)
        answer = await whoami(upstream)
        await upstream.aclose()

    assert (answer.status, answer.body) == (418, b"\xff{}")
    assert [pair for pair in answer.headers if pair[0] == b"x-odd"] == [(b"x-odd", b"a"), (b"x-odd", b"b")]


async def test_connections_are_used_again() -> None:
    """Ten questions in a row need one connection, and closing leaves none."""
    async with listening(SESSION) as kratos:
        upstream = upstream_of(kratos)
        for _ in range(10):
            await whoami(upstream)
        assert kratos.connections == 1

        await upstream.aclose()
        await whoami(upstream)
        assert kratos.connections == 2
        await upstream.aclose()


async def test_connections_are_not_kept_where_that_is_switched_off() -> None:
    """`keep_alive=False` is for load balancers that can't have it."""
    async with listening(SESSION) as kratos:
        upstream = upstream_of(kratos, keep_alive=False)
        await whoami(upstream)
        await whoami(upstream)
        await upstream.aclose()

        assert kratos.connections == 2


async def test_a_reused_connection_that_was_lost_is_tried_once_more() -> None:
    """Kratos may close an idle connection in the moment in which it is used; the user must not notice."""
    async with listening(SESSION, hang_up, SESSION) as kratos:
        upstream = upstream_of(kratos)
        await whoami(upstream)

        answer = await whoami(upstream)

        assert answer.status == 200
        assert (kratos.connections, len(kratos.heads)) == (2, 3)
        await upstream.aclose()


@pytest.mark.parametrize("reply", [hang_up, break_off], ids=["without a word", "in the middle"])
async def test_a_new_connection_that_is_lost_is_an_error(reply: Any) -> None:
    """One question, one attempt: a Kratos that fails is not asked twice as often."""
    async with listening(reply) as kratos:
        upstream = upstream_of(kratos)

        with pytest.raises(httpx2.TransportError):
            await whoami(upstream)

        assert len(kratos.heads) == 1
        await upstream.aclose()


async def test_an_answer_that_broke_off_is_not_asked_for_again() -> None:
    """Also on a connection that was used before: the answer had begun."""
    async with listening(SESSION, break_off) as kratos:
        upstream = upstream_of(kratos)
        await whoami(upstream)

        with pytest.raises(httpx2.TransportError):
            await whoami(upstream)

        assert len(kratos.heads) == 2
        await upstream.aclose()


@pytest.mark.parametrize("reply", [silence, drip], ids=["silent", "a byte at a time"])
async def test_the_deadline_is_for_the_whole_answer(reply: Any) -> None:
    """No matter how the time is spent, and the connection is not left to the next question."""
    async with listening(reply, SESSION) as kratos:
        upstream = upstream_of(kratos, timeout=0.5)
        started = asyncio.get_running_loop().time()

        with pytest.raises(TimeoutError):
            await whoami(upstream)

        assert asyncio.get_running_loop().time() - started < SOON
        upstream._http.timeout = 60
        assert (await whoami(upstream)).status == 200
        assert kratos.connections == 2
        await upstream.aclose()


async def test_nobody_listens() -> None:
    """A refused connection is an error at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        upstream = whoami_client_of(settings_of(kratos_public_url=f"http://127.0.0.1:{port}", timeout=60), None)

        with pytest.raises(httpx2.ConnectError):
            await whoami(upstream)

        await upstream.aclose()


@pytest.mark.parametrize("reply", [http(200, b" " * 2_049), flood], ids=["said to be", "without a length"])
async def test_an_answer_that_is_too_large_is_not_read_to_its_end(reply: Any) -> None:
    """`max_response_bytes` bounds what one answer costs."""
    async with listening(reply) as kratos:
        upstream = upstream_of(kratos, max_response_bytes=2_048)

        with pytest.raises(ResponseTooLarge):
            await whoami(upstream)

        await upstream.aclose()


async def test_an_answer_of_the_greatest_size_is_read() -> None:
    """The limit itself is allowed."""
    upstream = upstream_of(StubKratos(Told(200, b" " * 2_048)), max_response_bytes=2_048)

    assert len((await whoami(upstream)).body) == 2_048


async def test_redirects_are_not_followed() -> None:
    """Elsewhere is not Kratos, and the credential would go there."""
    async with (
        listening(http(200, b"elsewhere")) as elsewhere,
        listening(http(302, b"", f"Location: {elsewhere.url}/sessions/whoami")) as kratos,
    ):
        upstream = upstream_of(kratos)

        assert (await whoami(upstream)).status == 302

        assert elsewhere.connections == 0
        await upstream.aclose()


async def test_no_cookie_is_kept_for_the_next_question() -> None:
    """A jar that is shared signs one user in as another."""
    async with listening(SESSION) as kratos:
        upstream = upstream_of(kratos)
        await whoami(upstream, SESSION_COOKIE)
        await whoami(upstream)
        await upstream.aclose()

        assert b"cookie" not in kratos.heads[1].lower()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials go to Kratos and nowhere else."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with listening(SESSION) as kratos:
        upstream = upstream_of(kratos)

        assert (await whoami(upstream)).status == 200

        await upstream.aclose()


async def test_who_finds_no_slot_in_time_is_told_so() -> None:
    """The deadline holds for waiting too, and it is no fault of Kratos."""
    kratos = StubKratos(signed_in())
    upstream = upstream_of(kratos, max_upstream_concurrency=1, timeout=0.05)
    slots = (await upstream._http._pools.get()).semaphore
    await slots.acquire()

    with pytest.raises(PoolTimeout):
        await whoami(upstream)

    assert kratos.asked == []
    slots.release()
    assert (await whoami(upstream)).status == 200


async def test_no_more_questions_are_under_way_than_allowed() -> None:
    """The rest wait for a slot, and all are answered."""
    async with listening(SESSION) as kratos:
        upstream = upstream_of(kratos, max_upstream_concurrency=3)

        answers = await asyncio.gather(*(whoami(upstream) for _ in range(20)))

        assert {answer.status for answer in answers} == {200}
        assert kratos.connections <= 3
        await upstream.aclose()


async def test_a_transport_that_was_given_is_not_closed() -> None:
    """Whoever made it may use it elsewhere."""
    kratos = StubKratos(signed_in())
    upstream = upstream_of(kratos)
    await whoami(upstream)

    await upstream.aclose()

    assert kratos.closed == 0


async def test_the_certificates_are_loaded_once_and_only_for_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes tens of milliseconds, which no request should pay."""
    loaded: list[ssl.SSLContext] = []
    create = httpx2.create_ssl_context

    def counting(**options: Any) -> ssl.SSLContext:
        loaded.append(create(**options))
        return loaded[-1]

    monkeypatch.setattr(httpx2, "create_ssl_context", counting)
    _tls_context.cache_clear()

    whoami_client_of(settings_of(), None)
    assert loaded == []
    upstream = whoami_client_of(settings_of(kratos_public_url="https://127.0.0.1:9"), None)
    assert [context.verify_mode for context in loaded] == [ssl.CERT_REQUIRED]
    for _ in range(2):
        with pytest.raises(httpx2.ConnectError):
            await whoami(upstream)
        await upstream.aclose()
    assert len(loaded) == 1


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return a server's TLS context with a certificate for 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_an_https_kratos_that_nobody_vouches_for_is_not_told_the_credential(tmp_path: Path) -> None:
    """The certificate is checked before the first byte of the question."""
    async with listening(SESSION, tls=self_signed(tmp_path)) as kratos:
        upstream = upstream_of(kratos)

        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await whoami(upstream)

        assert kratos.heads == []
        await upstream.aclose()


@pytest.mark.parametrize("given", [False, True])
async def test_no_log_of_the_http_library_holds_a_credential(
    caplog: pytest.LogCaptureFixture, *, given: bool
) -> None:
    """Not at any level: neither the one that was sent nor the one in `Set-Cookie`, whoever made the transport."""
    async with listening(SESSION) as kratos:
        transport = httpx2.AsyncHTTPTransport() if given else None
        upstream = whoami_client_of(settings_of(kratos_public_url=kratos.url), transport)
        with caplog.at_level(logging.DEBUG):
            await whoami(upstream, SESSION_COOKIE)
        await upstream.aclose()
        if transport is not None:
            await transport.aclose()

    assert "send_request_headers" in caplog.text
    assert COOKIE.decode() not in caplog.text
    assert "=anew" not in caplog.text
