"""The reasons of refusals: one list for `details.reason` in JSON, events, the log, metrics and error pages."""

from typing import Final, Literal, get_args

from ory_guard.exceptions import (
    CsrfViolation,
    EnrollmentRequired,
    ReauthenticationRequired,
    Refusal,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)
from ory_guard.guard.cookie_sharing import can_share_cookies
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.outcomes import Outcome, Rejected

__all__ = ["REASON_TEXTS", "RefusalReason", "refusal_reason"]

RefusalReason = Literal[
    "no_credential",
    "cookies_not_shared",
    "inactive",
    "malformed",
    "ambiguous",
    "origin",
    "second_factor_missing",
    "second_factor_not_enrolled",
    "login_too_old",
    "clock",
    "requirement_not_met",
    "unavailable",
]

REASON_TEXTS: Final[dict[RefusalReason, str]] = {
    "no_credential": "Your browser did not send the session cookie. It may be blocking cookies for this site.",
    "cookies_not_shared": "The application and its login service are on hosts that can't share cookies, so your "
    "login can't reach the application.",
    "inactive": "Your browser sent a session that has ended or is unknown to the login service.",
    "malformed": "Your browser sent a session cookie that is not valid. Delete the cookies of this site.",
    "ambiguous": "Your browser sent several session cookies, so your session can't be recognized. Delete the "
    "cookies of this site.",
    "origin": "The request was sent by a page of another site.",
    "second_factor_missing": "This page requires a second factor, and your login did not use one.",
    "second_factor_not_enrolled": "This page requires a second factor, and your account does not have one.",
    "login_too_old": "This page requires a recent login or a recent second factor.",
    "clock": "The clocks of the application and of its login service differ, so a login does not count as recent.",
    "requirement_not_met": "Your session does not meet the requirements for this page.",
    "unavailable": "Your session could not be verified.",
}
"""A sentence for the user about each reason."""

assert REASON_TEXTS.keys() == {*get_args(RefusalReason)}  # noqa: S101 - the two lists belong together


def refusal_reason(refusal: Refusal, outcome: Outcome | None, settings: GuardSettings) -> RefusalReason:
    """Return the reason of a refusal.

    Args:
        refusal: The refusal.
        outcome: The outcome of the request, or None if it is unknown.
        settings: The settings of the guard.
    """
    match refusal:
        case SessionCheckUnavailable():
            return "unavailable"
        case CsrfViolation():
            return "origin"
        case SessionRequired():
            if isinstance(outcome, Rejected):
                return outcome.reason
            return "inactive" if refusal.credential_sent else _reason_without_credential(settings)
        case StepUpRequired():
            return "second_factor_missing"
        case EnrollmentRequired():
            return "second_factor_not_enrolled"
        case ReauthenticationRequired():
            ages = [failure["actual"] for failure in refusal.failures if failure["id"] == "max_age"]
            is_in_future = any(age is not None and age < 0 for age in ages)
            return "clock" if is_in_future else "login_too_old"
        case _:
            return "requirement_not_met"


def _reason_without_credential(settings: GuardSettings) -> RefusalReason:
    return "no_credential" if can_share_cookies(settings) else "cookies_not_shared"
