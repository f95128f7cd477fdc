"""The responses of `ForwardAuth`: status, cookies, redirects, and the requests of several origins."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgi_lifespan import LifespanManager
from sub_requests import NAVIGATION, SIGNED_IN, UNIX, ForwardBench, Pair, forwarded
from support.asgi_calls import SentResponse, call
from support.scripted_kratos import IDENTITY_ID, refused, signed_in

from ory_guard import OrySessionMiddleware

pytestmark = pytest.mark.anyio

RENEWED = "ory_kratos_session=new; Path=/; HttpOnly; SameSite=Lax"
LOOP = b"ory_guard_redirects"
COUNTER = (b"cookie", SIGNED_IN[1] + b"; " + LOOP + b"=1.1.0a0b0c0d")


def renewing(status: int = 200) -> Any:
    """Return a response of Kratos that renews the cookie."""
    response = signed_in() if status == 200 else refused(status)
    return response.with_header("set-cookie", RENEWED)


def return_to(response: SentResponse) -> str:
    """Return the page that the browser returns to after the login."""
    return parse_qs(urlsplit((response.header(b"location") or b"").decode())[3])["return_to"][0]


async def test_session_is_answered_with_identity_headers() -> None:
    """The second sub-request is answered from the cache."""
    bench = ForwardBench()

    for _ in range(2):
        response = await bench.ask(None, SIGNED_IN)
        assert (response.status, response.body) == (200, b"")
        assert response.header(b"x-user-id") == IDENTITY_ID.encode()
        assert response.header(b"cache-control") == b"private, no-store"
    assert bench.calls == 1


async def test_public_path_has_identity_headers_only_with_a_session() -> None:
    """While Kratos is unavailable, a public path stays public."""
    bench = ForwardBench()
    failing = ForwardBench(refused(500))

    assert (await bench.ask(forwarded("/public/a"), SIGNED_IN)).header(b"x-user-id") == IDENTITY_ID.encode()
    for response in (await bench.ask(forwarded("/public/a")), await failing.ask(forwarded("/public/a"), SIGNED_IN)):
        assert (response.status, response.header(b"x-user-id")) == (200, None)
        assert response.header(b"cache-control") == b"private, no-store"


@pytest.mark.parametrize("for_nginx", [False, True])
@pytest.mark.parametrize(
    ("headers", "kratos", "status", "location"),
    [
        pytest.param([], 200, 401, False, id="API, anonymous"),
        pytest.param([NAVIGATION], 200, 303, True, id="navigation, anonymous"),
        pytest.param([SIGNED_IN], 401, 401, False, id="API, rejected"),
        pytest.param([SIGNED_IN, NAVIGATION], 401, 303, True, id="navigation, rejected"),
        pytest.param([SIGNED_IN], 500, 503, False, id="API, outage"),
        pytest.param([SIGNED_IN, NAVIGATION], 500, 503, False, id="navigation, outage"),
        pytest.param([SIGNED_IN, NAVIGATION], 429, 503, False, id="navigation, rate limit"),
    ],
)
async def test_statuses(headers: list[Pair], kratos: int, status: int, *, location: bool, for_nginx: bool) -> None:
    """For nginx, a redirect is a 401 with a location; an outage is a 503 for every proxy."""
    bench = ForwardBench(refused(kratos) if kratos != 200 else signed_in(), app={"for_nginx": for_nginx})

    response = await bench.ask(None, *headers)

    assert response.status == (401 if for_nginx and status == 303 else status)
    assert (response.header(b"location") is not None) is location
    assert response.header(b"cache-control") == b"no-store"
    assert (response.header(b"retry-after") is not None) is (status == 503)


async def test_head_has_the_response_of_get() -> None:
    """The length of the body is right for a sub-request with GET."""
    get, head = [await ForwardBench().ask(forwarded(method=method)) for method in ("GET", "HEAD")]

    assert (head.status, head.body) == (401, get.body)
    assert head.header(b"content-length") == str(len(head.body)).encode()


async def test_cookies_of_kratos_and_of_the_redirect_counter_are_returned() -> None:
    """A 200 contains each cookie a second time, for proxies that read only one value of a header."""
    response = await ForwardBench(renewing()).ask(None, COUNTER)

    cookies = response.all(b"set-cookie")
    assert cookies[0] == RENEWED.encode()
    assert cookies[1].startswith(LOOP + b"=; Path=/; Max-Age=0")
    assert [response.header(b"x-set-cookie-%d" % number) for number in (1, 2, 3)] == [*cookies, None]


@pytest.mark.parametrize("for_nginx", [False, True])
async def test_redirects_are_counted(*, for_nginx: bool) -> None:
    """The third redirect within a minute is the page about a loop; copies of cookies are for nginx only."""
    bench = ForwardBench(app={"for_nginx": for_nginx})
    cookies: list[Pair] = []
    statuses = []
    for _ in range(3):
        response = await bench.ask(forwarded("/page"), NAVIGATION, *cookies)
        statuses.append((response.status, response.header(b"location") is not None))
        if counter := response.header(b"set-cookie"):
            assert response.header(b"x-set-cookie-1") == (counter if for_nginx else None)
            cookies = [(b"cookie", counter.partition(b";")[0])]

    status = 401 if for_nginx else 303
    assert statuses == [(status, True), (status, True), (401, False)]


@pytest.mark.parametrize(
    ("app_url", "host", "uri", "expected"),
    [
        ("https://app.example.com", "app.example.com", "/a?b=c", "https://app.example.com/a?b=c"),
        ("https://app.example.com", "APP.EXAMPLE.COM:443", "/a", "https://app.example.com/a"),
        ("https://app.example.com", "wiki.example.com", "/a%20b", "https://wiki.example.com/a%20b"),
        ("https://app.example.com", "wiki.example.com", "//evil.test", "https://wiki.example.com"),
        ("https://app.example.com", "files.example.com:8443", "/a", "https://files.example.com:8443/a"),
        ("https://app.example.com/shop", "app.example.com", "/shop/a", "https://app.example.com/shop/a"),
        ("https://app.example.com/shop", "app.example.com", "/shop", "https://app.example.com/shop/"),
        ("https://app.example.com/shop", "app.example.com", "/shopping", "https://app.example.com/shopping"),
        ("https://app.example.com/shop", "wiki.example.com", "/shop/a", "https://wiki.example.com/shop/a"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "/a", "http://127.0.0.1:8000/a"),
        ("http://[::1]:8000", "[::1]:8000", "/a", "http://[::1]:8000/a"),
    ],
)
async def test_user_returns_to_the_configured_origin_of_the_host(
    app_url: str, host: str, uri: str, expected: str
) -> None:
    origins = ("https://wiki.example.com", "https://files.example.com:8443")
    bench = ForwardBench(app_url=app_url, trusted_origins=origins)

    assert return_to(await bench.ask(forwarded(uri, host=host), NAVIGATION)) == expected


async def test_origins_share_the_cache() -> None:
    bench = ForwardBench(trusted_origins=("https://wiki.example.com",))

    await bench.ask(forwarded(), SIGNED_IN)
    await bench.ask(forwarded(host="wiki.example.com"), SIGNED_IN)

    assert bench.calls == 1


async def test_conditions_apply_to_all_other_paths() -> None:
    bench = ForwardBench(app={"aal": "aal2"})

    assert (await bench.ask(forwarded("/unlisted"), SIGNED_IN)).status == 403
    assert (await bench.ask(forwarded("/public/private/a"), SIGNED_IN)).status == 200


async def test_outer_middleware_does_not_replace_the_check() -> None:
    """An outer middleware of the same guard has judged the sub-request, not the client's request."""
    bench = ForwardBench()
    app = OrySessionMiddleware(bench.app, guard=bench.guard)
    cross_site = (b"sec-fetch-site", b"cross-site")

    response = await call(app, headers=[*forwarded(method="POST"), SIGNED_IN, cross_site], server=UNIX)

    assert response.status == 403


async def test_each_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Clients can't fill the log, and it contains no value of theirs."""
    bench = ForwardBench()

    for host in ("evil.test", "evil.test", "other.test"):
        await bench.ask(forwarded(host=host))

    assert [record.getMessage() for record in caplog.records] == [
        "forward_auth.rejected reason='the forwarded host is not the host of app_url or of one of trusted_origins'"
    ]


async def test_guard_is_closed_on_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = ForwardBench()
    closed = asyncio.Event()

    async def close() -> None:
        closed.set()

    monkeypatch.setattr(bench.guard, "aclose", close)
    async with LifespanManager(bench.app):
        assert not closed.is_set()
    assert closed.is_set()


async def test_unknown_scope_type_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not support ASGI scopes"):
        await ForwardBench().app({"type": "mqtt"}, None, None)  # type: ignore[arg-type] # not used
