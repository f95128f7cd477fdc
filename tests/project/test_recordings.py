"""Every recorded whoami call, made again through the guard: the recorded outcome, or a stricter one with reason."""

import pytest
from support.asgi_calls import http_scope
from support.guard_bench import context_of, guard_of
from support.recorded_kratos import SERVERS, RecordedKratos, Recording, clock_of, recording, recordings

from ory_guard import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable

pytestmark = pytest.mark.anyio

WHOAMI = recordings("to_session")
# Where the guard's outcome is not what Kratos answered, and why.
STRICTER: dict[str, tuple[Outcome, str]] = {
    "whoami.none": (Anonymous(), "no credential: nobody is asked about nobody"),
    "whoami.basic_scheme": (Anonymous(), "a Basic credential is not Kratos', so it is not sent there"),
    "whoami.bearer.two_spaces": (
        Rejected("malformed", "bearer"),
        "Kratos refuses it, and it can't be sent as it came: not asked",
    ),
    "whoami.duplicate_cookie": (
        Rejected("ambiguous", "cookie"),
        "two cookies that differ: Kratos takes whichever decodes, and another parser the other",
    ),
    "whoami.duplicate_cookie.good_first": (Rejected("ambiguous", "cookie"), "as above, the other way round"),
    "custom_cookie.whoami.default_name_ignored": (
        Anonymous(),
        "a cookie under a name that is not configured is the application's own, and not sent",
    ),
}

# Where Kratos answered to more than the one credential that the guard sends, or to another question.
OTHERWISE: dict[str, tuple[type[Outcome], str]] = {
    "whoami.precedence.bogus_cookie_with_bearer": (
        Rejected,
        "Kratos answers 500 to a bogus cookie beside a bearer; asked about the cookie alone it answers 401",
    ),
    "whoami.tokenize_as": (Authenticated, "the guard never asks for a token"),
    "whoami.tokenize_as.unknown_template": (Authenticated, "as above, so no template can be unknown"),
    "whoami.head": (Authenticated, "the guard asks with GET, whatever the request's own method is"),
    "whoami.post": (Authenticated, "as above"),
}


def outcome_of(recorded: Recording, kind: str) -> Outcome:
    """Return what a recorded answer means, read from the recording alone."""
    status, body = recorded.response["status"], recorded.response["body"]
    if status == 401:
        return Rejected("inactive", kind)  # type: ignore[arg-type] # the kind is one of the three
    assert status == 403
    assert body["error"]["id"] == "session_aal2_required"
    return SecondFactorRequired(kind, enrolled=True)  # type: ignore[arg-type] # as above


def kind_of(recorded: Recording) -> str:
    """Return the kind of credential that Kratos goes by: the first that is there."""
    kinds = {"x-session-token": "x_session_token", "cookie": "cookie", "authorization": "bearer"}
    return next(kind for header, kind in kinds.items() if header in recorded.credentials())


async def replay(recorded: Recording) -> tuple[Outcome, RecordedKratos]:
    """Make the recorded call through a guard whose Kratos answers as recorded."""
    # The same credential may have been answered otherwise at another time, so this recording comes first; others
    # answer where this one was not about the one credential that is sent, or was no plain question.
    plain = [one for one in WHOAMI if one.request["method"] == "GET" and not one.request["query"]]
    mine = [recorded] if recorded in plain and recorded.case not in OTHERWISE else []
    kratos = RecordedKratos(*mine, *(one for one in plain if len(one.credentials()) == 1))
    guard = guard_of(kratos, clock_of(recorded), **SERVERS[recorded.server])
    scope = http_scope("/me", method=recorded.request["method"], headers=recorded.headers())
    return await guard.authenticate(scope), kratos


@pytest.mark.parametrize("recorded", WHOAMI, ids=lambda recorded: recorded.case)
async def test_a_recorded_call_has_its_recorded_outcome(recorded: Recording) -> None:
    """Who Kratos let in is let in, who it refused is refused, and exactly one credential left for it."""
    outcome, kratos = await replay(recorded)

    if recorded.case in STRICTER:
        assert outcome == STRICTER[recorded.case][0]
        assert kratos.requests == []
        return
    kind = kind_of(recorded)
    if recorded.case in OTHERWISE:
        assert type(outcome) is OTHERWISE[recorded.case][0]
    elif recorded.response["status"] == 200:
        body = recorded.response["body"]
        assert isinstance(outcome, Authenticated)
        assert outcome.credential == kind
        assert (outcome.session.id, outcome.session.identity.id) == (body["id"], body["identity"]["id"])
        assert outcome.session.authenticator_assurance_level == body["authenticator_assurance_level"]
        assert outcome.session.identity.traits == body["identity"]["traits"]
    else:
        assert outcome == outcome_of(recorded, kind)
    (asked,) = kratos.requests
    assert (asked.method, asked.credentials()) == ("GET", [sent_by(recorded, kind)])


def sent_by(recorded: Recording, kind: str) -> tuple[str, str]:
    """Return the one header that has to leave for a recorded request."""
    if kind == "x_session_token":
        return "x-session-token", recorded.request["headers"]["x-session-token"]
    if kind == "bearer":
        return "authorization", "Bearer " + recorded.request["headers"]["authorization"].split(" ")[1]
    names = SERVERS[recorded.server].get("cookie_names", ("ory_kratos_session",))
    pairs = [pair.strip() for pair in recorded.request["headers"]["cookie"].split(";")]
    (cookie,) = [pair for pair in pairs if pair.split("=")[0] in names]
    return "cookie", cookie


def test_the_exceptions_are_recordings() -> None:
    """A row that no recording has would hide a typing mistake; one in both tables a contradiction."""
    cases = {recorded.case for recorded in WHOAMI}

    assert {*STRICTER, *OTHERWISE} <= cases
    assert not STRICTER.keys() & OTHERWISE.keys()
    assert len(cases) == len(WHOAMI) == 45


async def test_a_cookie_that_kratos_issued_anew_is_kept_for_the_answer() -> None:
    """After a session was extended, whoami answers with the cookie under a new value: it has to get through."""
    recorded = recording("whoami.cookie.after_extend")
    guard = guard_of(RecordedKratos(recorded), clock_of(recorded))
    check = context_of(guard, http_scope(headers=recorded.headers()))

    await guard.authentication.from_kratos(check)

    (cookie,) = [value for name, value in recorded.response["headers"] if name == "set-cookie"]
    assert check.set_cookies == (cookie.encode(),)


async def test_a_cookie_for_somebody_else_does_not_get_through() -> None:
    """The same header beside a token is dropped: the browser would become somebody else."""
    recorded = recording("whoami.precedence.token_over_cookie")
    assert any(name == "set-cookie" for name, _ in recorded.response["headers"])
    guard = guard_of(RecordedKratos(recorded), clock_of(recorded))
    check = context_of(guard, http_scope(headers=recorded.headers()))

    outcome = await guard.authentication.from_kratos(check)

    assert isinstance(outcome, Authenticated)
    assert check.set_cookies == ()


async def test_no_recorded_answer_is_taken_for_an_outage() -> None:
    """Save for the 500 that Kratos gives to two credentials at once, which the guard never sends."""
    for recorded in WHOAMI:
        outcome, _ = await replay(recorded)

        assert not isinstance(outcome, Unavailable), recorded.case
