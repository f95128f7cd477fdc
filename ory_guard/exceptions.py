"""Every error that ory_guard raises, in one tree that keeps the caller's faults apart from Kratos' and ours.

```
OryGuardError            .code (stable), .status_code
├─ ConfigurationError    wrong settings or wiring
├─ Refusal               SessionRequired 401 · StepUpRequired, EnrollmentRequired, ReauthenticationRequired,
│                        RequirementNotMet, CsrfViolation 403 · SessionCheckUnavailable 503
├─ KratosUnavailable     503, Kratos failed: KratosTimeout · KratosRateLimited · KratosProtocolError
├─ KratosAPIError        any other 4xx that Kratos answered
└─ FlowError             a flow can't go on: FlowExpired 410 · FlowNotFound 404 · FlowForbidden 403 ·
                         FlowInvalid, SessionAlreadyAvailable 400 · BrowserLocationChangeRequired 422
```
"""

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from ory_guard.client import ContinueWith

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
    """One unmet condition of a requirement; `expected` and `actual` never contain traits.

    `id` is an argument of `require()` (`aal`, `max_age`, …), or `credential` for a logout.
    """

    id: str
    expected: Any
    actual: Any


class OryGuardError(Exception):
    """The base of all errors: `code` is a stable identifier, `status_code` the matching HTTP status."""

    code: str = "ory_guard_error"
    status_code: int = 500


class ConfigurationError(OryGuardError):
    """The application is set up wrongly; the text names what, and what is allowed."""

    code = "configuration_error"


class Refusal(OryGuardError):
    """A gate refuses this request; the handler behind it has not run.

    Args:
        reason: A sentence for the caller.
        failures: Every condition that is not met.
        aal: The assurance level that the gate asks for, where it asks for one.
        max_age: The greatest age of the sign-in in seconds, where the gate asks for one.
        retry_after: Seconds after which asking again makes sense (503 only).
        credential_sent: Whether the request carried a credential (401 only; RFC 6750, section 3.1).
    """

    code = "refused"
    status_code = 403
    default_reason = "This request is refused."

    def __init__(
        self,
        reason: str | None = None,
        *,
        failures: tuple[Failure, ...] = (),
        aal: str | None = None,
        max_age: float | None = None,
        retry_after: int | None = None,
        credential_sent: bool = False,
    ) -> None:
        self.reason: str = reason or self.default_reason
        self.failures = failures
        self.aal = aal
        self.max_age = max_age
        self.retry_after = retry_after
        self.credential_sent = credential_sent
        super().__init__(self.reason)


class SessionRequired(Refusal):
    """Nobody is signed in, or the credential that was sent is not accepted."""

    code = "session_inactive"
    status_code = 401
    default_reason = "This resource asks for a session. Sign in and try again."


class StepUpRequired(Refusal):
    """The session is at aal1, its identity has a second factor, and the gate asks for aal2."""

    code = "session_aal2_required"
    default_reason = "This resource asks for a second factor. Complete it and try again."


class EnrollmentRequired(Refusal):
    """The gate asks for aal2, and the identity has no second factor yet: it has to set one up in settings."""

    code = "session_aal2_enrollment_required"
    default_reason = "This resource asks for a second factor, and none is set up. Set one up and try again."


class ReauthenticationRequired(Refusal):
    """The sign-in, or the second factor where the gate asks for aal2, lies too far in the past."""

    code = "session_refresh_required"
    default_reason = "This resource asks for a recent sign-in. Sign in again and try again."


class RequirementNotMet(Refusal):
    """The session fails a condition that signing in once more can't cure."""

    code = "requirement_not_met"
    default_reason = "The session does not meet what this resource asks for."


class CsrfViolation(Refusal):
    """An unsafe request with a cookie came from a page of a foreign origin."""

    code = "security_csrf_violation"
    default_reason = "This request came from another site. Open the page itself and try again."


class SessionCheckUnavailable(Refusal):
    """The session could not be checked; it says nothing about whether the caller is signed in."""

    code = "session_check_unavailable"
    status_code = 503
    default_reason = "The session can't be checked right now. Try again in a moment."


class KratosUnavailable(OryGuardError):
    """Kratos could not be asked, or answered that it can't answer."""

    code = "kratos_unavailable"
    status_code = 503


class KratosTimeout(KratosUnavailable):
    """Kratos did not answer within the total deadline."""

    code = "kratos_timeout"


class KratosRateLimited(KratosUnavailable):
    """Kratos answered 429; `retry_after` is the number of seconds to wait, from 1 to 60."""

    code = "kratos_rate_limited"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class KratosProtocolError(KratosUnavailable):
    """What answered is not Kratos, or not a Kratos that this version understands."""

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
        self.error_id = error_id
        self.error_code = error_code
        self.reason = reason
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
    """The flow is too old; `use_flow_id` names its successor where Kratos made one."""

    code = "self_service_flow_expired"
    status_code = 410


class FlowNotFound(FlowError):
    """Kratos knows no such flow."""

    code = "flow_not_found"
    status_code = 404


class FlowInvalid(FlowError):
    """The submitted values are not accepted; `flow` holds the messages to show."""

    code = "flow_invalid"


class FlowForbidden(FlowError):
    """The flow may not be used by this browser or session; `redirect_browser_to` may name the way on."""

    code = "flow_forbidden"
    status_code = 403


class BrowserLocationChangeRequired(FlowError):
    """The flow goes on elsewhere: send the browser to `redirect_browser_to`."""

    code = "browser_location_change_required"
    status_code = 422


class SessionAlreadyAvailable(FlowError):
    """Somebody is signed in already, so there is nothing to sign in to."""

    code = "session_already_available"
