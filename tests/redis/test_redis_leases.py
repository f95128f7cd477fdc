"""Leases in a real Redis server."""

import hashlib
import time
from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from redis.exceptions import ResponseError
from support.memory_store import eventually
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import KEY, SECRET, STORED, look_up, put

from ory_guard.cache import StoredSession
from ory_guard.cache.leasing_store_protocol import LEASE_SECONDS, Lease, LeasingSessionStore
from ory_guard.redis import RedisSessionStore, node
from ory_guard.redis.lease_serialization import dump_lease, load_lease
from ory_guard.redis.resp import encode_command

pytestmark = REDIS_MARKS

LENGTH = 60.0
"""Seconds until a lease expires in these tests: no slow machine needs that long for a few commands."""
NAME = f"ory_guard:lease:{{0}}:{KEY.hex()}"


def lease(age: float = 0.0, *, is_own: bool) -> Lease:
    """Return a lease whose age is equal to others that are a little older or younger."""
    approximate_age: Any = pytest.approx(age, abs=LENGTH)
    return Lease(is_own, approximate_age)


@pytest.fixture
async def stores(
    redis_store: RedisSessionStore, other_redis_store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch
) -> list[RedisSessionStore]:
    """The connected stores of two processes with long leases, in an empty server."""
    script = node._LOOK_UP.replace(f"'PX', {node._LEASE_MILLISECONDS}", f"'PX', {LENGTH:.0f}000").encode()
    monkeypatch.setattr(node, "_LOOK_UP_SHA", hashlib.sha1(script).hexdigest().encode())
    monkeypatch.setattr(node, "_LOAD_SCRIPT", encode_command(b"SCRIPT", b"LOAD", script))
    monkeypatch.setattr(node, "_LEASE_MILLISECONDS", round(LENGTH * 1_000))
    monkeypatch.setattr("ory_guard.redis.lease_serialization.LEASE_SECONDS", LENGTH)
    both = [redis_store, other_redis_store]
    for store in both:
        assert await store.get([KEY]) is None
    return both


async def test_first_lookup_gets_the_lease(stores: list[RedisSessionStore], redis_server: RedisServer) -> None:
    """With one command. The name of the lease has the hash tag of the session."""
    first, second = stores
    assert isinstance(first, LeasingSessionStore)
    assert await look_up(second, [KEY], None) is None
    redis_server.cli("CONFIG", "RESETSTAT")
    assert await look_up(first, [KEY], b"first") == lease(is_own=True)
    counts = redis_server.calls()
    assert counts["evalsha"] == 1
    assert counts.keys() == {"evalsha", "get", "set", "pttl", "config|resetstat"}
    assert redis_server.cli("KEYS", "*").split() == [NAME]

    assert await look_up(second, [KEY], b"second") == lease(is_own=False)
    assert await look_up(second, [KEY], None) == lease(is_own=False)
    assert await look_up(first, [KEY], b"first") == lease(is_own=True), "a repeated command"


async def test_lease_of_a_process_that_has_ended_expires(
    redis_store: RedisSessionStore, other_redis_store: RedisSessionStore, redis_server: RedisServer
) -> None:
    """Its length is the real one here."""
    for store in (redis_store, other_redis_store):
        assert await store.get([KEY]) is None
    started = time.monotonic()
    await look_up(redis_store, [KEY], b"first")
    await eventually(lambda: redis_server.cli("EXISTS", NAME) == "0\n")

    assert time.monotonic() - started >= LEASE_SECONDS - 0.001
    assert await look_up(other_redis_store, [KEY], b"second") == lease(is_own=True)


async def test_extended_lease_has_the_age_of_the_holder(
    stores: list[RedisSessionStore], redis_server: RedisServer
) -> None:
    first, second = stores
    await look_up(first, [KEY], b"first")
    redis_server.cli("PEXPIRE", NAME, "100000")
    first.extend_lease(KEY, b"first", 750.0)
    assert await look_up(first, [KEY], None) == lease(750.0, is_own=False)
    assert 0 < int(redis_server.cli("PTTL", NAME)) <= LENGTH * 1_000

    first.release_lease(KEY)
    assert await look_up(first, [KEY], None) is None
    first.extend_lease(KEY, b"first", 8.0)
    assert await look_up(second, [KEY], None) is None, "a lease that has ended is not restored"


@pytest.mark.parametrize(
    ("stored", "since", "setting", "is_found"),
    [
        (STORED, 0.0, "maxmemory 0", True),
        (STORED, -inf, "maxmemory 0", False),
        (replace(STORED, body=b"x" * (1 << 20)), 0.0, "maxmemory 0", False),
        (STORED, 0.0, "maxmemory 1", False),
    ],
    ids=["stored", "revoked", "too large", "rejected by a full server"],
)
async def test_put_ends_the_lease(
    stores: list[RedisSessionStore],
    redis_server: RedisServer,
    stored: StoredSession,
    since: float,
    setting: str,
    *,
    is_found: bool,
) -> None:
    """Whether or not the session is stored."""
    first, second = stores
    if since < 0:
        await second.revoke([STORED.session_id], 1_000.0, 60.0)
    await look_up(first, [KEY], b"first")
    redis_server.cli("CONFIG", "SET", *setting.split())
    try:
        with suppress(ResponseError):
            await put(first, KEY, stored, since=since)
    finally:
        redis_server.cli("CONFIG", "SET", "maxmemory", "0")

    found = await look_up(second, [KEY], b"second")
    assert isinstance(found, StoredSession) == is_found
    assert is_found or found == lease(is_own=True)


@pytest.mark.parametrize(
    ("setting", "value", "default"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")],
    ids=["full", "too few replicas"],
)
async def test_server_without_writes_grants_no_lease(
    stores: list[RedisSessionStore], redis_server: RedisServer, setting: str, value: str, default: str
) -> None:
    """The lookup does not fail."""
    await put(stores[0], b"k" * 32, STORED)
    redis_server.cli("CONFIG", "SET", setting, value)
    try:
        assert await look_up(stores[0], [KEY], b"first") is None
    finally:
        redis_server.cli("CONFIG", "SET", setting, default)


@pytest.mark.parametrize(
    "command", [("SET", NAME, "something"), ("SET", NAME, "0:other"), ("RPUSH", NAME, "a list")], ids=str
)
async def test_no_process_waits_for_an_invalid_lease(
    stores: list[RedisSessionStore], redis_server: RedisServer, command: tuple[str, ...]
) -> None:
    """Such as one that does not expire."""
    redis_server.cli(*command)

    assert await look_up(stores[0], [KEY], b"first") in (None, Lease(False, inf))


async def test_store_that_is_not_connected_grants_no_lease(redis_server: RedisServer) -> None:
    store = RedisSessionStore(redis_server.url, secrets=[SECRET])
    store.extend_lease(KEY, b"first", 0.0)
    store.release_lease(KEY)

    assert isinstance(await look_up(store, [KEY], b"first"), ConnectionError)


@pytest.mark.parametrize(
    ("value", "ttl", "age"),
    [
        (dump_lease(b"holder", 0.0), 0.15, 0.05),
        (dump_lease(b"holder", 20.25), 0.0, 20.45),
        (dump_lease(b"holder", 0.0), 0.3, inf),
        (dump_lease(b"holder", 0.0), -0.001, inf),
        (b"1234567890:holder", 0.1, inf),
        (b"-1:holder", 0.1, inf),
        (b"", 0.1, inf),
    ],
    ids=str,
)
def test_age_is_that_of_the_value_and_the_time_in_redis(value: bytes, ttl: float, age: float) -> None:
    loaded = load_lease(value, ttl, b"another")

    assert loaded.age == pytest.approx(age)
    assert not loaded.is_own
