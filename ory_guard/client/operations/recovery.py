"""Recovery of an account."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.models.flows import RecoveryFlow
from ory_guard.client.operations.operation_decorator import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.recovery import UpdateRecoveryFlowBody

__all__ = ["RecoveryOperations"]


class RecoveryOperations(Operations):
    """Create, get and submit recovery flows."""

    @operation("GET", "/self-service/recovery/browser", step="create", undocumented=("cookie",))
    async def create_browser_recovery_flow(
        self, *, return_to: str | None = None, cookie: str | None = None
    ) -> RecoveryFlow:
        """Create a recovery flow for a browser; forward the response's cookies to it (`with_response`).

        Args:
            return_to: The URL to redirect the browser to after the recovery; Kratos has to allow it.
            cookie: The browser's `Cookie` header, which Kratos checks for a session.

        Raises:
            SessionAlreadyAvailable: If a session exists.
            FlowForbidden: If this browser or session is not allowed to create the flow.
            KratosAPIError: If Kratos does not allow `return_to`, or if recovery is disabled (400).
        """

    @operation("GET", "/self-service/recovery/api", step="create")
    async def create_native_recovery_flow(self) -> RecoveryFlow:
        """Create a recovery flow for a native client; never use it for browsers.

        Raises:
            FlowForbidden: If this client is not allowed to create the flow.
            KratosAPIError: If recovery is disabled (400).
        """

    @operation("GET", "/self-service/recovery/flows", step="read")
    async def get_recovery_flow(self, *, id: str, cookie: str | None = None) -> RecoveryFlow:
        """Return a recovery flow, for rendering.

        Args:
            id: The flow's ID.
            cookie: The browser's `Cookie` header; a browser flow requires its CSRF cookie.

        Raises:
            FlowNotFound: If the flow does not exist.
            FlowExpired: If the flow has expired.
            FlowForbidden: If the flow belongs to another browser.
        """

    @operation("POST", "/self-service/recovery", step="update", flow_model=RecoveryFlow)
    async def update_recovery_flow(
        self,
        *,
        flow: str,
        body: "UpdateRecoveryFlowBody | Mapping[str, Any]",
        token: str | None = None,
        cookie: str | None = None,
    ) -> RecoveryFlow:
        """Submit a recovery flow: first the address, then the code that Kratos sent to it.

        A wrong code is not an error: the returned flow contains a message, and its `state` is `sent_email`. After
        the right code, `state` is `passed_challenge`, `continue_with` contains the settings flow, and a browser's
        session cookie is in the response (`with_response`). An unknown address gets the same response as a known
        one.

        Args:
            flow: The flow's ID.
            body: The submitted fields; a mapping is sent unchanged.
            token: The token of a recovery link.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: If Kratos rejects the values; the error's `flow` contains the messages.
            BrowserLocationChangeRequired: If the recovery continues at another URL.
            FlowExpired: If the flow has expired; `use_flow_id` is its replacement.
            FlowForbidden: If the CSRF token is wrong.
            FlowNotFound: If the flow does not exist.
            KratosAPIError: If too many codes were wrong, or if the code was used before (400); `continue_with` then
                contains a new recovery flow.
        """
