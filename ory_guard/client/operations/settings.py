"""Settings of an account."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.models.flows import SettingsFlow
from ory_guard.client.operations.operation_decorator import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.settings import UpdateSettingsFlowBody

__all__ = ["SettingsOperations"]


class SettingsOperations(Operations):
    """Create, get and submit settings flows."""

    @operation("GET", "/self-service/settings/browser", step="create")
    async def create_browser_settings_flow(
        self, *, return_to: str | None = None, cookie: str | None = None
    ) -> SettingsFlow:
        """Create a settings flow for a browser; forward the response's cookies to it (`with_response`).

        Args:
            return_to: The URL to redirect the browser to after the change; Kratos has to allow it.
            cookie: The browser's `Cookie` header with its session.

        Raises:
            FlowForbidden: If the session needs its second factor; `redirect_browser_to` is the URL for it.
            KratosAPIError: If the session is missing (401), or if Kratos does not allow `return_to` (400).
        """

    @operation("GET", "/self-service/settings/api", step="create")
    async def create_native_settings_flow(self, *, x_session_token: str | None = None) -> SettingsFlow:
        """Create a settings flow for a native client; never use it for browsers.

        Args:
            x_session_token: The client's session token.

        Raises:
            FlowForbidden: If the session needs its second factor.
            KratosAPIError: If the session is missing (401).
        """

    @operation("GET", "/self-service/settings/flows", step="read")
    async def get_settings_flow(
        self, *, id: str, x_session_token: str | None = None, cookie: str | None = None
    ) -> SettingsFlow:
        """Return a settings flow, for rendering.

        Args:
            id: The flow's ID.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header with its session and CSRF cookie.

        Raises:
            FlowNotFound: If the flow does not exist.
            FlowExpired: If the flow has expired.
            FlowForbidden: If the flow belongs to another identity, or if the session needs its second factor.
            KratosAPIError: If the session is missing (401).
        """

    @operation("POST", "/self-service/settings", step="update", flow_model=SettingsFlow)
    async def update_settings_flow(
        self,
        *,
        flow: str,
        body: "UpdateSettingsFlowBody | Mapping[str, Any]",
        x_session_token: str | None = None,
        cookie: str | None = None,
    ) -> SettingsFlow:
        """Submit a settings flow; forward the response's cookies to a browser (`with_response`).

        `state` is `success` after the change. New backup codes are returned with `show_form`, to be confirmed.

        Args:
            flow: The flow's ID.
            body: The submitted fields; a mapping is sent unchanged.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header with its session and CSRF cookie.

        Raises:
            FlowInvalid: If Kratos rejects the values; the error's `flow` contains the messages.
            FlowForbidden: If the login is too old for this change (`redirect_browser_to` is the URL for a new
                login, and the error's `set_cookies` have to be forwarded to the browser first), if the CSRF token
                is wrong, if the flow belongs to another identity, or if the session needs its second factor.
            BrowserLocationChangeRequired: If the change continues at a provider.
            FlowExpired: If the flow has expired; `use_flow_id` is its replacement.
            FlowNotFound: If the flow does not exist.
            KratosAPIError: If the session is missing (401).
        """
