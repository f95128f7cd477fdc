"""Errors: base classes and attributes. Their codes and statuses are those of the documentation."""

import pytest

from ory_guard import exceptions
from ory_guard.exceptions import (
    FlowError,
    KratosRateLimited,
    KratosUnavailable,
    OryGuardError,
    Refusal,
    SessionCheckUnavailable,
    SessionRequired,
)


@pytest.mark.parametrize(
    ("base", "names"),
    [
        (Refusal, "SessionRequired StepUpRequired EnrollmentRequired ReauthenticationRequired RequirementNotMet"),
        (Refusal, "CsrfViolation SessionCheckUnavailable"),
        (KratosUnavailable, "KratosTimeout KratosRateLimited KratosProtocolError"),
        (FlowError, "FlowExpired FlowNotFound FlowInvalid FlowForbidden"),
        (FlowError, "BrowserLocationChangeRequired SessionAlreadyAvailable"),
        (OryGuardError, "ConfigurationError Refusal KratosUnavailable KratosAPIError FlowError"),
    ],
)
def test_applications_can_handle_errors_by_their_base_class(base: type[Exception], names: str) -> None:
    assert {getattr(exceptions, name).__base__ for name in names.split()} == {base}


def test_refusal_has_a_default_reason_and_requires_nothing() -> None:
    refusal = Refusal()

    assert (refusal.failures, refusal.aal, refusal.max_age) == ((), None, None)
    assert str(SessionRequired()) == SessionRequired.default_reason
    assert str(SessionRequired("Please sign in to vote.")) == "Please sign in to vote."
    assert SessionRequired().credential_sent is False
    assert SessionCheckUnavailable().retry_after == 1
    assert KratosRateLimited("429 Too Many Requests", retry_after=7).retry_after == 7


def test_flow_error_has_the_flow_to_show_again() -> None:
    assert FlowError("invalid", flow={"id": "f1"}).flow == {"id": "f1"}
