"""Registration."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.models.flows import RegistrationFlow
from ory_guard.client.models.results import SuccessfulNativeRegistration
from ory_guard.client.operations.operation_decorator import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.registration import UpdateRegistrationFlowBody

__all__ = ["RegistrationOperations"]


class RegistrationOperations(Operations):
    """Create, get and submit registration flows."""

    @operation("GET", "/self-service/registration/browser", step="create", undocumented=("cookie",))
    async def create_browser_registration_flow(
        self,
        *,
        return_to: str | None = None,
        login_challenge: str | None = None,
        after_verification_return_to: str | None = None,
        organization: str | None = None,
        identity_schema: str | None = None,
        cookie: str | None = None,
    ) -> RegistrationFlow:
        """Create a registration flow for a browser; forward the response's cookies to it (`with_response`).

        Args:
            return_to: The URL to redirect the browser to after the registration; Kratos has to allow it.
            login_challenge: The challenge of an OAuth2 login request from Ory Hydra.
            after_verification_return_to: The URL to redirect the browser to after its address is verified.
            organization: The ID of the organization whose providers are offered (Ory Network; Kratos v1.1 or
                later).
            identity_schema: The schema of the new identity (Kratos v25.4 or later).
            cookie: The browser's `Cookie` header, which Kratos checks for a session.

        Raises:
            SessionAlreadyAvailable: If a session exists.
            FlowForbidden: If this browser or session is not allowed to create the flow.
            KratosAPIError: If Kratos does not allow `return_to`, or if registration is disabled (400).
        """

    @operation("GET", "/self-service/registration/api", step="create")
    async def create_native_registration_flow(
        self,
        *,
        return_session_token_exchange_code: bool | None = None,
        return_to: str | None = None,
        organization: str | None = None,
        identity_schema: str | None = None,
    ) -> RegistrationFlow:
        """Create a registration flow for a native client; never use it for browsers.

        Args:
            return_session_token_exchange_code: Whether to request a code for `exchange_session_token` (Kratos v1.0
                or later).
            return_to: The URL that a provider redirects to afterwards, such as `myapp://callback` (Kratos v1.0 or
                later).
            organization: The ID of the organization whose providers are offered (Ory Network; Kratos v25.4 or
                later).
            identity_schema: The schema of the new identity (Kratos v25.4 or later).

        Raises:
            FlowForbidden: If this client is not allowed to create the flow.
            KratosAPIError: If Kratos does not allow `return_to`, or if registration is disabled (400).
        """

    @operation("GET", "/self-service/registration/flows", step="read")
    async def get_registration_flow(self, *, id: str, cookie: str | None = None) -> RegistrationFlow:
        """Return a registration flow, for rendering.

        Args:
            id: The flow's ID.
            cookie: The browser's `Cookie` header; a browser flow requires its CSRF cookie.

        Raises:
            FlowNotFound: If the flow does not exist.
            FlowExpired: If the flow has expired.
            FlowForbidden: If the flow belongs to another browser.
        """

    @operation("POST", "/self-service/registration", step="update", flow_model=RegistrationFlow)
    async def update_registration_flow(
        self,
        *,
        flow: str,
        body: "UpdateRegistrationFlowBody | Mapping[str, Any]",
        cookie: str | None = None,
    ) -> SuccessfulNativeRegistration:
        """Submit a registration flow; forward the response's cookies to a browser (`with_response`).

        In a registration with two steps the first one, `method: profile`, always raises `FlowInvalid`: Kratos
        responds with the nodes of the second step.

        Args:
            flow: The flow's ID.
            body: The submitted fields; a mapping is sent unchanged.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: If Kratos rejects the values or expects more of them; the error's `flow` contains the
                messages and nodes.
            BrowserLocationChangeRequired: If the registration continues at a provider.
            FlowExpired: If the flow has expired; `use_flow_id` is its replacement.
            FlowForbidden: If the CSRF token is wrong.
            FlowNotFound: If the flow does not exist.
        """
