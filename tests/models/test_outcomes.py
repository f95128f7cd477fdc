"""Outcomes: immutability, pattern matching and representation."""

from typing import Any

import pytest
from support.scripted_kratos import session_body

from ory_guard import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Session, Unavailable

SESSION = Session.model_validate(session_body())


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        (Authenticated(SESSION, "cookie", "upstream", 0.0), "session"),
        (Rejected("inactive", "bearer"), "reason"),
        (SecondFactorRequired("cookie", enrolled=True), "enrolled"),
        (Unavailable("timeout"), "retry_after"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_outcomes_are_immutable(outcome: Any, field: str) -> None:
    """They are shared."""
    with pytest.raises(AttributeError):
        setattr(outcome, field, None)


def test_match_distinguishes_outcomes() -> None:
    def describe(outcome: Outcome) -> str:
        match outcome:
            case Authenticated(session=session):
                return session.id
            case Anonymous():
                return "anonymous"
            case Rejected(reason=reason):
                return reason
            case SecondFactorRequired(enrolled=enrolled):
                return f"second factor, {enrolled}"
            case Unavailable(reason=reason, retry_after=seconds):
                return f"{reason}, {seconds}"

    assert describe(Authenticated(SESSION, "cookie", "cache", 1.5)) == SESSION.id
    assert describe(Anonymous()) == "anonymous"
    assert describe(Rejected("malformed", "cookie")) == "malformed"
    assert describe(SecondFactorRequired("cookie", enrolled=False)) == "second factor, False"
    assert describe(Unavailable("timeout")) == "timeout, 1"


def test_representation_contains_no_traits() -> None:
    assert "ada@example.com" not in repr(Authenticated(SESSION, "cookie", "upstream", 0.0))
