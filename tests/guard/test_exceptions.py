"""Errors: codes, statuses, base classes and attributes."""

from ory_guard import exceptions
from ory_guard.exceptions import (
    FlowError,
    KratosAPIError,
    KratosRateLimited,
    OryGuardError,
    Refusal,
    SessionCheckUnavailable,
    SessionRequired,
)

CONTRACT = {
    "OryGuardError": ("ory_guard_error", 500, "Exception"),
    "ConfigurationError": ("configuration_error", 500, "OryGuardError"),
    "Refusal": ("access_denied", 403, "OryGuardError"),
    "SessionRequired": ("session_inactive", 401, "Refusal"),
    "StepUpRequired": ("session_aal2_required", 403, "Refusal"),
    "EnrollmentRequired": ("session_aal2_enrollment_required", 403, "Refusal"),
    "ReauthenticationRequired": ("session_refresh_required", 403, "Refusal"),
    "RequirementNotMet": ("requirement_not_met", 403, "Refusal"),
    "CsrfViolation": ("security_csrf_violation", 403, "Refusal"),
    "SessionCheckUnavailable": ("session_check_unavailable", 503, "Refusal"),
    "KratosUnavailable": ("kratos_unavailable", 503, "OryGuardError"),
    "KratosTimeout": ("kratos_timeout", 503, "KratosUnavailable"),
    "KratosRateLimited": ("kratos_rate_limited", 503, "KratosUnavailable"),
    "KratosProtocolError": ("kratos_protocol_error", 503, "KratosUnavailable"),
    "FlowError": ("flow_error", 400, "OryGuardError"),
    "FlowExpired": ("self_service_flow_expired", 410, "FlowError"),
    "FlowNotFound": ("flow_not_found", 404, "FlowError"),
    "FlowInvalid": ("flow_invalid", 400, "FlowError"),
    "FlowForbidden": ("flow_forbidden", 403, "FlowError"),
    "BrowserLocationChangeRequired": ("browser_location_change_required", 422, "FlowError"),
    "SessionAlreadyAvailable": ("session_already_available", 400, "FlowError"),
}


def test_codes_statuses_and_base_classes_are_stable() -> None:
    """They are public."""
    kinds = {name: getattr(exceptions, name) for name in CONTRACT}
    errors = {name for name in exceptions.__all__ if isinstance(getattr(exceptions, name), type)}

    assert {name: (kind.code, kind.status_code, kind.__base__.__name__) for name, kind in kinds.items()} == CONTRACT
    assert {*CONTRACT, "KratosAPIError", "Failure"} == errors
    assert sorted(exceptions.__all__) == exceptions.__all__


def test_refusal_has_a_default_reason_and_requires_nothing() -> None:
    refusal = Refusal()

    assert (refusal.failures, refusal.aal, refusal.max_age) == ((), None, None)
    assert str(SessionRequired()) == SessionRequired.default_reason
    assert str(SessionRequired("Please sign in to vote.")) == "Please sign in to vote."
    assert SessionRequired().credential_sent is False
    assert SessionCheckUnavailable().retry_after == 1
    assert KratosRateLimited("429 Too Many Requests", retry_after=7).retry_after == 7


def test_api_error_has_the_values_of_the_response() -> None:
    error = KratosAPIError("no", status_code=418, error_id="teapot", reason="short and stout")

    assert (error.status_code, error.error_id, error.reason) == (418, "teapot", "short and stout")
    assert (error.redirect_browser_to, error.set_cookies) == (None, ())
    assert isinstance(error, OryGuardError)


def test_flow_error_has_the_next_flow_and_url() -> None:
    error = FlowError("gone", use_flow_id="f2", redirect_browser_to="https://id.example.com/x", flow={"id": "f1"})

    assert (error.use_flow_id, error.redirect_browser_to, error.flow) == (
        "f2",
        "https://id.example.com/x",
        {"id": "f1"},
    )
    assert (error.error_id, error.reason, error.set_cookies) == (None, None, ())
