"""The encoding of commands and the parser for replies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import NoPermissionError, NoScriptError, RedisError, ResponseError

from ory_guard.redis.resp import ProtocolError, ReplyParser, encode_command

REPLIES = [
    pytest.param(b"$3\r\na\r\n\r\n", b"a\r\n", id="string with a line end"),
    pytest.param(b"$0\r\n\r\n", b"", id="empty string"),
    pytest.param(b"$-1\r\n", None, id="null string"),
    pytest.param(b"*-1\r\n", None, id="null array"),
    pytest.param(b"*0\r\n", [], id="empty array"),
    pytest.param(b":-12\r\n", -12, id="negative number"),
    pytest.param(b"+OK\r\n", b"OK", id="simple string"),
    pytest.param(b"*3\r\n:1\r\n$1\r\nx\r\n*1\r\n$-1\r\n", [1, b"x", [None]], id="nested array"),
    pytest.param(b"*4\r\n:12\r\n:0\r\n$3\r\na\r\n\r\n:-1\r\n", [12, 0, b"a\r\n", -1], id="session"),
    pytest.param(b"*4\r\n:12\r\n:0\r\n$1\r\nx\r\n$1\r\ny\r\n", [12, 0, b"x", b"y"], id="another array"),
]


@pytest.mark.parametrize(("data", "reply"), REPLIES)
def test_replies_are_parsed_at_every_split(data: bytes, reply: Any) -> None:
    """A reply may arrive in parts, together with the next one."""
    for split in range(len(data) + 1):
        parser = ReplyParser()
        assert [*parser.feed(data[:split]), *parser.feed(data[split:] + data[:1])] == [reply]
        assert parser.feed(data[1:]) == [reply]


@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(1, 7))
def test_strings_are_parsed_in_parts_of_any_size(values: list[bytes], size: int) -> None:
    data = encode_command(*values) + b":7\r\n"
    parser, replies = ReplyParser(), []
    for start in range(0, len(data), size):
        replies += parser.feed(data[start : start + size])

    assert replies == [values, 7]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"-NOSCRIPT No matching script.", NoScriptError),
        (b"-NOPERM User app has no permissions", NoPermissionError),
        (b"-ERR \xff", ResponseError),
        (b"-", ResponseError),
    ],
)
def test_error_reply_is_returned_as_the_exception_of_redis_py(line: bytes, kind: type[RedisError]) -> None:
    """An error belongs to its command, and does not affect the connection."""
    error, after = ReplyParser().feed(line + b"\r\n:1\r\n")

    assert type(error) is kind
    assert str(error) == line[1:].decode("ascii", "backslashreplace")
    assert after == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n", id="another protocol"),
        pytest.param(b">2\r\n+message\r\n+x\r\n", id="push message of RESP3"),
        pytest.param(b"_\r\n", id="null of RESP3"),
        pytest.param(b"%1\r\n", id="map of RESP3"),
        pytest.param(b"$3\r\nabcd\r\n", id="longer string"),
        pytest.param(b"$3\r\nab\r\n..", id="shorter string"),
        pytest.param(b"$-2\r\n", id="negative length"),
        pytest.param(b"$1048577\r\n", id="long string"),
        pytest.param(b"$+3\r\n", id="length with a plus sign"),
        pytest.param(b"$ 3\r\n", id="length with a space"),
        pytest.param(b"$1_0\r\n", id="length with an underscore"),
        pytest.param(b"$\r\n", id="no length"),
        pytest.param(b":1.5\r\n", id="fraction"),
        pytest.param(b":" + b"1" * 20 + b"\r\n", id="long number"),
        pytest.param(b"*65\r\n", id="long array"),
        pytest.param(b"*1\r\n*1\r\n*1\r\n:1\r\n", id="deeply nested array"),
        pytest.param(b"+a\rb\r\n", id="line end in a simple string"),
        pytest.param(b"-a\nb\r\n", id="line end in an error"),
        pytest.param(b"+" + b"x" * 4_096, id="long line"),
        pytest.param(b"\r\n", id="empty line"),
    ],
)
def test_anything_else_is_rejected(data: bytes) -> None:
    """After it, no reply can be assigned to a command."""
    with pytest.raises(ProtocolError):
        ReplyParser().feed(data)
