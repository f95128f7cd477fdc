"""Login, also with the browser's credential manager (FedCM)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.models.flows import LoginFlow
from ory_guard.client.models.results import CreateFedcmFlowResponse, SuccessfulNativeLogin
from ory_guard.client.operations.operation_decorator import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.login import UpdateFedcmFlowBody, UpdateLoginFlowBody

__all__ = ["LoginOperations"]


class LoginOperations(Operations):
    """Create, get and submit login flows, and exchange the codes of a native login."""

    @operation("GET", "/self-service/login/browser", step="create", deprecated=("via",))
    async def create_browser_login_flow(
        self,
        *,
        refresh: bool | None = None,
        aal: str | None = None,
        return_to: str | None = None,
        cookie: str | None = None,
        login_challenge: str | None = None,
        organization: str | None = None,
        via: str | None = None,
        identity_schema: str | None = None,
    ) -> LoginFlow:
        """Create a login flow for a browser; forward the response's cookies to it (`with_response`).

        Args:
            refresh: Whether to log in again although a session exists.
            aal: `aal2` to request the second factor.
            return_to: The URL to redirect the browser to after the login; Kratos has to allow it.
            cookie: The browser's `Cookie` header.
            login_challenge: The challenge of an OAuth2 login request from Ory Hydra.
            organization: The ID of the organization whose providers are offered (Ory Network; Kratos v1.1 or
                later).
            via: Deprecated by Kratos, whose flow offers a choice instead: the address that receives the code for
                aal2 (Kratos v1.2 or later).
            identity_schema: The schema of an identity that this login creates (Kratos v25.4 or later).

        Raises:
            SessionAlreadyAvailable: If a session of the requested level exists.
            FlowForbidden: If this browser or session is not allowed to create the flow.
            KratosAPIError: If Kratos does not allow `return_to` (400), or if `aal2` is requested without a
                session (401).
        """

    @operation("GET", "/self-service/login/api", step="create", deprecated=("via",))
    async def create_native_login_flow(
        self,
        *,
        refresh: bool | None = None,
        aal: str | None = None,
        x_session_token: str | None = None,
        return_session_token_exchange_code: bool | None = None,
        return_to: str | None = None,
        organization: str | None = None,
        via: str | None = None,
        identity_schema: str | None = None,
    ) -> LoginFlow:
        """Create a login flow for a native client; never use it for browsers, because it has no CSRF protection.

        Args:
            refresh: Whether to log in again although the token is valid.
            aal: `aal2` to request the second factor.
            x_session_token: The client's session token.
            return_session_token_exchange_code: Whether to request a code for `exchange_session_token` (Kratos v1.0
                or later).
            return_to: The URL that a provider redirects to after the login, such as `myapp://callback` (Kratos v1.0
                or later).
            organization: The ID of the organization whose providers are offered (Ory Network; Kratos v25.4 or
                later).
            via: Deprecated by Kratos, whose flow offers a choice instead: the address that receives the code for
                aal2 (Kratos v1.1 or later).
            identity_schema: The schema of an identity that this login creates (Kratos v25.4 or later).

        Raises:
            SessionAlreadyAvailable: If the token is valid for the requested level.
            FlowForbidden: If this session is not allowed to create the flow.
            KratosAPIError: If Kratos does not allow `return_to` (400), or if `aal2` is requested without a
                session (401).
        """

    @operation("GET", "/self-service/login/flows", step="read")
    async def get_login_flow(self, *, id: str, cookie: str | None = None) -> LoginFlow:
        """Return a login flow, for rendering.

        Args:
            id: The flow's ID.
            cookie: The browser's `Cookie` header; a browser flow requires its CSRF cookie.

        Raises:
            FlowNotFound: If the flow does not exist.
            FlowExpired: If the flow has expired.
            FlowForbidden: If the flow belongs to another browser.
        """

    @operation("POST", "/self-service/login", step="update", flow_model=LoginFlow)
    async def update_login_flow(
        self,
        *,
        flow: str,
        body: "UpdateLoginFlowBody | Mapping[str, Any]",
        x_session_token: str | None = None,
        cookie: str | None = None,
    ) -> SuccessfulNativeLogin:
        """Submit a login flow; forward the response's cookies to a browser (`with_response`).

        Args:
            flow: The flow's ID.
            body: The submitted fields; a mapping is sent unchanged.
            x_session_token: The client's session token, for a second factor or a refresh.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: If Kratos rejects the values; the error's `flow` contains the messages.
            BrowserLocationChangeRequired: If the login continues at a provider or with the second factor. In the
                second case the error's `set_cookies` contains the session cookie of the first factor.
            FlowExpired: If the flow has expired; `use_flow_id` is its replacement.
            FlowForbidden: If the CSRF token is wrong, or if the address must be verified first
                (`session_verified_address_required`); `continue_with` then contains the verification flow.
            FlowNotFound: If the flow does not exist.
        """

    @operation("GET", "/sessions/token-exchange")
    async def exchange_session_token(self, *, init_code: str, return_to_code: str) -> SuccessfulNativeLogin:
        """Exchange the codes of a native login with a provider for a session token (Kratos v1.0 or later).

        Args:
            init_code: The flow's `session_token_exchange_code`.
            return_to_code: The `code` parameter of the request to `return_to`.

        Raises:
            KratosAPIError: If no session exists for the codes yet (404), or if a code is empty (400).
        """

    @operation("GET", "/self-service/fed-cm/parameters", step="create", undocumented=("cookie",))
    async def create_fedcm_flow(self, *, cookie: str | None = None) -> CreateFedcmFlowResponse:
        """Return the parameters of a FedCM login (Ory Network; Kratos v25.4 or later).

        Args:
            cookie: The browser's `Cookie` header with its CSRF cookie.

        Raises:
            FlowForbidden: If this browser is not allowed to create the flow.
            KratosAPIError: If this Kratos does not support FedCM (404).
        """

    @operation("POST", "/self-service/fed-cm/token", step="update", flow_model=LoginFlow, undocumented=("cookie",))
    async def update_fedcm_flow(
        self, *, body: "UpdateFedcmFlowBody | Mapping[str, Any]", cookie: str | None = None
    ) -> SuccessfulNativeLogin:
        """Submit the token from the browser's credential manager (Ory Network; Kratos v25.4 or later).

        Args:
            body: The provider's token; a mapping is sent unchanged.
            cookie: The browser's `Cookie` header with its CSRF cookie.

        Raises:
            FlowInvalid: If Kratos rejects the token; the error's `flow` contains the messages.
            FlowForbidden: If the CSRF token is wrong.
            BrowserLocationChangeRequired: If the login continues at another URL.
            FlowExpired: If the flow has expired.
            FlowNotFound: If this Kratos does not support FedCM.
        """
