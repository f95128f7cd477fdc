"""Tests of the session parser: outcome, lifetime, cookies and log of each response."""

import logging
from typing import Any, cast

import pytest
from pydantic import BaseModel, ConfigDict, Field
from support.clock import NOW
from support.guard_bench import parser_of, settings_of
from support.scripted_kratos import ENROLL, STEP_UP, KratosResponse, refused, session_body, signed_in, timestamp

from ory_guard import Authenticated, Rejected, SecondFactorRequired, Unavailable
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.session_parser import ParsedSession, SizedSession
from ory_guard.models.credential import Credential
from ory_guard.models.frozen import FrozenDict

TOKEN = Credential("x_session_token", b"", b"ory_st_secret")
COOKIE = Credential("cookie", b"ory_kratos_session", b"MTc5")


def http_response(response: KratosResponse) -> HTTPResponse:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    return HTTPResponse(response.status, headers, response.raw)


def parse(
    response: KratosResponse, credential: Credential = TOKEN, *, jitter: float = 0.0, **changes: Any
) -> ParsedSession:
    """Parse a response at `NOW`; `changes` are settings."""
    parser = parser_of(settings_of(**changes), None, lambda: jitter)
    return parser.parse(http_response(response), credential, NOW.timestamp())


HINT = "set kratos_public_url to the URL of Kratos' public API (default port 4433), and run ory-guard doctor"
NOT_KRATOS = "whoami.unexpected status=%d: the response is not from Kratos' public API%s; " + HINT
HTML_PAGE = " but an HTML page, such as that of a website or a proxy"
HTML = (("content-type", "text/html; charset=utf-8"),)
REJECTED = ParsedSession(Rejected("inactive", "x_session_token"), 3.0)
UNREADABLE = ParsedSession(Unavailable("protocol"))


def protocol_error(text: str) -> str:
    return f"whoami.protocol_error: {text}; {HINT}"


@pytest.mark.parametrize(
    ("response", "parsed", "message"),
    [
        (refused(401), REJECTED, None),
        (refused(403, "session_credential_required"), REJECTED, None),
        (STEP_UP, ParsedSession(SecondFactorRequired("x_session_token", enrolled=True), 3.0), None),
        (ENROLL, ParsedSession(SecondFactorRequired("x_session_token", enrolled=False), 3.0), None),
        # Kratos responds with 401 to ended sessions, but a proxy may have cached an older response.
        (signed_in(session_body(active=False)), REJECTED, None),
        (signed_in(session_body(identity={"state": "inactive"})), REJECTED, None),
        (signed_in(session_body(expires_at=timestamp(-61))), REJECTED, None),
        (
            refused(429),
            ParsedSession(Unavailable("rate_limited", 1)),
            "whoami.failed reason=rate_limited: status 429",
        ),
        (
            refused(503),
            ParsedSession(Unavailable("unreachable")),
            "whoami.failed reason=unreachable: status 503",
        ),
        (refused(404), UNREADABLE, NOT_KRATOS % (404, "")),
        (KratosResponse(404, b"<html>", HTML), UNREADABLE, NOT_KRATOS % (404, HTML_PAGE)),
        (KratosResponse(307, b""), UNREADABLE, NOT_KRATOS % (307, " but probably from its admin API")),
        (
            KratosResponse(200, b"<html>", HTML),
            UNREADABLE,
            protocol_error(f"the body is not plain JSON{HTML_PAGE}"),
        ),
        (KratosResponse(200, session_body(), ()), UNREADABLE, protocol_error("the body is not plain JSON")),
        (
            KratosResponse(200, {"hello": "world"}),
            UNREADABLE,
            protocol_error("the body is not a session of Kratos"),
        ),
        (KratosResponse(200, []), UNREADABLE, protocol_error("the body is not a session of Kratos")),
        (
            KratosResponse(401, {"detail": "Not authenticated"}),
            UNREADABLE,
            protocol_error("the 401 has no error of Kratos, so it may come from a proxy"),
        ),
        (
            KratosResponse(403, {"message": "blocked"}),
            UNREADABLE,
            protocol_error("the 403 has an unknown error id, or none, so it may come from a proxy"),
        ),
    ],
)
def test_response_without_an_active_session(
    response: KratosResponse, parsed: ParsedSession, message: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The log contains the reason of a failure, with a hint to a wrong `kratos_public_url`."""
    with caplog.at_level(logging.WARNING, "ory_guard"):
        assert parse(response, jitter=1.0, negative_ttl=3) == parsed

    assert caplog.messages == ([] if message is None else [message])


@pytest.mark.parametrize(
    ("headers", "expires_in", "changes", "ttl"),
    [
        ({}, 3_600, {}, 30),
        ({}, 12, {}, 12),
        ({}, -59, {}, 0),
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
    """The limits are `cache_ttl`, `Ory-Session-Cache-For` and `expires_at`; an invalid header counts as 0.

    A session that has ended within `clock_skew` is accepted, and not cached.
    """
    parsed = parse(signed_in(session_body(expires_at=timestamp(expires_in)), **headers), **changes)

    assert isinstance(parsed.outcome, Authenticated)
    assert parsed.ttl == pytest.approx(ttl)


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 1.0), (0.5, 0.975), (1.0, 0.95)])
@pytest.mark.parametrize(("expires_in", "allowed"), [(3_600, 30), (20, 20)])
def test_jitter_reduces_the_lifetime_by_at_most_5_percent(
    jitter: float, factor: float, expires_in: float, allowed: float
) -> None:
    """Sessions that are cached together do not expire together."""
    response = signed_in(session_body(expires_at=timestamp(expires_in)))

    assert parse(response, jitter=jitter).ttl == pytest.approx(factor * allowed)


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
