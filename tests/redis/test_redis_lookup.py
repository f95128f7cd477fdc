"""Lookups in a real Redis server: round trips, connections, and replies that are not those of the lookup."""

import asyncio
import re
import ssl
from dataclasses import replace
from math import inf
from pathlib import Path
from unittest.mock import Mock

import pytest
from redis.exceptions import AuthenticationError, RedisError
from scripted_redis import ScriptedClient, ScriptedRedis, scripted_redis
from support.certificates import make_certificate, tls_server_options
from support.clock import AdjustableClock
from support.guard_bench import by, request, settings_of
from support.memory_store import SOON, eventually
from support.ports import free_port
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import KEY, OLD_SECRET, SECRET, STORED, Subscriber, put
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, ScriptedKratos, signed_in

from ory_guard import OryGuard
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.encryption import Encryptor

pytestmark = REDIS_MARKS


def new_guard(store: RedisSessionStore) -> OryGuard:
    return OryGuard(settings_of(), transport=ScriptedKratos(signed_in()), clock=AdjustableClock(), store=store)


async def stored_sessions(server: RedisServer, count: int) -> None:
    await eventually(lambda: server.cli("KEYS", "*:session:*").count(":session:") == count)


def connections(server: RedisServer) -> int:
    """Return the number of connections that the server has accepted, with that of redis-cli."""
    match = re.search(r"total_connections_received:(\d+)", server.cli("INFO", "stats"))
    assert match is not None
    return int(match[1])


async def test_session_is_found_in_one_round_trip(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the revocations that concern it, although it was stored before the process subscribed to them."""
    monkeypatch.setattr("ory_guard.redis.stream_subscription._CHECK_INTERVAL", SOON)
    redis_server.cli("FLUSHALL")
    sources: list[str] = []
    counts: dict[str, int] = {}
    for number in range(2):
        store = RedisSessionStore(redis_server.url, secrets=[SECRET])
        guard = new_guard(store)
        await guard.authenticate(request((b"x-session-token", b"another-%d" % number)))
        await stored_sessions(redis_server, 2 * number + 1)
        redis_server.cli("CONFIG", "RESETSTAT")
        sources.append(by(await guard.authenticate(request()))[0])
        counts = redis_server.calls()
        await stored_sessions(redis_server, 2 + number)
        await guard.aclose()

    assert sources == ["upstream", "store"]
    assert counts["evalsha"] == 1
    assert counts.keys() <= {"evalsha", "get", "pttl", "config|resetstat", "ping"}


@pytest.mark.parametrize(
    ("id_", "secret", "command", "at"),
    [
        (SESSION_ID, SECRET, ("SET", "1000.5"), 1_000.5),
        (IDENTITY_ID, SECRET, ("SET", "1000.5"), 1_000.5),
        (SESSION_ID, OLD_SECRET, ("SET", "1000.5"), 1_000.5),
        (IDENTITY_ID, OLD_SECRET, ("SET", "soon"), inf),
        (SESSION_ID, SECRET, ("RPUSH", "a list"), inf),
    ],
    ids=str,
)
async def test_lookup_returns_the_time_of_the_revocation(
    redis_server: RedisServer, id_: str, secret: str, command: tuple[str, str], at: float
) -> None:
    """Under each secret that the writer knows. An invalid record may be that of a recent revocation."""
    redis_server.cli("FLUSHALL")
    store = RedisSessionStore(redis_server.url, secrets=[SECRET, OLD_SECRET])
    await put(store, KEY, STORED)
    found = await store.get([KEY])
    assert found is not None
    assert found.revoked_at == -inf

    redis_server.cli(command[0], f"ory_guard:revoked:{{0}}:{Encryptor(secret).hash_name(id_)}", command[1])
    found = await store.get([KEY])

    assert found is not None
    assert found.revoked_at == at
    await store.aclose()


async def test_guard_finds_a_session_under_an_older_secret(redis_server: RedisServer) -> None:
    """While the secret is rotated."""
    redis_server.cli("FLUSHALL")
    old, both = (
        new_guard(RedisSessionStore(redis_server.url, secrets=secrets))
        for secrets in ([OLD_SECRET], [SECRET, OLD_SECRET])
    )
    for number, guard in enumerate((old, both)):
        await guard.authenticate(request((b"x-session-token", b"another-%d" % number)))
        await stored_sessions(redis_server, number + 1)
    await old.authenticate(request())
    await stored_sessions(redis_server, 3)

    assert by(await both.authenticate(request()))[0] == "store"
    for guard in (old, both):
        await guard.aclose()


async def test_lookups_of_a_cold_worker_need_no_new_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections are open, with TLS, before the store counts as ready. They share an SSL context."""
    _, ca_file = make_certificate(tmp_path)
    create = Mock(wraps=ssl.create_default_context)
    monkeypatch.setattr(ssl, "create_default_context", create)
    port = free_port()
    with RedisServer(*tls_server_options(tmp_path, port)) as server:
        store = RedisSessionStore(f"valkeys://127.0.0.1:{port}?ssl_ca_certs={ca_file}", secrets=[SECRET])
        create.assert_called_once()
        subscriber = Subscriber(store)
        await eventually(lambda: subscriber.messages)
        before = connections(server)
        results: list[object] = []
        for number in range(16):
            store.look_up([b"%032d" % number], SOON, lambda result, _latency: results.append(result))
        await eventually(lambda: len(results) == 16)
        await put(store, KEY, STORED)

        assert results == [None] * 16
        assert connections(server) == before + 1, "that of redis-cli"
        create.assert_called_once()
        await subscriber.aclose()
        await store.aclose()


async def test_large_session_is_not_stored(redis_server: RedisServer, redis_store: RedisSessionStore) -> None:
    """Nor read: its size is limited by the parser, which would close the connection."""
    await put(redis_store, KEY, replace(STORED, body=b" " * (1 << 20)))
    assert redis_server.cli("KEYS", "*") == "\n"

    redis_server.cli("SET", f"ory_guard:session:{{0}}:{KEY.hex()}", "x" * 100)
    redis_server.cli("SETRANGE", f"ory_guard:session:{{0}}:{KEY.hex()}", str(1 << 20), "x")
    assert await redis_store.get([KEY]) is None


def test_lookup_without_a_connection_fails() -> None:
    """The store was closed in the meantime."""
    store, results = RedisSessionStore("redis://127.0.0.1:1", secrets=[SECRET]), []

    async def look_up() -> None:
        store.look_up([KEY], 1.0, lambda result, latency: results.append((type(result), latency)))
        assert results == []
        await asyncio.sleep(0)

    asyncio.run(look_up())
    assert results == [(ConnectionError, 0.0)]


async def lookup(redis: ScriptedRedis) -> "tuple[asyncio.Task[object], RedisSessionStore, ScriptedClient]":
    """Start a lookup in a scripted server; its command has arrived."""
    store = RedisSessionStore(f"redis://:password@127.0.0.1:{redis.port}/3?client_name=app", secrets=[SECRET])
    running: asyncio.Task[object] = asyncio.ensure_future(store.get([KEY]))
    client = await redis.received(1)
    for number in range(1, 5):
        await redis.received(number)
        client.reply(b"+OK\r\n")
    await redis.received(5)
    return running, store, client


async def test_connection_is_authenticated_before_the_first_lookup() -> None:
    """The script is loaded with it."""
    async with scripted_redis() as redis:
        running, store, client = await lookup(redis)
        sent = [command[:2] for command in client.commands if isinstance(command, list)]
        client.reply(b"*1\r\n:1\r\n")

        assert sent[:3] == [[b"AUTH", b"password"], [b"CLIENT", b"SETNAME"], [b"SELECT", b"3"]]
        assert [command[0] for command in sent[3:]] == [b"SCRIPT", b"EVALSHA"]
        assert await running is None
        await store.aclose()


OTHER_REPLIES = [
    pytest.param(b"*1\r\n:2\r\n", id="another number"),
    pytest.param(b"*4\r\n:2\r\n:0\r\n$1\r\nx\r\n:1\r\n", id="value of another lookup"),
    pytest.param(b"*3\r\n:1\r\n:0\r\n$1\r\nx\r\n", id="too short"),
    pytest.param(b"*4\r\n:1\r\n$1\r\nx\r\n:0\r\n:1\r\n", id="another order"),
    pytest.param(b"*0\r\n", id="empty"),
    pytest.param(b"$-1\r\n", id="null"),
    pytest.param(b"+OK\r\n", id="another type"),
]


@pytest.mark.parametrize("reply", OTHER_REPLIES)
async def test_reply_to_another_command_closes_the_connection(reply: bytes) -> None:
    """Each lookup has a number, which its reply contains."""
    async with scripted_redis() as redis:
        running, store, client = await lookup(redis)
        client.reply(reply)

        with pytest.raises(RedisError, match="not that of the lookup"):
            await running
        await eventually(lambda: not client.is_open)
        await store.aclose()


@pytest.mark.parametrize("position", [-1, 1, 7])
async def test_value_of_an_unknown_key_is_ignored(position: int) -> None:
    """The server has found one for a key that is not in the command."""
    async with scripted_redis() as redis:
        running, store, client = await lookup(redis)
        client.reply(b"*4\r\n:1\r\n:%d\r\n$1\r\nx\r\n:1\r\n" % position)

        assert await running is None
        await store.aclose()


async def test_failure_of_the_decryption_is_the_result(
    redis_store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller would wait for ever otherwise."""
    await put(redis_store, KEY, STORED)
    monkeypatch.setattr("ory_guard.redis.store.decrypt_session", lambda *_: dict[str, int]()["missing"])

    with pytest.raises(KeyError):
        await redis_store.get([KEY])


async def test_missing_script_is_loaded_once() -> None:
    """A server that does not keep it causes an error, not a loop."""
    async with scripted_redis() as redis:
        running, store, client = await lookup(redis)
        client.reply(b"-NOSCRIPT No matching script.\r\n")
        await redis.received(7)
        client.reply(b"+sha\r\n-NOSCRIPT No matching script.\r\n")

        with pytest.raises(RedisError, match="NOSCRIPT"):
            await running
        await store.aclose()


async def test_rejected_handshake_closes_the_connection() -> None:
    async with scripted_redis() as redis:
        store = RedisSessionStore(f"redis://:password@127.0.0.1:{redis.port}", secrets=[SECRET])
        running = asyncio.ensure_future(store.get([KEY]))
        client = await redis.received(1)
        client.reply(b"-WRONGPASS invalid username-password pair\r\n")

        with pytest.raises(AuthenticationError):
            await running
        await eventually(lambda: not client.is_open)
        await store.aclose()


async def test_canceled_lookup_gives_its_reply_to_no_other(redis_store: RedisSessionStore) -> None:
    """Two hundred lookups in a row; each second one is canceled in a different iteration of the event loop."""
    keys = [bytes([number]) * 32 for number in range(8)]
    for number, key in enumerate(keys):
        await put(redis_store, key, replace(STORED, session_id=f"session-{number}"))
    for turn in range(50):
        running = [asyncio.ensure_future(redis_store.get([key])) for key in keys]
        for _ in range(turn % 5):
            await asyncio.sleep(0)
        for canceled in running[turn % 2 :: 2]:
            canceled.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)

        for number, result in enumerate(results):
            if not isinstance(result, asyncio.CancelledError):
                assert not isinstance(result, BaseException)
                assert result is not None
                assert result.session_id == f"session-{number}"
