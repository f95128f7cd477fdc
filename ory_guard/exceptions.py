"""All errors of ory_guard. The class shows the cause: the client, Kratos, or the application."""

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from ory_guard.client import ContinueWith
    from ory_guard.guard import OryGuard
    from ory_guard.guard.responses.refusal_reasons import RefusalReason

__all__ = [
    "BrowserLocationChangeRequired",
    "ConfigurationError",
    "CsrfViolation",
    "EnrollmentRequired",
    "Failure",
    "FlowError",
    "FlowExpired",
    "FlowForbidden",
    "FlowInvalid",
    "FlowNotFound",
    "KratosAPIError",
    "KratosProtocolError",
    "KratosRateLimited",
    "KratosTimeout",
    "KratosUnavailable",
    "OryGuardError",
    "ReauthenticationRequired",
    "Refusal",
    "RequirementNotMet",
    "SessionAlreadyAvailable",
    "SessionCheckUnavailable",
    "SessionRequired",
    "StepUpRequired",
]


class Failure(TypedDict):
    """A condition that is not met: `id` is an argument of `require()`, or `credential`; traits are not included."""

    id: str
    expected: Any
    actual: Any


class OryGuardError(Exception):
    """The base class of all errors: `code` is a stable identifier, `status_code` the matching HTTP status."""

    code: str = "ory_guard_error"
    status_code: int = 500


class ConfigurationError(OryGuardError):
    """The settings or the set-up of the application are invalid; the text contains the fix."""

    code = "configuration_error"


class Refusal(OryGuardError):
    """A requirement is not met, and the endpoint was not called.

    Args:
        reason: A sentence for the user; `default_reason` by default.
        failures: Every condition that is not met.
        aal: The required assurance level, if any.
        max_age: The maximum age of the login in seconds, if any.
    """

    guard: "OryGuard | None" = None  # the guard that refused the request; None if the application refuses it
    reason_code: "RefusalReason | None" = None  # `details.reason` of the response; None if the application refuses
    resource_metadata: str | None = None  # the URL of the protected resource metadata for the challenge (RFC 9728)
    _find_redirect: Any = None  # a function that returns `redirect_browser_to` for this refusal
    code = "access_denied"
    status_code = 403
    default_reason = "You do not have access to this resource."

    def __init__(
        self,
        reason: str | None = None,
        *,
        failures: tuple[Failure, ...] = (),
        aal: str | None = None,
        max_age: float | None = None,
    ) -> None:
        self.reason: str = reason or self.default_reason
        self.failures = failures
        self.aal = aal
        self.max_age = max_age
        super().__init__(self.reason)

    @property
    def extensions(self) -> dict[str, Any]:
        """`code`, `status`, `failures` and `redirect_browser_to` (a URL or None), for a GraphQL error."""
        failures = [dict(failure) for failure in self.failures]
        target = self._find_redirect and self._find_redirect(self)
        return {"code": self.code, "status": self.status_code, "failures": failures, "redirect_browser_to": target}


class SessionRequired(Refusal):
    """The request has no credential, or (`credential_sent`; RFC 6750, section 3.1) one that is not accepted."""

    code = "session_inactive"
    status_code = 401
    default_reason = "You must be logged in to access this resource."

    def __init__(
        self,
        reason: str | None = None,
        *,
        failures: tuple[Failure, ...] = (),
        aal: str | None = None,
        credential_sent: bool = False,
    ) -> None:
        super().__init__(reason, failures=failures, aal=aal)
        self.credential_sent = credential_sent


class StepUpRequired(Refusal):
    """The session has to be at aal2, and its identity has a second factor."""

    code = "session_aal2_required"
    default_reason = "This resource requires a second factor. Complete it to continue."


class EnrollmentRequired(Refusal):
    """The session has to be at aal2, and its identity has no second factor yet."""

    code = "session_aal2_enrollment_required"
    default_reason = "This resource requires a second factor. Set one up in your account settings."


class ReauthenticationRequired(Refusal):
    """The login, or the second factor if aal2 is required, is too long ago."""

    code = "session_refresh_required"
    default_reason = "This resource requires a recent login. Log in again to continue."


class RequirementNotMet(Refusal):
    """The session does not meet a condition, and another login would not change that."""

    code = "requirement_not_met"
    default_reason = "Your session does not meet the requirements for this resource."


class CsrfViolation(Refusal):
    """A page of another site sent a request with an unsafe method and a cookie."""

    code = "security_csrf_violation"
    default_reason = "This request was sent by a page of another site. Open this site directly and try again."


class SessionCheckUnavailable(Refusal):
    """The session could not be checked. The client may try again after `retry_after` seconds, 1 to 60."""

    code = "session_check_unavailable"
    status_code = 503
    default_reason = "Your session could not be verified. Try again later."

    def __init__(self, reason: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class KratosUnavailable(OryGuardError):
    """Kratos can't be reached, or responded with a server error."""

    code = "kratos_unavailable"
    status_code = 503


class KratosTimeout(KratosUnavailable):
    """Kratos did not respond within the deadline."""

    code = "kratos_timeout"


class KratosRateLimited(KratosUnavailable):
    """Kratos responded with 429. The client may try again after `retry_after` seconds, 1 to 60."""

    code = "kratos_rate_limited"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class KratosProtocolError(KratosUnavailable):
    """The response did not come from a supported version of Kratos."""

    code = "kratos_protocol_error"


class KratosAPIError(OryGuardError):
    """Kratos responded with a client error that no other class covers.

    Args:
        message: The operation and the status; never a credential.
        status_code: The status of the response.
        error_id: Kratos' `error.id`, if present.
        error_code: Kratos' `error.code`, if present.
        reason: Kratos' `error.reason`, if present.
        redirect_browser_to: The URL to redirect the browser to, if present.
        continue_with: The next steps in `error.details.continue_with`, such as a verification flow.
        set_cookies: The response's `Set-Cookie` values, to be forwarded to the browser.
    """

    code = "kratos_api_error"

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        error_id: str | None = None,
        error_code: int | None = None,
        reason: str | None = None,
        redirect_browser_to: str | None = None,
        continue_with: "tuple[ContinueWith, ...]" = (),
        set_cookies: tuple[str, ...] = (),
    ) -> None:
        self.status_code: int = status_code
        self.error_id, self.error_code, self.reason = error_id, error_code, reason
        self.redirect_browser_to = redirect_browser_to
        self.continue_with = continue_with
        self.set_cookies = set_cookies
        super().__init__(message)


class FlowError(OryGuardError):
    """A self-service flow cannot continue as requested. The other arguments are those of `KratosAPIError`.

    Args:
        message: The operation, the problem and the next step; never a credential.
        use_flow_id: The flow that replaces an expired one, if Kratos created one.
        flow: The flow with its messages, if the response contains one.
    """

    code = "flow_error"
    status_code = 400

    def __init__(
        self,
        message: str,
        *,
        error_id: str | None = None,
        reason: str | None = None,
        redirect_browser_to: str | None = None,
        continue_with: "tuple[ContinueWith, ...]" = (),
        use_flow_id: str | None = None,
        flow: Any = None,
        set_cookies: tuple[str, ...] = (),
    ) -> None:
        self.error_id = error_id
        self.reason = reason
        self.redirect_browser_to = redirect_browser_to
        self.continue_with = continue_with
        self.use_flow_id = use_flow_id
        self.flow = flow
        self.set_cookies = set_cookies
        super().__init__(message)


class FlowExpired(FlowError):
    """The flow has expired; `use_flow_id` is its successor, if Kratos created one."""

    code = "self_service_flow_expired"
    status_code = 410


class FlowNotFound(FlowError):
    """The flow does not exist."""

    code = "flow_not_found"
    status_code = 404


class FlowInvalid(FlowError):
    """The submitted values are invalid; `flow` contains the messages for the user."""

    code = "flow_invalid"


class FlowForbidden(FlowError):
    """This browser or session must not use the flow; `redirect_browser_to` may be the next step."""

    code = "flow_forbidden"
    status_code = 403


class BrowserLocationChangeRequired(FlowError):
    """The flow continues at another URL: redirect the browser to `redirect_browser_to`."""

    code = "browser_location_change_required"
    status_code = 422


class SessionAlreadyAvailable(FlowError):
    """The user is logged in already."""

    code = "session_already_available"
