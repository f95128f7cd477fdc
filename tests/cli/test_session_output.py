"""A session in words, whatever of it is missing."""

from datetime import UTC, datetime
from typing import Any

import pytest
from support.stub_kratos import NOW, session_body

from ory_guard import Session
from ory_guard.cli.session_output import ago, session_lines


def told(**changes: Any) -> list[str]:
    """Return the lines about a session with these changes."""
    return session_lines(Session.model_validate(session_body(**changes)), NOW.timestamp())


def test_a_session_is_told_from_who_to_where() -> None:
    """Traits and metadata are told with their path, and constants in words."""
    lines = told(
        identity={"metadata_public": {"staff": True, "left": False, "team": None}, "organization_id": "acme"},
        devices=[{"ip_address": "192.0.2.1", "location": "Berlin", "user_agent": "Firefox"}, {}],
    )

    assert lines == [
        "ada@example.com",
        "",
        "signed in     10 seconds ago (2026-07-01 11:59:50 UTC), by password",
        "assurance     aal1",
        "ends          in 1 hour (2026-07-01 13:00:00 UTC)",
        "session       5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01",
        "identity      c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b702 (active, schema default)",
        "organization  acme",
        "address       ada@example.com (verified, email)",
        "trait         email = ada@example.com",
        "trait         name.first = Ada",
        "trait         tags = a, b",
        "metadata      staff = yes",
        "metadata      left = no",
        "metadata      team = nothing",
        "device        192.0.2.1, Berlin, Firefox",
        "device        unknown",
    ]


def test_what_is_missing_is_told_as_unknown() -> None:
    """Older and foreign servers leave much out."""
    bare: dict[str, Any] = {
        "state": None,
        "schema_id": None,
        "traits": {},
        "verifiable_addresses": None,
        "metadata_public": None,
    }
    lines = told(
        identity=bare,
        authentication_methods=None,
        authenticated_at=None,
        authenticator_assurance_level=None,
        devices=None,
    )

    assert lines[0] == "c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b702"
    assert lines[2:4] == ["signed in  at a time unknown, by means unknown", "assurance  unknown"]
    assert lines[-1].endswith("(state unknown, schema unknown)")


def test_who_has_no_email_is_called_by_what_there_is() -> None:
    """A user name, a telephone number, or an address that can be verified."""
    address = [{"value": "+49 30 1", "via": "sms", "verified": False}]

    assert told(identity={"traits": {"username": "ada"}})[0] == "ada"
    lines = told(identity={"traits": {"email": 5}, "verifiable_addresses": address}, authentication_methods=[{}])
    assert lines[0] == "+49 30 1"
    assert "by ?" in lines[2]


def test_metadata_that_is_no_object_is_told_whole() -> None:
    """Kratos takes any JSON there."""
    assert told(identity={"metadata_public": "staff"})[-2] == "metadata   (whole) = staff"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "now"),
        (-0.5, "now"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7_200, "2 hours ago"),
        (-86_400, "in 1 day"),
        (-200_000, "in 2 days"),
    ],
)
def test_spans_of_time_are_told_in_their_largest_unit(seconds: float, words: str) -> None:
    """The past for positive numbers, the future for negative ones."""
    assert ago(seconds) == words


def test_times_are_told_in_utc() -> None:
    """Wherever the session's own zone is."""
    at = datetime(2026, 7, 1, 11, 59, tzinfo=UTC)

    line = told(authenticated_at=at.astimezone().isoformat())[2]

    assert line == "signed in  1 minute ago (2026-07-01 11:59:00 UTC), by password"
