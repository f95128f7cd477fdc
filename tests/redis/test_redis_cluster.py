"""The store in a real cluster of three primaries."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis_topologies import Deployment, SlotMove, cluster_deployment, cluster_of_one
from support.certificates import make_certificate, tls_server_options
from support.memory_store import eventually
from support.ports import free_port
from support.redis_server import REDIS_MARKS
from support.redis_sessions import OLD_SECRET, SECRET, STORED, Subscriber, look_up, put
from support.scripted_kratos import IDENTITY_ID, SESSION_ID

from ory_guard.cache import RevokedIds, StoredSession
from ory_guard.cache.leasing_store_protocol import Lease
from ory_guard.cache.store_protocol import RevocationPosition
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.resp import SlotMovedError
from ory_guard.redis.shards import create_shards

pytestmark = REDIS_MARKS

SHARDS = create_shards("ory_guard", is_in_cluster=True)
KEYS = [bytes([number]) * 32 for number in range(len(SHARDS))]
"""A key in each shard."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with cluster_deployment(tmp_path_factory.mktemp("cluster"), 0) as running:
        yield running


@pytest.fixture
async def stores(cluster: Deployment) -> AsyncIterator[list[RedisSessionStore]]:
    """The connected stores of two processes, in an empty cluster."""
    for server in cluster.servers:
        server.cli("FLUSHALL")
    both = [RedisSessionStore(cluster.url, secrets=[SECRET]) for _ in range(2)]
    for store in both:
        assert await store.get(KEYS[:1]) is None
    yield both
    for store in both:
        await store.aclose()


async def test_each_primary_has_the_same_number_of_shards(
    cluster: Deployment, stores: list[RedisSessionStore]
) -> None:
    """Other processes find the sessions in all of them, until they are deleted."""
    for key in KEYS:
        await put(stores[0], key, replace(STORED, session_id=key.hex()))

    assert [len(each.cli("KEYS", "*:session:*").split()) for each in cluster.servers] == [4, 4, 4]
    found = [await stores[1].get([key]) for key in KEYS]
    assert [each and each.session_id for each in found] == [key.hex() for key in KEYS]
    await stores[1].delete(KEYS)
    assert [await stores[0].get([key]) for key in KEYS] == [None] * len(KEYS)


@pytest.mark.parametrize("id_", [SESSION_ID, IDENTITY_ID])
async def test_revocation_is_recorded_in_each_shard(stores: list[RedisSessionStore], id_: str) -> None:
    """It deletes the sessions, and no session is stored after it unless its request was sent later."""
    for key in KEYS:
        await put(stores[0], key, STORED)

    await stores[1].revoke([id_], 1_000.0, 60.0)

    assert await stores[0].revoked_at(["other", id_]) == 1_000.0
    for key in KEYS:
        assert await stores[0].get([key]) is None
        await put(stores[0], key, STORED, since=1_000.0)
        assert await stores[0].get([key]) is None
        await put(stores[0], key, STORED, since=1_000.5)
        found = await stores[0].get([key])
        assert found is not None
        assert found.revoked_at == 1_000.0, "the reader decides with its own clock"


async def test_revocations_reach_the_subscribers(stores: list[RedisSessionStore]) -> None:
    """In one message for the ids of each shard, and not the sender."""
    subscribers = [Subscriber(store) for store in stores]
    await eventually(lambda: all(each.messages for each in subscribers))
    ids = [f"id-{number}" for number in range(40)]

    await stores[0].revoke(ids, 1_000.0, 60.0)

    received = subscribers[1].messages
    await eventually(lambda: sum(map(len, filter(None, received))) == len(ids))
    assert sorted(id_ for message in received for id_ in message or ()) == sorted(ids)
    assert 2 < len(received) <= 1 + len(SHARDS)
    assert subscribers[0].messages == [()]
    for each in subscribers:
        await each.aclose()


async def test_missed_revocations_are_known_after_a_reconnect(
    cluster: Deployment, stores: list[RedisSessionStore]
) -> None:
    """If a stream is lost, any session may have been revoked."""
    position = RevocationPosition()

    async def resume() -> tuple[str, ...] | None:
        async with aclosing(stores[0].resume(position)) as messages:
            first = await anext(messages)
            following = asyncio.ensure_future(anext(messages))
            heard_at = position.heard_at
            await eventually(lambda: position.heard_at > heard_at)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            return first

    assert not isinstance(await resume(), RevokedIds), "the first subscription"
    for ids in (["a", "b", "c"], ["d"]):
        await stores[1].revoke(ids, 1_000.0, 60.0)
    missed = await resume()
    assert isinstance(missed, RevokedIds)
    assert {*missed} == {*"abcd"}

    for server in cluster.servers:
        server.cli("FLUSHALL")
    missed = await resume()
    assert (missed, isinstance(missed, RevokedIds)) == ((), False)


async def test_session_under_an_older_secret_is_found(cluster: Deployment, stores: list[RedisSessionStore]) -> None:
    """Its key is in another shard. A lookup with a lease gets the lease if there is no session under any key."""
    new, old = KEYS[5], KEYS[6]
    older = RedisSessionStore(cluster.url, secrets=[OLD_SECRET])
    both = RedisSessionStore(cluster.url, secrets=[SECRET, OLD_SECRET])
    assert await both.get([new, old]) is None
    lease = await look_up(both, [new, old], b"token")
    assert isinstance(lease, Lease)
    assert lease.is_own
    await put(older, old, STORED)

    for found in (await both.get([new, old]), await look_up(both, [new, old], b"token")):
        assert isinstance(found, StoredSession)
        assert found.session_id == SESSION_ID

    await both.revoke([SESSION_ID], 1_000.0, 60.0)
    assert [await each.revoked_at([SESSION_ID]) for each in (older, both, stores[0])] == [1_000.0] * 3
    for each in (older, both):
        await each.aclose()


async def test_lease_has_one_holder(stores: list[RedisSessionStore]) -> None:
    for key in KEYS:
        first, second = [await look_up(store, [key], b"%d" % at) for at, store in enumerate(stores)]
        assert isinstance(first, Lease)
        assert isinstance(second, Lease)
        assert (first.is_own, second.is_own) == (True, False)
        stores[0].extend_lease(key, b"0", 0.1)
        stores[0].release_lease(key)
        assert await look_up(stores[0], [key], None) is None


async def test_store_follows_a_slot_to_another_primary(
    cluster: Deployment, stores: list[RedisSessionStore]
) -> None:
    """While the slot is being moved, its sessions are not found, and the store stays in use."""
    key, shard = KEYS[3], SHARDS[3]
    await put(stores[0], key, STORED)
    subscriber = Subscriber(stores[0])
    await eventually(lambda: subscriber.messages)
    move = SlotMove(cluster.servers, shard.slot, shard.stream.name)
    move.begin()

    assert await stores[0].get([key]) is not None, "it is at the source"
    await stores[1].delete([key])
    assert await look_up(stores[0], [key], b"token") is None
    await put(stores[0], key, STORED)
    assert await stores[0].get([key]) is None

    move.finish()
    assert await look_up(stores[0], [key], None) is None
    await eventually(lambda: subscriber.error)
    await put(stores[0], key, STORED)
    await put(stores[1], key, STORED)
    for store in stores:
        assert await store.get([key]) is not None
    assert move.target.cli("GET", shard.session_name(key).decode())
    again = Subscriber(stores[0])
    await eventually(lambda: again.messages)
    for each in (subscriber, again):
        await each.aclose()


async def test_concurrent_callers_ask_once_for_the_primaries(
    cluster: Deployment, stores: list[RedisSessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of a lookup, and the last one ends with the store."""
    servers = await stores[0]._router.get()
    before = [servers.find_node(shard) for shard in SHARDS]
    questions: list[object] = []

    async def name_one(calls: list[Coroutine[Any, Any, None]]) -> list[tuple[str, int]]:
        questions.append(calls)
        for call in calls:
            call.close()
        await asyncio.sleep(0)
        return [("127.0.0.1", cluster.servers[0].port)] * len(SHARDS)

    monkeypatch.setattr("ory_guard.redis.cluster.first_response", name_one)
    assert [servers.redirects(SlotMovedError()) for _ in range(2)] == [True, True]
    await asyncio.gather(*(servers.locate(again=True) for _ in range(3)))
    assert len(questions) == 1
    assert {servers.find_node(shard) for shard in SHARDS} == {before[0]}

    monkeypatch.undo()
    await asyncio.gather(*(servers.locate(again=True) for _ in range(2)))
    assert {servers.find_node(shard) for shard in SHARDS} >= {before[0]}
    assert servers.find_node(SHARDS[-1]) not in before
    assert servers.redirects(SlotMovedError())
    await stores[0].aclose()


async def test_unreachable_cluster_is_an_error() -> None:
    store = RedisSessionStore(f"redis+cluster://127.0.0.1:{free_port()}", secrets=[SECRET])
    with pytest.raises(ConnectionError, match="no server of the cluster knows the primaries"):
        await store.get(KEYS[:1])
    assert isinstance(await look_up(store, KEYS[:1], b"token"), ConnectionError)
    await store.aclose()


async def test_revocation_is_published_if_a_primary_does_not_accept_it(
    cluster: Deployment, stores: list[RedisSessionStore]
) -> None:
    """It is recorded in all other shards, and the error is raised."""
    subscriber = Subscriber(stores[0])
    await eventually(lambda: subscriber.messages)
    full = cluster.servers[0]
    full.cli("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(Exception, match="maxmemory"):
            await stores[1].revoke(["id"], 1_000.0, 60.0)
    finally:
        full.cli("CONFIG", "SET", "maxmemory", "0")
    await eventually(lambda: ("id",) in subscriber.messages)
    recorded = [len(each.cli("KEYS", "*:revoked:*").split()) for each in cluster.servers]
    assert recorded[0] == 0
    assert min(recorded[1:]) > 0
    await subscriber.aclose()


async def test_cluster_with_tls_and_a_user(tmp_path: Path) -> None:
    """A server that does not know its own address is at the one in the URL."""
    _, ca_file = make_certificate(tmp_path)
    port = free_port()
    options = (*tls_server_options(tmp_path, port), "--tls-ca-cert-file", str(ca_file), "--tls-cluster", "yes")
    with cluster_of_one(tmp_path, *options, "--user", *["app", "on", ">hunter2", "~*", "&*", "+@all"]):
        url = f"rediss+cluster://app:hunter2@127.0.0.1:{port},127.0.0.1:{free_port()}?ssl_ca_certs={ca_file}"
        store = RedisSessionStore(url, secrets=[SECRET])
        subscriber = Subscriber(store)
        await eventually(lambda: subscriber.messages)
        await put(store, KEYS[0], STORED)
        assert await store.get(KEYS[:1]) is not None
        await subscriber.aclose()
        await store.aclose()


async def test_closed_cluster_is_not_located_again(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that is closed while the servers are asked."""
    with cluster_of_one(tmp_path_factory.mktemp("cluster")) as server:
        store = RedisSessionStore(f"redis+cluster://127.0.0.1:{server.port}", secrets=[SECRET])
        assert await store.get(KEYS[:1]) is None
        servers = await store._router.get()

        async def close(calls: list[Coroutine[Any, Any, None]]) -> list[tuple[str, int]]:
            for call in calls:
                call.close()
            await store.aclose()
            return [("127.0.0.1", server.port)] * len(create_shards("", is_in_cluster=True))

        monkeypatch.setattr("ory_guard.redis.cluster.first_response", close)
        for _ in range(2):
            with pytest.raises(ConnectionError, match="the store was closed"):
                await servers.locate(again=True)
        assert server.cli("CLIENT", "LIST").count("\n") == 1
