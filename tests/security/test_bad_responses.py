"""Invalid responses of Kratos."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from support.raw_kratos import RawKratos, error_body, raw_response, respond

from .bench import ALICE, Bench, identity_of, session, token
from .monitor import Monitor

pytestmark = pytest.mark.anyio


def _with(name: str, *values: Any) -> tuple[bytes, ...]:
    return tuple(raw_response(session(**{name: value})) for value in values)


def _with_identity(**changes: Any) -> bytes:
    return raw_response(session(identity={**_SESSION["identity"], **changes}))


def _with_identity_id(value: object) -> bytes:
    return _with_identity(id=value)


def _bodies(*bodies: bytes, status: int = 200) -> tuple[bytes, ...]:
    return tuple(raw_response(body, status) for body in bodies)


_FAR_FUTURE: Final = "2999-01-01T00:00:00"
_SESSION: Final = session()
_DOCUMENT: Final = json.dumps(_SESSION).encode()
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED: Final = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

UNAVAILABLE: Final[dict[str, tuple[bytes, ...]]] = {
    "no session": _bodies(b"{}", b'{"id": "x"}', b"null", b"[]", b'"x"', b"", b"\x00", b"\xff\xfe"),
    "active is not true": _with("active", "true", 1, None, ...),
    "malformed JSON": _bodies(
        _DOCUMENT + b"{}",
        _DOCUMENT + b"\x00",
        _DOCUMENT[:-1],
        b"[" * 5_000 + b"]" * 5_000,
        b'{"id":' * 5_000 + b"1" + b"}" * 5_000,
    ),
    "content type or encoding": (
        *(raw_response(_SESSION, content_type=odd) for odd in ("text/html", None, "application/jsonp", "")),
        raw_response(_SESSION, 200, ("Content-Encoding", "gzip")),
        raw_response(_SESSION, 200, ("Content-Encoding", "identity, br")),
    ),
    "truncated body": (
        raw_response(_SESSION)[:-1],
        _CHUNKED + b"%x\r\n%b\r\n" % (len(_DOCUMENT), _DOCUMENT),
        _CHUNKED + b"ffffffffffffffff\r\n",
        _CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    ),
    "status with a session": tuple(raw_response(_SESSION, status) for status in (99, 201, 206, 299, 600)),
    "status without a body": _bodies(b"", status=204) + _bodies(b"", status=304),
    "error": tuple(raw_response(error_body(status), status) for status in (400, 404, 418, 499, 500, 503, 599)),
    "403 without an error of Kratos": (
        raw_response(error_body(403), 403),
        raw_response(error_body(403, "session_aal2_required"), 403, content_type="text/html"),
        raw_response(error_body(403, "session_aal3_required"), 403),
        *_bodies(
            b'{"error": "session_aal2_required"}', b'{"error": {"id": ["session_aal2_required"]}}', status=403
        ),
    ),
    "401 without an error of Kratos": (
        raw_response(error_body(401), 401, content_type="text/html"),
        raw_response(error_body(403), 401),
        *_bodies(b"", b'{"error": {"code": "401"}}', b'{"error": "unauthorized"}', b'["error"]', status=401),
    ),
    "too large": (
        _HEAD + b"Content-Length: 10000000000\r\n\r\n{",
        raw_response(session(padding="a" * 65_536)),
        _HEAD + b"X-Padding: " + b"a" * 1_000_000 + b"\r\n\r\n",
        _HEAD + b"X-Padding: a\r\n" * 100_000 + b"\r\n",
    ),
    "invalid Content-Length": tuple(
        _HEAD + b"Content-Length: " + odd + b"\r\n\r\n{}"
        for odd in (b"-1", b"1e9", b"2\r\nContent-Length: 3", b"2, 3", b"9" * 5_000, b"")
    ),
    "not HTTP": (b"\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"\x00" * 4_096),
    "number out of range": tuple(
        _with_identity(traits={"n": "here"}).replace(b'"here"', odd.ljust(6))
        for odd in (b"NaN", b"1e999", b"-1e999")
    ),
    "time without a time zone": _with("expires_at", _FAR_FUTURE),
    "invalid time": _with(
        "expires_at",
        *("", None, ..., 12345, "12345", "tomorrow", [], True, "2999-13-01T00:00:00Z", "2999-02-30T00:00:00Z"),
        *(f"{_FAR_FUTURE}+25:00", f"{_FAR_FUTURE}Z\n", "\u0662999-01-01T00:00:00Z"),
    ),
    "invalid identity": _with("identity", None, ..., {}, [], "alice"),
    "invalid id of the identity": tuple(map(_with_identity_id, (None, "", 1, []))),
    "invalid id of the session": _with("id", None, ..., "", 1, []),
    "lone surrogate": (_with_identity(traits={"name": "\ud800"}),),
}
REFUSED: Final[dict[str, tuple[bytes, ...]]] = {
    "inactive session": _with("active", False),
    "inactive identity": (_with_identity(state="inactive"),),
    "ended session": _with("expires_at", "2020-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
}
ACCEPTED: Final[dict[str, tuple[bytes, ...]]] = {
    "end of the session": _with(
        "expires_at",
        *("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999999Z", f"{_FAR_FUTURE}.123456789Z"),
    ),
    "early hint": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + raw_response(_SESSION),),
}
LEVELS: Final[tuple[Any, ...]] = ("aal10", "AAL2", "aal2 ", "aal3", "2", 2, True, None, ..., "aal1", [])
TIMES: Final = (None, ..., "2020-01-01T00:00:00Z", f"{_FAR_FUTURE}Z", "0001-01-01T00:00:00Z")


def _cases() -> Iterator[Any]:
    tables = ((UNAVAILABLE, "/p", 503), (REFUSED, "/p", 401), (ACCEPTED, "/p", 200))
    step_ups = (
        ({"level other than aal2": _with("authenticator_assurance_level", *LEVELS)}, "/aal2", 403),
        ({"time of the login": _with("authenticated_at", *TIMES)}, "/fresh", 403),
    )
    for table, path, status in (*tables, *step_ups):
        for name, responses in table.items():
            for number, response in enumerate(responses):
                yield pytest.param(path, response, status, id=f"{name}-{number}")


@pytest.mark.parametrize(("path", "response", "status"), list(_cases()))
async def test_invalid_response_does_not_authenticate(
    path: str, response: bytes, status: int, kratos: RawKratos
) -> None:
    """A failed check is 503, not 401, and is not cached."""
    kratos.handler = respond(response, then_close=True)
    bench = Bench(kratos)
    async with Monitor():
        reply = await bench.get(token(path=path))

    assert reply.status == status
    assert identity_of(reply) == (ALICE if status == 200 else None)
    if status == 503:
        assert reply.header(b"retry-after") == b"1"
        calls = len(kratos.requests)
        kratos.handler = None
        bench.clock.advance(1)  # a protocol failure is remembered for a second
        assert identity_of(await bench.get(token())) == ALICE
        assert len(kratos.requests) == calls + 1
    await bench.guard.aclose()
