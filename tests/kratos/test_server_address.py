"""Opening connections: IPv6, several addresses, Unix sockets and TLS; over real sockets."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from pool_calls import SESSION, open_pool, result_of, send, until
from support.certificates import make_certificate
from support.raw_kratos import RawKratos

from ory_guard.kratos import server_address
from ory_guard.kratos.server_address import ServerAddress

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run each test on both event loops: servers commonly use uvloop."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.mark.parametrize(
    ("url", "host", "port", "is_secure"),
    [
        ("http://kratos", "kratos", 80, False),
        ("http://kratos:4433/prefix", "kratos", 4433, False),
        ("https://kratos", "kratos", 443, True),
        ("https://[::1]:4433", "::1", 4433, True),
    ],
)
def test_reads_the_origin_of_a_url(url: str, host: str, port: int, *, is_secure: bool) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    assert ServerAddress.from_url(url, tls) == ServerAddress(host, port, tls if is_secure else None)


ASYNCIO_ONLY = pytest.mark.parametrize("anyio_backend", [("asyncio", {})])  # uvloop resolves names in C


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Resolve every host to these addresses, IPv4 or IPv6."""

    async def getaddrinfo(_loop: Any, host: Any, port: Any, **options: Any) -> Any:
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [(family, 1, 6, "", (address, port)) for family, address in zip(families, addresses, strict=True)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


async def test_connects_over_ipv6() -> None:
    try:
        async with RawKratos(SESSION, host="::1") as kratos, open_pool(ServerAddress("::1", kratos.port)) as pool:
            assert await result_of(pool) == 200
    except OSError:
        pytest.skip("this machine has no IPv6")


class Transport(asyncio.Transport):
    """A transport that records its end."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def abort(self) -> None:
        """End the connection."""
        self.is_aborted = True


class Attempts:
    """Attempts to connect, whose results are given: an error, a transport, or None for an attempt without an end.

    Attributes:
        started: The addresses, in the order of the attempts.
        canceled: The addresses whose attempts were canceled.
    """

    def __init__(self, results: dict[str, Transport | Exception | None]) -> None:
        self.started: list[str] = []
        self.canceled: list[str] = []
        self._results = results

    async def __call__(self, address: str) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Connect to an address."""
        self.started.append(address)
        result = self._results[address]
        if isinstance(result, Exception):
            raise result
        if result is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.canceled.append(address)
                raise
        assert result is not None
        return result, asyncio.Protocol()


REFUSED = ConnectionRefusedError("refused")


@pytest.mark.parametrize(
    ("refused", "silent", "started", "canceled"),
    [("", "", "a", []), ("a", "", "ab", []), ("", "a", "ab", ["a"]), ("b", "a", "abc", ["a"])],
)
async def test_tries_the_addresses_in_turn(
    monkeypatch: pytest.MonkeyPatch, refused: str, silent: str, started: str, canceled: list[str]
) -> None:
    monkeypatch.setattr(server_address, "_ATTEMPT_DELAY", 0.001)
    transports = {address: Transport() for address in "abc"}
    attempts = Attempts({**transports, **dict.fromkeys(refused, REFUSED), **dict.fromkeys(silent)})

    transport, _ = await server_address._try_in_turn(attempts, list("abc"))

    assert transport is transports[started[-1]]
    assert attempts.started == list(started)
    assert attempts.canceled == canceled
    assert not any(each.is_aborted for each in transports.values())


@pytest.mark.parametrize(("results", "error"), [({"a": OSError(), "b": REFUSED}, "refused"), ({}, "no address")])
async def test_reports_the_last_failure_if_no_address_accepts(results: dict[str, Any], error: str) -> None:
    with pytest.raises(OSError, match=error):
        await server_address._try_in_turn(Attempts(results), list(results))


async def test_closes_a_second_connection_that_was_accepted_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_address, "_ATTEMPT_DELAY", 0.001)
    both, transports = asyncio.Event(), [Transport(), Transport()]

    async def connect_to(address: str) -> tuple[asyncio.Transport, asyncio.Protocol]:
        if address == "1":
            both.set()
        await both.wait()
        return transports[int(address)], asyncio.Protocol()

    transport, _ = await server_address._try_in_turn(connect_to, ["0", "1"])

    assert [each.is_aborted for each in transports] == [each is not transport for each in transports]


async def test_a_cancellation_cancels_all_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_address, "_ATTEMPT_DELAY", 0.001)
    attempts = Attempts({"a": None, "b": None})
    task = asyncio.create_task(server_address._try_in_turn(attempts, ["a", "b"]))
    await until(lambda: attempts.started == ["a", "b"])

    task.cancel()
    await asyncio.wait([task])

    assert sorted(attempts.canceled) == ["a", "b"]


@ASYNCIO_ONLY
async def test_connects_to_the_address_that_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "::1", "127.0.0.1")
    async with RawKratos(SESSION) as kratos, open_pool(ServerAddress("kratos.invalid", kratos.port)) as pool:
        assert await result_of(pool) == 200


@ASYNCIO_ONLY
async def test_takes_address_families_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "::1", "::2", "127.0.0.1", "::3")

    assert await server_address._resolve("kratos.invalid", 1) == ["::1", "127.0.0.1", "::2", "::3"]


async def test_a_cancellation_leaves_no_open_socket() -> None:
    """The warning for a socket that is collected while open would fail this test."""
    async with RawKratos(SESSION) as kratos:
        for turns in range(6):
            async with open_pool(kratos) as pool:
                sent = send(pool)
                for _ in range(turns):
                    await asyncio.sleep(0)
            await sent


async def test_the_timeout_covers_the_tls_handshake(tmp_path: Path) -> None:
    _, ca_file = make_certificate(tmp_path)
    tls = ssl.create_default_context(cafile=str(ca_file))
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = ServerAddress("127.0.0.1", silent.getsockname()[1], tls)
        async with open_pool(address, timeout=0.05) as pool:
            assert await result_of(pool) == "TimeoutError"
            await until(lambda: not pool._connecting)
    assert loop.is_running()
