"""Values in a real Redis, the loss of the connection, and servers that reject commands."""

import asyncio
import pickle
from typing import Any

import pytest
from support.memory_store import SOON, eventually
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import SECRET
from support.scripted_kratos import refused

from ory_guard import Authenticated, Rejected
from ory_guard.redis.node import Node

from .bench import COOKIE, request
from .store_bench import ALICE, BOB, Worker, slowest_request, started, wait_until_stored

pytestmark = REDIS_MARKS


class Unpickled:
    """An object that records that it was unpickled."""

    unpickled = False

    def __reduce__(self) -> Any:
        return setattr, (Unpickled, "unpickled", True)


@pytest.mark.parametrize(
    "kind", ["pickle", "wrong schema", "value of another key", "truncated", "changed byte", "wrong type"]
)
async def test_s09_invalid_values_in_redis_are_ignored(server: RedisServer, kind: str) -> None:
    """Kratos is called, and nothing is unpickled."""
    async with started(server.url) as (first, second):
        await first.ask("tok-A")
        await first.ask("tok-B")
        await wait_until_stored(server, 2)
        node = await first.store._router.get()
        assert isinstance(node, Node)
        client = node.client
        names = [name async for name in client.scan_iter("*:session:*")]
        values: dict[Any, Any] = {name: await client.get(name) for name in names}
        encryptor = first.store._encryptors[0]
        for name, another in (names, reversed(names)):
            value = values[name]
            assert isinstance(value, bytes)
            invalid: dict[str, bytes] = {
                "pickle": pickle.dumps(Unpickled()),
                "wrong schema": b"\0" + encryptor.encrypt(name, b"{}", b"\0"),
                "value of another key": values[another] or b"",
                "truncated": value[: len(value) // 2],
                "changed byte": value[:-1] + bytes([value[-1] ^ 1]),
            }
            if kind == "wrong type":
                await client.delete(name)
                await client.rpush(name, "a", "list")
            else:
                await client.set(name, invalid[kind], px=30_000)

        assert await second.identify("tok-A") == ALICE
        assert await second.identify("tok-B") == BOB
        assert not Unpickled.unpickled
        assert not second.is_degraded or kind == "wrong type"


async def test_s10_worker_that_was_disconnected_serves_no_revoked_session(server: RedisServer) -> None:
    """It receives what it missed when it is connected again. Its other sessions remain cached."""
    async with started(server.url) as (first, second):
        await first.ask()
        await second.ask()
        await second.ask("tok-B")
        first.kratos.responses = second.kratos.responses = [refused()]

        server.cli("CLIENT", "KILL", "TYPE", "pubsub")
        await eventually(lambda: second.is_degraded)
        await first.guard.invalidate(session_id="session-of-alice")

        revocations = second.guard.authentication.cache.revocations
        await eventually(lambda: revocations.revoked_at("session-of-alice") > 0 and not second.is_degraded)
        assert await second.identify("tok-B") == ("identity-of-bob", "cache")
        assert await second.ask() == Rejected("inactive", "x_session_token")


@pytest.mark.parametrize(
    "other",
    [{"kratos_public_url": "http://another.test:4433"}, {"cookie_names": ("another_session",)}],
    ids=["base_url", "cookie name"],
)
async def test_s11_guards_with_another_kratos_or_cookie_share_no_session(
    server: RedisServer, other: dict[str, Any]
) -> None:
    """The key depends on the base URL, the kind of credential and the name of the cookie."""
    cookie = b"another_session=ck-A" if "cookie_names" in other else b"ory_kratos_session=ck-A"
    first, second = Worker(server.url), Worker(server.url, **other)
    await first.connect()
    await second.connect()
    await first.guard.authenticate(request(COOKIE))
    await wait_until_stored(server, 1)

    outcome = await second.guard.authenticate(request((b"cookie", cookie)))

    assert isinstance(outcome, Authenticated)
    assert outcome.source == "upstream"
    assert len(second.kratos.requests) == 2
    await first.guard.aclose()
    await second.guard.aclose()


async def test_redis_contains_no_readable_data(server: RedisServer) -> None:
    """No credential, email address, trait or id is in keys, values, messages or commands."""
    monitor = await asyncio.create_subprocess_exec(
        "redis-cli", "-p", str(server.port), "MONITOR", stdout=asyncio.subprocess.PIPE, limit=1024 * 1024
    )
    assert monitor.stdout is not None
    await monitor.stdout.readline()
    async with started(server.url) as (first, second):
        await first.ask("tok-A")
        await first.ask("tok-B")
        await wait_until_stored(server, 2)
        await second.ask("tok-A")
        names = server.cli("--scan").split()
        dump = [server.cli("--scan"), *(server.cli("DUMP", name) for name in names)]
        dump += [server.cli("ZRANGE", name, "0", "-1") for name in names if ":of:" in name]
        dump += [server.cli("GET", name) for name in names if ":session:" in name]
        await first.guard.invalidate(session_id="session-of-bob", identity_id="identity-of-bob")
        dump += [server.cli("--scan")]
    server.cli("ECHO", "end of the test")
    # The monitor may print a command later than Redis runs it.
    commands = await monitor.stdout.readuntil(b"end of the test")
    monitor.terminate()
    await monitor.communicate()
    dump.append(commands.decode("utf-8", "backslashreplace"))

    text = "\n".join(dump).lower()
    assert "publish" in text
    for secret in ("tok-a", "tok-b", "alice", "example.com", "aal1", "traits", SECRET):
        assert secret not in text


async def test_guard_works_while_redis_is_restarted(server: RedisServer) -> None:
    """Afterwards the store is used again, and knows the revocations of the meantime."""
    async with started(server.url) as (first, second):
        await first.ask()
        await second.ask()
        server.kill()
        await eventually(lambda: first.is_degraded and second.is_degraded)

        assert await slowest_request(first) < SOON
        await second.ask()
        first.kratos.responses = second.kratos.responses = [refused()]
        await first.guard.invalidate(session_id="session-of-alice")
        assert await first.identify() == ("anonymous", "Rejected")
        assert (await second.identify())[1] == "cache", "the revocation can not be received, and the entry is fresh"

        server.start()
        await eventually(lambda: not first.is_degraded and not second.is_degraded)
        assert await second.identify() == ("anonymous", "Rejected")
        assert len(server.cli("KEYS", "*:revoked:*").split()) == 1


@pytest.mark.parametrize(
    ("command", "rejects_only_writes"),
    [
        (("FLUSHALL",), False),
        (("CONFIG", "SET", "maxmemory", "1"), True),
        (("REPLICAOF", "127.0.0.1", "1"), True),
        (("CONFIG", "SET", "requirepass", "changed"), False),
        (("ACL", "SETUSER", "default", "-@all", "+ping"), False),
        (("SCRIPT", "FLUSH"), False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_guard_works_if_redis_rejects_commands(
    server: RedisServer, command: tuple[str, ...], *, rejects_only_writes: bool
) -> None:
    """An empty, full, read-only or locked server is a miss, not an error; local revocations work."""
    async with started(server.url) as (first, second):
        await first.ask()
        await wait_until_stored(server, 1)
        server.cli(*command)

        assert (await second.identify())[0] == "identity-of-alice"
        assert await slowest_request(first) < SOON
        await eventually(lambda: not rejects_only_writes or first.is_degraded)
        await first.ask()
        first.kratos.responses = [refused()]
        await first.guard.invalidate(session_id="session-of-alice")
        assert await first.identify() == ("anonymous", "Rejected")
