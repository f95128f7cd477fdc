"""Checks of the text that a second factor submits."""

from typing import Any

from ory_guard.testing.flows.fake_flow import InvalidFlowError
from ory_guard.testing.flows.submission import Submission

__all__ = ["require_text", "without_value"]


def require_text(submission: Submission, name: str, minimum: int) -> None:
    """Check that a field has at least `minimum` characters.

    Raises:
        InvalidFlowError: If it is shorter or missing.
    """
    value = submission.fields.get(name, "")
    if not value:
        raise without_value(submission, name, 4000002, {"property": name}, at=name)
    if len(value) < minimum:
        context = {"actual_length": len(value), "min_length": minimum}
        raise without_value(submission, name, 4000003, context, at=name)


def without_value(
    submission: Submission,
    name: str,
    message_id: int,
    context: dict[str, Any] | None = None,
    *,
    at: str | None = None,
) -> InvalidFlowError:
    """Add an error to the form, whose field `name` loses its value, and return the exception that shows it."""
    error = submission.rejected(message_id, context, at=at)
    if node := submission.flow.ui.find(name):
        node["attributes"].pop("value", None)
    return error
