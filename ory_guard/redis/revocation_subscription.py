"""The ids that other processes revoke, from the streams of all shards."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from ory_guard.cache.store_protocol import RevocationPosition
from ory_guard.redis.command_router import Servers
from ory_guard.redis.encryption import Encryptor
from ory_guard.redis.revocation_stream import Stream
from ory_guard.redis.serialization import decrypt_message, load_ids, load_missed_ids
from ory_guard.redis.stream_subscription import Received, StreamPosition

__all__ = ["iter_revocations"]


async def iter_revocations(
    servers: Servers, streams: Sequence[Stream], encryptors: Sequence[Encryptor], position: RevocationPosition
) -> AsyncGenerator[tuple[str, ...] | None, None]:
    """Yield revoked ids; see `ResumableSessionStore.resume`.

    Args:
        servers: The server, or the primaries of the cluster.
        streams: The streams of all shards.
        encryptors: Decrypt the messages.
        position: The position. Its value is a dict with that of each stream.
    """
    await servers.locate(again=True)
    positions: dict[str, StreamPosition] = {}
    heard: dict[str, float] = {}
    missed: list[dict[str, Any] | None] = []
    is_open = False
    servers.subscribers += 1
    try:
        async with aclosing(servers.subscribe(streams, position.value or {})) as subscription:
            async for received in subscription:
                messages = _decrypt(encryptors, received)
                if not is_open:
                    missed += messages
                else:
                    for message in messages:
                        # Two guards with the same store receive the messages of each other.
                        if message is None or message.get("from") != servers.sender or servers.subscribers > 1:
                            yield load_ids(message)
                positions[received.stream], heard[received.stream] = received.position, received.heard_at
                if len(positions) < len(streams):
                    continue
                if not is_open:
                    is_open = True
                    # The guard uses the store as soon as it is subscribed.
                    await servers.warm()
                    yield load_missed_ids(missed)
                position.value, position.heard_at = dict(positions), min(heard.values())
    finally:
        servers.subscribers -= 1


def _decrypt(encryptors: Sequence[Encryptor], received: Received) -> list[dict[str, Any] | None]:
    """Return the messages. If some were missed, the list contains None."""
    if received.texts is None:
        return [None]
    name = received.stream.encode()
    return [decrypt_message(encryptors, name, text) for text in received.texts]
