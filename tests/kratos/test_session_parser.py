"""What an answer of Kratos means: a session, a refusal, or nothing at all."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from support.adapters import parser_of
from support.clock import NOW
from support.guard_bench import settings_of
from support.scripted_kratos import KratosResponse, refused, session_body, signed_in, timestamp

from ory_guard import Authenticated, Rejected, SecondFactorRequired, Unavailable
from ory_guard.kratos.http import HTTPResponse
from ory_guard.kratos.session_parser import ParsedSession, retry_after_seconds
from ory_guard.models.credential import Credential
from ory_guard.models.frozen import FrozenDict

TOKEN = Credential("x_session_token", b"", b"ory_st_secret")
COOKIE = Credential("cookie", b"ory_kratos_session", b"MTc5")


def answer_of(told: KratosResponse) -> HTTPResponse:
    """Return the stub's answer as the reader gets it."""
    headers = [(name.encode(), value.encode()) for name, value in told.headers]
    return HTTPResponse(told.status, headers, told.raw)


def read(told: KratosResponse, credential: Credential = TOKEN, **changes: Any) -> ParsedSession:
    """Read an answer now, with no part of its ttl taken away by chance."""
    reader = parser_of(settings_of(**changes), None, lambda: 0.0)
    return reader.parse(answer_of(told), credential, NOW.timestamp())


def test_a_200_with_a_session_is_somebody() -> None:
    """Who it is, found by which kind of credential."""
    reading = read(signed_in(), COOKIE)

    assert isinstance(reading.outcome, Authenticated)
    assert reading.outcome.session.id == session_body()["id"]
    assert (reading.outcome.credential, reading.outcome.source, reading.outcome.age) == ("cookie", "upstream", 0.0)


@pytest.mark.parametrize(
    "body",
    [
        session_body(active=False),
        session_body(expires_at=timestamp(-61)),
        session_body(identity={"state": "inactive"}),
    ],
    ids=["not active", "expired beyond the skew", "of an inactive identity"],
)
def test_a_session_that_is_over_is_refused_and_kept_like_a_401(body: dict[str, Any]) -> None:
    """Kratos answers such sessions with 401; a proxy that still has the old answer changes nothing."""
    assert read(signed_in(body)) == ParsedSession(Rejected("inactive", "x_session_token"), 5.0)


def test_a_session_that_ended_within_the_skew_is_served_once() -> None:
    """Clocks differ; it is let in as Kratos does, and never kept."""
    reading = read(signed_in(session_body(expires_at=timestamp(-59))))

    assert isinstance(reading.outcome, Authenticated)
    assert reading.ttl == 0


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
def test_a_session_is_kept_for_the_least_of_three_spans(
    headers: dict[str, str], expires_in: float, changes: dict[str, Any], ttl: float
) -> None:
    """`cache_ttl`, what Kratos allows, and the end of the session; a lifetime that is no number is none."""
    reading = read(signed_in(session_body(expires_at=timestamp(expires_in)), **headers), **changes)

    assert reading.ttl == pytest.approx(ttl)


NONSENSE = [
    KratosResponse(200, b""),
    KratosResponse(200, b"<html>"),
    KratosResponse(200, b"{"),
    KratosResponse(200, b"null"),
    KratosResponse(200, b"[]"),
    KratosResponse(200, b"\xff\xfe"),
    KratosResponse(200, b"[" * 100_000),
    KratosResponse(200, {"id": "s", "active": True}),
    KratosResponse(200, {"session": session_body()}),
    KratosResponse(200, session_body(active="true")),
    KratosResponse(200, session_body(expires_at="soon")),
    KratosResponse(200, session_body(expires_at=None)),
    KratosResponse(200, session_body(identity={"id": ""})),
    KratosResponse(200, session_body(identity={"metadata_public": float("nan")})),
    KratosResponse(200, session_body(), headers=()),
    KratosResponse(200, session_body(), headers=(("content-type", "text/html"),)),
    KratosResponse(200, session_body(), headers=(("content-type", "application/json+x"),)),
    signed_in(content_encoding="gzip"),
    KratosResponse(201, session_body()),
    KratosResponse(204, b""),
    KratosResponse(206, session_body()),
    KratosResponse(302, b""),
    KratosResponse(304, b""),
    refused(400),
    refused(404),
    refused(405),
    refused(410),
    refused(418),
    refused(422),
    refused(403),
    refused(403, "security_csrf_violation"),
    refused(403, "session_aal3_required"),
    KratosResponse(403, b"<html>blocked by the firewall</html>", headers=(("content-type", "text/html"),)),
    KratosResponse(403, {"error": "session_aal2_required"}),
    KratosResponse(403, {"error": {"id": ["session_aal2_required"]}}),
    KratosResponse(403, b'{"error": {"id": "session_aal2_required"}}', headers=(("content-type", "text/plain"),)),
    KratosResponse(403, b"[" * 100_000),
    KratosResponse(403, b"7"),
]


@pytest.mark.parametrize("told", NONSENSE, ids=lambda told: f"{told.status} {str(told.body)[:40]}")
def test_nonsense_lets_nobody_in_and_logs_nobody_out(told: KratosResponse) -> None:
    """What is not one of Kratos' answers says nothing about the session, and is not kept."""
    assert read(told, COOKIE) == ParsedSession(Unavailable("protocol"))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_a_5xx_is_kratos_fault(status: int) -> None:
    """Not the caller's: nobody is signed out by it."""
    assert read(refused(status)) == ParsedSession(Unavailable("unreachable"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 1), ({"retry-after": "7"}, 7), ({"retry-after": "0"}, 1), ({"retry-after": "3600"}, 60)],
)
def test_a_429_says_when_to_come_again(headers: dict[str, str], seconds: int) -> None:
    """From 1 to 60 seconds, whatever Kratos says."""
    assert read(KratosResponse(429, b"", tuple(headers.items()))) == ParsedSession(
        Unavailable("rate_limited", seconds)
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 1),
        (b"", 1),
        (b"12", 12),
        (b"-5", 1),
        (b"1.5", 1),
        (b"9" * 5_000, 60),
        (b"Wed, 21 Oct 2026 07:28:00 GMT", 1),
        ("²".encode(), 1),
    ],
)
def test_retry_after_is_read_without_trust(value: bytes | None, seconds: int) -> None:
    """Anything but a number of seconds counts as one."""
    assert retry_after_seconds(value) == seconds


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (refused(401), 5.0),
        (KratosResponse(401, {"error": {"code": 401, "status": "Unauthorized"}}), 5.0),
        (refused(401).with_header("ory-session-cache-for", "60"), 5.0),
        (KratosResponse(401, b""), 0.0),
        (KratosResponse(401, b"<html>", headers=(("content-type", "text/html"),)), 0.0),
        (KratosResponse(401, {"error": {"code": 403}}), 0.0),
        (KratosResponse(401, {"error": "unauthorized"}), 0.0),
    ],
    ids=["kratos", "kratos, short", "kratos, with its own span", "empty", "a page", "odd", "a string"],
)
def test_a_401_is_nobody_and_kept_only_in_kratos_own_words(told: KratosResponse, kept: float) -> None:
    """By status first: Kratos' 401 has no id. One that a proxy made up is not remembered."""
    assert read(told) == ParsedSession(Rejected("inactive", "x_session_token"), kept)


@pytest.mark.parametrize(
    ("error_id", "outcome"),
    [
        ("session_aal2_required", SecondFactorRequired("cookie", enrolled=True)),
        ("session_aal2_enrollment_required", SecondFactorRequired("cookie", enrolled=False)),
        ("session_credential_required", Rejected("inactive", "cookie")),
    ],
)
def test_the_403s_that_are_known(error_id: str, outcome: Any) -> None:
    """A second factor to give, one to set up, or a sign-in to repeat; all kept `negative_ttl`."""
    assert read(refused(403, error_id), COOKIE, negative_ttl=3) == ParsedSession(outcome, 3)


ANEW = "ory_kratos_session=anew; Path=/; HttpOnly; SameSite=Lax"


def with_cookies(*values: str) -> KratosResponse:
    """Return a session that comes with these `Set-Cookie` values."""
    told = signed_in()
    for value in values:
        told = told.with_header("set-cookie", value)
    return told


def test_the_session_cookie_is_handed_on_as_it_is() -> None:
    """And no other: what a proxy of Kratos sets is none of the application's business."""
    told = with_cookies("lb=3; Path=/", ANEW, "ory_kratos_session_x=1", "csrf_token_1=x")

    assert read(told, COOKIE).set_cookies == (ANEW.encode(),)


def test_no_cookie_is_handed_to_who_sent_a_token() -> None:
    """Kratos may send one; a browser that took it would become somebody else."""
    assert read(with_cookies(ANEW), TOKEN).set_cookies == ()


def test_a_refusal_hands_on_no_cookie() -> None:
    """Only a session comes with one."""
    assert read(refused(401).with_header("set-cookie", ANEW), COOKIE).set_cookies == ()


@given(
    status=st.sampled_from([200, 401, 403, 429, 500]),
    kind=st.sampled_from([b"application/json", b"application/json; charset=utf-8", b"text/plain"]),
    body=st.binary(max_size=60),
    headers=st.dictionaries(
        st.sampled_from([b"retry-after", b"ory-session-cache-for", b"set-cookie"]), st.binary(max_size=12)
    ),
)
def test_no_answer_raises(status: int, kind: bytes, body: bytes, headers: dict[bytes, bytes]) -> None:
    """Whatever the other side sends comes to an outcome, and random bytes never to a session."""
    answer = HTTPResponse(status, [(b"content-type", kind), *headers.items()], body)

    reading = parser_of(settings_of(), None).parse(answer, COOKIE, NOW.timestamp())

    assert not isinstance(reading.outcome, Authenticated)
    assert reading.set_cookies == ()


class Traits(BaseModel):
    """Traits that want a role."""

    model_config = ConfigDict(frozen=True)

    role: str


def test_traits_that_do_not_fit_are_nonsense_and_told_by_place(caplog: pytest.LogCaptureFixture) -> None:
    """The log says where, never what: the values are personal."""
    reader = parser_of(settings_of(), Traits)

    with caplog.at_level(logging.ERROR, "ory_guard"):
        reading = reader.parse(answer_of(signed_in()), TOKEN, NOW.timestamp())

    assert reading.outcome == Unavailable("protocol")
    assert caplog.messages == ["whoami.protocol_error: the session has invalid fields: identity.traits.role"]


class Counts(BaseModel):
    """Traits with keys that their owner chooses."""

    model_config = ConfigDict(frozen=True)

    counts: FrozenDict[int]


def test_a_place_that_its_owner_named_begins_no_record_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Keys of traits may be anything, a line break among it."""
    body = session_body(identity={"traits": {"counts": {"a\nory_guard CRITICAL forged": "x"}}})
    with caplog.at_level(logging.ERROR, "ory_guard"):
        parser_of(settings_of(), Counts).parse(answer_of(signed_in(body)), TOKEN, NOW.timestamp())

    (message,) = caplog.messages
    assert message.endswith(r": 'identity.traits.counts.a\nory_guard CRITICAL forged'")


@pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (500, "unreachable"), (503, "unreachable")])
def test_a_kratos_that_fails_is_warned_of(status: int, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """The application's log says why people get 503, with nothing of what Kratos sent."""
    with caplog.at_level(logging.WARNING, "ory_guard"):
        read(refused(status))

    assert caplog.messages == [f"whoami.failed reason={reason}: status {status}"]


def test_a_status_that_kratos_never_sends_hints_at_the_address(caplog: pytest.LogCaptureFixture) -> None:
    """The usual cause is a wrong `kratos_public_url`."""
    with caplog.at_level(logging.ERROR, "ory_guard"):
        read(refused(404))

    assert caplog.messages == [
        "whoami.unexpected status=404: kratos_public_url does not look like Kratos' public API"
    ]


def test_an_answers_first_header_counts() -> None:
    """Names are in lower case already."""
    answer = HTTPResponse(200, [(b"a", b"1"), (b"a", b"2")], json.dumps({}).encode())

    assert (answer.header(b"a"), answer.header(b"b"), answer.is_json()) == (b"1", None, False)
