"""The guard has the recorded outcome for every recorded whoami call, or a stricter one for a stated reason."""

from typing import Any

import pytest
from support.asgi_calls import http_scope
from support.guard_bench import context_of, guard_of
from support.recorded_kratos import SERVERS, RecordedKratos, Recording, clock_of, recording, recordings

from ory_guard import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired

pytestmark = pytest.mark.anyio

WHOAMI = recordings("to_session")
# Calls for which the guard is stricter than Kratos, with the reason.
STRICTER: dict[str, tuple[Outcome, str]] = {
    "whoami.none": (Anonymous(), "there is no credential, so Kratos is not called"),
    "whoami.basic_scheme": (Anonymous(), "Basic is not a scheme of Kratos, so the credential is not sent"),
    "whoami.bearer.two_spaces": (
        Rejected("malformed", "bearer"),
        "Kratos rejects it, and it can't be sent unchanged",
    ),
    "custom_cookie.whoami.default_name_ignored": (
        Anonymous(),
        "a cookie with another name belongs to the application and is not sent",
    ),
}

# Calls with several credentials, or with a method or query that the guard does not use.
DIFFERENT_CALLS: dict[str, tuple[type[Outcome], str]] = {
    "whoami.precedence.bogus_cookie_with_bearer": (
        Rejected,
        "Kratos responds with 500 to both credentials, and with 401 to the cookie alone",
    ),
    "whoami.tokenize_as": (Authenticated, "the guard never requests a token"),
    "whoami.tokenize_as.unknown_template": (Authenticated, "the guard never sends a template"),
    "whoami.head": (Authenticated, "the guard always uses GET"),
    "whoami.post": (Authenticated, "the guard always uses GET"),
}

# Calls with two different session cookies, of which Kratos uses the one that it can decode.
PAIRS = ("whoami.duplicate_cookie", "whoami.duplicate_cookie.good_first")


def outcome_of(recorded: Recording, kind: Any) -> Outcome:
    """Return the expected outcome of a recorded 401 or 403."""
    status, body = recorded.response["status"], recorded.response["body"]
    if status == 401:
        return Rejected("inactive", kind)
    assert status == 403
    assert body["error"]["id"] == "session_aal2_required"
    return SecondFactorRequired(kind, enrolled=True)


def kind_of(recorded: Recording) -> str:
    """Return the kind of the credential that Kratos uses: the first one in its order."""
    kinds = {"x-session-token": "x_session_token", "cookie": "cookie", "authorization": "bearer"}
    return next(kind for header, kind in kinds.items() if header in recorded.credentials())


async def replay(recorded: Recording) -> tuple[Outcome, RecordedKratos]:
    """Send the recorded request through a guard with the recorded Kratos."""
    # A credential can have several recordings, so this one comes first. The others respond if the guard sends
    # another credential, method or query than this recording has.
    plain = [call for call in WHOAMI if call.request["method"] == "GET" and not call.request["query"]]
    plain = [call for call in plain if call.case not in PAIRS]  # the cookies are sent one by one
    first = [recorded] if recorded in plain and recorded.case not in DIFFERENT_CALLS else []
    kratos = RecordedKratos(*first, *(call for call in plain if len(call.credentials()) == 1))
    guard = guard_of(kratos, clock_of(recorded), **SERVERS[recorded.server])
    scope = http_scope("/me", method=recorded.request["method"], headers=recorded.headers())
    return await guard.authenticate(scope), kratos


@pytest.mark.parametrize("recorded", WHOAMI, ids=lambda recorded: recorded.case)
async def test_recorded_call_has_its_recorded_outcome(recorded: Recording) -> None:
    """The outcome is the recorded one, and the guard has sent exactly one credential, or each of two cookies."""
    outcome, kratos = await replay(recorded)

    if recorded.case in STRICTER:
        assert outcome == STRICTER[recorded.case][0]
        assert kratos.requests == []
        return
    kind = kind_of(recorded)
    if recorded.case in DIFFERENT_CALLS:
        assert type(outcome) is DIFFERENT_CALLS[recorded.case][0]
    elif recorded.response["status"] == 200:
        body = recorded.response["body"]
        assert isinstance(outcome, Authenticated)
        assert outcome.credential == kind
        assert (outcome.session.id, outcome.session.identity.id) == (body["id"], body["identity"]["id"])
        assert outcome.session.authenticator_assurance_level == body["authenticator_assurance_level"]
        assert outcome.session.identity.traits == body["identity"]["traits"]
    else:
        assert outcome == outcome_of(recorded, kind)
    sent = [(request.method, request.credentials()) for request in kratos.requests]
    assert sent == [("GET", [header]) for header in sent_by(recorded, kind)]
    assert len(sent) == (2 if recorded.case in PAIRS else 1)


def sent_by(recorded: Recording, kind: str) -> list[tuple[str, str]]:
    """Return the headers that the guard must send for a recorded request, one by one."""
    if kind == "x_session_token":
        return [("x-session-token", recorded.request["headers"]["x-session-token"])]
    if kind == "bearer":
        return [("authorization", "Bearer " + recorded.request["headers"]["authorization"].split(" ")[1])]
    names = SERVERS[recorded.server].get("cookie_names", ("ory_kratos_session",))
    pairs = [pair.strip() for pair in recorded.request["headers"]["cookie"].split(";")]
    return [("cookie", pair) for pair in pairs if pair.split("=")[0] in names]


def test_exceptions_are_recordings() -> None:
    """Every row of the tables above belongs to a recording, and to one table only."""
    cases = {recorded.case for recorded in WHOAMI}

    assert {*STRICTER, *DIFFERENT_CALLS, *PAIRS} <= cases
    assert not STRICTER.keys() & DIFFERENT_CALLS.keys()
    assert len(cases) == len(WHOAMI) == 45


@pytest.mark.parametrize(
    ("case", "is_forwarded"),
    [
        pytest.param("whoami.cookie.after_extend", True, id="renewed"),
        # The browser's user has another session than the token.
        pytest.param("whoami.precedence.token_over_cookie", False, id="of another user"),
    ],
)
async def test_new_cookie_is_forwarded_only_to_its_user(case: str, is_forwarded: bool) -> None:
    recorded = recording(case)
    guard = guard_of(RecordedKratos(recorded), clock_of(recorded))
    context = context_of(guard, http_scope(headers=recorded.headers()))

    await guard.authentication.from_kratos(context)

    (cookie,) = [value for name, value in recorded.response["headers"] if name == "set-cookie"]
    assert context.set_cookies == ((cookie.encode(),) if is_forwarded else ())
