"""Codes that a login or registration flow has sent."""

from typing import Any

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.server.state import Server

__all__ = ["check_code", "store_code"]


def store_code(server: Server, flow: FakeFlow, code: str, expected: dict[str, Any]) -> None:
    """Store a code, with the data that a submission of the code must match, in place of an earlier one."""
    flow.internal |= expected
    flow.internal |= {"code": code, "code_expires_at": server.after(server.settings.code_lifespan)}


def check_code(submission: Submission, wrong_message: int, **expected: str) -> None:
    """Check and use a code. A flow accepts a limited number of codes.

    Args:
        submission: The submission; its flow has sent a code.
        wrong_message: The id of the message for a wrong code.
        expected: The stored data that must be equal.

    Raises:
        InvalidFlowError: If the code is wrong, or too many codes were submitted.
        ApiError: If the code has expired.
    """
    endpoints, flow = submission.endpoints, submission.flow
    flow.internal["submissions"] = flow.internal.get("submissions", 0) + 1
    if flow.internal["submissions"] > endpoints.server.settings.code_max_submissions:
        reason = "The request was submitted too often. Please request another code."
        raise submission.rejected(4000001, {"reason": reason})
    is_expected = all(flow.internal.get(name) == value for name, value in expected.items())
    if not is_expected or submission.fields.get("code") != flow.internal.get("code"):
        raise submission.rejected(wrong_message)
    if endpoints.server.now() >= flow.internal["code_expires_at"]:
        raise endpoints.expired_error(submission.request, flow, flow.internal["code_expires_at"])
    del flow.internal["code"]
