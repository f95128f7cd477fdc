"""The steps that passkeys and security keys share: the ceremony of a flow, and the response of a browser."""

from abc import abstractmethod
from collections.abc import Sequence

from ory_guard.testing.clock import SECOND
from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_nodes import input_node
from ory_guard.testing.methods.method import Method
from ory_guard.testing.oidc.redirect import browser_redirect_required
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.webauthn_credentials import WebAuthnCredential
from ory_guard.testing.webauthn.relying_party import (
    Assertion,
    Ceremony,
    InvalidResponseError,
    MalformedResponseError,
    RelyingParty,
)

__all__ = ["AuthenticatorMethod", "last_factor_error", "log_in_at_page"]


class AuthenticatorMethod(Method):
    """A method whose credentials are in authenticators."""

    @property
    @abstractmethod
    def relying_party(self) -> RelyingParty:
        """The relying party of the credentials."""

    @property
    def _ceremony_key(self) -> str:
        return f"{self.name}_ceremony"

    def start(self, flow: FakeFlow, ceremony: Ceremony) -> None:
        """Store the ceremony of the method in the flow; an earlier one is void."""
        flow.internal[self._ceremony_key] = ceremony

    def ceremony(self, flow: FakeFlow) -> Ceremony:
        """Return the ceremony of the method in a flow.

        Raises:
            ApiError: If it was not started, or has been completed.
        """
        ceremony = flow.internal.get(self._ceremony_key)
        if not isinstance(ceremony, Ceremony):
            raise ApiError(500, reason="The flow has no WebAuthn challenge, or it has been used.")
        return ceremony

    def complete(self, flow: FakeFlow) -> None:
        """Remove the ceremony of the method from a flow, so that a response cannot be used again."""
        flow.internal.pop(self._ceremony_key, None)

    def created_credential(self, submission: Submission, submitted: str) -> WebAuthnCredential:
        """Return the credential that a browser created.

        Raises:
            InvalidFlowError: If the response cannot be parsed.
            ApiError: If the response is not valid for the flow.
        """
        ceremony = self.ceremony(submission.flow)
        try:
            key = self.relying_party.verify_registration(ceremony, submitted)
        except MalformedResponseError as error:
            raise _malformed(submission) from error
        except InvalidResponseError as error:
            raise ApiError(500, reason=f"The WebAuthn credential was not created: {error}.") from error
        key.added_at = self.server.now() // SECOND * SECOND
        return key

    def parsed_assertion(self, submission: Submission, submitted: str) -> Assertion:
        """Return the parts of a response to a login.

        Raises:
            InvalidFlowError: If the response cannot be parsed.
        """
        try:
            return self.relying_party.parse_login(submitted)
        except MalformedResponseError as error:
            raise _malformed(submission) from error

    def require_assertion(
        self,
        submission: Submission,
        assertion: Assertion,
        user_handle: bytes,
        keys: Sequence[WebAuthnCredential],
    ) -> None:
        """Check that one of the keys of a user signed the challenge of the flow, and complete the ceremony.

        Raises:
            ApiError: If the ceremony was not started, or has been completed.
            InvalidFlowError: If the response is not valid for the flow.
        """
        ceremony = self.ceremony(submission.flow)
        try:
            self.relying_party.verify_login(ceremony, assertion, user_handle, keys)
        except InvalidResponseError as error:
            raise submission.rejected(4000008) from error
        self.complete(submission.flow)
        submission.flow.active = self.name

    def is_only_first_factor(self, identity: Identity) -> bool:
        """Return whether an identity has no more than one credential with which it can log in."""
        return self.sessions.count_first_factors(identity) <= 1


def log_in_at_page(submission: Submission) -> FakeResponse:
    """Send the browser to the page that shows the flow."""
    location = submission.endpoints.ui_url(submission.flow)
    if submission.request.prefers_json:
        return browser_redirect_required(location).to_response()
    return FakeResponse.redirect(submission.request.method, location)


def last_factor_error(submission: Submission) -> InvalidFlowError:
    """Add the error about the removal of the only credential that can log in, and return the exception for it."""
    ui, name = submission.flow.ui, "webauthn_remove"
    if ui.find(name) is None:
        ui.nodes.insert(0, input_node("default", name, "text"))
    reason = "This is the only credential with which you can log in."
    return submission.rejected(4000001, {"reason": reason}, at=name)


def _malformed(submission: Submission) -> InvalidFlowError:
    return submission.rejected(4000001, {"reason": "The WebAuthn response cannot be parsed."})
