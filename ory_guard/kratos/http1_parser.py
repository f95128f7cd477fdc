"""A strict parser for the HTTP/1.1 response to a GET request (RFC 9112).

The parser refuses every message whose end two implementations could place differently: a bare LF, folded header
lines, `Content-Length` beside `Transfer-Encoding`, a repeated length, a transfer coding other than `chunked`. A
misplaced end would make the rest of one response the beginning of the next, which belongs to another user.
"""

import re
from typing import Final

from ory_guard.kratos.http import InvalidResponse, ResponseTooLarge
from ory_guard.kratos.http_response import HeaderLines, HTTPResponse

__all__ = ["HTTP1Parser"]

_MAX_HEAD_BYTES: Final = 32_768
_MAX_CHUNK_LINE_BYTES: Final = 256
_MAX_CHUNK_OVERHEAD: Final = 16_384
_MAX_INFORMATIONAL: Final = 8
_MAX_LENGTH_DIGITS: Final = 15
_UNTIL_CLOSE: Final = -1
_CHUNKED: Final = -2

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"  # RFC 9110, section 5.6.2
_TEXT: Final = rb"[\t\x20-\x7e\x80-\xff]"  # RFC 9110, section 5.5: no control character but the tab
_FIELD_LINES: Final = rb"(?:" + _TOKEN + rb"++:" + _TEXT + rb"*+\r\n)*+"
_HEAD: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: " + _TEXT + rb"*+)?+\r(\n" + _FIELD_LINES + rb")\r\n"
)
# The usual response: the length of its body is the only framing field.
_OTHER_LINES: Final = (
    rb"(?:(?!(?i:connection|content-length|transfer-encoding):)" + _TOKEN + rb"++:" + _TEXT + rb"*+\r\n)*+"
)
_SIMPLE_HEAD: Final = re.compile(
    rb"HTTP/1\.1 (?!204|304)([2-5][0-9]{2})(?: " + _TEXT + rb"*+)?+\r"
    rb"(\n" + _OTHER_LINES + rb"(?i:content-length):[ \t]*+([0-9]{1,15})[ \t]*+\r\n" + _OTHER_LINES + rb")\r\n"
)
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")  # finds a malformed end as well, which the other patterns refuse
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;" + _TEXT + rb"*+)?+")
# RFC 9110, section 6.5.1: trailers must not change the framing.
_TRAILERS: Final = re.compile(
    rb"(?:(?!(?i:content-length|transfer-encoding):)" + _TOKEN + rb"++:" + _TEXT + rb"*+\r\n)*+\r\n"
)
_new: Final = tuple.__new__  # half the time of the constructor of a named tuple
_FRAMING_FIELD: Final = re.compile(rb"\n(connection|content-length|transfer-encoding):([^\r]*)")


class HTTP1Parser:
    """Parses one response from the bytes of a connection.

    Args:
        max_body_bytes: The largest accepted body, in bytes.

    Attributes:
        started: Whether a byte of the response has arrived.
        keep_alive: Whether the connection is reusable, once the response is complete.
    """

    # Class attributes, because a constructor that sets all of them takes twice the time.
    started: bool = False
    keep_alive: bool = True
    _buffer: bytes | bytearray = b""
    _searched: int = 0
    _informational: int = 0
    _status: int = 0
    _headers: HeaderLines | None = None
    _length: int = 0
    _chunk_overhead: int = 0

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body = max_body_bytes
        self._body = bytearray()

    def feed(self, data: bytes) -> HTTPResponse | None:
        """Return the response when it is complete, or None if more bytes are needed.

        Raises:
            InvalidResponse: If the bytes are not an HTTP/1.1 response.
            ResponseTooLarge: If the body exceeds the limit.
        """
        if not self.started and (response := self._read_simple(data)) is not None:
            return response
        self.started = True
        if not self._buffer:
            self._buffer = data  # most responses arrive at once, so their bytes are not copied
        else:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data
        while self._headers is None:
            if not self._read_head():
                return None
        if self._length == _CHUNKED:
            return self._read_chunks()
        return self._read_body()

    def feed_eof(self) -> HTTPResponse | None:
        """Return the response if the end of the connection completes it, or None."""
        if self._headers is None or self._length != _UNTIL_CLOSE:
            return None
        return HTTPResponse(self._status, self._headers, bytes(self._buffer))

    def _read_simple(self, data: bytes) -> HTTPResponse | None:
        """Return the response if these bytes are the usual one; a short form of the other methods for speed."""
        head = _SIMPLE_HEAD.match(data)
        if head is None or head.end() > _MAX_HEAD_BYTES:
            return None
        status, fields, length = head.groups()
        size, start = int(length), head.end()
        if start + size != len(data) or size > self._max_body:
            return None
        self.started = True
        return _new(HTTPResponse, (int(status), HeaderLines(fields), data[start:]))

    def _read_head(self) -> bool:
        buffer = self._buffer
        # A head that matches has no empty line before its end.
        head = None if self._searched else _HEAD.match(buffer)
        if head is None and (head := self._find_head()) is None:
            return False
        if head.end() > _MAX_HEAD_BYTES:
            raise _head_too_large()
        minor_version, status, fields = head.groups()
        self._buffer = buffer[head.end() :]
        self._searched = 0
        self._read_fields(int(status), fields, is_http_1_1=minor_version == b"1")
        return True

    def _find_head(self) -> re.Match[bytes] | None:
        """Return the head, or None if it is incomplete."""
        buffer = self._buffer
        found = _END_OF_HEAD.search(buffer, self._searched)
        end = len(buffer) if found is None else found.end()
        if end > _MAX_HEAD_BYTES:
            raise _head_too_large()
        if found is None:
            if buffer[:7] != b"HTTP/1."[:end]:
                raise InvalidResponse("the response does not begin with HTTP/1.")
            self._searched = max(end - 2, 0)
            return None
        head = _HEAD.match(buffer)
        if head is None or head.end() != end:
            raise InvalidResponse("the head is malformed")
        return head

    def _read_fields(self, status: int, fields: bytes, *, is_http_1_1: bool) -> None:
        framing: dict[bytes, bytes] = {}
        for name, raw_value in _FRAMING_FIELD.findall(fields.lower()):
            value = raw_value.strip(b" \t")
            framing[name] = framing[name] + b"," + value if name in framing else value
        coding, length = framing.get(b"transfer-encoding"), framing.get(b"content-length")
        if status < 200:
            self._informational += 1
            has_framing = coding is not None or length is not None
            if status == 101 or has_framing or self._informational > _MAX_INFORMATIONAL:
                raise InvalidResponse(f"unexpected informational response {status}")
            return
        self._status, self._headers = status, HeaderLines(fields)
        options = framing.get(b"connection")
        if not is_http_1_1 or (options is not None and _has_close(options)):
            self.keep_alive = False
        self._length = _framing_of(coding, length, is_http_1_1=is_http_1_1)
        if status in (204, 304):  # RFC 9112, section 6.3: the end of the head ends these
            if self._length > 0 or self._length == _CHUNKED:
                self.keep_alive = False  # a server that sends the announced body, too, would send it next
            self._length = 0
        elif self._length == _UNTIL_CLOSE:
            self.keep_alive = False
        elif self._length > self._max_body:
            raise self._too_large(self._length)

    def _read_body(self) -> HTTPResponse | None:
        size, length = len(self._buffer), self._length
        if length == _UNTIL_CLOSE:
            if size > self._max_body:
                raise self._too_large(size)
            return None
        if size < length:
            return None
        return self._complete(self._buffer[:length], length)

    def _read_chunks(self) -> HTTPResponse | None:
        buffer = self._buffer
        if isinstance(buffer, bytes):
            buffer = self._buffer = bytearray(buffer)
        while True:
            end = buffer.find(b"\r\n", 0, _MAX_CHUNK_LINE_BYTES)
            if end < 0:
                if len(buffer) >= _MAX_CHUNK_LINE_BYTES:
                    raise InvalidResponse("the size line of a chunk exceeds 256 bytes")
                return None
            line = _CHUNK_LINE.fullmatch(buffer, 0, end)
            if line is None:
                raise InvalidResponse("the size line of a chunk is malformed")
            size = int(line[1], 16)
            if size == 0:
                return self._read_trailers(end + 2)
            if len(self._body) + size > self._max_body:
                raise self._too_large(len(self._body) + size)
            start, stop = end + 2, end + 2 + size
            if len(buffer) < stop + 2:
                return None
            if buffer[stop : stop + 2] != b"\r\n":
                raise InvalidResponse("a chunk does not end with CRLF")
            self._count_overhead(end, size)
            self._body += buffer[start:stop]
            del buffer[: stop + 2]

    def _count_overhead(self, line_bytes: int, size: int) -> None:
        # Extensions could multiply the bytes of a body, and a chunk takes as long as kilobytes of one. Chunks of 16
        # bytes or more do not count, unless they have extensions.
        self._chunk_overhead = max(self._chunk_overhead + line_bytes + 30 - 2 * size, 0)
        if self._chunk_overhead > _MAX_CHUNK_OVERHEAD:
            raise InvalidResponse("the chunks are too small for their number, or consist mostly of extensions")

    def _read_trailers(self, start: int) -> HTTPResponse | None:
        found = _END_OF_HEAD.search(self._buffer, start - 1)
        end = len(self._buffer) if found is None else found.end()
        if end - start > _MAX_HEAD_BYTES:
            raise InvalidResponse("the trailers exceed 32,768 bytes")
        if found is None:
            return None
        if _TRAILERS.fullmatch(self._buffer, start, end) is None:
            raise InvalidResponse("the trailers are malformed")
        return self._complete(self._body, end)

    def _too_large(self, size: int) -> ResponseTooLarge:
        return ResponseTooLarge(self._max_body, size, HTTPResponse(self._status, self._headers or [], b""))

    def _complete(self, body: bytes | bytearray, end: int) -> HTTPResponse:
        if len(self._buffer) > end:
            self.keep_alive = False  # the rest does not belong to this response
        return _new(HTTPResponse, (self._status, self._headers, bytes(body)))


def _head_too_large() -> InvalidResponse:
    return InvalidResponse("the head exceeds 32,768 bytes")


def _has_close(options: bytes) -> bool:
    return b"close" in [option.strip(b" \t") for option in options.split(b",")]


def _framing_of(coding: bytes | None, length: bytes | None, *, is_http_1_1: bool) -> int:
    """Return the length of the body, `_CHUNKED` or `_UNTIL_CLOSE` (RFC 9112, section 6.3)."""
    if coding is not None:
        if length is not None or coding != b"chunked" or not is_http_1_1:
            raise InvalidResponse("the framing of the body is ambiguous")
        return _CHUNKED
    if length is None:
        return _UNTIL_CLOSE
    if not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        raise InvalidResponse("Content-Length is malformed")
    return int(length)
