"""Redirect loops: the counter cookie and the error page."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.applications import gated, public, reply
from support.asgi_calls import NAVIGATE, Application, SentResponse, call, http_scope
from support.clock import NOW
from support.guard_bench import SESSION_COOKIE, Bench, optional_session, settings_of
from support.scripted_kratos import STEP_UP, refused

from ory_guard import OryGuard, OrySessionMiddleware, Session
from ory_guard.guard.responses.redirect_loop import has_redirect_counter, record_redirect

pytestmark = pytest.mark.anyio

HTTPS = settings_of()
PAGE = "https://app.example.com/vault"


class Browser:
    """A browser that stores the counter and opens pages which redirect it."""

    def __init__(self, bench: Bench, *headers: tuple[bytes, bytes], **conditions: Any) -> None:
        self.bench = bench
        self.headers = headers
        self.cookies: dict[bytes, bytes] = {}
        self.app = gated(bench.guard, **conditions)

    async def open(self, path: str, *more: tuple[bytes, bytes]) -> SentResponse:
        """Open a page, and store the cookies of the response."""
        jar = b"; ".join(b"=".join(pair) for pair in self.cookies.items())
        sent = [(b"cookie", jar)] if jar else []
        response = await call(self.app, path, headers=[NAVIGATE, *self.headers, *sent, *more])
        for value in response.all(b"set-cookie"):
            name, _, rest = value.partition(b"=")
            if b"Max-Age=0" in value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = rest.partition(b";")[0]
        return response


@pytest.mark.parametrize(
    ("seconds", "statuses"),
    [
        pytest.param((0.0, 0.0, 0.0, 0.0), [303, 303, 401, 401], id="at once"),
        pytest.param((0.0, 0.5, 1.0, 1.5), [303, 303, 401, 401], id="automatic"),
        pytest.param((0.0, 1.9, 3.8), [303, 303, 401], id="slow"),
        pytest.param((0.0, 60.0, 60.1, 60.2), [303, 303, 303, 401], id="after the login form"),
        pytest.param((0.0, 2.0, 4.0, 6.0, 8.0, 10.0), [303] * 6, id="clicks"),
        pytest.param((0.0, 0.1, 2.1, 2.2, 4.2, 4.3), [303] * 6, id="double clicks"),
    ],
)
async def test_third_automatic_redirect_for_a_page_is_an_error_page(
    seconds: tuple[float, ...], statuses: list[int]
) -> None:
    bench = Bench()
    browser = Browser(bench)
    answered, now = [], 0.0
    for moment in seconds:
        bench.clock.advance(moment - now)
        now = moment
        answered.append((await browser.open("/vault")).status)

    assert answered == statuses


async def test_error_page_of_a_loop() -> None:
    browser = Browser(Bench())

    responses = [await browser.open("/vault") for _ in range(3)]

    page = responses[2]
    assert b"Login redirect loop" in page.body
    assert (responses[0].header(b"location") or b"").replace(b"&", b"&amp;") in page.body
    assert b'href="https://app.example.com"' in page.body
    assert page.header(b"location") is None
    assert page.header(b"cache-control") == b"no-store"
    assert page.header(b"www-authenticate") == b'Bearer realm="ory_guard"'


async def test_redirects_to_different_urls_are_counted_together() -> None:
    bench = Bench(STEP_UP, refused(401), STEP_UP, negative_ttl=0)
    browser = Browser(bench, SESSION_COOKIE)

    statuses = [(await browser.open("/vault")).status for _ in range(3)]

    assert statuses == [303, 303, 401]


@pytest.mark.parametrize("tabs", [2, 4])
async def test_loops_in_several_tabs_are_detected(tabs: int) -> None:
    browser = Browser(Bench())

    statuses = [(await browser.open(f"/page/{number % tabs}")).status for number in range(3 * tabs)]

    assert statuses == [303] * 2 * tabs + [401] * tabs


async def test_only_the_last_four_pages_are_counted() -> None:
    """The size of the cookie is limited."""
    browser = Browser(Bench())
    for number in range(9):
        await browser.open(f"/page/{number}")

    assert len(browser.cookies[b"ory_guard_redirects"].split(b"-")) == 4
    assert [(await browser.open(f"/page/{number}")).status for number in (8, 8)] == [303, 401]


async def test_expired_counter_is_dropped_from_the_cookie() -> None:
    bench = Bench()
    browser = Browser(bench)
    await browser.open("/old")
    bench.clock.advance(2)
    (cookie,) = (await browser.open("/new")).all(b"set-cookie")

    assert b"-" not in cookie.partition(b";")[0]
    assert b"Max-Age=5;" in cookie


async def test_prefetch_is_not_counted() -> None:
    """It is not redirected."""
    browser = Browser(Bench())

    for _ in range(5):
        response = await browser.open("/vault", (b"sec-purpose", b"prefetch"))
        assert (response.status, response.all(b"set-cookie")) == (401, [])
    assert (await browser.open("/vault")).status == 303


def with_optional_session(guard: OryGuard) -> Application:
    """Return an ASGI application that uses a session if there is one."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await optional_session(guard, scope)
        await reply(send, None)

    return OrySessionMiddleware(app, guard=guard)


@pytest.mark.parametrize(
    ("page", "is_cleared"),
    [(gated, True), (partial(gated, aal="aal1"), True), (with_optional_session, True), (public, False)],
    ids=["require", "require with a condition", "optional session", "public"],
)
async def test_counter_is_cleared_where_a_session_is_used(page: Any, *, is_cleared: bool) -> None:
    """A public page does not show whether the loop has ended."""
    headers = [
        SESSION_COOKIE,
        (b"cookie", b"ory_guard_redirects=1.1700000000000.1700000000000.0a1b2c3d; theme=dark"),
    ]

    response = await call(page(Bench().guard), headers=headers)

    cleared = [b"ory_guard_redirects=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"]
    assert response.all(b"set-cookie") == (cleared if is_cleared else [])


async def test_counter_is_kept_if_a_second_requirement_is_not_met() -> None:
    bench = Bench()

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await bench.guard.require(scope)
        await bench.guard.require(scope, aal="aal2")

    browser = Browser(bench, SESSION_COOKIE)
    browser.app = OrySessionMiddleware(app, guard=bench.guard)

    assert [(await browser.open("/vault")).status for _ in range(3)] == [303, 303, 401]


async def test_exception_in_a_condition_does_not_clear_the_counter() -> None:
    def broken(_session: Session[Any]) -> bool:
        raise ZeroDivisionError

    headers = [SESSION_COOKIE, (b"cookie", b"ory_guard_redirects=1.1700000000000.1700000000000.0a1b2c3d")]
    scope = http_scope("/vault", headers=headers)
    bench = Bench()

    with pytest.raises(ZeroDivisionError):
        await bench.guard.require(scope, when=broken)

    assert not scope["ory_guard"].granted


async def test_cookie_attributes() -> None:
    """`Secure` if the application uses https."""
    response = await Browser(Bench()).open("/vault")
    plain = await Browser(Bench(app_url="http://127.0.0.1:4455")).open("/vault")

    (cookie,) = response.all(b"set-cookie")
    assert cookie.endswith(b"; Path=/; Max-Age=5; HttpOnly; SameSite=Lax; Secure")
    assert b"Secure" not in plain.all(b"set-cookie")[0]


@given(st.binary(max_size=40) | st.from_regex(rb"[0-9.]{0,30}", fullmatch=True))
def test_forged_counter_is_harmless(value: bytes) -> None:
    scope = http_scope(headers=[(b"accept", b"*/*"), (b"cookie", b"a=b; ory_guard_redirects=" + value)])

    cookie = record_redirect(scope, HTTPS, PAGE, NOW.timestamp())

    assert has_redirect_counter(scope["headers"])
    assert cookie is None or cookie.startswith(b"ory_guard_redirects=1.")


def test_counter_from_the_future_is_ignored() -> None:
    """The clock may have been set back."""
    now = NOW.timestamp()
    first = record_redirect(http_scope(), HTTPS, PAGE, now + 3_600)
    assert first is not None
    scope = http_scope(headers=[(b"cookie", first.partition(b";")[0])])

    again = record_redirect(scope, HTTPS, PAGE, now)

    assert again is not None
    assert again.startswith(b"ory_guard_redirects=1.")
    assert not has_redirect_counter([SESSION_COOKIE])
