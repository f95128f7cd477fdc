"""What lies in Redis, and what must never come of it: S09, S10 and S11."""

import asyncio
import pickle
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.memory_store import SOON, eventually
from support.redis_server import BINARY, WHY_NOT, RedisServer
from support.scripted_kratos import refused

from ory_guard import Authenticated, Rejected

from .harness import Request
from .store_bench import ALICE, BOB, SECRET, Worker, slowest, started, until_stored

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=WHY_NOT)]


class Exploding:
    """Whoever unpickles it says so."""

    exploded = False

    def __reduce__(self) -> Any:
        return setattr, (Exploding, "exploded", True)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer() as running:
        yield running


@pytest.mark.parametrize(
    "what", ["pickle", "wrong schema", "other key's value", "truncated", "bad seal", "wrong type"]
)
async def test_s09_what_lies_in_redis_is_not_trusted(server: RedisServer, what: str, tried: Counter[str]) -> None:
    """It is a miss; Kratos is asked, and nothing is unpickled."""
    tried["faults of the store"] += 1
    async with started(server.url) as (first, second):
        await first.ask(b"tok-A")
        await first.ask(b"tok-B")
        await until_stored(server, 2)
        client = (await first.store._connections.get()).client
        names = [name async for name in client.scan_iter("*:session:*")]
        values: dict[Any, Any] = {name: await client.get(name) for name in names}
        seal = first.store._encryptors[0]
        for name, another in (names, reversed(names)):
            value = values[name]
            assert isinstance(value, bytes)
            bad: dict[str, bytes] = {
                "pickle": pickle.dumps(Exploding()),
                "wrong schema": seal.encrypt(name.decode(), {"key": name.decode()[-64:], "session": {}}),
                "other key's value": values[another] or b"",
                "truncated": value[: len(value) // 2],
                "bad seal": value[:-1] + bytes([value[-1] ^ 1]),
            }
            if what == "wrong type":
                await client.delete(name)
                await client.rpush(name, "a", "list")
            else:
                await client.set(name, bad[what], px=30_000)

        assert await second.who(b"tok-A") == ALICE
        assert await second.who(b"tok-B") == BOB
        assert not Exploding.exploded
        assert not second.is_degraded or what == "wrong type"


async def test_s10_a_worker_that_was_cut_off_serves_nothing_revoked(
    server: RedisServer, tried: Counter[str]
) -> None:
    """It forgets everything when it is cut off, and again when it hears again."""
    tried["faults of the store"] += 1
    async with started(server.url) as (first, second):
        await first.ask()
        await second.ask()
        first.kratos.responses = second.kratos.responses = [refused()]

        server.cli("CLIENT", "KILL", "TYPE", "pubsub")
        await first.guard.invalidate(session_id="session-of-alice")

        await eventually(lambda: not second.is_degraded and not second.guard.stats().entries)
        assert await second.ask() == Rejected("inactive", "x_session_token")


@pytest.mark.parametrize(
    "other",
    [
        {"kratos_public_url": "http://another.test:4433"},
        {"cookie_names": ("another_session",), "cookie": b"another_session=ck-A"},
    ],
    ids=["base_url", "cookie name"],
)
async def test_s11_guards_of_different_kratos_share_no_entry(
    server: RedisServer, other: dict[str, Any], tried: Counter[str]
) -> None:
    """The key is made of the base URL, the kind and the cookie's name."""
    tried["faults of the store"] += 1
    cookie = other.pop("cookie", b"ory_kratos_session=ck-A")
    first, second = Worker(server.url), Worker(server.url, **other)
    await first.begin()
    await second.begin()
    own = Request(((b"cookie", b"ory_kratos_session=ck-A"),))
    await first.guard.authenticate(own.scope())
    await until_stored(server, 1)

    outcome = await second.guard.authenticate(Request(((b"cookie", cookie),)).scope())

    assert isinstance(outcome, Authenticated)
    assert outcome.source == "upstream"
    assert len(second.kratos.requests) == 2
    await first.guard.aclose()
    await second.guard.aclose()


async def test_nothing_is_readable_in_redis(server: RedisServer) -> None:
    """No credential, e-mail, trait or id lies there in clear, nor does it pass by."""
    monitor = await asyncio.create_subprocess_exec(
        "redis-cli", "-p", str(server.port), "MONITOR", stdout=asyncio.subprocess.PIPE
    )
    assert monitor.stdout is not None
    await monitor.stdout.readline()
    async with started(server.url) as (first, second):
        await first.ask(b"tok-A")
        await first.ask(b"tok-B")
        await until_stored(server, 2)
        await second.ask(b"tok-A")
        names = server.cli("--scan").split()
        dump = [server.cli("--scan"), *(server.cli("DUMP", name) for name in names)]
        dump += [server.cli("ZRANGE", name, "0", "-1") for name in names if ":of:" in name]
        dump += [server.cli("GET", name) for name in names if ":session:" in name]
        await first.guard.invalidate(session_id="session-of-bob", identity_id="identity-of-bob")
        dump += [server.cli("--scan")]
    monitor.terminate()
    rest, _ = await monitor.communicate()
    dump.append(rest.decode("utf-8", "backslashreplace"))

    text = "\n".join(dump).lower()
    assert "publish" in text
    for secret in ("tok-a", "tok-b", "alice", "bob", "example.com", "aal1", "traits", SECRET):
        assert secret not in text


async def test_redis_dies_and_comes_back(server: RedisServer, tried: Counter[str]) -> None:
    """Sessions go on; when it is there again, it is used again, and knows what was revoked meanwhile."""
    tried["faults of the store"] += 1
    async with started(server.url) as (first, second):
        await first.ask()
        await second.ask()
        server.kill()
        await eventually(lambda: first.is_degraded and second.is_degraded)

        assert await slowest(first) < SOON
        await second.ask()
        first.kratos.responses = second.kratos.responses = [refused()]
        await first.guard.invalidate(session_id="session-of-alice")
        assert await first.who() == ("nobody", "Rejected")
        assert (await second.who())[1] == "cache", "which is within the ttl, while nobody can tell it"

        server.start()
        await eventually(lambda: not first.is_degraded and not second.is_degraded)
        assert await second.who() == ("nobody", "Rejected")
        assert len(server.cli("KEYS", "*:revoked:*").split()) == 1
