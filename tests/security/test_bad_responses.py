"""Invalid responses of Kratos, with a plain ASGI, a FastAPI and a Starlette application."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from support.raw_kratos import RawKratos, error_body, raw_response, respond

from ory_guard import OryGuard

from .applications import KINDS, application
from .harness import Monitor, Request, call
from .users import ALICE, session

pytestmark = pytest.mark.anyio

_TOKEN: Final = Request(((b"x-session-token", b"tok-A"),))


@dataclass(frozen=True)
class BadResponse:
    """Variants of an unusual response of Kratos.

    Attributes:
        name: The property that they share.
        variants: The bytes that Kratos sends.
        statuses: The allowed statuses of the application.
        path: The path of the request.
    """

    name: str
    variants: tuple[bytes, ...]
    statuses: tuple[int, ...] = (503,)
    path: str = "/p"


def _each(name: str, *values: Any) -> tuple[dict[str, Any], ...]:
    return tuple({name: value} for value in values)


def _sessions(*changes: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(raw_response(session(**change)) for change in changes)


def _identities(*changes: dict[str, Any]) -> tuple[bytes, ...]:
    identity = session()["identity"]
    return _sessions(*({"identity": {**identity, **change}} for change in changes))


_FAR_FUTURE: Final = "2999-01-01T00:00:00"
_SESSION: Final = session()
_DOCUMENT: Final = json.dumps(_SESSION).encode()
_CHUNKED: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_WITH_NUMBER: Final = session(identity={**_SESSION["identity"], "traits": {"n": ["here"]}})

CASES: Final = (
    BadResponse(
        "JSON without a session", (raw_response({}), raw_response({"id": "x"}), raw_response({"session": _SESSION}))
    ),
    BadResponse(
        "not a JSON object",
        tuple(
            raw_response(body) for body in (b"null", b"[]", b'"x"', b"true", b"0", b"", b" ", b"\x00", b"\xff\xfe")
        ),
    ),
    BadResponse("active is not true", _sessions(*_each("active", "true", 1, None, ..., []))),
    BadResponse("inactive session", _sessions({"active": False}), (401,)),
    BadResponse(
        "malformed JSON",
        (
            *(raw_response(_DOCUMENT + more) for more in (b"x", b"{}", b"\x00", b",")),
            raw_response(_DOCUMENT[:-1]),
            raw_response(b"[" * 5_000 + b"]" * 5_000),
            raw_response(b'{"id":' * 5_000 + b"1" + b"}" * 5_000),
        ),
    ),
    BadResponse("HTML page", (raw_response(b"<html>sign in</html>", content_type="text/html"),)),
    BadResponse(
        "session with another content type or encoding",
        (
            *(
                raw_response(_SESSION, content_type=odd)
                for odd in ("text/html", None, "text/json", "application/jsonp", "")
            ),
            raw_response(_SESSION, 200, ("Content-Encoding", "gzip")),
            raw_response(_SESSION, 200, ("Content-Encoding", "identity, br")),
        ),
    ),
    BadResponse(
        "truncated body",
        (
            raw_response(_SESSION)[:-1],
            _CHUNKED + b"%x\r\n%b\r\n" % (len(_DOCUMENT), _DOCUMENT),
            _CHUNKED + b"ffffffffffffffff\r\n",
            _CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
        ),
    ),
    BadResponse(
        "other 2xx status", tuple(raw_response(_SESSION, status) for status in (201, 202, 203, 206, 226, 299))
    ),
    BadResponse("status without a body", tuple(raw_response(b"", status) for status in (204, 205, 304))),
    BadResponse("4xx status", tuple(raw_response(error_body(n), n) for n in (400, 404, 405, 410, 418, 422, 499))),
    BadResponse("invalid status", tuple(raw_response(_SESSION, status) for status in (99, 600, 999))),
    BadResponse(
        "403 without an error of Kratos",
        (
            raw_response(b"<html>blocked</html>", 403, content_type="text/html"),
            raw_response(error_body(403), 403),
            raw_response(error_body(403, "session_aal2_required"), 403, content_type="text/html"),
            raw_response(error_body(403, "session_aal3_required"), 403),
            raw_response(b'{"error": "session_aal2_required"}', 403),
            raw_response(b'{"error": {"id": ["session_aal2_required"]}}', 403),
            raw_response(b'{"error": {"id": {"a": 1}}}', 403),
        ),
    ),
    BadResponse(
        "401 without an error of Kratos",
        (
            raw_response(b"", 401),
            raw_response(b"no", 401, content_type=None),
            raw_response(error_body(401), 401, content_type="text/html"),
            raw_response(error_body(403), 401),
            raw_response(b'{"error": {"code": "401"}}', 401),
            raw_response(b'{"error": "unauthorized"}', 401),
            raw_response(b'["error"]', 401),
        ),
    ),
    BadResponse("5xx status", tuple(raw_response(error_body(n), n) for n in (500, 501, 502, 503, 504, 599))),
    BadResponse(
        "too large",
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n{",
            raw_response(session(padding="a" * 65_536)),
            b"HTTP/1.1 200 OK\r\n" + b"X-Padding: " + b"a" * 1_000_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Padding: a\r\n" * 100_000 + b"\r\n",
        ),
    ),
    BadResponse(
        "invalid Content-Length",
        tuple(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + odd + b"\r\n\r\n{}"
            for odd in (b"-1", b"1e9", b"2\r\nContent-Length: 3", b"0x2", b"2, 3", b"9" * 5_000, b"")
        ),
    ),
    BadResponse(
        "not HTTP",
        (
            b"\r\n\r\n",
            b"SSH-2.0-OpenSSH_9\r\n\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"\x00" * 4_096,
        ),
    ),
    BadResponse(
        "number out of range",
        tuple(
            raw_response(json.dumps(_WITH_NUMBER).replace('"here"', odd).encode())
            for odd in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5_000, "1" + "0" * 400)
        ),
    ),
    BadResponse("lone surrogate", _identities({"traits": {"name": "\ud800"}}), (200, 503)),
    BadResponse("expired session", _sessions({"expires_at": "2020-01-01T00:00:00Z"}), (401,)),
    BadResponse(
        "invalid expires_at",
        _sessions(
            *_each(
                "expires_at", "0001-01-01T00:00:00Z", "", None, ..., 12345, "12345", "tomorrow", [], {}, True, 1e400
            ),
            {"expires_at": "2999-13-01T00:00:00Z"},
            {"expires_at": "2999-02-30T00:00:00Z"},
            {"expires_at": f"{_FAR_FUTURE}+25:00"},
            {"expires_at": f"{_FAR_FUTURE}Z\n"},
            {"expires_at": "\u0662999-01-01T00:00:00Z"},
        ),
        (401, 503),
    ),
    BadResponse(
        "expires_at near the maximum",
        _sessions(*_each("expires_at", "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999999Z")),
        (200,),
    ),
    BadResponse("expires_at with nanoseconds", _sessions({"expires_at": f"{_FAR_FUTURE}.123456789Z"}), (200,)),
    BadResponse(
        "unusual format of expires_at",
        _sessions(
            *_each(
                "expires_at",
                "2999-06-30t12:00:00z",
                "2999-06-30T23:59:60Z",
                f"{_FAR_FUTURE}+14:00",
                f"{_FAR_FUTURE}.{'1' * 400}Z",
            )
        ),
        (200, 503),
    ),
    BadResponse("expires_at without a time zone", _sessions({"expires_at": _FAR_FUTURE})),
    BadResponse("invalid identity", _sessions(*_each("identity", None, ..., {}, [], "alice", 1))),
    BadResponse("invalid identity id", _identities(*_each("id", None, "", 1, [], True))),
    BadResponse("invalid session id", _sessions(*_each("id", None, ..., "", 1, []))),
    BadResponse("inactive identity", _identities({"state": "inactive"}), (401,)),
    BadResponse(
        "early hint before the response",
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + raw_response(_SESSION),),
        (200,),
    ),
    BadResponse(
        "level other than aal2",
        _sessions(
            *_each(
                "authenticator_assurance_level",
                "aal10",
                "AAL2",
                "aal2 ",
                "aal3",
                "aal",
                "2",
                2,
                True,
                None,
                ...,
                "aal0",
                "aal1",
                [],
                {},
            )
        ),
        (403,),
        "/aal2",
    ),
    BadResponse(
        "authenticated_at missing, long ago or in the future",
        _sessions(
            *_each("authenticated_at", None, ..., "2020-01-01T00:00:00Z", f"{_FAR_FUTURE}Z", "0001-01-01T00:00:00Z")
        ),
        (403,),
        "/fresh",
    ),
)


def _cases() -> Iterator[Any]:
    for case in CASES:
        for number, response in enumerate(case.variants, 1):
            yield pytest.param(case, response, id=f"{case.name}-{number}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("case", "response"), [*_cases()])
async def test_invalid_response_does_not_authenticate(
    *, case: BadResponse, response: bytes, kind: str, guard: OryGuard, kratos: RawKratos
) -> None:
    """A failed check is 503, not 401, and is not cached."""
    kratos.handler = respond(response, then_close=True)
    app = application(kind, guard)
    request = Request(_TOKEN.headers, path=case.path)
    async with Monitor():
        reply = await call(app, request)

    assert reply.status in case.statuses
    assert reply.identity == (ALICE if reply.status == 200 else None)
    if reply.status == 503:
        assert reply.one(b"retry-after") == "1"
        calls = len(kratos.requests)
        kratos.handler = None
        await guard.invalidate(session_id="another")  # a protocol failure is remembered for a second
        assert (await call(app, _TOKEN)).identity == ALICE
        assert len(kratos.requests) == calls + 1
