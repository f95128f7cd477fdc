"""How a refusal is answered: the table of navigations and everything else, to the header."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.applications import gated
from support.asgi_calls import HTML, NAVIGATE, SentResponse, call, connect, http_scope
from support.guard_bench import guard_of
from support.scripted_kratos import (
    APP,
    BROWSER,
    COOKIE,
    ENROLL,
    STEP_UP,
    TOKEN,
    KratosResponse,
    ScriptedKratos,
    aal2_session,
    refused,
    session_body,
    signed_in,
    timestamp,
)

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import OryGuardError, Refusal, RequirementNotMet
from ory_guard.guard.responses.asgi import ASGIResponse
from ory_guard.guard.responses.refusals import is_navigation
from ory_guard.starlette import session_required

pytestmark = pytest.mark.anyio

Pair = tuple[bytes, bytes]
SESSION_COOKIE = (b"cookie", COOKIE)
SESSION_TOKEN = (b"x-session-token", TOKEN)
HTMX = (b"hx-request", b"true")
LOGIN = f"{BROWSER}/self-service/login/browser"
SETTINGS = f"{BROWSER}/self-service/settings/browser"
RETURN = "return_to=https%3A%2F%2Fapp.example.com%2Fvault%3Fx%3D1"
OLD = session_body(authenticated_at=timestamp(-3_600))


async def hello(request: Request) -> Response:
    """ASGIResponse anybody."""
    return Response(request.url.path)


async def ask(
    told: KratosResponse,
    *headers: Pair,
    credential: Pair | None = SESSION_COOKIE,
    method: str = "GET",
    conditions: dict[str, Any] | None = None,
    **changes: Any,
) -> SentResponse:
    """Ask for `/vault?x=1` behind a gate whose Kratos answers so."""
    guard = guard_of(ScriptedKratos(told), **changes)
    sent = [*headers] if credential is None else [*headers, credential]
    app = gated(guard, **(conditions or {}))
    return await call(app, "/vault", method=method, headers=sent, query_string=b"x=1")


ROWS: list[tuple[str, KratosResponse, dict[str, Any], dict[str, Any], str | None, int, str]] = [
    ("refused", refused(401), {}, {}, f"{LOGIN}?{RETURN}", 401, "session_inactive"),
    (
        "credential required",
        refused(403, "session_credential_required"),
        {},
        {},
        f"{LOGIN}?{RETURN}",
        401,
        "session_inactive",
    ),
    ("second factor", STEP_UP, {}, {}, f"{LOGIN}?aal=aal2&{RETURN}", 403, "session_aal2_required"),
    (
        "aal1 where the server hides nothing",
        signed_in(),
        {"aal": "aal2"},
        {"whoami_required_aal": "aal1"},
        f"{LOGIN}?aal=aal2&{RETURN}",
        403,
        "session_aal2_required",
    ),
    ("to enroll, by Kratos", ENROLL, {}, {}, f"{SETTINGS}?{RETURN}", 403, "session_aal2_enrollment_required"),
    (
        "to enroll, by aal1",
        signed_in(),
        {"aal": "aal2"},
        {},
        f"{SETTINGS}?{RETURN}",
        403,
        "session_aal2_enrollment_required",
    ),
    (
        "too long ago",
        signed_in(OLD),
        {"max_age": 60},
        {},
        f"{LOGIN}?refresh=true&{RETURN}",
        403,
        "session_refresh_required",
    ),
    (
        "too long ago at aal2",
        signed_in(aal2_session(-5, -3_600)),
        {"aal": "aal2", "max_age": 60},
        {},
        f"{LOGIN}?refresh=true&aal=aal2&{RETURN}",
        403,
        "session_refresh_required",
    ),
    ("requirement", signed_in(), {"organization": "o1"}, {}, None, 403, "requirement_not_met"),
    ("kratos is down", refused(500), {}, {}, None, 503, "session_check_unavailable"),
    ("kratos talks nonsense", KratosResponse(200, b"<html>"), {}, {}, None, 503, "session_check_unavailable"),
    ("any other 403", refused(403, "no_idea"), {}, {}, None, 503, "session_check_unavailable"),
]
TABLE = pytest.mark.parametrize(
    ("told", "conditions", "changes", "location", "status", "error_id"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)


@TABLE
async def test_a_navigation_is_led_on_or_shown_a_page(
    *, told: KratosResponse, conditions: Any, changes: Any, location: str | None, status: int, error_id: str
) -> None:
    """303 where a sign-in helps, to an address of the settings, and without a body; else a page."""
    answered = await ask(told, NAVIGATE, conditions=conditions, **changes)

    assert answered.header(b"cache-control") == b"no-store"
    if location is not None:
        assert (answered.status, answered.body) == (303, b"")
        assert answered.header(b"location") == location.encode()
    else:
        assert answered.status == status
        assert answered.header(b"content-type") == b"text/html; charset=utf-8"
        assert b"<h1>" in answered.body
        assert answered.header(b"www-authenticate") is None


@TABLE
async def test_everything_else_gets_json_in_orys_form(
    *, told: KratosResponse, conditions: Any, changes: Any, location: str | None, status: int, error_id: str
) -> None:
    """Status, id, and where a browser could go; never a redirect."""
    answered = await ask(told, conditions=conditions, **changes)

    error = answered.json["error"]
    assert (answered.status, error["id"], error["code"]) == (status, error_id, status)
    assert answered.header(b"content-type") == b"application/json"
    assert answered.header(b"cache-control") == b"no-store"
    assert answered.header(b"location") is None
    assert {*error} == {"id", "code", "status", "reason", "message", "details"}
    if location is None:
        assert "redirect_browser_to" not in answered.json
        assert "redirect_browser_to" not in error["details"]
    else:
        # What was sent can't be sent again: without a page that it came from, the way back is the start.
        elsewhere = location.replace(RETURN, "return_to=https%3A%2F%2Fapp.example.com")
        assert answered.json["redirect_browser_to"] == elsewhere
        assert error["details"]["redirect_browser_to"] == elsewhere


async def test_the_whole_body_of_a_refusal() -> None:
    """To the letter, since clients read it."""
    answered = await ask(signed_in(OLD), conditions={"max_age": 60}, credential=SESSION_TOKEN)

    location = f"{LOGIN}?refresh=true&return_to=https%3A%2F%2Fapp.example.com"
    assert answered.json == {
        "error": {
            "id": "session_refresh_required",
            "code": 403,
            "status": "Forbidden",
            "reason": "This resource requires a recent login. Log in again to continue.",
            "message": "The requested action was forbidden",
            "details": {
                "failures": [{"id": "max_age", "expected": 60, "actual": 3_600}],
                "max_age": 60,
                "redirect_browser_to": location,
            },
        },
        "redirect_browser_to": location,
    }


@pytest.mark.parametrize(
    ("told", "credential", "conditions", "challenge"),
    [
        (refused(401), None, {}, 'Bearer realm="ory_guard"'),
        (refused(401), SESSION_TOKEN, {}, 'Bearer realm="ory_guard", error="invalid_token"'),
        (refused(401), (b"x-session-token", b"a b"), {}, 'Bearer realm="ory_guard", error="invalid_token"'),
        (
            STEP_UP,
            SESSION_TOKEN,
            {},
            'Bearer realm="ory_guard", error="insufficient_user_authentication", acr_values="aal2"',
        ),
        (
            signed_in(OLD),
            SESSION_TOKEN,
            {"max_age": 60},
            'Bearer realm="ory_guard", error="insufficient_user_authentication", max_age="60"',
        ),
        (
            signed_in(aal2_session(-5, -3_600)),
            SESSION_TOKEN,
            {"aal": "aal2", "max_age": 60.5},
            'Bearer realm="ory_guard", error="insufficient_user_authentication", acr_values="aal2", max_age="60"',
        ),
        (ENROLL, SESSION_TOKEN, {}, None),
        (signed_in(), SESSION_TOKEN, {"organization": "o"}, None),
        (refused(500), SESSION_TOKEN, {}, None),
    ],
)
async def test_the_challenge(
    told: KratosResponse, credential: Pair | None, conditions: Any, challenge: str | None
) -> None:
    """RFC 6750 for who is not signed in, RFC 9470 for who has to sign in better, nothing for the rest."""
    answered = await ask(told, credential=credential, conditions=conditions)

    assert answered.header(b"www-authenticate") == (None if challenge is None else challenge.encode())


async def test_a_401_names_no_login_page_where_cookies_are_not_accepted() -> None:
    """A browser that signed in would come back with what is not accepted; a step-up helps tokens, too."""
    nobody = await ask(refused(401), credential=SESSION_TOKEN, credentials=("x_session_token",))
    step_up = await ask(STEP_UP, credential=SESSION_TOKEN, credentials=("x_session_token",))

    assert "redirect_browser_to" not in nobody.json
    assert "aal=aal2" in step_up.json["redirect_browser_to"]


async def test_without_an_app_url_nothing_is_a_navigation() -> None:
    """There would be no way back that is not taken from the request."""
    answered = await ask(
        refused(401), NAVIGATE, HTML, credential=SESSION_TOKEN, app_url=None, credentials=("x_session_token",)
    )

    assert (answered.status, answered.error_id) == (401, "session_inactive")


@pytest.mark.parametrize(
    ("retry_after", "sent"), [({}, b"1"), ({"retry-after": "17"}, b"17"), ({"retry-after": "3600"}, b"60")]
)
@pytest.mark.parametrize("headers", [(), (NAVIGATE,)], ids=["json", "page"])
async def test_a_503_says_when_to_try_again(retry_after: dict[str, str], sent: bytes, headers: Any) -> None:
    """What Kratos' 429 says, from 1 to 60 seconds, else 1; to people and programs alike."""
    answered = await ask(KratosResponse(429, b"", tuple(retry_after.items())), *headers)

    assert answered.status == 503
    assert answered.header(b"retry-after") == sent


@pytest.mark.parametrize(
    ("method", "headers", "navigation"),
    [
        ("GET", (NAVIGATE,), True),
        ("POST", (NAVIGATE, (b"sec-fetch-site", b"same-origin")), True),
        ("GET", ((b"sec-fetch-mode", b"cors"), HTML), False),
        ("GET", ((b"sec-fetch-mode", b"websocket"),), False),
        ("GET", (NAVIGATE, NAVIGATE), False),
        ("GET", ((b"sec-fetch-site", b"none"), HTML), False),
        ("GET", ((b"sec-fetch-dest", b"document"), HTML), False),
        ("GET", (HTML,), True),
        ("HEAD", (HTML,), True),
        ("POST", (HTML,), False),
        ("GET", ((b"accept", b"TEXT/HTML"),), True),
        ("GET", ((b"accept", b"application/json"),), False),
        ("GET", ((b"accept", b"*/*"),), False),
        ("GET", (), False),
        ("GET", (HTML, (b"x-requested-with", b"XMLHttpRequest")), False),
        ("GET", (HTML, (b"x-requested-with", b"com.example.app")), True),
        ("GET", (HTML, HTMX), False),
        ("GET", (NAVIGATE, (b"sec-purpose", b"prefetch;prerender")), False),
        ("GET", (HTML, (b"sec-purpose", b"prefetch")), False),
    ],
)
def test_what_a_navigation_is(method: str, headers: tuple[Pair, ...], navigation: bool) -> None:
    """Fetch Metadata first; in browsers without it, by what they accept."""
    assert is_navigation(http_scope(method=method, headers=headers)) is navigation


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"accept", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-purpose", b"hx-request"]),
            st.sampled_from([b"navigate", b"text/html", b"prefetch", b"true"]) | st.binary(max_size=6),
        ),
        max_size=5,
    )
)
def test_nothing_but_http_is_ever_a_navigation(headers: list[Pair]) -> None:
    """A websocket can't be sent elsewhere; and no header raises."""
    assert is_navigation(http_scope(headers=headers)) in (True, False)
    assert is_navigation({"type": "websocket", "headers": headers}) is False


REFERERS = [
    (f"{APP}/form?step=2", f"{APP}/form?step=2"),
    ("https://evil.test/form", APP),
    ("https://partner.example.org/form", APP),
    ("http://app.example.com/form", APP),
    (f"{APP}.evil.test/form", APP),
    (f"{APP}@evil.test/form", APP),
    ("javascript:alert(1)", APP),
    (f"{APP}/self-service/login/browser", APP),
    ("\xff\xfe", APP),
    ("", APP),
]


@pytest.mark.parametrize(("referer", "return_to"), REFERERS)
async def test_a_form_returns_to_the_page_that_it_was_on(referer: str, return_to: str) -> None:
    """A POST can't be repeated by a redirect; its page can be opened again, if it is one of ours."""
    answered = await ask(
        refused(401),
        NAVIGATE,
        (b"sec-fetch-site", b"same-origin"),
        (b"referer", referer.encode("latin-1")),
        method="POST",
        trusted_origins=("https://partner.example.org", "http://app.example.com"),
    )

    assert answered.status == 303
    assert parse_qs(urlsplit(answered.header(b"location") or b"").query)[b"return_to"] == [return_to.encode()]


@pytest.mark.parametrize(("page", "return_to"), REFERERS)
async def test_htmx_is_told_by_header(page: str, return_to: str) -> None:
    """It follows `HX-Redirect` with the whole page, and says itself where that is."""
    answered = await ask(
        refused(401),
        HTMX,
        (b"hx-current-url", page.encode("latin-1")),
        (b"referer", f"{APP}/other".encode()),
        trusted_origins=("https://partner.example.org", "http://app.example.com"),
    )

    assert answered.status == 401
    assert parse_qs(urlsplit(answered.header(b"hx-redirect") or b"").query)[b"return_to"] == [return_to.encode()]


async def test_htmx_gets_no_redirect_where_none_helps() -> None:
    """Only where a sign-in helps."""
    answered = await ask(refused(500), HTMX)

    assert (answered.status, answered.header(b"hx-redirect")) == (503, None)


async def test_the_requests_own_query_adds_nothing_to_the_login() -> None:
    """A link can't smuggle `aal`, `refresh` or an identity provider into it."""
    guard = guard_of(ScriptedKratos(refused(401)), login_url=f"{APP}/login?organization=o1")

    answered = await call(gated(guard), "/x", headers=[NAVIGATE], query_string=b"aal=aal2&refresh=true&via=sms")

    query = parse_qs(urlsplit(answered.header(b"location") or b"").query)
    assert query == {b"organization": [b"o1"], b"return_to": [f"{APP}/x?aal=aal2&refresh=true&via=sms".encode()]}


async def test_kratos_own_redirect_is_never_followed() -> None:
    """URLs are built from the settings; an answer that names another host leads nobody there."""
    told = refused(403, "session_aal2_required", details={"redirect_browser_to": "https://evil.test/"})
    body = {**told.body, "redirect_browser_to": "https://evil.test/"}

    answered = await ask(KratosResponse(403, body), NAVIGATE)

    assert (answered.header(b"location") or b"").startswith(LOGIN.encode())


async def test_head_gets_the_headers_alone() -> None:
    """With the length that the body would have."""
    get, head = await ask(refused(401)), await ask(refused(401), method="HEAD")

    assert head.body == b""
    assert head.header(b"content-length") == get.header(b"content-length") == str(len(get.body)).encode()


@pytest.mark.parametrize(
    ("told", "conditions", "status", "error_id"),
    [
        (refused(401), {}, 401, "session_inactive"),
        (STEP_UP, {}, 403, "session_aal2_required"),
        (signed_in(), {"organization": "o"}, 403, "requirement_not_met"),
        (refused(500), {}, 503, "session_check_unavailable"),
    ],
)
async def test_a_websocket_is_refused_before_it_is_accepted(
    told: KratosResponse, conditions: Any, status: int, error_id: str
) -> None:
    """With the same status, headers and JSON; even for who would be a navigation."""
    app = gated(guard_of(ScriptedKratos(told)), **conditions)

    start, body = await connect(app, headers=[SESSION_TOKEN, NAVIGATE, HTML])

    answered = SentResponse(start["status"], start["headers"], body["body"])
    assert (start["type"], body["type"]) == ("websocket.http.response.start", "websocket.http.response.body")
    assert (answered.status, answered.error_id) == (status, error_id)
    assert answered.header(b"cache-control") == b"no-store"
    assert answered.header(b"content-type") == b"application/json"


async def test_a_websocket_is_closed_where_the_server_knows_no_denial() -> None:
    """The server turns that into a 403 of its own."""
    app = gated(guard_of(ScriptedKratos(refused(401))))

    sent = await connect(app, headers=[SESSION_TOKEN], denial=False)

    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def test_an_accepted_websocket_can_only_be_closed() -> None:
    """After accept there is no answer any more."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    answer = ASGIResponse(401, [], b"{}", accepted=True)
    await answer({"type": "websocket", "extensions": {"websocket.http.response": {}}}, None, send)  # type: ignore[arg-type] # it receives nothing

    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


@pytest.mark.parametrize(
    "refusal",
    [
        RequirementNotMet("Only <b>owners</b> may.", failures=({"id": "quota", "expected": 1, "actual": "<i>"},)),
        Refusal("No & never."),
    ],
)
async def test_a_refusal_of_the_applications_own_is_answered_like_ours(refusal: Refusal) -> None:
    """Its words are escaped on the page, and its unknown condition is no error."""
    guard = guard_of(ScriptedKratos(signed_in()))

    def refuse(_session: Any) -> bool:
        raise refusal

    page = await call(gated(guard, when=refuse), headers=[SESSION_TOKEN, NAVIGATE])
    told = await call(gated(guard, when=refuse), headers=[SESSION_TOKEN])

    assert (page.status, told.status) == (403, 403)
    assert b"<b>" not in page.body
    assert b"<i>" not in page.body
    assert told.json["error"]["reason"] == refusal.reason


@pytest.mark.parametrize("handled", [Refusal, OryGuardError])
async def test_a_handler_of_the_applications_own_wins(handled: type[Exception]) -> None:
    """One for everything that ory_guard raises, too."""

    async def handle(_request: Request, _error: Exception) -> Response:
        return Response("mine", 418)

    app = Starlette(
        routes=[Route("/", session_required(hello))],
        exception_handlers={handled: handle},
        middleware=[Middleware(OrySessionMiddleware, guard=guard_of(ScriptedKratos(refused(401))))],
    )
    assert (await call(app, "/", headers=[SESSION_TOKEN])).status == 418


async def test_a_refusal_of_the_applications_own_may_have_any_status() -> None:
    """Also one that nobody registered."""

    class Odd(Refusal):
        code = "odd"
        status_code = 499
        reason = "It is odd."

    guard = guard_of(ScriptedKratos(signed_in()))

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise Odd

    answered = await call(OrySessionMiddleware(app, guard=guard), "/", headers=[SESSION_TOKEN])
    assert (answered.status, answered.error_id) == (499, "odd")


async def test_an_answer_without_a_body_has_no_length() -> None:
    """A 204 must not have one (RFC 9110, section 8.6)."""
    assert ASGIResponse(204, [], b"").headers == []
