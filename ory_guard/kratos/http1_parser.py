"""A strict parser for the HTTP/1.1 response to a GET request (RFC 9112).

The parser refuses every message whose end two implementations could place differently: a bare LF, folded header
lines, `Content-Length` beside `Transfer-Encoding`, a repeated length, a transfer coding other than `chunked`. A
misplaced end would make the rest of one response the beginning of the next, which belongs to another user.
"""

import re
from typing import Final

from ory_guard.kratos.http import HTTPResponse, InvalidResponse, ResponseTooLarge

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
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: " + _TEXT + rb"*+)?+\r\n(" + _FIELD_LINES + rb")\r\n"
)
_FIELD: Final = re.compile(rb"([^:]+):([^\r]*)\r\n")
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")  # finds a malformed end as well, which the other patterns refuse
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;" + _TEXT + rb"*+)?+")
# RFC 9110, section 6.5.1: trailers must not change the framing.
_TRAILERS: Final = re.compile(
    rb"(?:(?!(?i:content-length|transfer-encoding):)" + _TOKEN + rb"++:" + _TEXT + rb"*+\r\n)*+\r\n"
)
_FRAMING_FIELDS: Final = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class HTTP1Parser:
    """Parse one response from the bytes of a connection.

    Args:
        max_body_bytes: The largest accepted body, in bytes.

    Attributes:
        started: Whether a byte of the response has arrived.
        keep_alive: Whether the connection is reusable, once the response is complete.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_chunk_overhead",
        "_headers",
        "_informational",
        "_length",
        "_max_body",
        "_searched",
        "_status",
        "keep_alive",
        "started",
    )

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body = max_body_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._informational = 0
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._length = 0
        self._body = bytearray()
        self._chunk_overhead = 0
        self.started: bool = False
        self.keep_alive: bool = True

    def feed(self, data: bytes) -> HTTPResponse | None:
        """Return the response when it is complete, or None if more bytes are needed.

        Raises:
            InvalidResponse: If the bytes are not an HTTP/1.1 response.
            ResponseTooLarge: If the body exceeds the limit.
        """
        self.started = True
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

    def _read_head(self) -> bool:
        buffer = self._buffer
        found = _END_OF_HEAD.search(buffer, self._searched)
        end = len(buffer) if found is None else found.end()
        if end > _MAX_HEAD_BYTES:
            raise InvalidResponse("the head exceeds 32,768 bytes")
        if found is None:
            if buffer[:7] != b"HTTP/1."[:end]:
                raise InvalidResponse("the response does not begin with HTTP/1.")
            self._searched = max(end - 2, 0)
            return False
        head = _HEAD.match(buffer)
        if head is None or head.end() != end:
            raise InvalidResponse("the head is malformed")
        minor_version, status, fields = head.groups()
        del buffer[:end]
        self._searched = 0
        self._read_fields(int(status), fields, is_http_1_1=minor_version == b"1")
        return True

    def _read_fields(self, status: int, fields: bytes, *, is_http_1_1: bool) -> None:
        headers = []
        framing: dict[bytes, bytes] = {}
        for raw_name, raw_value in _FIELD.findall(fields):
            name, value = raw_name.lower(), raw_value.strip(b" \t")
            headers.append((name, value))
            if name in _FRAMING_FIELDS:
                framing[name] = framing[name] + b"," + value if name in framing else value
        coding, length = framing.get(b"transfer-encoding"), framing.get(b"content-length")
        if status < 200:
            self._informational += 1
            has_framing = coding is not None or length is not None
            if status == 101 or has_framing or self._informational > _MAX_INFORMATIONAL:
                raise InvalidResponse(f"unexpected informational response {status}")
            return
        self._status, self._headers = status, headers
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
        size = len(self._buffer)
        if self._length == _UNTIL_CLOSE:
            if size > self._max_body:
                raise self._too_large(size)
            return None
        if size < self._length:
            return None
        body = bytes(memoryview(self._buffer)[: self._length])
        return self._complete(body, self._length)

    def _read_chunks(self) -> HTTPResponse | None:
        buffer = self._buffer
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
        return self._complete(bytes(self._body), end)

    def _too_large(self, size: int) -> ResponseTooLarge:
        return ResponseTooLarge(self._max_body, size, HTTPResponse(self._status, self._headers or [], b""))

    def _complete(self, body: bytes, end: int) -> HTTPResponse:
        assert self._headers is not None  # noqa: S101 - the head is complete
        if len(self._buffer) > end:
            self.keep_alive = False  # the rest does not belong to this response
        return HTTPResponse(self._status, self._headers, body)


def _has_close(options: bytes) -> bool:
    return b"close" in [option.strip(b" \t").lower() for option in options.split(b",")]


def _framing_of(coding: bytes | None, length: bytes | None, *, is_http_1_1: bool) -> int:
    """Return the length of the body, `_CHUNKED` or `_UNTIL_CLOSE` (RFC 9112, section 6.3)."""
    if coding is not None:
        if length is not None or coding.lower() != b"chunked" or not is_http_1_1:
            raise InvalidResponse("the framing of the body is ambiguous")
        return _CHUNKED
    if length is None:
        return _UNTIL_CLOSE
    if not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        raise InvalidResponse("Content-Length is malformed")
    return int(length)
