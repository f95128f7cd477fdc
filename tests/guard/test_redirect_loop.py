"""The loop breaker: a browser that is sent away again and again for one page is told instead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.applications import gated, public
from support.asgi_calls import NAVIGATE, SentResponse, call, http_scope
from support.clock import NOW
from support.guard_bench import SESSION_COOKIE, Bench, settings_of
from support.scripted_kratos import STEP_UP, refused, signed_in

from ory_guard import OrySessionMiddleware, Session
from ory_guard.guard.responses.redirect_loop import has_redirect_counter, record_redirect

pytestmark = pytest.mark.anyio

HTTPS = settings_of()
PAGE = "https://app.example.com/vault"


class Browser:
    """A browser that keeps the count, and is led away from a page."""

    def __init__(self, bench: Bench, *headers: tuple[bytes, bytes], **conditions: Any) -> None:
        self.bench = bench
        self.headers = headers
        self.cookies: dict[bytes, bytes] = {}
        self.app = gated(bench.guard, **conditions)

    async def open(self, path: str, *more: tuple[bytes, bytes]) -> SentResponse:
        """Open a page, and keep the cookies of the answer."""
        jar = b"; ".join(b"=".join(pair) for pair in self.cookies.items())
        sent = [(b"cookie", jar)] if jar else []
        answered = await call(self.app, path, headers=[NAVIGATE, *self.headers, *sent, *more])
        for value in answered.all(b"set-cookie"):
            name, _, rest = value.partition(b"=")
            if b"Max-Age=0" in value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = rest.partition(b";")[0]
        return answered


async def test_the_third_redirect_for_one_page_within_a_minute_is_a_page() -> None:
    """It explains, and shows the way on for who wants to try again."""
    browser = Browser(Bench())

    answers = [await browser.open("/vault") for _ in range(4)]

    assert [answered.status for answered in answers] == [303, 303, 401, 401]
    page = answers[2]
    assert b"Login redirect loop" in page.body
    assert (answers[0].header(b"location") or b"").replace(b"&", b"&amp;") in page.body
    assert page.header(b"location") is None
    assert page.header(b"cache-control") == b"no-store"
    assert page.header(b"www-authenticate") == b'Bearer realm="ory_guard"'


async def test_it_counts_wherever_the_redirects_lead() -> None:
    """Login, second factor, login: one page, three tries."""
    bench = Bench(STEP_UP, refused(401), STEP_UP, negative_ttl=0)
    browser = Browser(bench, SESSION_COOKIE)

    statuses = [(await browser.open("/vault")).status for _ in range(3)]

    assert statuses == [303, 303, 401]


async def test_after_a_minute_the_count_begins_anew() -> None:
    """It is about loops, not about people who come back."""
    bench = Bench()
    browser = Browser(bench)
    for _ in range(2):
        await browser.open("/vault")
        bench.clock.advance(29)

    bench.clock.advance(2)
    assert [(await browser.open("/vault")).status for _ in range(3)] == [303, 303, 401]


async def test_each_page_has_its_own_count() -> None:
    """Opening several tabs is no loop."""
    browser = Browser(Bench())

    statuses = [(await browser.open(f"/page/{number}")).status for number in range(6)]

    assert statuses == [303] * 6


@pytest.mark.parametrize("tabs", [2, 4])
async def test_tabs_that_go_round_together_are_told_together(tabs: int) -> None:
    """They take turns, and each page is counted for itself."""
    browser = Browser(Bench())

    statuses = [(await browser.open(f"/page/{number % tabs}")).status for number in range(3 * tabs)]

    assert statuses == [303] * 2 * tabs + [401] * tabs


async def test_more_pages_than_a_cookie_should_hold_are_forgotten() -> None:
    """The four that were asked for last are counted; so the cookie stays small."""
    browser = Browser(Bench())
    for number in range(9):
        await browser.open(f"/page/{number}")

    assert len(browser.cookies[b"ory_guard_redirects"].split(b"-")) == 4
    assert [(await browser.open(f"/page/{number}")).status for number in (8, 8)] == [303, 401]


async def test_a_count_that_is_over_is_not_handed_on() -> None:
    """After a minute the page is as good as new, and the others keep their time."""
    bench = Bench()
    browser = Browser(bench)
    await browser.open("/old")
    bench.clock.advance(40)
    (cookie,) = (await browser.open("/new")).all(b"set-cookie")
    assert b"Max-Age=60;" in cookie
    bench.clock.advance(20)
    (cookie,) = (await browser.open("/new")).all(b"set-cookie")

    assert b"-" not in cookie.partition(b";")[0]
    assert b"Max-Age=40;" in cookie


async def test_a_prefetch_is_not_counted() -> None:
    """Nobody sees its answer, which is not a redirect either."""
    browser = Browser(Bench())

    for _ in range(5):
        answered = await browser.open("/vault", (b"sec-purpose", b"prefetch"))
        assert (answered.status, answered.all(b"set-cookie")) == (401, [])
    assert (await browser.open("/vault")).status == 303


async def test_the_first_answer_that_a_gate_lets_through_ends_the_count() -> None:
    """The loop is over; the cookie goes."""
    bench = Bench(refused(401), signed_in(), negative_ttl=0)
    browser = Browser(bench, SESSION_COOKIE)
    await browser.open("/vault")
    assert b"ory_guard_redirects" in browser.cookies

    answered = await browser.open("/vault")

    assert answered.status == 200
    assert answered.all(b"set-cookie") == [
        b"ory_guard_redirects=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
    ]
    assert browser.cookies == {}


async def test_a_refused_session_does_not_end_it() -> None:
    """A session that does not reach what the page asks for is still in the loop."""
    browser = Browser(Bench(), SESSION_COOKIE, aal="aal2")

    assert [(await browser.open("/vault")).status for _ in range(3)] == [303, 303, 401]


async def test_a_public_page_of_somebody_else_leaves_the_count_alone() -> None:
    """Only a session ends it."""
    bench = Bench(refused(401))
    browser = Browser(bench, SESSION_COOKIE)
    await browser.open("/vault")

    cookie = b"ory_guard_redirects=" + browser.cookies[b"ory_guard_redirects"]
    answered = await call(public(bench.guard), headers=[SESSION_COOKIE, (b"cookie", cookie)])

    assert answered.all(b"set-cookie") == []


@pytest.mark.parametrize("behind_gate", [True, False])
async def test_only_a_gate_that_lets_the_browser_pass_ends_the_count(*, behind_gate: bool) -> None:
    """A page for everybody says nothing about the one that the browser goes round for."""
    bench = Bench()
    headers = [SESSION_COOKIE, (b"cookie", b"theme=dark; ory_guard_redirects=1.1700000000.0a1b2c3d")]

    answered = await call(gated(bench.guard) if behind_gate else public(bench.guard), headers=headers)

    forgotten = [b"ory_guard_redirects=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"]
    assert answered.all(b"set-cookie") == (forgotten if behind_gate else [])


async def test_any_gate_that_lets_somebody_pass_is_noted() -> None:
    """The one without conditions takes a shorter way."""
    bench, scope = Bench(), http_scope("/vault", headers=[SESSION_COOKIE])

    await bench.guard.require(scope)

    assert scope["ory_guard"].granted


async def test_a_second_gate_that_refuses_keeps_the_count() -> None:
    """Else the browser would go round for ever between the two gates of one page."""
    bench = Bench()

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await bench.guard.require(scope)
        await bench.guard.require(scope, aal="aal2")

    browser = Browser(bench, SESSION_COOKIE)
    browser.app = OrySessionMiddleware(app, guard=bench.guard)

    assert [(await browser.open("/vault")).status for _ in range(3)] == [303, 303, 401]


async def test_a_gate_that_broke_let_nobody_pass() -> None:
    """A condition that raises says nothing about the loop."""

    def broken(_session: Session[Any]) -> bool:
        raise ZeroDivisionError

    headers = [SESSION_COOKIE, (b"cookie", b"ory_guard_redirects=1.1700000000.0a1b2c3d")]
    scope = http_scope("/vault", headers=headers)
    bench = Bench()

    with pytest.raises(ZeroDivisionError):
        await bench.guard.require(scope, when=broken)

    assert not scope["ory_guard"].granted


async def test_the_cookie_is_short_lived_and_out_of_reach_of_scripts() -> None:
    """`Secure` where the application is served over https."""
    answered = await Browser(Bench()).open("/vault")
    plain = await Browser(Bench(app_url="http://127.0.0.1:4455")).open("/vault")

    (cookie,) = answered.all(b"set-cookie")
    assert cookie.endswith(b"; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure")
    assert b"Secure" not in plain.all(b"set-cookie")[0]


@given(st.binary(max_size=40) | st.from_regex(rb"[0-9.]{0,30}", fullmatch=True))
def test_a_forged_count_is_worth_nothing(value: bytes) -> None:
    """Whatever stands there, the browser is counted, or its owner sees a page; nothing is raised."""
    scope = http_scope(headers=[(b"accept", b"*/*"), (b"cookie", b"a=b; ory_guard_redirects=" + value)])

    counted = record_redirect(scope, HTTPS, PAGE, NOW.timestamp())

    assert has_redirect_counter(scope["headers"])
    assert counted is None or counted.startswith(b"ory_guard_redirects=1.")


def test_a_count_from_the_future_is_no_count() -> None:
    """A clock that was set back must not keep somebody on the page that explains."""
    now = NOW.timestamp()
    first = record_redirect(http_scope(), HTTPS, PAGE, now + 3_600)
    assert first is not None
    scope = http_scope(headers=[(b"cookie", first.partition(b";")[0])])

    again = record_redirect(scope, HTTPS, PAGE, now)

    assert again is not None
    assert again.startswith(b"ory_guard_redirects=1.")
    assert not has_redirect_counter([SESSION_COOKIE])
