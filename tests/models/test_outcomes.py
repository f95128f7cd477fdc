"""Outcomes are values: equal, hashable where their parts are, and frozen."""

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
def test_no_handler_can_change_an_outcome(outcome: Any, field: str) -> None:
    """An outcome is shared by everybody who looks at the request."""
    with pytest.raises(AttributeError):
        setattr(outcome, field, None)


def test_outcomes_are_told_apart_by_match() -> None:
    """Three answers, three meanings: an application can branch on them without a default."""

    def told(outcome: Outcome) -> str:
        match outcome:
            case Authenticated(session=session):
                return session.id
            case Anonymous():
                return "nobody"
            case Rejected(reason=reason):
                return reason
            case SecondFactorRequired(enrolled=enrolled):
                return f"second factor, {enrolled}"
            case Unavailable(reason=reason, retry_after=seconds):
                return f"{reason}, {seconds}"

    assert told(Authenticated(SESSION, "cookie", "cache", 1.5)) == SESSION.id
    assert told(Anonymous()) == "nobody"
    assert told(Rejected("malformed", "cookie")) == "malformed"
    assert told(SecondFactorRequired("cookie", enrolled=False)) == "second factor, False"
    assert told(Unavailable("timeout")) == "timeout, 1"


def test_an_outcome_shows_no_traits() -> None:
    """Outcomes end up in logs; what a person told Kratos does not."""
    assert "ada@example.com" not in repr(Authenticated(SESSION, "cookie", "upstream", 0.0))
