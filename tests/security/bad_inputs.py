"""Unusual requests as data: the requests, the allowed statuses, and the allowed calls to Kratos."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from .bench import ALICE, COOKIE, Pair, Scope, request, socket

__all__ = ["CASES", "ROUTED", "Case", "requests"]

_A_TOKEN: Final = (b"x-session-token", b"tok-A")


@dataclass(frozen=True)
class Case:
    """Variants of an unusual request.

    Attributes:
        name: The property that they share.
        requests: The requests.
        status: The expected status.
        calls: The maximum number of calls to Kratos.
        sent: The credential header that Kratos must receive, if it is called.
        also: The status of each framework that its router sends before a dependency runs.
    """

    name: str
    requests: tuple[Scope, ...]
    status: int = 401
    calls: int = 0
    sent: Pair | None = None
    also: dict[str, int] = field(default_factory=dict)


def _refused(name: str, *requests: Scope, status: int = 401, calls: int = 0, **also: int) -> Case:
    return Case(name, requests, status, calls, also=also)


def _accepted(name: str, *requests: Scope, sent: Pair | None = None, calls: int = 1, status: int = 200) -> Case:
    return Case(name, requests, status, calls, sent)


def _bearer(*values: bytes) -> Scope:
    return request(*((b"authorization", value) for value in values))


def _token(*values: bytes) -> Scope:
    return request(*((b"x-session-token", value) for value in values))


def _cookie(*values: bytes) -> Scope:
    return request(*((b"cookie", value) for value in values))


def _path(path: str, raw_path: bytes = b"") -> Scope:
    return request(path=path, raw_path=raw_path or quote(path).encode())


_HEADERS: Final = (
    _refused("no credential", request()),
    _refused("bearer scheme without a token", _bearer(b"Bearer"), _bearer(b"Bearer    ")),
    _refused("two blanks before the token", _bearer(b"Bearer  tok-A")),
    _accepted("bearer scheme in any case", _bearer(b"bEaReR tok-A"), sent=(b"authorization", b"Bearer tok-A")),
    _refused("other scheme", _bearer(b"Basic dXNlcjpwdw=="), _bearer(b"tok-A")),
    _refused("two tokens", _bearer(b"Bearer tok-A tok-B"), _bearer(b"Bearer tok-A, Bearer tok-B")),
    _refused("two Authorization headers", _bearer(b"Basic dXNlcjpwdw==", b"Bearer tok-A")),
    _refused("two different token headers", _token(b"tok-B", b"tok-A")),
    _accepted("empty token header and a cookie", request((b"x-session-token", b""), COOKIE), sent=COOKIE),
    _accepted(
        "all three credentials",
        request((b"cookie", b"ory_kratos_session=ck-B"), _A_TOKEN, (b"authorization", b"Bearer tok-B")),
        sent=_A_TOKEN,
    ),
    _refused("invalid credential before a valid one", request((b"x-session-token", b"tok A"), COOKIE)),
    _refused("line break in a token", _token(b"tok-A\r\nX-Evil: 1"), _bearer(b"Bearer tok-A\r\nCookie: a")),
    _refused("other invalid character in a token", _token(b"tok-A\xa0"), _bearer(b"Bearer tok-A\x00x")),
    _refused("oversized token", _bearer(b"Bearer " + b"a" * 8_193), _token(b"a" * 1_000_000)),
    _accepted("blanks around the value", _bearer(b"Bearer tok-A \t"), _bearer(b" Bearer tok-A")),
    _refused("underscore in the header name", request((b"x_session_token", b"tok-A"))),
    _refused("blank in the header name", request((b"x-session-token ", b"tok-A"))),
    _refused(
        "credential in the URL",
        request(query_string=b"access_token=tok-A&session_token=tok-A&ory_kratos_session=ck-A"),
    ),
    _refused("header that disabled other guards", request((b"x-middleware-subrequest", b"middleware:middleware"))),
    _refused(
        "identity headers of proxies",
        request((b"x-kratos-authenticated-identity-id", ALICE.encode())),
        request((b"remote-user", b"alice"), (b"x-forwarded-user", b"alice")),
    ),
    _refused("user agent of a health check", request((b"user-agent", b"kube-probe/1.30"))),
    _refused(
        "other path in a header",
        request((b"x-original-url", b"/health"), (b"x-rewrite-url", b"/health"), (b"x-forwarded-uri", b"/health")),
    ),
    _refused("unknown token", _token(b"tok-unknown"), _bearer(b"Bearer ory_st_unknown"), calls=1),
    _accepted(
        "hop-by-hop credential header",
        request((b"connection", b"x-session-token, cookie"), _A_TOKEN),
        sent=_A_TOKEN,
    ),
)

_COOKIES: Final = (
    _accepted("valid cookie", request(COOKIE), _cookie(b" \tory_kratos_session=ck-A\t "), sent=COOKIE),
    _refused(
        "two different session cookies",
        _cookie(b"ory_kratos_session=ck-A", b"ory_kratos_session=ck-B"),
        _cookie(b"ory_kratos_session=ck-B;ory_kratos_session=ck-A"),
        calls=2,
    ),
    _refused(
        "three different session cookies",
        _cookie(b"ory_kratos_session=ck-A", b"ory_kratos_session=ck-B; ory_kratos_session=ck-C"),
        _cookie(b'ory_kratos_session=ck-A; ory_kratos_session="; ory_kratos_session=,'),
    ),
    _accepted(
        "valid cookie and an unknown one",
        _cookie(b"ory_kratos_session=ck-A; ory_kratos_session=unknown"),
        _cookie(b"ory_kratos_session=unknown", b"ory_kratos_session=ck-A"),
        calls=2,
    ),
    _accepted(
        "valid cookie and a malformed one",
        _cookie(b'ory_kratos_session=ck-A; ory_kratos_session="ck-B'),
        _cookie(b"ory_kratos_session=" + b"a" * 8_193, b"ory_kratos_session=ck-A"),
        sent=COOKIE,
    ),
    _accepted(
        "the same session cookie twice", _cookie(b"ory_kratos_session=ck-A; ory_kratos_session=ck-A"), sent=COOKIE
    ),
    _refused("cookie name in upper case", _cookie(b"ORY_KRATOS_SESSION=ck-A")),
    _refused(
        "cookie without a name or a value", _cookie(b"=ory_kratos_session=ck-A"), _cookie(b"ory_kratos_session")
    ),
    _refused("empty cookie", _cookie(b"ory_kratos_session= \t; a=b"), _cookie(b'ory_kratos_session=""')),
    _accepted("quoted cookie", _cookie(b'ory_kratos_session="ck-A"'), sent=COOKIE),
    _refused(
        "unbalanced quotes, or an escaped cookie",
        _cookie(b'ory_kratos_session="x\\073 ory_kratos_session=ck-A"'),
        _cookie(b'ory_kratos_session=""ck-A""'),
        _cookie(b'a="b; ory_kratos_session=\\143k-A"'),
    ),
    _refused(
        "other names",
        _cookie(b"ory_kratos_session_x=ck-A; xory_kratos_session=ck-A; __Host-ory_kratos_session=ck-A"),
        _cookie(b"ory_kratos_session =ck-A"),
        _cookie(b"ory_session_other=ck-A"),
    ),
    _refused("cookies separated by a comma", _cookie(b"a=b, ory_kratos_session=ck-A")),
    _accepted(
        "other cookies of the application",
        _cookie(b"app=app-secret; ory_kratos_session=ck-A; csrftoken=app-secret"),
        sent=COOKIE,
    ),
    _refused("forbidden characters in a cookie", *(_cookie(COOKIE[1] + odd) for odd in (b"\x01", b"\\", b"\xff"))),
)

ROUTED: Final = (
    _refused("cookie that is slow to unquote", _cookie(b'a="' + b"\\" * 16_000 + b'"')),
    _refused("other method in a header", request((b"x-http-method-override", b"OPTIONS"), method="POST")),
    _refused(
        "preflight request",
        request((b"access-control-request-method", b"GET"), method="OPTIONS"),
        fastapi=405,
        starlette=405,
    ),
    _refused("HEAD request", request(method="HEAD"), fastapi=405),
    _refused(
        "path in the Host header", request((b"host", b"example.com/health?x=")), request((b"host", b"/health"))
    ),
    _refused("exempt path and one character", *(_path("/health" + end) for end in "\0 .\r/;?")),
    # Starlette's router matches with a `$`, which allows a line break, so the public endpoint responds.
    _refused("exempt path and a line break", _path("/health\n"), fastapi=200, starlette=200),
    _refused(
        "dot segments",
        _path("/health/../p", b"/health/../p"),
        _path("/p/../health", b"/p/../health"),
        _path("/./health"),
        _path("/health/../p", b"/health%2f..%2fp"),
        _path("/health/../p", b"/health/%2e%2e/p"),
    ),
    _refused("repeated slashes", *map(_path, ("//p", "///health/../p", "//health"))),
    _refused("similar to an exempt path", *map(_path, ("/healthz", "/health/p", "/Health", "/HEALTH"))),
    _refused("relative path", _path("health"), fastapi=404, starlette=404),
    _refused(
        "exempt path in query or fragment",
        request(query_string=b"x=/health"),
        _path("/p?/health", b"/p%3F/health"),
        _path("/p#/health", b"/p%23/health"),
    ),
    _refused("path parameters", _path("/p;/health"), _path("/;/health")),
    _refused(
        "exempt path below a root_path",
        request(path="/proxy/health", root_path="/proxy"),
        # The routers remove the prefix, so the public endpoint responds, without an identity.
        fastapi=200,
        starlette=200,
    ),
    _refused("websocket without a credential header", socket(), socket(query_string=b"token=tok-A")),
    _refused(
        "websocket with a cookie and a foreign Origin",
        socket(COOKIE),
        *(
            socket(COOKIE, *((b"origin", origin) for origin in origins))
            for origins in (
                [b"https://evil.com"],
                [b"null"],
                [b"http://app.example.com"],
                [b"https://app.example.com.evil.com"],
                [b"https://app.example.com/"],
                [b""],
                [b"https://app.example.com", b"https://evil.com"],
            )
        ),
        status=403,
    ),
    _refused("websocket with a token as subprotocol", socket((b"sec-websocket-protocol", b"bearer, tok-A"))),
    _accepted(
        "websocket with a token header or a trusted Origin",
        socket(_A_TOKEN),
        socket(COOKIE, (b"origin", b"https://app.example.com")),
        status=101,
    ),
)
"""Requests whose response can depend on the router of a framework."""

CASES: Final = (*_HEADERS, *_COOKIES, *ROUTED)


def requests() -> Iterator[tuple[str, Case, Scope]]:
    """Yield a name, the case and a new scope of each variant."""
    for case in CASES:
        for number, scope in enumerate(case.requests, 1):
            yield f"{case.name}-{number}", case, {**scope}
