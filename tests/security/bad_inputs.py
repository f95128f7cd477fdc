"""Unusual requests as data: the requests, the allowed statuses, and the allowed calls to Kratos."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .harness import Request, socket
from .users import ALICE

__all__ = ["CASES", "Case", "requests"]

TOKEN: Final = b"x-session-token"
BEARER: Final = b"authorization"
COOKIE: Final = b"cookie"


@dataclass(frozen=True)
class Case:
    """Variants of an unusual request.

    Attributes:
        name: The property that they share.
        requests: The requests.
        statuses: The allowed statuses.
        calls: The maximum number of calls to Kratos.
        sent: The credential headers that Kratos must receive, if it is called.
        also: The statuses of each framework that its router sends before a dependency runs.
    """

    name: str
    requests: tuple[Request, ...]
    statuses: frozenset[int] = frozenset({401})
    calls: int = 0
    sent: tuple[tuple[bytes, bytes], ...] | None = None
    also: dict[str, frozenset[int]] = field(default_factory=dict)


def _case(
    name: str,
    *requests: Request,
    status: int | tuple[int, ...] = 401,
    calls: int = 0,
    sent: tuple[bytes, bytes] | None = None,
    fastapi: int | None = None,
    starlette: int | None = None,
) -> Case:
    statuses = frozenset((status,) if isinstance(status, int) else status)
    also = {
        kind: frozenset({number})
        for kind, number in (("fastapi", fastapi), ("starlette", starlette))
        if number is not None
    }
    return Case(name, requests, statuses, calls, None if sent is None else (sent,), also)


def _bearer(*values: bytes) -> Request:
    return Request(tuple((BEARER, value) for value in values))


def _token(*values: bytes) -> Request:
    return Request(tuple((TOKEN, value) for value in values))


def _cookie(*values: bytes) -> Request:
    return Request(tuple((COOKIE, value) for value in values))


def _with(name: bytes, value: bytes, method: str = "GET") -> Request:
    return Request(((name, value),), method=method)


_HEADERS = (
    _case("no credential", Request()),
    _case("bearer scheme without a token", _bearer(b"Bearer")),
    _case("bearer scheme and blanks", _bearer(b"Bearer    "), _bearer(b"Bearer\t")),
    _case("two blanks before the token", _bearer(b"Bearer  tok-A")),
    _case(
        "bearer scheme in any case",
        *(_bearer(scheme + b" tok-A") for scheme in (b"bEaReR", b"BEARER", b"bearer")),
        status=200,
        calls=1,
        sent=(BEARER, b"Bearer tok-A"),
    ),
    _case("other scheme", _bearer(b"Basic dXNlcjpwdw=="), _bearer(b"Bearer-tok-A"), _bearer(b"tok-A")),
    _case("two tokens after one scheme", _bearer(b"Bearer tok-A tok-B"), _bearer(b"Bearer tok-A\ttok-B")),
    _case("two bearer headers joined by a comma", _bearer(b"Bearer tok-A, Bearer tok-B")),
    _case(
        "two different Authorization headers",
        _bearer(b"Bearer tok-A", b"Bearer tok-B"),
        _bearer(b"Basic dXNlcjpwdw==", b"Bearer tok-A"),
    ),
    _case("two different token headers", _token(b"tok-A", b"tok-B"), _token(b"tok-B", b"tok-A")),
    _case(
        "empty token header and a cookie",
        Request(((TOKEN, b""), (COOKIE, b"ory_kratos_session=ck-A"))),
        status=200,
        calls=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case(
        "all three credentials",
        Request(((COOKIE, b"ory_kratos_session=ck-B"), (TOKEN, b"tok-A"), (BEARER, b"Bearer tok-B"))),
        status=200,
        calls=1,
        sent=(TOKEN, b"tok-A"),
    ),
    _case(
        "invalid credential before a valid one",
        Request(((TOKEN, b"tok A"), (COOKIE, b"ory_kratos_session=ck-A"))),
        Request(((COOKIE, b"ory_kratos_session=\x01"), (BEARER, b"Bearer tok-A"))),
    ),
    _case("line break in a token", _token(b"tok-A\r\nX-Evil: 1"), _bearer(b"Bearer tok-A\r\nCookie: a")),
    _case("non-ASCII token", _token(b"t\xf6k"), _bearer(b"Bearer \xff\xfe"), _token(b"tok-A\xa0")),
    _case(
        "control character in a token",
        *(_token(b"tok-A" + bytes([octet]) + b"x") for octet in (0x00, 0x01, 0x09, 0x20, 0x7F)),
        *(_bearer(b"Bearer tok-A" + bytes([octet]) + b"x") for octet in (0x00, 0x01, 0x09, 0x7F)),
    ),
    _case("oversized token", _bearer(b"Bearer " + b"a" * 8_193), _token(b"a" * 1_000_000)),
    _case("blanks around the value", _bearer(b"Bearer tok-A \t"), _bearer(b" Bearer tok-A"), status=200, calls=1),
    _case(
        "underscore in the header name",
        _with(b"x_session_token", b"tok-A"),
        _with(b"x-session_token", b"tok-A"),
    ),
    _case(
        "dot or blank in the header name", _with(b"x.session.token", b"tok-A"), _with(b"x-session-token ", b"tok-A")
    ),
    _case(
        "credential in the URL",
        Request(query=b"access_token=tok-A&session_token=tok-A&ory_kratos_session=ck-A"),
    ),
    _case(
        "headers that disabled other guards",
        _with(b"x-middleware-subrequest", b"middleware:middleware:middleware:middleware:middleware"),
        _with(b"x-internal", b"1"),
        _with(b"sec-purpose", b"prefetch"),
    ),
    _case(
        "identity headers of proxies",
        _with(b"x-kratos-authenticated-identity-id", ALICE.encode()),
        _with(b"x-user", b"alice"),
        _with(b"remote-user", b"alice"),
        _with(b"x-forwarded-user", b"alice"),
    ),
    _case(
        "user agent of a health check",
        _with(b"user-agent", b"GoogleHC/1.0"),
        _with(b"user-agent", b"kube-probe/1.30"),
    ),
    _case(
        "other path in a header",
        *(_with(name, b"/health") for name in (b"x-forwarded-uri", b"x-original-url", b"x-rewrite-url")),
        _with(b"x-forwarded-prefix", b"/health"),
        _with(b"referer", b"https://app.example.com/health"),
    ),
    _case(
        "other method in a header, and a preflight request",
        _with(b"x-http-method-override", b"OPTIONS", method="POST"),
        Request(((b"access-control-request-method", b"GET"),), method="OPTIONS"),
        fastapi=405,
        starlette=405,
    ),
    _case("unknown token", _token(b"tok-unknown"), _bearer(b"Bearer ory_st_unknown"), calls=1),
    _case("HEAD request", Request(method="HEAD"), fastapi=405),
    _case(
        "hop-by-hop credential header",
        Request(((b"connection", b"x-session-token, cookie"), (TOKEN, b"tok-A"))),
        status=200,
        calls=1,
        sent=(TOKEN, b"tok-A"),
    ),
)

_COOKIES = (
    _case(
        "valid cookie",
        _cookie(b"ory_kratos_session=ck-A"),
        _cookie(b" \tory_kratos_session=ck-A\t "),
        status=200,
        calls=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case(
        "two different session cookies",
        _cookie(b"ory_kratos_session=ck-A", b"ory_kratos_session=ck-B"),
        _cookie(b"ory_kratos_session=ck-A; ory_kratos_session=ck-B"),
        _cookie(b"ory_kratos_session=ck-B;ory_kratos_session=ck-A"),
        calls=2,
    ),
    _case(
        "three different session cookies",
        _cookie(b"ory_kratos_session=ck-A", b"ory_kratos_session=ck-B; ory_kratos_session=ck-C"),
        _cookie(b'ory_kratos_session=ck-A; ory_kratos_session="; ory_kratos_session=,'),
    ),
    _case(
        "valid cookie and an unknown one",
        _cookie(b"ory_kratos_session=ck-A; ory_kratos_session=unknown"),
        _cookie(b"ory_kratos_session=unknown", b"ory_kratos_session=ck-A"),
        status=200,
        calls=2,
    ),
    _case(
        "valid cookie and a malformed one",
        _cookie(b'ory_kratos_session=ck-A; ory_kratos_session="ck-B'),
        _cookie(b"ory_kratos_session=" + b"a" * 8_193, b"ory_kratos_session=ck-A"),
        status=200,
        calls=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case(
        "the same session cookie twice",
        _cookie(b"ory_kratos_session=ck-A; ory_kratos_session=ck-A"),
        _cookie(b"ory_kratos_session=ck-A", b"ory_kratos_session=ck-A"),
        status=200,
        calls=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case("cookie name in upper case", _cookie(b"ORY_KRATOS_SESSION=ck-A")),
    _case("cookie without a name", _cookie(b"=ory_kratos_session=ck-A"), _cookie(b"ck-A")),
    _case("cookie name without a value", _cookie(b"ory_kratos_session"), _cookie(b"a=b; ory_kratos_session ; c")),
    _case("empty cookie", _cookie(b"ory_kratos_session="), _cookie(b"ory_kratos_session= \t; a=b")),
    _case("cookie of another project", _cookie(b"ory_session_other=ck-A")),
    _case(
        "quoted cookie",
        _cookie(b'ory_kratos_session="ck-A"'),
        _cookie(b'ory_kratos_session="ck-A"; ory_kratos_session=ck-A'),
        status=200,
        calls=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case("empty quoted cookie", _cookie(b'ory_kratos_session=""')),
    _case(
        "unbalanced quotes, or an escaped cookie",
        _cookie(b'ory_kratos_session="x\\073 ory_kratos_session=ck-A"'),
        _cookie(b'ory_kratos_session="ck-A'),
        _cookie(b'ory_kratos_session=ck-A"'),
        _cookie(b'ory_kratos_session=""ck-A""'),
        _cookie(b'ory_kratos_session=" ck-A"'),
        _cookie(b'a="b; ory_kratos_session=\\143k-A"'),
        _cookie(b"ory_kratos_session=ck\\055A"),
    ),
    _case("cookie that is slow to unquote", _cookie(b'a="' + b"\\" * 16_000 + b'"')),
    _case(
        "cookie names that contain the name",
        _cookie(b"ory_kratos_session_x=ck-A; xory_kratos_session=ck-A; __Host-ory_kratos_session=ck-A"),
        _cookie(b"ory_kratos_session =ck-A"),
    ),
    _case("cookies separated by a comma", _cookie(b"a=b, ory_kratos_session=ck-A")),
    _case(
        "other cookies of the application",
        _cookie(b"app=app-secret; ory_kratos_session=ck-A; csrftoken=app-secret"),
        status=200,
        calls=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case(
        "forbidden characters in a cookie",
        *(_cookie(b"ory_kratos_session=ck" + odd + b"A") for odd in (b"\x01", b'"', b",", b"\\", b" ", b"\xff")),
        _cookie(b"ory_kratos_session=" + b"a" * 8_193),
    ),
)

_PATHS = (
    _case("path in the Host header", _with(b"host", b"example.com/health?x="), _with(b"host", b"/health")),
    _case("exempt path and one character", *(Request(path="/health" + end) for end in "\0 \t.\r")),
    # Starlette's router matches with a `$`, which allows a line break, so the public endpoint responds.
    _case("exempt path and a line break", Request(path="/health\n"), fastapi=200, starlette=200),
    _case(
        "dot segments",
        Request(path="/health/../p", raw_path=b"/health/../p"),
        Request(path="/p/../health", raw_path=b"/p/../health"),
        Request(path="/./health"),
    ),
    _case(
        "encoded dot segments and slashes",
        Request(path="/health/../p", raw_path=b"/health%2f..%2fp"),
        Request(path="/health/../p", raw_path=b"/health/%2e%2e/p"),
    ),
    _case("repeated slashes", *(Request(path=path) for path in ("//p", "///health/../p", "//health", "/./p"))),
    _case(
        "similar to an exempt path",
        *(Request(path=path) for path in ("/healthz", "/health/", "/health/p", "/healthp", "/Health", "/HEALTH")),
        Request(path="health"),
        status=(401, 404),
    ),
    _case(
        "exempt path in query or fragment",
        Request(query=b"x=/health"),
        Request(path="/p?/health", raw_path=b"/p%3F/health"),
        Request(path="/p#/health", raw_path=b"/p%23/health"),
        Request(path="/health?", raw_path=b"/health%3F"),
    ),
    _case("path parameters", Request(path="/p;/health"), Request(path="/health;x"), Request(path="/;/health")),
    _case(
        "exempt path below a root_path",
        Request(path="/proxy/health", root_path="/proxy"),
        # The routers remove the prefix, so the public endpoint responds, without an identity.
        fastapi=200,
        starlette=200,
    ),
)

_A_COOKIE: Final = (COOKIE, b"ory_kratos_session=ck-A")

_SOCKETS = (
    _case("websocket without a credential header", socket(), socket(query=b"token=tok-A")),
    _case(
        "websocket with a cookie and a foreign Origin",
        *(
            socket(_A_COOKIE, (b"origin", origin))
            for origin in (
                b"https://evil.com",
                b"null",
                b"http://app.example.com",
                b"https://app.example.com.evil.com",
                b"https://app.example.com/",
                b"",
            )
        ),
        socket(_A_COOKIE, (b"origin", b"https://app.example.com"), (b"origin", b"https://evil.com")),
        status=403,
    ),
    _case("websocket with a cookie and no Origin", socket(_A_COOKIE), status=403),
    _case(
        "websocket with a token as subprotocol",
        socket((b"sec-websocket-protocol", b"bearer, tok-A")),
    ),
    _case(
        "websocket with a token header",
        socket((TOKEN, b"tok-A")),
        socket((BEARER, b"Bearer tok-A")),
        status=101,
        calls=1,
    ),
    _case(
        "websocket with a cookie and a trusted Origin",
        socket(_A_COOKIE, (b"origin", b"https://app.example.com")),
        status=101,
        calls=1,
    ),
)

CASES: Final = (*_HEADERS, *_COOKIES, *_PATHS, *_SOCKETS)


def requests() -> Iterator[tuple[str, Case, Request]]:
    """Yield a name, the case and the request of each variant."""
    for case in CASES:
        for number, request in enumerate(case.requests, 1):
            yield f"{case.name}-{number}", case, request
