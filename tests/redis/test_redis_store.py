"""Redis as the shared store, against a real server."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import settings_of
from support.redis_bench import KEY, OLD_SECRET, SECRET, STORED, put
from support.redis_server import BINARY, WHY_NOT, RedisServer
from support.scripted_kratos import SESSION_ID, TOKEN, ScriptedKratos, signed_in

from ory_guard import OryGuard
from ory_guard.exceptions import ConfigurationError
from ory_guard.redis import RedisSessionStore

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=WHY_NOT)]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server for all tests here."""
    with RedisServer() as running:
        yield running


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisSessionStore]:
    """A store in the empty server."""
    server.cli("FLUSHALL")
    made = RedisSessionStore(server.url, secrets=[SECRET])
    yield made
    await made.aclose()


@pytest.fixture
async def other(server: RedisServer) -> AsyncIterator[RedisSessionStore]:
    """The store of another process."""
    made = RedisSessionStore(server.url, secrets=[SECRET])
    yield made
    await made.aclose()


async def test_what_is_put_is_got(store: RedisSessionStore, other: RedisSessionStore) -> None:
    """By another process, too; meanwhile it ages by Redis' clock."""
    assert await store.get([KEY]) is None

    await put(store, KEY, STORED)
    found = await other.get([KEY])

    assert found is not None
    assert 0 < found.ttl <= 29.5
    assert found.age + found.ttl == pytest.approx(30.0)
    assert replace(found, age=0.5, ttl=29.5) == STORED


async def test_what_is_kept_ends(server: RedisServer, store: RedisSessionStore) -> None:
    """Everything in Redis has an end, and no index outlives the last of its sessions by more than its ttl."""
    await put(store, KEY, replace(STORED, ttl=200.0))
    await put(store, b"2" * 32, replace(STORED, ttl=60.0))
    await store.revoke(["somebody"], 1_000.0, 300.0)

    names = server.cli("KEYS", "*").split()
    assert len(names) == 5
    for name in names:
        assert 0 < int(server.cli("PTTL", name)) <= (300_000 if ":revoked:" in name else 200_000)
    for name in (name for name in names if ":of:" in name):
        assert int(server.cli("PTTL", name)) > 60_000


async def test_deleted_is_gone(store: RedisSessionStore) -> None:
    """And deleting nothing is no error."""
    await put(store, KEY, STORED)

    await store.delete([KEY, b"?" * 32])

    assert await store.get([KEY]) is None


async def test_the_index_of_an_identity_is_bounded(server: RedisServer, store: RedisSessionStore) -> None:
    """However many credentials somebody makes: the sessions that end first leave it first."""
    for number in range(300):
        await put(
            store, number.to_bytes(32, "big"), replace(STORED, session_id=f"s{number}", fresh_until=float(number))
        )

    name = next(name for name in server.cli("KEYS", "*:of:*").split() if int(server.cli("ZCARD", name)) > 1)
    kept = server.cli("ZRANGE", name, "0", "-1").split()
    assert len(kept) == 256
    assert kept[0].endswith(f"{44:x}")


async def test_a_secret_is_changed_without_an_outage(server: RedisServer, store: RedisSessionStore) -> None:
    """While both are known, sessions of the old one are found, and revocations reach whoever knows one of them."""
    old = RedisSessionStore(server.url, secrets=[OLD_SECRET])
    both = RedisSessionStore(server.url, secrets=[SECRET, OLD_SECRET])
    under_old, under_new = b"o" * 32, b"n" * 32
    assert both.hashing_keys == (*store.hashing_keys, *old.hashing_keys)

    await put(old, under_old, STORED)
    found = await both.get([under_new, under_old])
    assert found is not None
    assert await both.get([under_old, under_new]) is None

    await put(both, under_new, STORED)
    await both.revoke([SESSION_ID], 1_000.0, 60.0)
    for one in (old, both, store):
        assert await one.revoked_at([SESSION_ID]) == 1_000.0
        assert await one.get([under_new]) is None
    assert await old.get([under_old]) is None
    for one in (old, both):
        await one.aclose()


async def test_prefixes_keep_applications_apart(server: RedisServer, store: RedisSessionStore) -> None:
    """Neither sessions nor revocations cross."""
    apart = RedisSessionStore(server.url, secrets=[SECRET], prefix="elsewhere")
    await put(store, KEY, STORED)
    await store.revoke(["x"], 1_000.0, 60.0)

    assert await apart.get([KEY]) is None
    assert await apart.revoked_at(["x"]) is None
    await apart.aclose()


async def test_a_server_that_lost_its_scripts_gets_them_again(
    server: RedisServer, store: RedisSessionStore
) -> None:
    """As after a failover."""
    await put(store, KEY, STORED)
    server.cli("SCRIPT", "FLUSH")

    await put(store, KEY, STORED)
    server.cli("SCRIPT", "FLUSH")
    assert await store.get([KEY]) is not None


def test_processes_that_were_forked_hear_each_other() -> None:
    """A store is made before the server forks its workers: each has a connection, and a name, of its own."""
    script = (
        "import asyncio, os, sys\n"
        "from ory_guard.redis import RedisSessionStore\n"
        "store = RedisSessionStore('redis://127.0.0.1:1', secrets=['x' * 32])\n"
        "async def name():\n"
        "    return (await store._connections.get()).sender\n"
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
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)

    assert done.stdout.strip() == "2"


@pytest.mark.parametrize(
    ("url", "secrets", "match"),
    [
        ("http://127.0.0.1", [SECRET], "url: must be a valid redis://"),
        ("redis://user:pass@host:port", [SECRET], "url: must be a valid redis://"),
        ("redis://127.0.0.1?max_connections=many", [SECRET], "url: must be a valid redis://"),
        ("redis://127.0.0.1?decode_responses=true", [SECRET], "url: must not contain protocol or decode_responses"),
        ("redis://127.0.0.1?protocol=3", [SECRET], "url: must not contain protocol or decode_responses"),
        ("redis://127.0.0.1", [], "secrets: must be a list"),
        ("redis://127.0.0.1", SECRET, "secrets: must be a list"),
        ("redis://127.0.0.1", ["short"], "secrets: a secret must have at least 32 bytes"),
    ],
)
def test_a_wrong_value_is_told_at_once(url: str, secrets: Any, match: str) -> None:
    """Without showing a password or a secret."""
    with pytest.raises(ConfigurationError, match=match) as caught:
        RedisSessionStore(url, secrets=secrets)

    assert "pass@" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_a_store_shows_nothing_secret() -> None:
    """Neither its URL's password nor its secrets; and a stored session shows no body."""
    store = RedisSessionStore("redis://user:password@127.0.0.1", secrets=[SECRET])

    assert repr(store) == "<RedisSessionStore ory_guard>"
    assert "ada@example.com" not in repr(STORED)


def test_a_loop_may_end_while_redis_is_in_use(server: RedisServer) -> None:
    """Without `aclose`: nothing is reported, and no connection is left."""
    store = RedisSessionStore(server.url, secrets=[SECRET])
    guard = OryGuard(settings_of(), transport=ScriptedKratos(signed_in()), clock=AdjustableClock(), store=store)
    reported: list[Any] = []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
        guard.authentication.cache.clear()
        await guard.authenticate(http_scope(headers=[(b"x-session-token", TOKEN)]))
        assert len(server.cli("CLIENT", "LIST", "TYPE", "pubsub").splitlines()) == 1

    for _ in range(3):
        asyncio.run(ask())

    assert reported == []
    assert len(server.cli("CLIENT", "LIST").splitlines()) == 1
