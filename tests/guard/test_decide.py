"""Decisions: cross-site requests, and the refusal for each failed requirement."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.applications import gated
from support.asgi_calls import SentResponse, call, http_scope
from support.guard_bench import BEARER, SESSION_COOKIE, SESSION_TOKEN, Pair, guard_of, optional_session, settings_of
from support.scripted_kratos import (
    APP,
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

from ory_guard import Authenticated, OrySessionMiddleware, Outcome, Rejected, Session
from ory_guard.exceptions import (
    CsrfViolation,
    EnrollmentRequired,
    ReauthenticationRequired,
    Refusal,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)
from ory_guard.guard.csrf import CSRFPolicy

pytestmark = pytest.mark.anyio

OURS = (b"origin", APP.encode())
PARTNER = (b"origin", b"https://partner.example.org")
FOREIGN = (b"origin", b"https://evil.test")
NULL = (b"origin", b"null")


def site(value: bytes) -> Pair:
    return b"sec-fetch-site", value


async def post(answer: KratosResponse, *headers: Pair, method: str = "POST", **conditions: Any) -> SentResponse:
    guard = guard_of(ScriptedKratos(answer), trusted_origins=("https://partner.example.org",))
    return await call(gated(guard, **conditions), method=method, headers=headers)


SITES: list[tuple[str, tuple[Pair, ...], bool]] = [
    ("no browser", (), True),
    ("same-origin", (site(b"same-origin"),), True),
    ("same-originand foreign Origin", (site(b"same-origin"), FOREIGN), True),
    ("entered by the user", (site(b"none"),), True),
    ("same-site", (site(b"same-site"),), False),
    ("same-site, own", (site(b"same-site"), OURS), True),
    ("same-site, trusted", (site(b"same-site"), PARTNER), True),
    ("cross-site", (site(b"cross-site"),), False),
    ("cross-site, trusted", (site(b"cross-site"), PARTNER), True),
    ("cross-site, foreign", (site(b"cross-site"), FOREIGN), False),
    ("cross-site, null", (site(b"cross-site"), NULL), False),
    ("unknown value", (site(b"same-planet"),), False),
    ("an empty value", (site(b""),), False),
    ("upper case", (site(b"Same-Origin"),), False),
    ("twice", (site(b"same-origin"), site(b"same-origin")), False),
    ("old browser, own", (OURS,), True),
    ("old browser, trusted", (PARTNER,), True),
    ("old browser, foreign", (FOREIGN,), False),
    ("old browser, null", (NULL,), False),
    ("old browser, empty", ((b"origin", b""),), False),
    ("old browser, twice", (OURS, OURS), False),
    ("old browser, another port", ((b"origin", APP.encode() + b":8443"),), False),
    ("old browser, another scheme", ((b"origin", b"http://app.example.com"),), False),
    ("old browser, a longer name", ((b"origin", APP.encode() + b".evil.test"),), False),
]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "LINK", ""])
@pytest.mark.parametrize(("headers", "is_accepted"), [row[1:] for row in SITES], ids=[row[0] for row in SITES])
async def test_unsafe_request_with_cookie_is_refused_if_cross_site(
    headers: tuple[Pair, ...], is_accepted: bool, method: str
) -> None:
    """A page can't forge `Sec-Fetch-Site` and `Origin`."""
    response = await post(signed_in(), SESSION_COOKIE, *headers, method=method)

    assert response.status == (200 if is_accepted else 403)
    if not is_accepted:
        assert response.error_id == "security_csrf_violation"


@pytest.mark.parametrize(
    ("method", "credential"),
    [
        ("GET", SESSION_COOKIE),
        ("HEAD", SESSION_COOKIE),
        ("OPTIONS", SESSION_COOKIE),
        ("POST", SESSION_TOKEN),
        ("POST", BEARER),
    ],
)
async def test_safe_methods_and_tokens_are_accepted_from_any_site(method: str, credential: Pair) -> None:
    """A page of another site can't read the token."""
    assert (await post(signed_in(), credential, site(b"cross-site"), FOREIGN, method=method)).status == 200


OVERRIDE = Authenticated(Session.model_validate(session_body()), "cookie", "override", 0.0)


@pytest.mark.parametrize(("origin", "outcome"), [(OURS, OVERRIDE), (FOREIGN, Rejected("origin", "cookie"))])
async def test_override_is_subject_to_the_cross_site_check(origin: Pair, outcome: Outcome) -> None:
    guard = guard_of(None)
    with guard.override(OVERRIDE):
        assert await guard.authenticate(http_scope(method="POST", headers=[SESSION_COOKIE, origin])) == outcome


async def test_cross_site_check_uses_the_current_method() -> None:
    """A middleware may take the method from a query parameter."""
    guard = guard_of(ScriptedKratos(signed_in()))

    async def override_method(scope: Any, receive: Any, send: Any) -> None:
        await guard.require(scope)
        scope["method"] = "DELETE"
        assert await optional_session(guard, scope) is None
        assert await guard.authenticate(scope) == Rejected("origin", "cookie")
        with pytest.raises(CsrfViolation):
            await guard.logout(scope)
        await guard.require(scope)

    app = OrySessionMiddleware(override_method, guard=guard)

    assert (await call(app, headers=[SESSION_COOKIE, site(b"cross-site")])).error_id == "security_csrf_violation"


OLD: dict[str, Any] = {"authenticated_at": timestamp(-3_600)}


@pytest.mark.parametrize(
    ("body", "conditions", "kind", "failed"),
    [
        (session_body(), {"organization": "o1"}, RequirementNotMet, ["organization"]),
        (
            session_body(**OLD),
            {"aal": "aal2", "max_age": 60, "verified": "sms"},
            RequirementNotMet,
            ["aal", "max_age", "verified"],
        ),
        (session_body(), {"aal": "aal2"}, EnrollmentRequired, ["aal"]),
        (session_body(**OLD), {"aal": "aal2", "max_age": 60}, EnrollmentRequired, ["aal", "max_age"]),
        (session_body(**OLD), {"max_age": 60}, ReauthenticationRequired, ["max_age"]),
        (session_body(**OLD), {"aal": "aal1", "max_age": 60}, ReauthenticationRequired, ["max_age"]),
        (aal2_session(-5, -3_600), {"aal": "aal2", "max_age": 60}, ReauthenticationRequired, ["max_age"]),
        (session_body(authenticator_assurance_level="aal3"), {"aal": "aal2"}, RequirementNotMet, ["aal"]),
        (session_body(authenticator_assurance_level=None), {"aal": "aal1"}, RequirementNotMet, ["aal"]),
        (session_body(), {"when": lambda _: False}, RequirementNotMet, ["when"]),
    ],
)
async def test_refusal_depends_on_the_most_important_failure(
    body: Any, conditions: dict[str, Any], kind: type[Refusal], failed: list[str]
) -> None:
    """Failures that a login does not resolve come first, then the second factor, then the age.

    The required level and age don't depend on the condition that failed.
    """
    with pytest.raises(Refusal) as caught:
        await guard_of(ScriptedKratos(signed_in(body))).require(http_scope(headers=[SESSION_TOKEN]), **conditions)

    assert type(caught.value) is kind
    assert [failure["id"] for failure in caught.value.failures] == failed
    assert (caught.value.aal, caught.value.max_age) == (conditions.get("aal"), conditions.get("max_age"))


@pytest.mark.parametrize(
    ("response", "headers", "kind", "aal"),
    [
        (signed_in(), [], SessionRequired, "aal1"),
        (refused(401), [SESSION_TOKEN], SessionRequired, "aal1"),
        (STEP_UP, [SESSION_TOKEN], StepUpRequired, "aal2"),
        (ENROLL, [SESSION_TOKEN], EnrollmentRequired, "aal2"),
        (refused(500), [SESSION_TOKEN], SessionCheckUnavailable, None),
    ],
)
async def test_refusal_for_each_outcome(
    response: KratosResponse, headers: list[Pair], kind: type[Refusal], aal: str | None
) -> None:
    with pytest.raises(Refusal) as caught:
        await guard_of(ScriptedKratos(response)).require(http_scope(headers=headers), aal="aal1")

    assert (type(caught.value), caught.value.aal) == (kind, aal)


@pytest.mark.parametrize(
    ("required_aal", "error_id"),
    [("highest_available", "session_aal2_enrollment_required"), ("aal1", "session_aal2_required")],
)
async def test_refusal_of_aal1_depends_on_required_aal_of_kratos(required_aal: str, error_id: str) -> None:
    """Under `highest_available`, whoami returns a session at aal1 only if no second factor is enrolled."""
    guard = guard_of(ScriptedKratos(signed_in()), whoami_required_aal=required_aal)

    response = await call(gated(guard, aal="aal2"), headers=[SESSION_TOKEN])

    assert response.error_id == error_id


def test_only_configured_origins_are_trusted() -> None:
    policy = CSRFPolicy(settings_of(app_url=None, credentials=("bearer",)))

    assert not policy.is_trusted_origin(http_scope(headers=[OURS]))
    assert not policy.is_trusted_origin(http_scope())
    assert CSRFPolicy(settings_of()).is_trusted_origin(http_scope(headers=[OURS]))


POLICY = CSRFPolicy(settings_of())
NAMES = st.sampled_from([b"sec-fetch-site", b"origin", b"referer"])
VALUES = st.sampled_from([b"same-origin", b"none", b"cross-site", b"null", b"", APP.encode()]) | st.binary(
    max_size=8
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_request_of_a_foreign_page_is_always_cross_site(headers: list[Pair]) -> None:
    """The browser sends `cross-site` or a foreign `Origin`, in addition to any other headers."""
    for sent in (site(b"cross-site"), FOREIGN):
        if sent[0] == b"origin":
            others = [pair for pair in headers if pair[0] == b"referer"]
        else:
            others = [pair for pair in headers if pair[0] != b"origin" or pair[1] != APP.encode()]

        assert POLICY.is_cross_site(http_scope(method="POST", headers=[*others, sent]))
