"""Sessions in a real Redis server, and the arguments of the store."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import settings_of
from support.memory_store import eventually
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import KEY, OLD_SECRET, SECRET, STORED, put
from support.scripted_kratos import SESSION_ID, TOKEN, ScriptedKratos, signed_in

from ory_guard import OryGuard
from ory_guard.cache import ALL_IDS
from ory_guard.exceptions import ConfigurationError
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.node import Node

pytestmark = REDIS_MARKS

WEEK = 7 * 86_400_000
LIFETIMES = ((":revoked:", 300_000), (":revocations:", WEEK), (":announced:", WEEK), ("", 200_000))


async def test_session_can_be_read_by_another_process_until_it_is_deleted(
    redis_store: RedisSessionStore, other_redis_store: RedisSessionStore
) -> None:
    """Its age grows by the time on the clock of Redis."""
    assert await redis_store.get([KEY]) is None

    await put(redis_store, KEY, STORED)
    stored = await other_redis_store.get([KEY])

    assert stored is not None
    assert 0 < stored.ttl <= 29.5
    assert stored.age + stored.ttl == pytest.approx(30.0)
    assert replace(stored, age=0.5, ttl=29.5) == replace(STORED, revoked_at=-inf)
    await redis_store.delete([KEY, b"unknown"])
    assert await other_redis_store.get([KEY]) is None


async def test_every_key_expires(redis_server: RedisServer, redis_store: RedisSessionStore) -> None:
    """A list of sessions expires with the last of its sessions."""
    await put(redis_store, KEY, replace(STORED, ttl=200.0))
    await put(redis_store, b"2" * 32, replace(STORED, ttl=60.0))
    await redis_store.revoke(["another"], 1_000.0, 300.0)

    names = redis_server.cli("KEYS", "*").split()
    assert len(names) == 7
    for name in names:
        assert 0 < int(redis_server.cli("PTTL", name)) <= next(limit for kind, limit in LIFETIMES if kind in name)
    for name in (name for name in names if ":of:" in name):
        assert int(redis_server.cli("PTTL", name)) > 60_000


async def test_list_of_the_sessions_of_an_id_is_limited(
    redis_server: RedisServer, redis_store: RedisSessionStore
) -> None:
    """The sessions that become stale first are removed first."""
    for number in range(300):
        await put(
            redis_store,
            number.to_bytes(32, "big"),
            replace(STORED, session_id=f"s{number}", fresh_until=float(number)),
        )

    name = next(
        name for name in redis_server.cli("KEYS", "*:of:*").split() if int(redis_server.cli("ZCARD", name)) > 1
    )
    members = redis_server.cli("ZRANGE", name, "0", "-1").split()
    assert len(members) == 256
    assert members[0].endswith(f":{44:064x}")


async def test_revocation_of_all_sessions_concerns_each_session(redis_store: RedisSessionStore) -> None:
    """It deletes none, but its time is returned with those that were stored before, and no older one is stored."""
    await put(redis_store, KEY, STORED)

    await redis_store.revoke([ALL_IDS], 1_000.0, 60.0)

    found = await redis_store.get([KEY])
    assert found is not None
    assert found.revoked_at == 1_000.0
    await put(redis_store, b"2" * 32, STORED, since=1_000.0)
    assert await redis_store.get([b"2" * 32]) is None


async def test_secret_can_be_rotated_without_an_outage(
    redis_server: RedisServer, redis_store: RedisSessionStore
) -> None:
    """While both secrets are known, sessions of both are found, and revocations reach processes with either one."""
    old = RedisSessionStore(redis_server.url, secrets=[OLD_SECRET])
    both = RedisSessionStore(redis_server.url, secrets=[SECRET, OLD_SECRET])
    under_old, under_new = b"o" * 32, b"n" * 32
    assert both.hashing_keys == (*redis_store.hashing_keys, *old.hashing_keys)

    await put(old, under_old, STORED)
    assert await both.get([under_new, under_old]) is not None
    assert await both.get([under_old, under_new]) is None

    await old.revoke(["revoked"], 1_000.0, 60.0)
    await put(both, under_new, replace(STORED, session_id="revoked"), since=999.0)
    assert await both.get([under_new]) is None
    await put(both, under_new, STORED)
    await both.revoke([SESSION_ID], 1_000.0, 60.0)
    for store in (old, both, redis_store):
        assert await store.revoked_at([SESSION_ID]) == 1_000.0
        assert await store.get([under_new]) is None
    assert await old.get([under_old]) is None
    for store in (old, both):
        await store.aclose()


async def test_stores_with_different_prefixes_share_nothing(
    redis_server: RedisServer, redis_store: RedisSessionStore
) -> None:
    """Neither sessions nor revocations."""
    other = RedisSessionStore(redis_server.url, secrets=[SECRET], prefix="elsewhere")
    await put(redis_store, KEY, STORED)
    await redis_store.revoke(["x"], 1_000.0, 60.0)

    assert await other.get([KEY]) is None
    assert await other.revoked_at(["x"]) is None
    await other.aclose()


async def test_scripts_are_loaded_again_if_the_server_has_lost_them(
    redis_server: RedisServer, redis_store: RedisSessionStore
) -> None:
    """As after a failover."""
    await put(redis_store, KEY, STORED)
    redis_server.cli("SCRIPT", "FLUSH")

    await put(redis_store, KEY, STORED)
    redis_server.cli("SCRIPT", "FLUSH")
    assert await redis_store.get([KEY]) is not None


def test_forked_processes_have_different_sender_names() -> None:
    """Workers that are forked after the store was created receive the messages of each other."""
    script = (
        "import asyncio, os, sys\n"
        "from ory_guard.redis import RedisSessionStore\n"
        "store = RedisSessionStore('redis://127.0.0.1:1', secrets=['x' * 32])\n"
        "async def name():\n"
        "    return (await store._router.get()).sender\n"
        "loop = asyncio.new_event_loop()\n"
        "names = {loop.run_until_complete(name())}\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(write, asyncio.run(name()).encode())\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "names.add(os.read(read, 99).decode())\n"
        "print(len(names))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)

    assert result.stdout.strip() == "2"


@pytest.mark.parametrize(
    ("url", "secrets", "timeout", "match"),
    [
        ("http://127.0.0.1", [SECRET], 0.5, "url: must be a valid redis://"),
        ("redis://user:pass@host:port", [SECRET], 0.5, "url: must be a valid redis://"),
        ("valkey:/user:pass@host", [SECRET], 0.5, "url: must be a valid redis://"),
        ("rediss://user:pass@host?ssl_cert_reqs=maybe", [SECRET], 0.5, "url: must be a valid redis://"),
        ("valkeys://user:pass@host?ssl_ca_certs=/missing", [SECRET], 0.5, "url: can't load the TLS files"),
        ("redis://127.0.0.1?max_connections=many", [SECRET], 0.5, "url: must be a valid redis://"),
        (
            "redis://127.0.0.1?decode_responses=true",
            [SECRET],
            0.5,
            "url: must not contain protocol",
        ),
        ("redis://127.0.0.1?protocol=3", [SECRET], 0.5, "url: must not contain protocol"),
        *(
            ("redis://127.0.0.1", [SECRET], timeout, "timeout: must be positive and at most")
            for timeout in (0, -1, 61, float("nan"))
        ),
        ("redis://127.0.0.1", [], 0.5, "secrets: must be a list of one to 8"),
        ("redis://127.0.0.1", SECRET, 0.5, "secrets: must be a list of one to 8"),
        ("redis://127.0.0.1", ["short"], 0.5, "secrets: a secret must have at least 32 bytes"),
    ],
)
def test_invalid_arguments_raise_an_error(url: str, secrets: Any, timeout: float, match: str) -> None:
    """Its message contains neither a password nor a secret."""
    with pytest.raises(ConfigurationError, match=match) as caught:
        RedisSessionStore(url, secrets=secrets, timeout=timeout)

    assert "pass@" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_repr_contains_no_secrets() -> None:
    """Neither the password nor a secret; the `repr` of a session does not contain its body."""
    store = RedisSessionStore("redis://user:password@127.0.0.1", secrets=[SECRET])

    assert repr(store) == "<RedisSessionStore ory_guard>"
    assert "ada@example.com" not in repr(STORED)


def test_event_loop_may_end_without_aclose(redis_server: RedisServer) -> None:
    """No error is reported, and all connections are closed."""
    store = RedisSessionStore(redis_server.url, secrets=[SECRET])
    guard = OryGuard(settings_of(), transport=ScriptedKratos(signed_in()), clock=AdjustableClock(), store=store)
    errors: list[Any] = []

    async def authenticate() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
        guard.authentication.cache.clear()
        await guard.authenticate(http_scope(headers=[(b"x-session-token", TOKEN)]))
        assert len(redis_server.cli("CLIENT", "LIST", "TYPE", "pubsub").splitlines()) == 1

    for _ in range(3):
        asyncio.run(authenticate())

    assert errors == []
    assert len(redis_server.cli("CLIENT", "LIST").splitlines()) == 1


@pytest.mark.parametrize("iterations", range(12))
async def test_command_in_progress_leaves_no_connection(
    redis_server: RedisServer, redis_store: RedisSessionStore, iterations: int
) -> None:
    """In whatever iteration of the event loop the store is closed."""
    node = await redis_store._router.get()
    assert isinstance(node, Node)
    command = asyncio.ensure_future(node.client.ping())
    for _ in range(iterations):
        await asyncio.sleep(0)

    await redis_store.aclose()
    with suppress(Exception):
        await command

    with pytest.raises(ConnectionError, match="the store was closed"):
        await node.client.ping()
    await eventually(lambda: redis_server.cli("CLIENT", "LIST").count("\n") == 1)
