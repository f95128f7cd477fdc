"""Every bad answer of Kratos, on the guard alone, with FastAPI and with Starlette."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from support.raw_kratos import RawKratos, error_body, raw_response, respond

from ory_guard import OryGuard

from .applications import KINDS, application
from .harness import Request, Vigil, call
from .users import ALICE, session

pytestmark = pytest.mark.anyio

_TOKEN: Final = Request(((b"x-session-token", b"tok-A"),))


@dataclass(frozen=True)
class BadAnswer:
    """What Kratos answers, and what the client must get.

    Attributes:
        id: Its stable name.
        about: What is wrong with it.
        replies: The spellings, as bytes on the wire.
        statuses: What may be answered.
        path: Which route is asked for.
    """

    id: str
    about: str
    replies: tuple[bytes, ...]
    statuses: tuple[int, ...] = (503,)
    path: str = "/p"


def _odd(name: str, *values: Any) -> tuple[dict[str, Any], ...]:
    return tuple({name: value} for value in values)


def _sessions(*changes: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(raw_response(session(**change)) for change in changes)


def _identities(*changes: dict[str, Any]) -> tuple[bytes, ...]:
    usual = session()["identity"]
    return _sessions(*({"identity": {**usual, **change}} for change in changes))


_LATER: Final = "2999-01-01T00:00:00"
_GOOD: Final = session()
_DOCUMENT: Final = json.dumps(_GOOD).encode()
_CHUNKED: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_NUMBERED: Final = session(identity={**_GOOD["identity"], "traits": {"n": ["here"]}})

CASES: Final = (
    BadAnswer(
        "U01", "no session in it", (raw_response({}), raw_response({"id": "x"}), raw_response({"session": _GOOD}))
    ),
    BadAnswer(
        "U02",
        "no object",
        tuple(
            raw_response(body) for body in (b"null", b"[]", b'"x"', b"true", b"0", b"", b" ", b"\x00", b"\xff\xfe")
        ),
    ),
    BadAnswer("U03", "active is no JSON true", _sessions(*_odd("active", "true", 1, None, ..., []))),
    BadAnswer("U04", "not active", _sessions({"active": False}), (401,)),
    BadAnswer(
        "U05",
        "JSON and more, or less",
        (
            *(raw_response(_DOCUMENT + more) for more in (b"x", b"{}", b"\x00", b",")),
            raw_response(_DOCUMENT[:-1]),
            raw_response(b"[" * 5_000 + b"]" * 5_000),
            raw_response(b'{"id":' * 5_000 + b"1" + b"}" * 5_000),
        ),
    ),
    BadAnswer("U07", "a login page", (raw_response(b"<html>sign in</html>", content_type="text/html"),)),
    BadAnswer(
        "U08",
        "a session that says it is something else",
        (
            *(
                raw_response(_GOOD, content_type=odd)
                for odd in ("text/html", None, "text/json", "application/jsonp", "")
            ),
            raw_response(_GOOD, 200, ("Content-Encoding", "gzip")),
            raw_response(_GOOD, 200, ("Content-Encoding", "identity, br")),
        ),
    ),
    BadAnswer(
        "U09",
        "less than was announced, chunks without an end",
        (
            raw_response(_GOOD)[:-1],
            _CHUNKED + b"%x\r\n%b\r\n" % (len(_DOCUMENT), _DOCUMENT),
            _CHUNKED + b"ffffffffffffffff\r\n",
            _CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
        ),
    ),
    BadAnswer(
        "U10", "another success", tuple(raw_response(_GOOD, status) for status in (201, 202, 203, 206, 226, 299))
    ),
    BadAnswer("U10", "no content, not modified", tuple(raw_response(b"", status) for status in (204, 205, 304))),
    BadAnswer(
        "U13", "no whoami there", tuple(raw_response(error_body(n), n) for n in (400, 404, 405, 410, 418, 422, 499))
    ),
    BadAnswer("U13", "statuses beyond HTTP", tuple(raw_response(_GOOD, status) for status in (99, 600, 999))),
    BadAnswer(
        "U15",
        "a 403 of somebody else",
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
    BadAnswer(
        "U16",
        "a 401 without Kratos' error",
        (raw_response(b"", 401), raw_response(b"no", 401, content_type=None)),
        (401,),
    ),
    BadAnswer("U18", "Kratos fails", tuple(raw_response(error_body(n), n) for n in (500, 501, 502, 503, 504, 599))),
    BadAnswer(
        "U20",
        "more than is read",
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n{",
            raw_response(session(padding="a" * 262_144)),
            b"HTTP/1.1 200 OK\r\n" + b"X-Padding: " + b"a" * 1_000_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Padding: a\r\n" * 100_000 + b"\r\n",
        ),
    ),
    BadAnswer(
        "U20",
        "lengths that are none, or two",
        tuple(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + odd + b"\r\n\r\n{}"
            for odd in (b"-1", b"1e9", b"2\r\nContent-Length: 3", b"0x2", b"2, 3", b"9" * 5_000, b"")
        ),
    ),
    BadAnswer(
        "U21",
        "no HTTP",
        (
            b"\r\n\r\n",
            b"SSH-2.0-OpenSSH_9\r\n\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"\x00" * 4_096,
        ),
    ),
    BadAnswer(
        "U22",
        "numbers that JSON can't carry",
        tuple(
            raw_response(json.dumps(_NUMBERED).replace('"here"', odd).encode())
            for odd in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5_000, "1" + "0" * 400)
        ),
    ),
    BadAnswer("U24", "a lone surrogate", _identities({"traits": {"name": "\ud800"}}), (200, 503)),
    BadAnswer("U25", "over long ago", _sessions({"expires_at": "2020-01-01T00:00:00Z"}), (401,)),
    BadAnswer(
        "U26",
        "no end",
        _sessions(
            *_odd(
                "expires_at", "0001-01-01T00:00:00Z", "", None, ..., 12345, "12345", "tomorrow", [], {}, True, 1e400
            ),
            {"expires_at": "2999-13-01T00:00:00Z"},
            {"expires_at": "2999-02-30T00:00:00Z"},
            {"expires_at": f"{_LATER}+25:00"},
            {"expires_at": f"{_LATER}Z\n"},
            {"expires_at": "\u0662999-01-01T00:00:00Z"},
        ),
        (401, 503),
    ),
    BadAnswer(
        "U27",
        "the far end of the calendar",
        _sessions(*_odd("expires_at", "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999999Z")),
        (200,),
    ),
    BadAnswer("U28", "nine digits of a second", _sessions({"expires_at": f"{_LATER}.123456789Z"}), (200,)),
    BadAnswer(
        "U28",
        "unusual ways to write a time",
        _sessions(
            *_odd(
                "expires_at",
                "2999-06-30t12:00:00z",
                "2999-06-30T23:59:60Z",
                f"{_LATER}+14:00",
                f"{_LATER}.{'1' * 400}Z",
            )
        ),
        (200, 503),
    ),
    BadAnswer("U29", "an end without a zone", _sessions({"expires_at": _LATER})),
    BadAnswer("U30", "nobody", _sessions(*_odd("identity", None, ..., {}, [], "alice", 1))),
    BadAnswer("U30", "somebody without a name", _identities(*_odd("id", None, "", 1, [], True))),
    BadAnswer("U30", "a session without a name", _sessions(*_odd("id", None, ..., "", 1, []))),
    BadAnswer("U30", "an inactive identity", _identities({"state": "inactive"}), (401,)),
    BadAnswer(
        "U37",
        "an early hint before the answer",
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + raw_response(_GOOD),),
        (200,),
    ),
    BadAnswer(
        "U31",
        "levels that are no second factor",
        _sessions(
            *_odd(
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
    BadAnswer(
        "U32",
        "a sign-in at no time, long ago, or in the future",
        _sessions(
            *_odd("authenticated_at", None, ..., "2020-01-01T00:00:00Z", f"{_LATER}Z", "0001-01-01T00:00:00Z")
        ),
        (403,),
        "/fresh",
    ),
)


def _cases() -> Iterator[Any]:
    numbers: Counter[str] = Counter()
    for case in CASES:
        for reply in case.replies:
            numbers[case.id] += 1
            yield pytest.param(case, reply, id=f"{case.id}-{numbers[case.id]}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("case", "reply"), [*_cases()])
async def test_bad_answer_lets_nobody_in(
    *, case: BadAnswer, reply: bytes, kind: str, guard: OryGuard, kratos: RawKratos, tried: Counter[str]
) -> None:
    """Nobody is let in, nothing that fails is kept, and a failure of Kratos never looks like a logout."""
    tried["bad answers"] += 1
    kratos.handler = respond(reply, then_close=True)
    app = application(kind, guard)
    request = Request(_TOKEN.headers, path=case.path)
    async with Vigil():
        got = await call(app, request)

    assert got.status in case.statuses, case.about
    if got.status == 503:
        assert got.one(b"retry-after") == "1"
        asked = len(kratos.requests)
        kratos.handler = None
        assert (await call(app, _TOKEN)).identity == ALICE
        assert len(kratos.requests) == asked + 1
