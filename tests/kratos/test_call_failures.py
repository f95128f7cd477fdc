"""The reasons, texts and details of failed calls to Kratos."""

import ssl

import pytest

from ory_guard.kratos.call_failures import CallFailure, call_failure, describe_failure
from ory_guard.kratos.http import InvalidResponse, PoolTimeout, ResponseTooLarge
from ory_guard.kratos.http_response import HTTPResponse


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed: secret")
    error.verify_message = "self-signed certificate"
    return error


def wrapped(cause: Exception, *, explicit: bool) -> Exception:
    """Return an error of a transport with another error as its cause, or as its context."""
    error = OSError("secret")
    if explicit:
        error.__cause__ = cause
    else:
        error.__context__ = cause
    return error


UNTRUSTED = CallFailure(
    "unreachable",
    "certificate not trusted (self-signed certificate); set ca_file for a private CA",
    "certificate not trusted",
)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TimeoutError("secret"), CallFailure("timeout", "no response before the deadline")),
        (PoolTimeout("secret"), CallFailure("overloaded", "no free connection before the deadline")),
        (
            ResponseTooLarge(5, 6, HTTPResponse(200, [], b"")),
            CallFailure("protocol", "the response has 6 bytes or more, and max_response_bytes is 5"),
        ),
        (InvalidResponse("the head is malformed"), CallFailure("protocol", "the head is malformed")),
        (ConnectionResetError("secret"), CallFailure("unreachable", "ConnectionResetError")),
        (wrapped(ValueError("secret"), explicit=True), CallFailure("unreachable", "OSError")),
        (certificate_error(), UNTRUSTED),
        (wrapped(certificate_error(), explicit=True), UNTRUSTED),
        (wrapped(certificate_error(), explicit=False), UNTRUSTED),
    ],
)
def test_failed_call_has_a_reason_and_a_text_without_the_credential(error: Exception, failure: CallFailure) -> None:
    """The texts of transport errors, which may contain the credential, are not used."""
    assert call_failure(error) == failure


def test_description_names_the_class_of_an_error() -> None:
    assert describe_failure(ConnectionRefusedError("secret")) == "ConnectionRefusedError"
