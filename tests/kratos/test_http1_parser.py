"""The parser for responses of Kratos: framing, limits, and every way to cut the bytes."""

import time
from contextlib import suppress

import pytest

from ory_guard.kratos.http import InvalidResponse, ResponseTooLarge
from ory_guard.kratos.http1_parser import HTTP1Parser
from ory_guard.kratos.http_response import HTTPResponse

MAX = 64

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Odd:  a b \t\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"5\r\nhello\r\n006;name=value\r\n world\r\n0;last\r\nX-Trailer: ignored\r\n\r\n"
)
AFTER_HINTS = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"
)
COMPLETE = {
    "plain": PLAIN,
    "chunked": CHUNKED,
    "informational": AFTER_HINTS,
    "empty reason": b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "closing": b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\n1",
}


def read(data: bytes, *, max_body: int = MAX) -> tuple[HTTPResponse | None, bool]:
    """Return the response, and whether the connection is reusable."""
    parser = HTTP1Parser(max_body)
    return feed(parser, data), parser.keep_alive


def feed(parser: HTTP1Parser, data: bytes) -> HTTPResponse | None:
    """Return the response with a list of its headers."""
    response = parser.feed(data)
    return None if response is None else response._replace(headers=list(response.headers))


def head(*lines: str, version: str = "1.1", status: int = 200) -> bytes:
    return "\r\n".join([f"HTTP/{version} {status} Any", *lines, "", ""]).encode("latin-1")


PLAIN_HEADERS = [(b"content-type", b"application/json"), (b"x-odd", b"a b"), (b"content-length", b"5")]


@pytest.mark.parametrize(
    ("data", "response"),
    [
        pytest.param(PLAIN, HTTPResponse(200, PLAIN_HEADERS, b"hello"), id="plain"),
        pytest.param(
            CHUNKED, HTTPResponse(200, [(b"transfer-encoding", b"Chunked")], b"hello world"), id="chunked"
        ),
        pytest.param(AFTER_HINTS, HTTPResponse(401, [(b"content-length", b"2")], b"{}"), id="informational"),
    ],
)
def test_returns_status_headers_and_body(data: bytes, response: HTTPResponse) -> None:
    assert read(data) == (response, True)


def test_finds_headers_by_their_whole_name() -> None:
    lines = ("X-A: X-B: 1", "x-b-c: 2", "X-B:\t3 ", "c-x-b: 4", "x-b:", "x-a: 5")
    response = HTTP1Parser(MAX).feed(head("Content-Length: 0", *lines))
    assert response is not None

    names = (b"x-a", b"x-b", b"x", b"b", b"content-length")
    assert [response.header(name) for name in names] == [b"X-B: 1", b"3", None, None, b"0"]
    assert [response.values(name) for name in names] == [[b"X-B: 1", b"5"], [b"3", b""], [], [], [b"0"]]


@pytest.mark.parametrize("data", COMPLETE.values(), ids=COMPLETE)
def test_reads_the_same_response_however_the_bytes_are_cut(data: bytes) -> None:
    """Each pair of parts and each byte alone; the response is complete at the last byte and not before."""
    whole = read(data)

    for cut in range(1, len(data)):
        parser = HTTP1Parser(MAX)
        assert parser.feed(data[:cut]) is None
        assert not parser.feed_eof()
        assert (feed(parser, data[cut:]), parser.keep_alive) == whole
    parser = HTTP1Parser(MAX)
    responses = [feed(parser, data[index : index + 1]) for index in range(len(data))]
    assert responses[:-1] == [None] * (len(data) - 1)
    assert (responses[-1], parser.keep_alive) == whole


@pytest.mark.parametrize("data", COMPLETE.values(), ids=COMPLETE)
def test_does_not_reuse_a_connection_with_more_bytes_than_the_response(data: bytes) -> None:
    response, keep_alive = read(data + b"H")

    assert response == read(data)[0]
    assert not keep_alive


def test_the_end_of_the_connection_ends_a_body_without_framing() -> None:
    parser = HTTP1Parser(MAX)
    for part in (b"HTTP/1.1 200 OK\r\n\r\n", b"by", b"e"):
        assert parser.feed(part) is None

    response = parser.feed_eof()
    assert response is not None
    assert (response.status, list(response.headers), response.body) == (200, [], b"bye")
    assert not parser.keep_alive


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (head("Content-Length: 0"), True),
        (head("Content-Length: 0", "Connection: keep-alive"), True),
        (head("Content-Length: 0", "Connection: not-close"), True),
        (head("Content-Length: 0", "Connection: a", "Connection: b ,\tCLOSE"), False),
        (head("Content-Length: 0", version="1.0"), False),
        (head("Content-Length: 0", "Connection: keep-alive", version="1.0"), False),
        (head("Content-Length: 0", status=204), True),
        (head("Content-Length: 1", status=204), False),
        (head("Content-Length: 1", status=304), False),
        (head("Content-Length: 1000", status=304), False),
        (head("Transfer-Encoding: chunked", status=204), False),
    ],
)
def test_reuses_connections_only_if_the_response_permits_it(data: bytes, *, keep_alive: bool) -> None:
    response, reusable = read(data)

    assert response is not None
    assert reusable is keep_alive


HEAD_OF_CHUNKS = head("Transfer-Encoding: chunked")
MALFORMED = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "another protocol's first byte": b"\x15",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.2": head(version="1.2"),
    "status 99": head(status=99),
    "status 600": head(status=600),
    "status of four digits": head(status=2000),
    "two spaces before the status": b"HTTP/1.1  200 OK\r\n\r\n",
    "control character in the reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare LF in one line": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
    "bare LF at the end": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
    "folded line": head("A: b", " c"),
    "folded first line": head(" A: b"),
    "space before the colon": head("Content-Length : 5"),
    "no colon": head("Content-Length 5"),
    "empty name": head(": 5"),
    "control character in a value": head("A: \x01"),
    "NUL in a value": head("A: \x00"),
    "DEL in a value": head("A: \x7f"),
    "two lengths": head("Content-Length: 5", "Content-Length: 6"),
    "one length twice": head("Content-Length: 5", "Content-Length: 5"),
    "list of lengths": head("Content-Length: 5, 5"),
    "empty length": head("Content-Length:"),
    "negative length": head("Content-Length: -1"),
    "signed length": head("Content-Length: +5"),
    "hexadecimal length": head("Content-Length: 0x5"),
    "length of 16 digits": head("Content-Length: 0000000000000005"),
    "length and chunks": head("Content-Length: 5", "Transfer-Encoding: chunked"),
    "chunks and length": head("Transfer-Encoding: chunked", "Content-Length: 5"),
    "another coding": head("Transfer-Encoding: gzip"),
    "two codings": head("Transfer-Encoding: gzip, chunked"),
    "chunked twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "empty coding": head("Transfer-Encoding:"),
    "chunks in HTTP/1.0": head("Transfer-Encoding: chunked", version="1.0"),
    "switching protocols": head(status=101),
    "nine informational responses": head(status=100) * 9,
    "informational response with a length": head("Content-Length: 0", status=100),
    "informational response with a coding": head("Transfer-Encoding: chunked", status=100),
    "endless head": head("A: " + "x" * 32_768),
    "endless line": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 32_768,
    "no chunk size": HEAD_OF_CHUNKS + b"\r\n",
    "chunk size that is not hexadecimal": HEAD_OF_CHUNKS + b"g\r\n",
    "chunk size with a sign": HEAD_OF_CHUNKS + b"+5\r\nhello\r\n",
    "chunk size with a prefix": HEAD_OF_CHUNKS + b"0x5\r\nhello\r\n",
    "chunk size with a space before it": HEAD_OF_CHUNKS + b" 5\r\nhello\r\n",
    "chunk size with a space after it": HEAD_OF_CHUNKS + b"5 \r\nhello\r\n",
    "chunk size of nine digits": HEAD_OF_CHUNKS + b"000000005\r\nhello\r\n",
    "chunk size with a bare LF": HEAD_OF_CHUNKS + b"5\nhello\r\n",
    "control character in a chunk extension": HEAD_OF_CHUNKS + b"5;\x01\r\nhello\r\n",
    "endless chunk size": HEAD_OF_CHUNKS + b"5;" + b"x" * 256,
    "chunk longer than its size": HEAD_OF_CHUNKS + b"5\r\nhello!\r\n",
    "chunk without CR": HEAD_OF_CHUNKS + b"5\r\nhello\n0\r\n\r\n",
    "chunks that are mostly extensions": HEAD_OF_CHUNKS + (b"1;" + b"x" * 250 + b"\r\n1\r\n") * 80,
    "chunks of one byte": HEAD_OF_CHUNKS + b"1\r\n1\r\n" * 600,
    "trailer that is not a field": HEAD_OF_CHUNKS + b"0\r\nA\r\n\r\n",
    "trailer with a bare LF": HEAD_OF_CHUNKS + b"0\r\nA: b\n\r\n",
    "bare LF after the last chunk": HEAD_OF_CHUNKS + b"0\r\n\n",
    "trailer with a length": HEAD_OF_CHUNKS + b"0\r\nA: b\r\nContent-length: 5\r\n\r\n",
    "trailer with a coding": HEAD_OF_CHUNKS + b"0\r\ntransfer-encoding: chunked\r\n\r\n",
    "endless trailers": HEAD_OF_CHUNKS + b"0\r\n" + b"A: b\r\n" * 6_000,
    "endless trailers with an end": HEAD_OF_CHUNKS + b"0\r\n" + b"A: b\r\n" * 6_000 + b"\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("step", [1, 3, 1_000_000], ids=["each byte", "three bytes", "at once"])
def test_refuses_malformed_responses(data: bytes, step: int) -> None:
    parser = HTTP1Parser(100_000)

    with pytest.raises(InvalidResponse):  # noqa: PT012 - any of the parts may show it
        for index in range(0, len(data), step):
            assert parser.feed(data[index : index + step]) is None


@pytest.mark.parametrize(
    "data",
    [
        head("Content-Length: 65"),
        head() + b"x" * 65,
        HEAD_OF_CHUNKS + b"41\r\n",
        HEAD_OF_CHUNKS + b"40\r\n" + b"x" * 64 + b"\r\n1\r\n",
        HEAD_OF_CHUNKS + b"ffffffff\r\n",
    ],
)
def test_refuses_bodies_beyond_the_limit_before_they_are_read(data: bytes) -> None:
    with pytest.raises(ResponseTooLarge, match="larger than 64 bytes"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        head("Content-Length: 64") + b"x" * 64,
        HEAD_OF_CHUNKS + b"20\r\n" + b"x" * 32 + b"\r\n20\r\n" + b"x" * 32 + b"\r\n0\r\n\r\n",
        HEAD_OF_CHUNKS + b"1\r\nx\r\n" * 64 + b"0\r\n\r\n",
    ],
)
def test_accepts_a_body_of_exactly_the_limit(data: bytes) -> None:
    response, _ = read(data)

    assert response is not None
    assert response.body == b"x" * 64


@pytest.mark.parametrize(("size", "number"), [(1, 500), (15, 4_000), (16, 6_250)])
def test_accepts_small_chunks(size: int, number: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)

    response = HTTP1Parser(100_000).feed(HEAD_OF_CHUNKS + chunk * number + b"0\r\n\r\n")

    assert response is not None
    assert len(response.body) == size * number


def cpu_seconds(data: bytes, step: int) -> float:
    """Return the least CPU time of three runs of the parser over the bytes, in parts of `step` bytes."""
    runs = []
    for _ in range(3):
        started = time.process_time()
        parser = HTTP1Parser(100_000)
        with suppress(InvalidResponse):
            for index in range(0, len(data), step):
                parser.feed(data[index : index + step])
        runs.append(time.process_time() - started)
    return min(runs)


@pytest.mark.parametrize(
    "data",
    [
        head("A: x" + " " * 30_000 + "y", "Content-Length: 0"),
        head("A:" + " " * 30_000, "Content-Length: 0"),
        head("A: " + "x" * 30_000 + "\x01"),
        head(*["A: b"] * 4_000, "A"),
        head("A" * 30_000),
    ],
)
def test_the_time_is_linear_in_the_bytes(data: bytes) -> None:
    """A pattern that backtracks takes thousands of times as long as for a harmless response of this size."""
    harmless = head("A: " + "x" * 30_000, "Content-Length: 0")

    assert cpu_seconds(data, 1_000_000) < 100 * cpu_seconds(harmless, 1_000_000)
    assert cpu_seconds(data, 1) < 10 * cpu_seconds(harmless, 1)
