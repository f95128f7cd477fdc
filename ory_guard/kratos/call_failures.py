"""The reasons for a missing response. The text of an error is not used, because it may contain the credential."""

import logging
import ssl
from typing import Final, NamedTuple

from ory_guard.kratos.http import InvalidResponse, PoolTimeout, ResponseTooLarge
from ory_guard.models.outcomes import Unavailable, UnavailableReason

__all__ = ["CallFailure", "call_failure", "describe_failure", "internal_error"]

_log = logging.getLogger("ory_guard")

_UNTRUSTED_CERTIFICATE: Final = "certificate not trusted"


class CallFailure(NamedTuple):
    """The failure of a call to Kratos.

    Attributes:
        reason: The reason of the outcome `Unavailable`.
        text: The text for the log.
        detail: The detail of the event `CheckFailed`, or None.
    """

    reason: UnavailableReason
    text: str
    detail: str | None = None


def call_failure(error: Exception) -> CallFailure:
    """Return the failure for an error of `WhoamiClient.get`."""
    match error:
        case TimeoutError():
            return CallFailure("timeout", "no response before the deadline")
        case PoolTimeout():
            return CallFailure("overloaded", "no free connection before the deadline")
        case ResponseTooLarge(limit=limit, size=size):
            text = f"the response has {size} bytes or more, and max_response_bytes is {limit}"
            return CallFailure("protocol", text)
        case InvalidResponse():
            return CallFailure("protocol", str(error))
    text = describe_failure(error)
    if text.startswith(_UNTRUSTED_CERTIFICATE):
        return CallFailure("unreachable", f"{text}; set ca_file for a private CA", _UNTRUSTED_CERTIFICATE)
    return CallFailure("unreachable", text)


def describe_failure(error: BaseException) -> str:
    """Return the class of an error, or the reason why the server's certificate is not trusted."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{_UNTRUSTED_CERTIFICATE} ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def internal_error(error: BaseException) -> Unavailable:
    """Log an error that the guard does not expect, and return the outcome of the check."""
    _log.error("check.internal_error error=%s", type(error).__name__)
    return Unavailable("protocol")
