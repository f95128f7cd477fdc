"""A session as lines of text, with all or few of its fields."""

from datetime import UTC, datetime
from typing import Any

import pytest
from support.clock import NOW
from support.scripted_kratos import session_body

from ory_guard import Session
from ory_guard.cli.session_output import format_interval, session_lines


def lines_of(**changes: Any) -> list[str]:
    """Return the lines for a session with these changes."""
    return session_lines(Session.model_validate(session_body(**changes)), NOW.timestamp())


def test_lines_show_all_fields_of_a_session() -> None:
    """Nested traits and metadata are shown with their path."""
    lines = lines_of(
        identity={"metadata_public": {"staff": True, "left": False, "team": None}, "organization_id": "acme"},
        devices=[{"ip_address": "192.0.2.1", "location": "Berlin", "user_agent": "Firefox"}, {}],
    )

    assert lines == [
        "ada@example.com",
        "",
        "logged in     10 seconds ago (2026-07-01 11:59:50 UTC), by password",
        "assurance     aal1",
        "expires       in 1 hour (2026-07-01 13:00:00 UTC)",
        "session       5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01",
        "identity      c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b702 (active, schema default)",
        "organization  acme",
        "address       ada@example.com (verified, email)",
        "trait         email = ada@example.com",
        "trait         name.first = Ada",
        "trait         tags = a, b",
        "metadata      staff = true",
        "metadata      left = false",
        "metadata      team = null",
        "device        192.0.2.1, Berlin, Firefox",
        "device        unknown",
    ]


def test_missing_fields_are_unknown() -> None:
    identity: dict[str, Any] = {
        "state": None,
        "schema_id": None,
        "traits": {},
        "verifiable_addresses": None,
        "metadata_public": None,
    }
    lines = lines_of(
        identity=identity,
        authentication_methods=None,
        authenticated_at=None,
        authenticator_assurance_level=None,
        devices=None,
    )

    assert lines[0] == "c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b702"
    assert lines[2:4] == ["logged in  at an unknown time, by unknown method", "assurance  unknown"]
    assert lines[-1].endswith("(unknown state, schema unknown)")


def test_title_is_username_or_address_without_an_email_trait() -> None:
    address = [{"value": "+49 30 1", "via": "sms", "verified": False}]

    assert lines_of(identity={"traits": {"username": "ada"}})[0] == "ada"
    lines = lines_of(
        identity={"traits": {"email": 5}, "verifiable_addresses": address}, authentication_methods=[{}]
    )
    assert lines[0] == "+49 30 1"
    assert "by ?" in lines[2]


def test_metadata_can_be_a_single_value() -> None:
    assert lines_of(identity={"metadata_public": "staff"})[-2] == "metadata   (value) = staff"


@pytest.mark.parametrize(
    ("seconds", "text"),
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
def test_intervals_use_their_largest_unit(seconds: float, text: str) -> None:
    assert format_interval(seconds) == text


def test_times_are_converted_to_utc() -> None:
    at = datetime(2026, 7, 1, 11, 59, tzinfo=UTC)

    line = lines_of(authenticated_at=at.astimezone().isoformat())[2]

    assert line == "logged in  1 minute ago (2026-07-01 11:59:00 UTC), by password"
