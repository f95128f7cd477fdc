"""Redis as the shared store, against a real server."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from memory_store import eventually
from redis_server import BINARY, WHY_NOT, RedisServer
from stub_kratos import IDENTITY_ID, SESSION_ID, session_body

from ory_guard.exceptions import ConfigurationError
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.sealing import Seal, Unreadable
from ory_guard.redis.values import ids_in, session_in, time_in, value_of
from ory_guard.session_store import StoredSession

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=WHY_NOT)]

SECRET = "a-secret-of-at-least-thirty-two-bytes"
OLD_SECRET = "an-older-secret-of-thirty-two-or-more-bytes"
BODY = json.dumps(session_body()).encode()
KEY = bytes(range(32))
STORED = StoredSession(BODY, SESSION_ID, IDENTITY_ID, 0.5, 29.5, 1_000.0, 1_030.0)


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

    await _put(store, KEY, STORED)
    found = await other.get([KEY])

    assert found is not None
    assert 29.0 < found.ttl <= 29.5
    assert found.age + found.ttl == pytest.approx(30.0)
    assert replace(found, age=0.5, ttl=29.5) == STORED


async def test_what_is_kept_ends(server: RedisServer, store: RedisSessionStore) -> None:
    """Everything in Redis has an end, and no index outlives the last of its sessions by more than its ttl."""
    await _put(store, KEY, replace(STORED, ttl=20.0))
    await _put(store, b"2" * 32, replace(STORED, ttl=5.0))
    await store.revoke(["somebody"], 1_000.0, 30.0)

    names = server.cli("KEYS", "*").split()
    assert len(names) == 5
    for name in names:
        assert 0 < int(server.cli("PTTL", name)) <= (30_000 if ":revoked:" in name else 20_000)
    for name in (name for name in names if ":of:" in name):
        assert int(server.cli("PTTL", name)) > 15_000


async def test_deleted_is_gone(store: RedisSessionStore) -> None:
    """And deleting nothing is no error."""
    await _put(store, KEY, STORED)

    await store.delete([KEY, b"?" * 32])

    assert await store.get([KEY]) is None


@pytest.mark.parametrize("one", [SESSION_ID, IDENTITY_ID])
async def test_revoked_is_gone_and_known(store: RedisSessionStore, other: RedisSessionStore, one: str) -> None:
    """Every credential of the session, or of the identity; others stay."""
    await _put(store, KEY, STORED)
    await _put(store, b"2" * 32, STORED)
    await _put(store, b"3" * 32, replace(STORED, session_id="another", identity_id="other"))
    assert await other.revoked_at([SESSION_ID, IDENTITY_ID]) is None

    await other.revoke([one], 1_234.5, 60.0)

    assert await store.get([KEY]) is None
    assert await store.get([b"2" * 32]) is None
    assert await store.get([b"3" * 32]) is not None
    assert await store.revoked_at([SESSION_ID, IDENTITY_ID]) == 1_234.5
    assert await store.revoked_at(["another"]) is None


async def test_the_index_of_an_identity_is_bounded(server: RedisServer, store: RedisSessionStore) -> None:
    """However many credentials somebody makes: the sessions that end first leave it first."""
    for number in range(300):
        await _put(
            store, number.to_bytes(32, "big"), replace(STORED, session_id=f"s{number}", fresh_until=float(number))
        )

    name = next(name for name in server.cli("KEYS", "*:of:*").split() if int(server.cli("ZCARD", name)) > 1)
    kept = server.cli("ZRANGE", name, "0", "-1").split()
    assert len(kept) == 256
    assert kept[0].endswith(f"{44:x}")


async def test_a_revocation_is_heard_by_every_other_process(
    store: RedisSessionStore, other: RedisSessionStore
) -> None:
    """Who sent it need not hear it."""
    heard, heard_by_sender = _listen(store), _listen(other)
    await eventually(lambda: heard.items and heard_by_sender.items)

    await other.revoke([SESSION_ID, IDENTITY_ID], 1_000.0, 60.0)
    await store.revoke(["another"], 1_000.0, 60.0)
    await eventually(lambda: len(heard.items) == len(heard_by_sender.items) == 2)

    assert heard.items == [(), (SESSION_ID, IDENTITY_ID)]
    assert heard_by_sender.items == [(), ("another",)]
    await heard.end()
    await heard_by_sender.end()


async def test_a_message_that_can_not_be_read_may_be_any_revocation(
    server: RedisServer, store: RedisSessionStore
) -> None:
    """Somebody who may write in Redis can't make us forget one."""
    heard = _listen(store)
    await eventually(lambda: heard.items)

    server.cli("PUBLISH", "ory_guard:revocations", "garbage")
    forged = Seal(OLD_SECRET).close("ory_guard:revocations", {"from": "x", "ids": ["s"]})
    connections = await store._connections.get()
    await connections.client.publish("ory_guard:revocations", forged)
    odd = Seal(SECRET).close("ory_guard:revocations", {"from": "x", "ids": [5]})
    await connections.client.publish("ory_guard:revocations", odd)

    await eventually(lambda: len(heard.items) == 4)
    assert heard.items == [(), None, None, None]
    await heard.end()


async def test_a_subscription_says_that_it_is_gone() -> None:
    """At once where the server ends, and within seconds where it no longer moves."""
    with RedisServer() as server:
        store = RedisSessionStore(server.url, secrets=[SECRET])
        heard = _listen(store)
        await eventually(lambda: heard.items)
        server.signal(signal.SIGSTOP)
        await eventually(lambda: heard.error)
        assert isinstance(heard.error, TimeoutError)
        frozen = _listen(store)
        await eventually(lambda: frozen.error)
        server.signal(signal.SIGCONT)

        again = _listen(store)
        await eventually(lambda: again.items)
        server.kill()
        await eventually(lambda: again.error)
        assert isinstance(again.error, Exception)
        await store.aclose()


async def test_a_quiet_subscription_stays(store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life are asked for and answered, and are no message."""
    monkeypatch.setattr("ory_guard.redis.subscription._SIGN_OF_LIFE", 0.01)
    heard = _listen(store)
    await eventually(lambda: heard.items)
    await asyncio.sleep(0.1)

    await store.revoke(["x"], 0.0, 1.0)
    assert heard.error is None
    await heard.end()


async def test_a_secret_is_changed_without_an_outage(server: RedisServer, store: RedisSessionStore) -> None:
    """While both are known, sessions of the old one are found, and revocations reach whoever knows one of them."""
    old = RedisSessionStore(server.url, secrets=[OLD_SECRET])
    both = RedisSessionStore(server.url, secrets=[SECRET, OLD_SECRET])
    under_old, under_new = b"o" * 32, b"n" * 32
    assert both.hashing_keys == (*store.hashing_keys, *old.hashing_keys)

    await _put(old, under_old, STORED)
    found = await both.get([under_new, under_old])
    assert found is not None
    assert await both.get([under_old, under_new]) is None

    await _put(both, under_new, STORED)
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
    await _put(store, KEY, STORED)
    await store.revoke(["x"], 1_000.0, 60.0)

    assert await apart.get([KEY]) is None
    assert await apart.revoked_at(["x"]) is None
    await apart.aclose()


async def test_a_server_that_lost_its_scripts_gets_them_again(
    server: RedisServer, store: RedisSessionStore
) -> None:
    """As after a failover."""
    await _put(store, KEY, STORED)
    server.cli("SCRIPT", "FLUSH")

    await _put(store, KEY, STORED)
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
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.strip() == "2"


@pytest.mark.parametrize(
    ("url", "secrets", "match"),
    [
        ("http://127.0.0.1", [SECRET], "url: must be a redis://"),
        ("redis://user:pass@host:port", [SECRET], "url: must be a redis://"),
        ("redis://127.0.0.1?max_connections=many", [SECRET], "url: must be a redis://"),
        ("redis://127.0.0.1", [], "secrets: must be a list"),
        ("redis://127.0.0.1", SECRET, "secrets: must be a list"),
        ("redis://127.0.0.1", ["short"], "secrets: one has 5 bytes and needs 32"),
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


def test_a_seal_opens_what_it_closed_under_the_same_name_only() -> None:
    """Another name, another secret, another byte, or nothing at all: unreadable."""
    seal = Seal(SECRET)
    sealed = seal.close("name", {"a": 1})

    assert seal.open("name", sealed) == {"a": 1}
    assert seal.close("name", {"a": 1}) != sealed
    for other, name, value in [
        (seal, "eman", sealed),
        (Seal(OLD_SECRET), "name", sealed),
        (seal, "name", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (seal, "name", sealed[:20]),
        (seal, "name", b""),
        (seal, "name", seal._cipher("name").encrypt(b"n" * 12, b"[]", None)),
    ]:
        with pytest.raises(Unreadable):
            other.open(name, value)
    with pytest.raises(Unreadable):
        seal.open("name", b"n" * 12 + seal._cipher("name").encrypt(b"n" * 12, b"[1]", None))


def test_a_seal_has_a_key_for_each_purpose() -> None:
    """Secrets may be text or bytes; a hash of an id tells nothing of it."""
    assert Seal(SECRET).hashing_key == Seal(SECRET.encode()).hashing_key != Seal(OLD_SECRET).hashing_key
    assert len(Seal(SECRET).hashing_key) == 32
    assert Seal(SECRET).hashed(SESSION_ID) != Seal(OLD_SECRET).hashed(SESSION_ID)
    assert SESSION_ID not in Seal(SECRET).hashed(SESSION_ID)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "00"},
        {"key": None},
        {"session": 5},
        {"age": "0"},
        {"ttl": True},
        {"asked_at": float("nan")},
        {"fresh_until": None},
    ],
    ids=str,
)
def test_a_value_of_another_form_is_no_session(change: dict[str, Any]) -> None:
    """Whoever wrote it, it counts as nothing."""
    value = value_of(STORED, KEY)
    assert session_in(value, KEY, 29.5) == STORED

    assert session_in(value | change, KEY, 29.5) is None
    assert session_in({}, KEY, 29.5) is None


def test_a_session_is_aged_by_the_time_that_redis_counted() -> None:
    """What is left of its life there tells how long it has been there."""
    aged = session_in(value_of(STORED, KEY), KEY, 9.5)

    assert aged is not None
    assert (aged.age, aged.ttl) == (20.5, 9.5)


def test_messages_and_times_are_read_without_trust() -> None:
    """What is none is the worst: a revocation of anything, for ever."""
    assert ids_in({"ids": ["a", "b"]}) == ("a", "b")
    assert [ids_in(odd) for odd in (None, {}, {"ids": "ab"}, {"ids": [1]})] == [None] * 4
    assert time_in(b"12.5") == 12.5
    assert [time_in(odd) for odd in (b"", b"soon", b"nan")] == [float("inf")] * 3


async def _put(store: RedisSessionStore, key: bytes, stored: StoredSession, *, since: float = 0.0) -> None:
    await store.put(key, stored, unless_revoked_since=since)


class _Listening:
    def __init__(self, store: RedisSessionStore) -> None:
        self.items: list[tuple[str, ...] | None] = []
        self.error: BaseException | None = None
        self._task = asyncio.create_task(self._listen(store))

    async def _listen(self, store: RedisSessionStore) -> None:
        messages = store.subscribe()
        try:
            async for item in messages:
                self.items.append(item)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            await messages.aclose()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _listen(store: RedisSessionStore) -> _Listening:
    return _Listening(store)
