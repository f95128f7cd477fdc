"""The recipes of the documentation, as they are printed there, with the attacks against the whole chain."""

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from proxy_chain import HOST, PROXIES, Answer, Chain, running
from recipe_attacks import FORGED, IDENTITIES, PATHS, WEBSOCKETS

from ory_guard.testing import Fault, SignedIn

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

ORIGIN = f"https://{HOST}"
NAVIGATION = "Sec-Fetch-Mode: navigate"
LOOP = "ory_guard_redirects"


@pytest.fixture(scope="module", params=sorted(PROXIES))
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The running recipe of each proxy."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as servers:
        yield servers


@pytest.fixture
def ada(chain: Chain) -> SignedIn:
    """A user with a session at aal1."""
    chain.forwarded()
    return chain.fake.sign_in(chain.fake.add_identity())


def cookie(user: SignedIn, *more: str) -> str:
    """Return the line with the cookie of a user."""
    return "Cookie: " + "; ".join((f"{user.cookie_name}={user.cookie}", *more))


def is_refused(answer: Answer) -> bool:
    """Return whether the proxy has refused the request, and not because of a failure."""
    return 300 <= answer.status < 500


def users(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers that a service could read as identity headers."""
    return [(name, value) for name, value in headers if name.replace("_", "-").startswith("x-user")]


def test_session_reaches_the_service(chain: Chain, ada: SignedIn) -> None:
    """Also with a body, and with HEAD; the other paths are public."""
    identity = [("x-user-id", ada.session.identity.id), ("x-user-email", ada.session.identity.traits["email"])]

    assert chain.ask("/page?a=b", cookie(ada)).body == b"hello"
    assert chain.ask("/page", cookie(ada), method="HEAD").status == 200
    posted = chain.send(
        f"POST /page HTTP/1.1\r\nHost: {HOST}\r\n{cookie(ada)}\r\nContent-Length: 3\r\n\r\nabc".encode()
    )
    assert posted.status == 200
    lines, headers = zip(*chain.forwarded(), strict=True)
    assert lines == ("GET /page?a=b HTTP/1.1", "HEAD /page HTTP/1.1", "POST /page HTTP/1.1")
    assert [sorted(users(each)) for each in headers] == [sorted(identity)] * 3
    assert chain.ask("/static/a").status == 200
    assert [users(each) for _, each in chain.forwarded()] == [[]]


@pytest.mark.parametrize("path", PATHS)
def test_path_does_not_reach_the_service(chain: Chain, ada: SignedIn, path: bytes) -> None:
    """A request without a session gets no protected path, and a session at aal1 no path below /admin/."""
    anonymous = chain.ask(path)
    without_session = chain.forwarded()
    signed_in = chain.ask(path, cookie(ada))
    with_session = chain.forwarded()

    for line, _ in without_session:
        assert is_public(line)
    assert without_session or anonymous.body != b"hello"
    for line, _ in with_session:
        assert not is_admin(line)
    assert with_session or signed_in.body != b"hello"


def is_public(line: str) -> bool:
    """Return whether the target of a request line is a public path for every server."""
    path = line.split(" ")[1].partition("?")[0]
    return path in ("/", "/static/a")


def is_admin(line: str) -> bool:
    """Return whether a service could read the target of a request line as a path below /admin/."""
    path = line.split(" ")[1].partition("?")[0]
    for _ in range(2):
        path = unquote(path, "latin-1").replace("\\", "/")
    normalized = posixpath.normpath("/".join(part.partition(";")[0] for part in path.split("/")))
    return "/admin/" in path or normalized.strip("/").startswith("admin/")


@pytest.mark.parametrize("lines", FORGED)
@pytest.mark.parametrize("path", ["/page", "/admin/"])
def test_forged_description_does_not_reach_the_service(
    chain: Chain, ada: SignedIn, lines: list[str], path: str
) -> None:
    session = cookie(ada) if path == "/admin/" else "Accept: */*"

    assert is_refused(chain.ask(path, session, *lines))
    assert chain.forwarded() == []


@pytest.mark.parametrize("host", ["evil.test", f"{HOST}.", f"{HOST}:8443", f"evil.test#{HOST}", f"user@{HOST}"])
def test_other_host_does_not_reach_the_service(chain: Chain, ada: SignedIn, host: str) -> None:
    chain.ask("/static/a", cookie(ada), host=host)
    chain.ask("/static/a", cookie(ada), f"Host: {host}")

    received = chain.forwarded()
    # Both proxies select the site without the port and a trailing dot, and forward the host of the site.
    assert [dict(headers)["host"] for _, headers in received if dict(headers)["host"].strip(".") != HOST] == []


@pytest.mark.parametrize("lines", IDENTITIES)
def test_forged_identity_does_not_reach_the_service(chain: Chain, ada: SignedIn, lines: list[str]) -> None:
    """The service receives the identity of the session, or nothing."""
    identity = sorted(
        [("x-user-id", ada.session.identity.id), ("x-user-email", ada.session.identity.traits["email"])]
    )

    chain.ask("/static/a", *lines)
    assert [users(headers) for _, headers in chain.forwarded()] in ([], [[]])
    answer = chain.ask("/page", cookie(ada), *lines)
    received = [headers for _, headers in chain.forwarded()]
    assert [sorted(users(headers)) for headers in received] == ([identity] if answer.status == 200 else [])
    assert not any(
        name == "connection" and "user" in value.lower() for headers in received for name, value in headers
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PURGE", "post", "get"])
@pytest.mark.parametrize(
    "lines",
    [
        ["Origin: https://evil.test"],
        ["Sec-Fetch-Site: cross-site", NAVIGATION],
        ["Sec-Fetch-Site: same-site"],
        ["Origin: null"],
        [f"Origin: {ORIGIN}", "Origin: https://evil.test"],
        ["Origin: https://evil.test", "X-Forwarded-Method: GET", "X-Original-Method: GET"],
    ],
)
def test_cross_site_request_does_not_reach_the_service(
    chain: Chain, ada: SignedIn, method: str, lines: list[str]
) -> None:
    assert is_refused(chain.ask("/page", cookie(ada), "Content-Length: 0", *lines, method=method))
    assert chain.forwarded() == []


@pytest.mark.parametrize("lines", WEBSOCKETS)
def test_websocket_needs_a_trusted_origin(chain: Chain, ada: SignedIn, lines: list[str]) -> None:
    for origin in ([], ["Origin: https://evil.test"], ["Origin: null"]):
        assert chain.ask("/page", cookie(ada), *lines, *origin).status == 403
    assert chain.forwarded() == []
    assert chain.ask("/page", cookie(ada), *lines, f"Origin: {ORIGIN}").status in (101, 200)
    assert len(chain.forwarded()) == 1


def test_browser_is_redirected(chain: Chain, ada: SignedIn) -> None:
    """To log in, and to step up; the third time in a minute, the response is 401."""
    login = chain.ask("/page?a=b", NAVIGATION)
    step_up = chain.ask("/admin/", NAVIGATION, cookie(ada))
    counters: list[str] = []
    statuses = []
    for _ in range(3):
        answer = chain.ask("/page", NAVIGATION, *counters)
        statuses.append(answer.status)
        counters = [f"Cookie: {value.partition(';')[0]}" for value in answer.all("set-cookie")] or counters

    assert login.status == step_up.status == 303
    assert login.all("location") == [
        "https://auth.example.com/self-service/login/browser?return_to=https%3A%2F%2Fapp.example.com%2Fpage%3Fa%3Db"
    ]
    assert step_up.all("location")[0].startswith("https://auth.example.com/self-service/")
    assert login.all("cache-control") == ["no-store"]
    assert statuses == [303, 303, 401]
    assert chain.forwarded() == []


def test_long_url_and_headers(chain: Chain) -> None:
    """The login URL of a long address, and long headers, fit into the buffers of the proxy and the guard."""
    padding = [f"X-Padding-{number}: {'x' * 7_000}" for number in range(3)]

    answer = chain.ask(f"/page?{'a' * 5_500}", NAVIGATION, *padding)

    assert answer.status == 303
    assert "a" * 5_500 in answer.all("location")[0]


def test_api_client_gets_a_challenge(chain: Chain) -> None:
    answer = chain.ask("/page")

    assert (answer.status, answer.all("www-authenticate")) == (401, ['Bearer realm="ory_guard"'])
    assert answer.all("cache-control") == ["no-store"]


def test_cookies_reach_the_browser(chain: Chain, ada: SignedIn) -> None:
    """Both cookies, and no cache stores the response of the service with them."""
    plain = chain.ask("/page", cookie(ada))
    chain.fake.extend(ada.session)
    renewed = chain.ask("/page", cookie(ada, f"{LOOP}=1.1.0a0b0c0d"))

    names = sorted(value.partition("=")[0] for value in renewed.all("set-cookie"))
    assert names == [LOOP, ada.cookie_name]
    assert "private, no-store" in ",".join(renewed.all("cache-control"))
    assert [name for name, _ in renewed.headers if name.startswith("x-set-cookie")] == []
    assert plain.all("set-cookie") == []


@pytest.mark.parametrize("lines", [[], [NAVIGATION]])
def test_outage_of_kratos_is_a_503(chain: Chain, ada: SignedIn, lines: list[str]) -> None:
    chain.fake.fail(Fault.server_error())

    answer = chain.ask("/page", cookie(ada), *lines)

    assert (answer.status, answer.all("retry-after")) == (503, ["1"])
    assert answer.all("cache-control") == ["no-store"]
    assert chain.forwarded() == []


@pytest.mark.parametrize("proxy", sorted(PROXIES))
def test_nothing_reaches_the_service_without_the_guard(
    proxy: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The response is neither a success nor a logout."""
    with running(proxy, tmp_path_factory.mktemp(proxy)) as chain:
        chain.guard.terminate()
        chain.guard.wait()

        assert [chain.ask(path).status in (502, 503) for path in ("/", "/page")] == [True, True]
        assert chain.forwarded() == []
