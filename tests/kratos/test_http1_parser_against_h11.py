"""The parser against h11: whatever it accepts, h11 reads in the same way; what it refuses beyond that is listed."""

import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import h11
import pytest
from generated_responses import generate_response

from ory_guard.kratos.http import InvalidResponse
from ory_guard.kratos.http1_parser import HTTP1Parser
from ory_guard.kratos.http_response import HTTPResponse

LIMIT = 1_000_000


class Reading(NamedTuple):
    """A complete response and whether its connection is reusable."""

    response: HTTPResponse
    keep_alive: bool


def read(data: bytes, cuts: list[int], *, eof: bool) -> Reading | None:
    """Read the bytes with the parser under test, in parts that end at the cuts; None if the response is incomplete.

    Bytes or an end of the connection that follow the response make the connection unusable, as in the pool.
    """
    parser = HTTP1Parser(LIMIT)
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        response = parser.feed(data[start:stop])
        if response is not None:
            return Reading(response, parser.keep_alive and stop == len(data) and not eof)
    response = parser.feed_eof() if eof else None
    return None if response is None else Reading(response, parser.keep_alive)


def read_with_h11(data: bytes, *, eof: bool) -> Reading | None:
    """Read the bytes with h11, as the response to a GET request."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LIMIT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "kratos")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    if eof:
        connection.receive_data(b"")
    response, body = None, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert response is not None
            keep_alive = connection.their_state is h11.DONE and connection.trailing_data == (b"", False)
            return Reading(HTTPResponse(response.status_code, list(response.headers), body), keep_alive)
        elif not isinstance(event, h11.InformationalResponse):
            return None


def normalized(response: HTTPResponse) -> HTTPResponse:
    """Return the response as h11 gives it, which changes the case of one value."""
    headers = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in response.headers]
    return HTTPResponse(response.status, headers, response.body)


FRAMING = rb"\n(?:content-length|transfer-encoding):"

# Each kind of response that h11 accepts and the parser refuses, with a pattern that marks it.
REFUSED = {
    "a bare LF or CR ends a line": rb"(?<!\r)\n|\r(?!\n)",
    "a line is folded": rb"\r\n[ \t]",
    "a line holds a control character": rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    "the version is not 1.0 or 1.1": rb"HTTP/(?!1\.[01])",
    "the status is above 599": rb"HTTP/\d\.\d [6-9]",
    "the length is repeated": rb"(?is)\ncontent-length:.*(?:\ncontent-length:|,)",
    "the length has more than 15 digits": rb"(?i)\ncontent-length:[ \t]*\d{16}",
    "the body has a length and chunks": rb"(?is)" + FRAMING + rb".*" + FRAMING,
    "HTTP/1.0 has chunks": rb"(?is)HTTP/1\.0.*\ntransfer-encoding:",
    "an informational response has a body": rb"(?is)HTTP/\d\.\d 1.*" + FRAMING,
    "the size of a chunk has more than 8 digits": rb"\n[0-9A-Fa-f]{9}",
    "the size of a chunk is followed by a space": rb"\n[0-9A-Fa-f]+(?:;[^\r\n]*)?[ \t]+\r\n",
    "a trailer is about the framing": (rb"(?is)\n0+(?:;[^\n]*)?\r\n(?:.*\n)?(?:content-length|transfer-encoding):"),
}


def outcome(read: Callable[[], Reading | None], error: type[Exception]) -> Reading | str | None:
    """Return the reading, or the text of the refusal."""
    try:
        return read()
    except error as refusal:
        return f"refused: {refusal}"


@pytest.mark.parametrize(
    "count", [2_000, pytest.param(100_000, marks=[pytest.mark.exhaustive, pytest.mark.timeout(600)])]
)
def test_agrees_with_h11(count: int) -> None:
    rng = Random(count)
    seen: Counter[str] = Counter()
    for _ in range(count):
        data, eof = generate_response(rng), rng.random() < 0.5
        cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.choice([0, 1, 3])))
        ours = outcome(lambda: read(data, cuts, eof=eof), InvalidResponse)  # noqa: B023 - called at once
        theirs = outcome(lambda: read_with_h11(data, eof=eof), h11.RemoteProtocolError)  # noqa: B023 - as above
        if isinstance(ours, Reading):
            assert isinstance(theirs, Reading), (data, ours, theirs)
            assert normalized(ours.response) == theirs.response, data
            parsed = ours.response._replace(headers=list(ours.response.headers))
            assert all(ours.response.header(name) == parsed.header(name) for name, _ in parsed.headers), data
            if ours.keep_alive != theirs.keep_alive:
                # The head ends these responses; the parser does not rely on servers to know it.
                assert (ours.keep_alive, ours.response.status) in ((False, 204), (False, 304)), data
                seen["closed"] += 1
            seen["accepted"] += 1
        elif isinstance(theirs, Reading):
            kinds = [kind for kind, pattern in REFUSED.items() if re.search(pattern, data)]
            assert kinds, (data, ours, theirs)
            seen.update(kinds)
        else:
            seen["incomplete or refused by both"] += 1
    assert seen["accepted"] > count / 4
    assert seen["incomplete or refused by both"] > count / 10
    if count > 10_000:
        assert set(seen) >= set(REFUSED)
