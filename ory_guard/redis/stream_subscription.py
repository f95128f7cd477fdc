"""A subscription to streams of revocation messages, which reports each gap and the loss of its connections.

`PubSub` of redis-py reconnects by itself and does not report missed messages. This module uses two connections: one
for the channels, and one that reads the streams once a second. The second one proves that no message was missed.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from math import inf
from typing import Any, Final, NamedTuple, TypeAlias

from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from ory_guard.redis.revocation_stream import ANNOUNCE, Stream, parse_announcement

__all__ = ["Received", "StreamPosition", "iter_messages"]

_CHECK_INTERVAL: Final = 1.0
_CHECKS_PER_PING: Final = 5
_CONNECT_TIMEOUT: Final = 1.0
_PAGE: Final = 1_000
_NOT_WRITABLE: Final = (OutOfMemoryError, ReadOnlyError)
_NOT_WRITABLE_CODES: Final = ("NOREPLICAS", "MISCONF")
_ANNOUNCE_SHA: Final = hashlib.sha1(ANNOUNCE.encode(), usedforsecurity=False).hexdigest()
_REPLICATION_ID: Final = re.compile(rb"^master_replid:(\w+)\r?$", re.MULTILINE)
"""It changes when the server restarts, and when another server becomes the primary."""

_MESSAGES: Final = (b"message", b"smessage")
_MOVED: Final = b"sunsubscribe"
"""A server of a cluster sends it when the slot of a channel moves to another one."""

StreamPosition: TypeAlias = tuple[str, int]
"""The replication id of the server, and the number of the last received message."""


class Received(NamedTuple):
    """Messages of a stream, in their order.

    Attributes:
        stream: The name of the stream.
        texts: The messages, or None if some were missed.
        position: The position after them.
        heard_at: A time on the clock of the event loop until which no message was missed.
    """

    stream: str
    texts: list[bytes] | None
    position: StreamPosition
    heard_at: float


class _StreamReader:
    """Reads a stream.

    Args:
        connection: A redis-py connection that has no other user.
        stream: The stream.
    """

    def __init__(self, connection: Any, stream: Stream) -> None:
        self._connection = connection
        self._stream = stream
        self._server_id = ""
        self._number = 0
        self._heard_at = -inf

    def received(self, texts: list[bytes] | None) -> Received:
        """Return messages with the current position. The first entry of a stream is empty, and is not a message."""
        texts = None if texts is None else list(filter(None, texts))
        return Received(self._stream.name, texts, (self._server_id, self._number), self._heard_at)

    async def open(self, position: StreamPosition | None) -> Received:
        """Return the messages after a position.

        Args:
            position: The position, or None to receive later messages only.
        """
        if position is not None:
            self._number = position[1]
            received = await self.read()
            # After the messages: another server would not have the id.
            await self._skip_to(self._number)
            if self._server_id == position[0]:
                return received._replace(position=(self._server_id, self._number))
        await self._skip_to(None)
        await self.read()  # fails now, and not in a second, without the permission
        return self.received(None)

    async def read(self) -> Received:
        """Return the messages after the current position."""
        started = asyncio.get_running_loop().time()
        texts: list[bytes] = []
        while True:
            start, name = self._number, self._stream.name
            (entries,) = await self._call(("XRANGE", name, f"{start}-0", "+", "COUNT", _PAGE))
            if isinstance(entries, ResponseError) and "WRONGTYPE" in str(entries):
                entries = []  # a new stream replaces it
            entries = _checked(entries)
            numbers = [int(name.partition(b"-")[0]) for name, _ in entries]
            if not numbers and start == 0:  # the server rejects the first entry
                self._heard_at = started
                return self.received([])
            if not numbers or not start <= numbers[0] <= start + 1:
                await self._skip_to(None)
                return self.received(None)
            texts += [fields[1] for number, (_, fields) in zip(numbers, entries, strict=True) if number > start]
            self._number = numbers[-1]
            if len(entries) < _PAGE:
                self._heard_at = started
                return self.received(texts)

    async def _skip_to(self, number: int | None) -> None:
        """Identify the server, and move to a number, or to the last entry; create a missing stream."""
        started, stream = asyncio.get_running_loop().time(), self._stream
        _, created, entries, facts = await self._call(
            ("SCRIPT", "LOAD", ANNOUNCE),
            ("EVALSHA", _ANNOUNCE_SHA, 2, stream.name, stream.state, "", stream.publish),
            ("XREVRANGE", stream.name, "+", "-", "COUNT", 1),
            ("INFO", "replication"),
        )
        if not isinstance(created, _NOT_WRITABLE) and not str(created).startswith(_NOT_WRITABLE_CODES):
            _checked(created)
        found = _REPLICATION_ID.search(_checked(facts))
        self._server_id = found[1].decode() if found else ""
        if number is None:
            self._heard_at = started
            self._number = int(entries[0][0].partition(b"-")[0]) if _checked(entries) else 0

    async def receive(self, data: bytes) -> Received:
        """Return the messages in an announcement that were not received before."""
        announcement = parse_announcement(data)
        if announcement is None:
            return self.received(None)
        first, texts = announcement
        if first == 0:
            return self.received(texts)
        if first > self._number + 1:
            return await self.read()
        new = texts[self._number + 1 - first :]
        self._number += len(new)
        return self.received(new)

    async def _call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Return the reply to each command, or the error."""
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            await self._connection.send_packed_command(self._connection.pack_commands(commands))
            replies: list[Any] = []
            for _ in commands:
                try:
                    replies.append(await _read(self._connection))
                except ResponseError as error:
                    replies.append(error)
            return replies


def _checked(reply: Any) -> Any:
    """Return a reply, unless it is an error."""
    if isinstance(reply, Exception):
        raise reply
    return reply


class _Subscriber:
    """A subscription to channels.

    Args:
        connection: A redis-py connection that has no other user.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._early: list[Any] = []
        self._pending: asyncio.Task[Any] | None = None
        self._is_ping_sent = False

    async def open(self, streams: Sequence[Stream]) -> None:
        """Connect, and subscribe to the channels of these streams."""
        await self._connection.connect()
        for stream in streams:  # one command for each, because their slots differ in a cluster
            await self._connection.send_command(stream.subscribe, stream.name)
        confirmed = 0
        while confirmed < len(streams):
            reply = await _read(self._connection)
            if reply[0] in _MESSAGES:
                self._early.append(reply)
            else:
                confirmed += 1

    async def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return the next message with the name of its channel, or None if there is none within the time.

        Raises:
            ConnectionError: If another server of the cluster has the channel now.
        """
        if self._early:
            _, channel, payload = self._early.pop(0)
            return channel, payload
        # A read that times out is continued, not canceled: canceling it could lose half a message.
        self._pending = self._pending or asyncio.create_task(_read(self._connection))
        done, _ = await asyncio.wait({self._pending}, timeout=max(seconds, 0))
        if not done:
            return None
        kind, channel, *payload = self._pending.result()
        self._pending, self._is_ping_sent = None, False
        if kind == _MOVED:
            raise ConnectionError("another server has the channel")
        return (channel, payload[0]) if kind in _MESSAGES else None

    async def ping(self) -> None:
        """Send a ping.

        Raises:
            TimeoutError: If nothing was received since the last one.
        """
        if self._is_ping_sent:
            raise TimeoutError
        self._is_ping_sent = True
        await self._connection.send_command("PING")

    async def cancel(self) -> None:
        """Cancel the pending read."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)


async def iter_messages(
    channels: Any, reader_connection: Any, streams: Sequence[Stream], positions: Mapping[str, StreamPosition]
) -> AsyncGenerator[Received, None]:
    """Yield the messages after a position of each stream when the subscription is confirmed, and then each message.

    Args:
        channels: A redis-py connection for the channels. Like the other one it has no other user, and is closed at
            the end.
        reader_connection: A redis-py connection for the streams.
        streams: The streams, which are on the same server.
        positions: The positions by the names of the streams. Of a stream without one, only later messages are
            received.

    Raises:
        ConnectionError: If a connection is lost, or if another server of the cluster has a stream now.
        TimeoutError: If the server does not respond.
        RedisError: If the server rejects a command.
    """
    # Each wait below has its own timeout. redis-py uses `wait_for`, which can lose a cancellation on Python 3.11.
    channels.socket_timeout = reader_connection.socket_timeout = None
    subscriber = _Subscriber(channels)
    readers = {stream.name.encode(): _StreamReader(reader_connection, stream) for stream in streams}
    time = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            await subscriber.open(streams)
            await reader_connection.connect()
        for stream, reader in zip(streams, readers.values(), strict=True):
            yield await reader.open(positions.get(stream.name))
        checked_at, checks = time(), 0
        while True:
            message = await subscriber.receive(checked_at + _CHECK_INTERVAL - time())
            if message is not None:
                yield await readers[message[0]].receive(message[1])
            if time() - checked_at >= _CHECK_INTERVAL:
                checked_at, checks = time(), checks + 1
                if checks % _CHECKS_PER_PING == 0:
                    await subscriber.ping()
                for reader in readers.values():
                    yield await reader.read()
    finally:
        await subscriber.cancel()
        await asyncio.gather(channels.disconnect(nowait=True), reader_connection.disconnect(nowait=True))


async def _read(connection: Any) -> Any:
    return await connection.read_response(timeout=inf)
