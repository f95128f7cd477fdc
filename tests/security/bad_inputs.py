"""Bad requests as data: what is sent, what has to be answered, and how often Kratos may be asked.

Ids are stable. C: header credentials, K: cookies, P: paths, W: websockets.
"""

from collections import Counter
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
    """Some spellings of one bad input.

    Attributes:
        id: Its stable name.
        about: What is wrong with it, or why it is right after all.
        requests: The spellings.
        statuses: What may be answered.
        asked: How often Kratos may be asked, at most.
        sent: What Kratos must have seen, where it was asked.
        also: What a framework answers by itself, before any dependency of ours runs.
    """

    id: str
    about: str
    requests: tuple[Request, ...]
    statuses: frozenset[int] = frozenset({401})
    asked: int = 0
    sent: tuple[tuple[bytes, bytes], ...] | None = None
    also: dict[str, frozenset[int]] = field(default_factory=dict)


def _case(
    name: str,
    about: str,
    *requests: Request,
    status: int | tuple[int, ...] = 401,
    asked: int = 0,
    sent: tuple[bytes, bytes] | None = None,
    fastapi: int | None = None,
    starlette: int | None = None,
) -> Case:
    statuses = frozenset((status,) if isinstance(status, int) else status)
    by_itself = {
        kind: frozenset({number})
        for kind, number in (("fastapi", fastapi), ("starlette", starlette))
        if number is not None
    }
    return Case(name, about, requests, statuses, asked, None if sent is None else (sent,), by_itself)


def _bearer(*values: bytes) -> Request:
    return Request(tuple((BEARER, value) for value in values))


def _token(*values: bytes) -> Request:
    return Request(tuple((TOKEN, value) for value in values))


def _cookie(*values: bytes) -> Request:
    return Request(tuple((COOKIE, value) for value in values))


def _with(name: bytes, value: bytes, method: str = "GET") -> Request:
    return Request(((name, value),), method=method)


_HEADERS = (
    _case("C01", "nothing is sent", Request()),
    _case("C02", "a bearer scheme without a token", _bearer(b"Bearer")),
    _case("C03", "a bearer scheme and blanks", _bearer(b"Bearer    "), _bearer(b"Bearer\t")),
    _case("C04", "two blanks before the token: Kratos refuses it as well", _bearer(b"Bearer  tok-A")),
    _case(
        "C05",
        "the scheme is written in any case",
        *(_bearer(scheme + b" tok-A") for scheme in (b"bEaReR", b"BEARER", b"bearer")),
        status=200,
        asked=1,
        sent=(BEARER, b"Bearer tok-A"),
    ),
    _case("C06", "another scheme", _bearer(b"Basic dXNlcjpwdw=="), _bearer(b"Bearer-tok-A"), _bearer(b"tok-A")),
    _case("C07", "two tokens behind one scheme", _bearer(b"Bearer tok-A tok-B"), _bearer(b"Bearer tok-A\ttok-B")),
    _case("C08", "two headers joined by a comma", _bearer(b"Bearer tok-A, Bearer tok-B")),
    _case(
        "C09",
        "two Authorization headers that differ",
        _bearer(b"Bearer tok-A", b"Bearer tok-B"),
        _bearer(b"Basic dXNlcjpwdw==", b"Bearer tok-A"),
    ),
    _case("C10", "two token headers that differ", _token(b"tok-A", b"tok-B"), _token(b"tok-B", b"tok-A")),
    _case(
        "C11",
        "an empty token header counts as absent",
        Request(((TOKEN, b""), (COOKIE, b"ory_kratos_session=ck-A"))),
        status=200,
        asked=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case(
        "C12",
        "the token header comes before the cookie",
        Request(((COOKIE, b"ory_kratos_session=ck-B"), (TOKEN, b"tok-A"), (BEARER, b"Bearer tok-B"))),
        status=200,
        asked=1,
        sent=(TOKEN, b"tok-A"),
    ),
    _case(
        "C13",
        "a token that can't be sent still hides the later kinds",
        Request(((TOKEN, b"tok A"), (COOKIE, b"ory_kratos_session=ck-A"))),
        Request(((COOKIE, b"ory_kratos_session=\x01"), (BEARER, b"Bearer tok-A"))),
    ),
    _case("C15", "line breaks in a token", _token(b"tok-A\r\nX-Evil: 1"), _bearer(b"Bearer tok-A\r\nCookie: a")),
    _case("C16", "letters beyond ASCII", _token(b"t\xf6k"), _bearer(b"Bearer \xff\xfe"), _token(b"tok-A\xa0")),
    _case(
        "C17",
        "control characters",
        *(_token(b"tok-A" + bytes([octet]) + b"x") for octet in (0x00, 0x01, 0x09, 0x20, 0x7F)),
        *(_bearer(b"Bearer tok-A" + bytes([octet]) + b"x") for octet in (0x00, 0x01, 0x09, 0x7F)),
    ),
    _case("C18", "longer than the cap", _bearer(b"Bearer " + b"a" * 8_193), _token(b"a" * 1_000_000)),
    _case("C19", "blanks around", _bearer(b"Bearer tok-A \t"), _bearer(b" Bearer tok-A"), status=200, asked=1),
    _case(
        "C20",
        "an underscore is no hyphen",
        _with(b"x_session_token", b"tok-A"),
        _with(b"x-session_token", b"tok-A"),
    ),
    _case("C21", "a dot is none either", _with(b"x.session.token", b"tok-A"), _with(b"x-session-token ", b"tok-A")),
    _case(
        "C22",
        "credentials in the URL",
        Request(query=b"access_token=tok-A&session_token=tok-A&ory_kratos_session=ck-A"),
    ),
    _case(
        "C23",
        "headers that switched other guards off",
        _with(b"x-middleware-subrequest", b"middleware:middleware:middleware:middleware:middleware"),
        _with(b"x-internal", b"1"),
        _with(b"sec-purpose", b"prefetch"),
    ),
    _case(
        "C24",
        "headers in which other guards tell applications who it is",
        _with(b"x-kratos-authenticated-identity-id", ALICE.encode()),
        _with(b"x-user", b"alice"),
        _with(b"remote-user", b"alice"),
        _with(b"x-forwarded-user", b"alice"),
    ),
    _case(
        "C25",
        "a health check's name",
        _with(b"user-agent", b"GoogleHC/1.0"),
        _with(b"user-agent", b"kube-probe/1.30"),
    ),
    _case(
        "C26",
        "another path in a header",
        *(_with(name, b"/health") for name in (b"x-forwarded-uri", b"x-original-url", b"x-rewrite-url")),
        _with(b"x-forwarded-prefix", b"/health"),
        _with(b"referer", b"https://app.example.com/health"),
    ),
    _case(
        "C27",
        "another method in a header, and a preflight that reaches a route",
        _with(b"x-http-method-override", b"OPTIONS", method="POST"),
        Request(((b"access-control-request-method", b"GET"),), method="OPTIONS"),
        fastapi=405,
        starlette=405,
    ),
    _case("C28", "an unknown token", _token(b"tok-unknown"), _bearer(b"Bearer ory_st_unknown"), asked=1),
    _case("C29", "HEAD asks like GET", Request(method="HEAD"), fastapi=405),
    _case(
        "C30",
        "a header that says which headers end at a proxy",
        Request(((b"connection", b"x-session-token, cookie"), (TOKEN, b"tok-A"))),
        status=200,
        asked=1,
        sent=(TOKEN, b"tok-A"),
    ),
)

_COOKIES = (
    _case(
        "K01",
        "the cookie as it should be",
        _cookie(b"ory_kratos_session=ck-A"),
        _cookie(b" \tory_kratos_session=ck-A\t "),
        status=200,
        asked=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case(
        "K03",
        "two cookies of the name that differ",
        _cookie(b"ory_kratos_session=ck-A", b"ory_kratos_session=ck-B"),
        _cookie(b"ory_kratos_session=ck-A; ory_kratos_session=ck-B"),
        _cookie(b"ory_kratos_session=ck-B;ory_kratos_session=ck-A"),
    ),
    _case(
        "K04",
        "the same cookie twice is one credential",
        _cookie(b"ory_kratos_session=ck-A; ory_kratos_session=ck-A"),
        _cookie(b"ory_kratos_session=ck-A", b"ory_kratos_session=ck-A"),
        status=200,
        asked=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case("K05", "names are compared byte for byte", _cookie(b"ORY_KRATOS_SESSION=ck-A")),
    _case("K06", "a nameless cookie", _cookie(b"=ory_kratos_session=ck-A"), _cookie(b"ck-A")),
    _case("K07", "a name without a value", _cookie(b"ory_kratos_session"), _cookie(b"a=b; ory_kratos_session ; c")),
    _case("K08", "an empty value", _cookie(b"ory_kratos_session="), _cookie(b"ory_kratos_session= \t; a=b")),
    _case("K13", "the cookie of another project", _cookie(b"ory_session_other=ck-A")),
    _case(
        "K11",
        "nothing is unquoted or unescaped",
        _cookie(b'ory_kratos_session="x\\073 ory_kratos_session=ck-A"'),
        _cookie(b'ory_kratos_session="ck-A"'),
        _cookie(b'a="b; ory_kratos_session=\\143k-A"'),
        _cookie(b"ory_kratos_session=ck\\055A"),
    ),
    _case("K12", "a cookie that is slow to unquote", _cookie(b'a="' + b"\\" * 16_000 + b'"')),
    _case(
        "K14",
        "names that contain the name",
        _cookie(b"ory_kratos_session_x=ck-A; xory_kratos_session=ck-A; __Host-ory_kratos_session=ck-A"),
        _cookie(b"ory_kratos_session =ck-A"),
    ),
    _case("K15", "a comma separates no cookies", _cookie(b"a=b, ory_kratos_session=ck-A")),
    _case(
        "K17",
        "the application's other cookies stay here",
        _cookie(b"app=app-secret; ory_kratos_session=ck-A; csrftoken=app-secret"),
        status=200,
        asked=1,
        sent=(COOKIE, b"ory_kratos_session=ck-A"),
    ),
    _case(
        "K18",
        "values that no cookie may have",
        *(_cookie(b"ory_kratos_session=ck" + odd + b"A") for odd in (b"\x01", b'"', b",", b"\\", b" ", b"\xff")),
        _cookie(b"ory_kratos_session=" + b"a" * 8_193),
    ),
)

_PATHS = (
    _case("P01", "a path in Host", _with(b"host", b"example.com/health?x="), _with(b"host", b"/health")),
    _case("P03", "an exempt path and one character", *(Request(path="/health" + end) for end in "\0 \t.\r")),
    # Starlette's router matches with a `$`, which allows a line break: the public endpoint itself answers.
    _case("P03", "an exempt path and a line break", Request(path="/health\n"), fastapi=200, starlette=200),
    _case(
        "P04",
        "dot segments",
        Request(path="/health/../p", raw_path=b"/health/../p"),
        Request(path="/p/../health", raw_path=b"/p/../health"),
        Request(path="/./health"),
    ),
    _case(
        "P05",
        "dot segments and slashes that are encoded",
        Request(path="/health/../p", raw_path=b"/health%2f..%2fp"),
        Request(path="/health/../p", raw_path=b"/health/%2e%2e/p"),
    ),
    _case("P06", "more slashes", *(Request(path=path) for path in ("//p", "///health/../p", "//health", "/./p"))),
    _case(
        "P07",
        "paths near an exempt one",
        *(Request(path=path) for path in ("/healthz", "/health/", "/health/p", "/healthp", "/Health", "/HEALTH")),
        Request(path="health"),
        status=(401, 404),
    ),
    _case(
        "P08",
        "an exempt path in query or fragment",
        Request(query=b"x=/health"),
        Request(path="/p?/health", raw_path=b"/p%3F/health"),
        Request(path="/p#/health", raw_path=b"/p%23/health"),
        Request(path="/health?", raw_path=b"/health%3F"),
    ),
    _case(
        "P09", "path parameters", Request(path="/p;/health"), Request(path="/health;x"), Request(path="/;/health")
    ),
    _case(
        "P10",
        "an exempt path is the whole path, with what the application is mounted under",
        Request(path="/proxy/health", root_path="/proxy"),
        # Behind the prefix it is the public endpoint, which asks for nothing and sees nobody.
        fastapi=200,
        starlette=200,
    ),
)

_A_COOKIE: Final = (COOKIE, b"ory_kratos_session=ck-A")

_SOCKETS = (
    _case("W01", "no credential, or one in the wrong place", socket(), socket(query=b"token=tok-A")),
    _case(
        "W02",
        "a cookie from a foreign page",
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
    _case("W03", "a cookie without an Origin", socket(_A_COOKIE), status=403),
    _case(
        "W04",
        "a token as a subprotocol",
        socket((b"sec-websocket-protocol", b"bearer, tok-A")),
    ),
    _case(
        "W08",
        "what no page can send needs no Origin",
        socket((TOKEN, b"tok-A")),
        socket((BEARER, b"Bearer tok-A")),
        status=101,
        asked=1,
    ),
    _case(
        "W09",
        "a cookie from a page of ours",
        socket(_A_COOKIE, (b"origin", b"https://app.example.com")),
        status=101,
        asked=1,
    ),
)

CASES: Final = (*_HEADERS, *_COOKIES, *_PATHS, *_SOCKETS)


def requests() -> Iterator[tuple[str, Case, Request]]:
    """Yield every spelling of every case under its name."""
    numbers: Counter[str] = Counter()
    for case in CASES:
        for request in case.requests:
            numbers[case.id] += 1
            yield f"{case.id}-{numbers[case.id]}", case, request
