"""Responses to refused requests: redirects, pages, JSON and headers."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from support.applications import gated
from support.asgi_calls import HTML, NAVIGATE, SentResponse, call, connect, http_scope
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Pair, guard_of
from support.scripted_kratos import (
    APP,
    BROWSER,
    ENROLL,
    STEP_UP,
    KratosResponse,
    ScriptedKratos,
    aal2_session,
    refused,
    session_body,
    signed_in,
    timestamp,
)

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import Refusal, RequirementNotMet
from ory_guard.guard.responses.asgi import ASGIResponse
from ory_guard.guard.responses.refusals import is_navigation

pytestmark = pytest.mark.anyio

HTMX = (b"hx-request", b"true")
LOGIN = f"{BROWSER}/self-service/login/browser"
SETTINGS = f"{BROWSER}/self-service/settings/browser"
RETURN = "return_to=https%3A%2F%2Fapp.example.com%2Fvault%3Fx%3D1"
OLD = session_body(authenticated_at=timestamp(-3_600))


async def ask(
    answer: KratosResponse,
    *headers: Pair,
    credential: Pair | None = SESSION_COOKIE,
    method: str = "GET",
    conditions: Mapping[str, Any] | None = None,
    **changes: Any,
) -> SentResponse:
    """Request `/vault?x=1`, which requires `conditions`."""
    guard = guard_of(ScriptedKratos(answer), **changes)
    sent = [*headers] if credential is None else [*headers, credential]
    app = gated(guard, **(conditions or {}))
    return await call(app, "/vault", method=method, headers=sent, query_string=b"x=1")


HOME = "return_to=https%3A%2F%2Fapp.example.com"


class Case(NamedTuple):
    """A refused request, and the response.

    Attributes:
        answer: The response of Kratos.
        location: The redirect of a navigation.
    """

    answer: KratosResponse
    status: int
    error_id: str
    reason: str
    location: str | None = None
    conditions: Mapping[str, Any] = {}
    settings: Mapping[str, Any] = {}


STRICT = {"whoami_required_aal": "aal1"}
FRESH_AAL2 = {"aal": "aal2", "max_age": 60}
NO_SESSION = 401, "session_inactive", "inactive", f"{LOGIN}?{RETURN}"
STEP = 403, "session_aal2_required", "second_factor_missing", f"{LOGIN}?aal=aal2&{RETURN}"
NOT_ENROLLED = 403, "session_aal2_enrollment_required", "second_factor_not_enrolled", f"{SETTINGS}?{RETURN}"
TOO_OLD = 403, "session_refresh_required", "login_too_old"
DOWN = 503, "session_check_unavailable", "unavailable"
CASES = {
    "rejected": Case(refused(401), *NO_SESSION),
    "credential required": Case(refused(403, "session_credential_required"), *NO_SESSION),
    "second factor": Case(STEP_UP, *STEP),
    "aal1 if the server hides nothing": Case(signed_in(), *STEP, {"aal": "aal2"}, STRICT),
    "not enrolled, by Kratos": Case(ENROLL, *NOT_ENROLLED),
    "not enrolled, by aal1": Case(signed_in(), *NOT_ENROLLED, {"aal": "aal2"}),
    "old login": Case(signed_in(OLD), *TOO_OLD, f"{LOGIN}?refresh=true&{RETURN}", {"max_age": 60}),
    "old login at aal2": Case(
        signed_in(aal2_session(-5, -3_600)), *TOO_OLD, f"{LOGIN}?refresh=true&aal=aal2&{RETURN}", FRESH_AAL2
    ),
    "requirement": Case(
        signed_in(), 403, "requirement_not_met", "requirement_not_met", conditions={"organization": "o1"}
    ),
    "Kratos is down": Case(refused(500), *DOWN),
    "invalid response of Kratos": Case(KratosResponse(200, b"<html>"), *DOWN),
    "any other 403": Case(refused(403, "no_idea"), *DOWN),
}
TABLE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@TABLE
async def test_navigation_is_redirected_or_gets_an_error_page(case: Case) -> None:
    response = await ask(case.answer, NAVIGATE, conditions=case.conditions, **case.settings)

    assert response.header(b"cache-control") == b"no-store"
    if case.location is not None:
        assert (response.status, response.body) == (303, b"")
        assert response.header(b"location") == case.location.encode()
    else:
        assert response.status == case.status
        assert response.header(b"content-type") == b"text/html; charset=utf-8"
        assert b"<h1>" in response.body
        assert response.header(b"www-authenticate") is None


@TABLE
async def test_other_request_gets_a_json_error(case: Case) -> None:
    """Without a `Referer`, the browser returns to the home page."""
    response = await ask(case.answer, conditions=case.conditions, **case.settings)

    error, redirect = response.json["error"], case.location and case.location.replace(RETURN, HOME)
    assert (response.status, error["id"], error["code"]) == (case.status, case.error_id, case.status)
    assert {*error} == {"id", "code", "status", "reason", "message", "details"}
    assert error["details"]["reason"] == case.reason
    assert response.header(b"content-type") == b"application/json"
    assert response.header(b"cache-control") == b"no-store"
    assert response.header(b"location") is None
    for place in (response.json, error["details"]):
        assert place.get("redirect_browser_to", "none") == (redirect or "none")


@TABLE
async def test_extensions_are_a_plain_dict_with_the_next_step(case: Case) -> None:
    """GraphQL libraries copy it into the error. The page of the client is its `Referer`."""
    guard = guard_of(ScriptedKratos(case.answer), **case.settings)
    scope = http_scope(
        "/graphql", method="POST", headers=[(b"referer", f"{APP}/vault?x=1".encode()), SESSION_TOKEN]
    )

    with pytest.raises(Refusal) as caught:
        await guard.require(scope, **case.conditions)

    found = caught.value.extensions
    assert json.loads(json.dumps(found)) == found
    assert {failure["id"] for failure in found.pop("failures")} <= {*case.conditions}
    assert found == {"code": case.error_id, "status": case.status, "redirect_browser_to": case.location}


async def test_text_names_the_second_factor_that_is_too_long_ago() -> None:
    response = await ask(signed_in(aal2_session(-5, -3_600)), conditions=FRESH_AAL2)

    text = "This resource requires a recent second factor. Complete it again to continue."
    assert response.json["error"]["reason"] == text


async def test_json_error() -> None:
    response = await ask(signed_in(OLD), conditions={"max_age": 60}, credential=SESSION_TOKEN)

    location = f"{LOGIN}?refresh=true&return_to=https%3A%2F%2Fapp.example.com"
    assert response.json == {
        "error": {
            "id": "session_refresh_required",
            "code": 403,
            "status": "Forbidden",
            "reason": "This resource requires a recent login. Log in again to continue.",
            "message": "The requested action was forbidden",
            "details": {
                "reason": "login_too_old",
                "failures": [{"id": "max_age", "expected": 60, "actual": 3_600}],
                "max_age": 60,
                "redirect_browser_to": location,
            },
        },
        "redirect_browser_to": location,
    }


@pytest.mark.parametrize(
    ("answer", "credential", "conditions", "challenge"),
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
async def test_www_authenticate(
    answer: KratosResponse, credential: Pair | None, conditions: Any, challenge: str | None
) -> None:
    """RFC 6750 without a session, RFC 9470 if another login is required."""
    response = await ask(answer, credential=credential, conditions=conditions)

    assert response.header(b"www-authenticate") == (None if challenge is None else challenge.encode())


async def test_401_has_no_redirect_if_cookies_are_not_accepted() -> None:
    """A browser would return with a cookie that is not accepted."""
    response = await ask(refused(401), credential=SESSION_TOKEN, credentials=("x_session_token",))
    step_up = await ask(STEP_UP, credential=SESSION_TOKEN, credentials=("x_session_token",))

    assert "redirect_browser_to" not in response.json
    assert "aal=aal2" in step_up.json["redirect_browser_to"]
    with pytest.raises(Refusal) as caught:
        await guard_of(None, credentials=("x_session_token",), app_url=None).require(http_scope())
    assert caught.value.extensions["redirect_browser_to"] is None


async def test_no_request_is_a_navigation_without_app_url() -> None:
    response = await ask(
        refused(401), NAVIGATE, HTML, credential=SESSION_TOKEN, app_url=None, credentials=("x_session_token",)
    )

    assert (response.status, response.error_id) == (401, "session_inactive")


@pytest.mark.parametrize(
    ("retry_after", "sent"), [({}, b"1"), ({"retry-after": "17"}, b"17"), ({"retry-after": "3600"}, b"60")]
)
@pytest.mark.parametrize("headers", [(), (NAVIGATE,)], ids=["json", "page"])
async def test_503_has_retry_after(retry_after: dict[str, str], sent: bytes, headers: Any) -> None:
    """Kratos' value, limited to 1 to 60 seconds; by default 1."""
    response = await ask(KratosResponse(429, b"", tuple(retry_after.items())), *headers)

    assert response.status == 503
    assert response.header(b"retry-after") == sent


@pytest.mark.parametrize(
    ("method", "headers", "navigation"),
    [
        ("GET", (NAVIGATE,), True),
        ("POST", (NAVIGATE, (b"sec-fetch-site", b"same-origin")), True),
        ("GET", ((b"sec-fetch-mode", b"cors"), HTML), False),
        ("GET", (NAVIGATE, NAVIGATE), False),
        ("GET", ((b"sec-fetch-dest", b"document"), HTML), False),
        ("GET", (HTML,), True),
        ("HEAD", (HTML,), True),
        ("POST", (HTML,), False),
        ("GET", ((b"accept", b"TEXT/HTML"),), True),
        ("GET", ((b"accept", b"application/json"),), False),
        ("GET", (), False),
        ("GET", (HTML, (b"x-requested-with", b"XMLHttpRequest")), False),
        ("GET", (HTML, (b"x-requested-with", b"com.example.app")), True),
        ("GET", (HTML, HTMX), False),
        ("GET", (NAVIGATE, (b"sec-purpose", b"prefetch;prerender")), False),
    ],
)
def test_is_navigation(method: str, headers: tuple[Pair, ...], navigation: bool) -> None:
    """Fetch Metadata; in browsers without it, `Accept`."""
    assert is_navigation(http_scope(method=method, headers=headers)) is navigation


def test_websocket_is_not_a_navigation() -> None:
    assert not is_navigation({"type": "websocket", "headers": [NAVIGATE, HTML]})


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


OTHER_REFERER = (b"referer", f"{APP}/other".encode())


@pytest.mark.parametrize(("page", "return_to"), REFERERS)
@pytest.mark.parametrize(
    ("method", "headers", "name", "status", "target"),
    [
        ("POST", (NAVIGATE, (b"sec-fetch-site", b"same-origin")), b"referer", 303, b"location"),
        ("GET", (HTMX, OTHER_REFERER), b"hx-current-url", 401, b"hx-redirect"),
    ],
    ids=["form", "HTMX"],
)
async def test_redirect_returns_to_the_page_in_the_browser(
    *, page: str, return_to: str, method: str, headers: tuple[Pair, ...], name: bytes, status: int, target: bytes
) -> None:
    """A redirect can't repeat a POST request, and an HTMX request gets a part of a page."""
    trusted = ("https://partner.example.org", "http://app.example.com")

    response = await ask(
        refused(401), *headers, (name, page.encode("latin-1")), method=method, trusted_origins=trusted
    )

    assert response.status == status
    assert parse_qs(urlsplit(response.header(target) or b"").query)[b"return_to"] == [return_to.encode()]


async def test_htmx_request_gets_no_redirect_header_for_a_503() -> None:
    response = await ask(refused(500), HTMX)

    assert (response.status, response.header(b"hx-redirect")) == (503, None)


async def test_query_of_the_request_is_not_added_to_the_login_url() -> None:
    """A link must not set `aal`, `refresh` or an identity provider."""
    guard = guard_of(ScriptedKratos(refused(401)), login_url=f"{APP}/login?organization=o1")

    response = await call(gated(guard), "/x", headers=[NAVIGATE], query_string=b"aal=aal2&refresh=true&via=sms")

    query = parse_qs(urlsplit(response.header(b"location") or b"").query)
    assert query == {b"organization": [b"o1"], b"return_to": [f"{APP}/x?aal=aal2&refresh=true&via=sms".encode()]}


async def test_head_request_gets_no_body() -> None:
    get, head = await ask(refused(401)), await ask(refused(401), method="HEAD")

    assert head.body == b""
    assert head.header(b"content-length") == get.header(b"content-length") == str(len(get.body)).encode()


async def test_websocket_handshake_gets_an_http_response() -> None:
    """It is not a navigation."""
    app = gated(guard_of(ScriptedKratos(signed_in())), organization="o")

    start, body = await connect(app, headers=[SESSION_TOKEN, NAVIGATE, HTML])

    response = SentResponse(start["status"], start["headers"], body["body"])
    assert (start["type"], body["type"]) == ("websocket.http.response.start", "websocket.http.response.body")
    assert (response.status, response.error_id) == (403, "requirement_not_met")
    assert response.header(b"cache-control") == b"no-store"
    assert response.header(b"content-type") == b"application/json"


class _Odd(Refusal):
    code = "odd"
    status_code = 499
    reason = "It is odd."


@pytest.mark.parametrize(
    "refusal",
    [
        RequirementNotMet("Only <b>owners</b> may.", failures=({"id": "quota", "expected": 1, "actual": "<i>"},)),
        Refusal("No & never."),
        _Odd(),
    ],
)
async def test_refusal_of_the_application_gets_the_same_response(refusal: Refusal) -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise refusal

    wrapped = OrySessionMiddleware(app, guard=guard_of(ScriptedKratos(signed_in())))
    page = await call(wrapped, headers=[SESSION_TOKEN, NAVIGATE])
    api = await call(wrapped, headers=[SESSION_TOKEN])

    assert page.status == api.status == refusal.status_code
    assert b"<b>" not in page.body
    assert b"<i>" not in page.body
    assert (api.error_id, api.json["error"]["reason"]) == (refusal.code, refusal.reason)


async def test_204_has_no_content_length() -> None:
    """RFC 9110, section 8.6."""
    assert ASGIResponse(204, [], b"").headers == []
