"""Redis' protocol RESP2: the encoding of commands, and a strict parser for replies.

The parser rejects everything that a Redis server does not send, because the replies on a connection belong to its
commands only by their order: after an invalid byte no reply can be assigned to a command.
"""

import re
from functools import cache
from typing import Any, Final, TypeAlias

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

__all__ = ["MAX_VALUE_BYTES", "ProtocolError", "Reply", "ReplyParser", "SlotMovedError", "encode_command"]

Reply: TypeAlias = bytes | int | RedisError | list["Reply"] | None
"""A reply; an error reply is an exception that the parser does not raise."""

MAX_VALUE_BYTES: Final = 1 << 20
"""The largest string in a reply, in bytes."""

_SIMPLE_STRING, _ERROR, _INTEGER, _STRING, _ARRAY = b"+-:$*"

_MAX_ARRAY: Final = 64
_MAX_DEPTH: Final = 1
_MAX_LINE: Final = 4_096
_MAX_DIGITS: Final = 19

# An array of two numbers, a string and a number: the reply to a lookup that has found a session.
_SESSION_START: Final = re.compile(rb"\*4\r\n:([0-9]{1,19})\r\n:([0-9]{1,19})\r\n\$([0-9]{1,7})\r\n")
_SESSION_END: Final = re.compile(rb"\r\n:(-?[0-9]{1,19})\r\n")


class ProtocolError(RedisError):
    """The server sent something that is not a RESP2 reply, or a reply that no command is waiting for."""


class SlotMovedError(ResponseError):
    """Another server of the cluster has the slot of the key."""


_ERRORS: Final[dict[str, type[RedisError]]] = {
    "ASK": TryAgainError,  # both mean that the slot is being moved
    "CLUSTERDOWN": ClusterDownError,
    "LOADING": BusyLoadingError,
    "MOVED": SlotMovedError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "NOSCRIPT": NoScriptError,
    "READONLY": ReadOnlyError,
    "TRYAGAIN": TryAgainError,
    "WRONGPASS": AuthenticationError,
}


def encode_command(*arguments: bytes) -> bytes:
    """Return a command as an array of strings."""
    values: list[Any] = [None] * (2 * len(arguments))
    values[::2], values[1::2] = map(len, arguments), arguments
    return _template(len(arguments)) % tuple(values)


@cache
def _template(count: int) -> bytes:
    return b"*%d\r\n" % count + b"$%d\r\n%b\r\n" * count


class ReplyParser:
    """Parses the replies of one connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that are complete with `data`.

        Raises:
            ProtocolError: If the data is not RESP2, or exceeds a limit. The parser can't be used any longer.
        """
        buffer = self._buffer + data if self._buffer else data
        replies: list[Reply] = []
        start = 0
        while start < len(buffer):
            parsed = _parse_session(buffer, start) or _parse(buffer, start, 0)
            if parsed is None:
                break
            reply, start = parsed
            replies.append(reply)
        self._buffer = buffer[start:]
        return replies


def _parse_session(buffer: bytes, start: int) -> tuple[list[Reply], int] | None:
    """Return the most frequent reply, or None if it is another one, incomplete or invalid."""
    head = _SESSION_START.match(buffer, start)
    if head is None:
        return None
    number, position, length = head.groups()
    value_start = head.end()
    value_end = value_start + int(length)
    tail = _SESSION_END.match(buffer, value_end)
    if tail is None or value_end - value_start > MAX_VALUE_BYTES:
        return None
    return [int(number), int(position), buffer[value_start:value_end], int(tail[1])], tail.end()


def _parse(buffer: bytes, start: int, depth: int) -> tuple[Reply, int] | None:
    """Return the reply at `start` and the position after it, or None if it is incomplete."""
    line_end = buffer.find(b"\r\n", start, start + _MAX_LINE)
    if line_end < 0:
        if len(buffer) - start >= _MAX_LINE:
            raise ProtocolError("a line is too long")
        return None
    kind, line, end = buffer[start], buffer[start + 1 : line_end], line_end + 2
    if kind == _STRING:
        length = _length(line, MAX_VALUE_BYTES)
        return (None, end) if length is None else _parse_string(buffer, end, length)
    if kind == _INTEGER:
        return _integer(line), end
    if kind == _ARRAY and depth <= _MAX_DEPTH:
        length = _length(line, _MAX_ARRAY)
        return (None, end) if length is None else _parse_array(buffer, end, length, depth + 1)
    if kind not in (_SIMPLE_STRING, _ERROR) or b"\r" in line or b"\n" in line:
        raise ProtocolError("the type of a reply is unknown")
    return (line if kind == _SIMPLE_STRING else _error(line)), end


def _parse_string(buffer: bytes, start: int, length: int) -> tuple[bytes, int] | None:
    end = start + length
    if len(buffer) < end + 2:
        return None
    if buffer[end : end + 2] != b"\r\n":
        raise ProtocolError("the length of a string is wrong")
    return buffer[start:end], end + 2


def _parse_array(buffer: bytes, start: int, length: int, depth: int) -> tuple[list[Reply], int] | None:
    items: list[Reply] = []
    for _ in range(length):
        parsed = _parse(buffer, start, depth) if start < len(buffer) else None
        if parsed is None:
            return None
        item, start = parsed
        items.append(item)
    return items, start


def _length(line: bytes, maximum: int) -> int | None:
    """Return a length, or None for the length -1, which stands for null."""
    if line == b"-1":
        return None
    length = _integer(line)
    if not 0 <= length <= maximum:
        raise ProtocolError("a length is out of range")
    return length


def _integer(line: bytes) -> int:
    digits = line[1:] if line[:1] == b"-" else line
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        raise ProtocolError("a number is invalid")
    return int(line)


def _error(line: bytes) -> RedisError:
    text = line.decode("ascii", "backslashreplace")
    return _ERRORS.get(text.partition(" ")[0], ResponseError)(text)
