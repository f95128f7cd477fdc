"""Tests of the session parser: outcome, lifetime, cookies and log of each response."""

import logging
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from support.clock import NOW
from support.guard_bench import parser_of, settings_of
from support.scripted_kratos import KratosResponse, refused, session_body, signed_in, timestamp

from ory_guard import Authenticated, Rejected, SecondFactorRequired, Unavailable
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.session_parser import ParsedSession, SizedSession
from ory_guard.models.credential import Credential
from ory_guard.models.frozen import FrozenDict

TOKEN = Credential("x_session_token", b"", b"ory_st_secret")
COOKIE = Credential("cookie", b"ory_kratos_session", b"MTc5")


def http_response(response: KratosResponse) -> HTTPResponse:
    """Return a response in the form of the HTTP client."""
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    return HTTPResponse(response.status, headers, response.raw)


def parse(
    response: KratosResponse, credential: Credential = TOKEN, *, jitter: float = 0.0, **changes: Any
) -> ParsedSession:
    """Parse a response at `NOW`; `changes` are settings."""
    parser = parser_of(settings_of(**changes), None, lambda: jitter)
    return parser.parse(http_response(response), credential, NOW.timestamp())


@pytest.mark.parametrize(
    "body",
    [
        session_body(active=False),
        session_body(expires_at=timestamp(-61)),
        session_body(identity={"state": "inactive"}),
    ],
    ids=["inactive", "expired beyond the skew", "inactive identity"],
)
def test_ended_session_is_rejected_like_a_401(body: dict[str, Any]) -> None:
    """Kratos responds with 401 to such sessions, but a proxy may have cached an older response."""
    assert parse(signed_in(body)) == ParsedSession(Rejected("inactive", "x_session_token"), 5.0)


def test_session_that_ended_within_the_skew_is_not_cached() -> None:
    """Kratos' clock may differ from the clock of this host."""
    parsed = parse(signed_in(session_body(expires_at=timestamp(-59))))

    assert isinstance(parsed.outcome, Authenticated)
    assert parsed.ttl == 0


@pytest.mark.parametrize(
    ("headers", "expires_in", "changes", "ttl"),
    [
        ({}, 3_600, {}, 30),
        ({}, 12, {}, 12),
        ({}, 3_600, {"cache_ttl": 300}, 300),
        ({}, 3_600, {"cache_ttl": 0}, 0),
        ({"ory_session_cache_for": "300"}, 3_600, {}, 30),
        ({"ory_session_cache_for": "7"}, 3_600, {}, 7),
        ({"ory_session_cache_for": "7"}, 5, {}, 5),
        ({"ory_session_cache_for": "0"}, 3_600, {}, 0),
        ({"ory_session_cache_for": "-1"}, 3_600, {}, 0),
        ({"ory_session_cache_for": "1.5"}, 3_600, {}, 0),
        ({"ory_session_cache_for": ""}, 3_600, {}, 0),
        ({"ory_session_cache_for": "9" * 400}, 3_600, {}, 30),
    ],
)
def test_lifetime_is_the_minimum_of_three_limits(
    headers: dict[str, str], expires_in: float, changes: dict[str, Any], ttl: float
) -> None:
    """The limits are `cache_ttl`, `Ory-Session-Cache-For` and `expires_at`; an invalid header counts as 0."""
    parsed = parse(signed_in(session_body(expires_at=timestamp(expires_in)), **headers), **changes)

    assert parsed.ttl == pytest.approx(ttl)


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 1.0), (0.5, 0.975), (1.0, 0.95)])
@pytest.mark.parametrize(("expires_in", "allowed"), [(3_600, 30), (20, 20)])
def test_jitter_reduces_the_lifetime_by_at_most_5_percent(
    jitter: float, factor: float, expires_in: float, allowed: float
) -> None:
    """Sessions that are cached together do not expire together."""
    response = signed_in(session_body(expires_at=timestamp(expires_in)))

    assert parse(response, jitter=jitter).ttl == pytest.approx(factor * allowed)


def test_lifetime_of_a_rejection_has_no_jitter() -> None:
    assert parse(refused(401), jitter=1.0).ttl == 5.0


def test_jitter_is_random_by_default() -> None:
    parser = parser_of(settings_of())

    ttls = {parser.parse(http_response(signed_in()), TOKEN, NOW.timestamp()).ttl for _ in range(20)}

    assert len(ttls) > 1
    assert all(28.5 < ttl <= 30.0 for ttl in ttls)


@pytest.mark.parametrize(
    ("error_id", "outcome"),
    [
        ("session_aal2_required", SecondFactorRequired("cookie", enrolled=True)),
        ("session_aal2_enrollment_required", SecondFactorRequired("cookie", enrolled=False)),
        ("session_credential_required", Rejected("inactive", "cookie")),
    ],
)
def test_403_is_parsed_by_its_error_id(error_id: str, outcome: Any) -> None:
    assert parse(refused(403, error_id), COOKIE, negative_ttl=3) == ParsedSession(outcome, 3)


SESSION_COOKIE = "ory_kratos_session=new; Path=/; HttpOnly; SameSite=Lax"
OTHER_COOKIES = ("lb=3; Path=/", "ory_kratos_session_x=1", "csrf_token_1=x")


@pytest.mark.parametrize(
    ("response", "credential", "forwarded"),
    [
        (signed_in(), COOKIE, (SESSION_COOKIE.encode(),)),
        (signed_in(), TOKEN, ()),
        (refused(401), COOKIE, ()),
    ],
    ids=["session, cookie", "session, token", "rejected cookie"],
)
def test_only_a_renewed_session_cookie_is_forwarded(
    response: KratosResponse, credential: Credential, forwarded: tuple[bytes, ...]
) -> None:
    """Other cookies, and cookies for a client that sent a token, are dropped."""
    for value in (OTHER_COOKIES[0], SESSION_COOKIE, *OTHER_COOKIES[1:]):
        response = response.with_header("set-cookie", value)

    assert parse(response, credential).set_cookies == forwarded


@given(
    status=st.sampled_from([200, 401, 403, 429, 500]),
    kind=st.sampled_from([b"application/json", b"application/json; charset=utf-8", b"text/plain"]),
    body=st.binary(max_size=60),
    headers=st.dictionaries(
        st.sampled_from([b"retry-after", b"ory-session-cache-for", b"set-cookie"]), st.binary(max_size=12)
    ),
)
def test_random_response_never_authenticates(
    status: int, kind: bytes, body: bytes, headers: dict[bytes, bytes]
) -> None:
    response = HTTPResponse(status, [(b"content-type", kind), *headers.items()], body)

    parsed = parser_of(settings_of()).parse(response, COOKIE, NOW.timestamp())

    assert not isinstance(parsed.outcome, Authenticated)
    assert parsed.set_cookies == ()


def test_stored_session_is_parsed_again() -> None:
    """Another process may have stored an invalid session, or one that has ended since."""
    parser = parser_of(settings_of())
    bodies = {
        "valid": signed_in().raw,
        "ended": signed_in(session_body(expires_at=timestamp(-61))).raw,
        "inactive": signed_in(session_body(active=False)).raw,
        "invalid": b"{}",
        "complex": signed_in(session_body(identity={"traits": {"list": [0] * 4_096}})).raw,
    }

    parsed = {name: parser.parse_stored(body, NOW.timestamp()) for name, body in bodies.items()}

    valid, expected = parsed.pop("valid"), parse(signed_in())
    assert valid is not None
    assert isinstance(expected.outcome, Authenticated)
    assert valid == (expected.outcome.session, expected.body, expected.memory_bytes)
    assert set(parsed.values()) == {None}


def test_claims_are_parsed_as_a_session() -> None:
    parser = parser_of(settings_of())

    parsed = parser.from_claims(session_body(expires_at=NOW))

    assert isinstance(parsed, SizedSession)
    assert (parsed.session.id, parsed.session.expires_at) == (session_body()["id"], NOW)
    assert parser.parse_again(parsed.body) == parsed.session


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"id": "s"}, "the session has invalid fields: active, expires_at, identity"),
        (session_body(authenticated_at=1_700_000_000), "the session has invalid fields: authenticated_at"),
        (session_body(authentication_methods=["totp"]), "the session has invalid fields: authentication_methods.0"),
        (session_body(claims=[0] * 5_000), "the session is too complex: "),
        (session_body(claims="\ud800"), "a claim is not valid Unicode"),
    ],
)
def test_invalid_claims_are_described(claims: Any, reason: str) -> None:
    """The mapper of the tokenizer has made them, so the reason names the claim, but not its value."""
    found = parser_of(settings_of()).from_claims(claims)

    assert isinstance(found, str)
    assert found.startswith(reason)


class Traits(BaseModel):
    """Traits with a required role."""

    model_config = ConfigDict(frozen=True)

    role: str


class Counts(BaseModel):
    """Traits with keys that the user chooses."""

    model_config = ConfigDict(frozen=True)

    counts: FrozenDict[int]


class MutableDefault(BaseModel):
    """Traits with a mutable value, although sessions are shared between requests."""

    model_config = ConfigDict(frozen=True)

    first: str = "x"
    rest: tuple[str, ...] = Field(default_factory=lambda values: cast("Any", [values["first"]]))


@pytest.mark.parametrize(
    ("model", "traits", "end"),
    [
        pytest.param(Traits, {"role": 5}, ": identity.traits.role", id="no value, which is personal data"),
        pytest.param(Counts, {"counts": {"a\nb": "x"}}, r": 'identity.traits.counts.a\nb'", id="escaped key"),
        pytest.param(Counts, {"counts": dict.fromkeys(map(str, range(101)), "x")}, ": 101 errors", id="many"),
        pytest.param(MutableDefault, {}, ")", id="mutable value"),
    ],
)
def test_invalid_traits_are_logged(
    model: type[BaseModel], traits: dict[str, Any], end: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = http_response(signed_in(session_body(identity={"traits": traits})))
    with caplog.at_level(logging.ERROR, "ory_guard"):
        parsed = parser_of(settings_of(), model).parse(response, TOKEN, NOW.timestamp())

    assert parsed.outcome == Unavailable("protocol")
    (message,) = caplog.messages
    assert message.startswith("whoami.protocol_error: the session has invalid fields: ")
    assert message.endswith(end)


@pytest.mark.parametrize(
    ("status", "outcome"), [(429, Unavailable("rate_limited", 1)), (503, Unavailable("unreachable"))]
)
def test_failures_of_kratos_are_logged(status: int, outcome: Unavailable, caplog: pytest.LogCaptureFixture) -> None:
    """The record contains the reason and the status, and no part of the response."""
    with caplog.at_level(logging.WARNING, "ory_guard"):
        assert parse(refused(status)) == ParsedSession(outcome)

    assert caplog.messages == [f"whoami.failed reason={outcome.reason}: status {status}"]


HINT = "set kratos_public_url to the URL of Kratos' public API (default port 4433), and run ory-guard doctor"
HTML_PAGE = "but an HTML page, such as that of a website or a proxy"
HTML = (("content-type", "text/html; charset=utf-8"),)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (refused(404), "unexpected status=404: the response is not from Kratos' public API"),
        (
            KratosResponse(404, b"<html>", headers=HTML),
            f"unexpected status=404: the response is not from Kratos' public API {HTML_PAGE}",
        ),
        (
            KratosResponse(307, b""),
            "unexpected status=307: the response is not from Kratos' public API but probably from its admin API",
        ),
        (
            KratosResponse(200, b"<html>", headers=HTML),
            f"protocol_error: the body is not plain JSON {HTML_PAGE}",
        ),
        (KratosResponse(200, session_body(), headers=()), "protocol_error: the body is not plain JSON"),
        (KratosResponse(200, {"hello": "world"}), "protocol_error: the body is not a session of Kratos"),
        (KratosResponse(200, []), "protocol_error: the body is not a session of Kratos"),
        (
            KratosResponse(401, {"detail": "Not authenticated"}),
            "protocol_error: the 401 has no error of Kratos, so it may come from a proxy",
        ),
        (
            KratosResponse(403, {"message": "blocked"}),
            "protocol_error: the 403 has an unknown error id, or none, so it may come from a proxy",
        ),
    ],
)
def test_response_of_another_server_is_logged_with_a_hint(
    response: KratosResponse, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The usual cause is a wrong `kratos_public_url`."""
    with caplog.at_level(logging.ERROR, "ory_guard"):
        parse(response)

    assert caplog.messages == [f"whoami.{message}; {HINT}"]
