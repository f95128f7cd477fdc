"""Verification of an address."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.models.flows import VerificationFlow
from ory_guard.client.operations.operation_decorator import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.verification import UpdateVerificationFlowBody

__all__ = ["VerificationOperations"]


class VerificationOperations(Operations):
    """Create, get and submit verification flows."""

    @operation("GET", "/self-service/verification/browser", step="create", undocumented=("cookie",))
    async def create_browser_verification_flow(
        self, *, return_to: str | None = None, cookie: str | None = None
    ) -> VerificationFlow:
        """Create a verification flow for a browser; forward the response's cookies to it (`with_response`).

        Args:
            return_to: The URL to redirect the browser to after the verification; Kratos has to allow it.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowForbidden: If this browser or session is not allowed to create the flow.
            KratosAPIError: If Kratos does not allow `return_to`, or if verification is disabled (400).
        """

    @operation("GET", "/self-service/verification/api", step="create")
    async def create_native_verification_flow(self, *, return_to: str | None = None) -> VerificationFlow:
        """Create a verification flow for a native client; never use it for browsers.

        Args:
            return_to: The URL that a verification link redirects to afterwards; Kratos has to allow it (Kratos
                v25.4 or later).

        Raises:
            FlowForbidden: If this client is not allowed to create the flow.
            KratosAPIError: If Kratos does not allow `return_to`, or if verification is disabled (400).
        """

    @operation("GET", "/self-service/verification/flows", step="read")
    async def get_verification_flow(self, *, id: str, cookie: str | None = None) -> VerificationFlow:
        """Return a verification flow, for rendering.

        Args:
            id: The flow's ID.
            cookie: The browser's `Cookie` header; a browser flow requires its CSRF cookie.

        Raises:
            FlowNotFound: If the flow does not exist.
            FlowExpired: If the flow has expired.
            FlowForbidden: If the flow belongs to another browser.
        """

    @operation("POST", "/self-service/verification", step="update", flow_model=VerificationFlow)
    async def update_verification_flow(
        self,
        *,
        flow: str,
        body: "UpdateVerificationFlowBody | Mapping[str, Any]",
        token: str | None = None,
        cookie: str | None = None,
    ) -> VerificationFlow:
        """Submit a verification flow: first the address, then the code that Kratos sent to it.

        A wrong code is not an error: the returned flow contains a message, and its `state` is `sent_email`. After
        the right code, `state` is `passed_challenge`.

        Args:
            flow: The flow's ID.
            body: The submitted fields; a mapping is sent unchanged.
            token: The token of a verification link.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: If Kratos rejects the values; the error's `flow` contains the messages.
            FlowExpired: If the flow has expired; `use_flow_id` is its replacement.
            FlowForbidden: If the CSRF token is wrong.
            FlowNotFound: If the flow does not exist.
        """
