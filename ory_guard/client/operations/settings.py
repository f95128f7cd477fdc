"""Settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.decoding import as_model
from ory_guard.client.models.flows import SettingsFlow
from ory_guard.client.operations.descriptor import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.settings import UpdateSettingsFlowBody

__all__ = ["SettingsOperations"]


class SettingsOperations(Operations):
    """Starting, reading and submitting changes of settings."""

    @operation
    async def create_browser_settings_flow(
        self, *, return_to: str | None = None, cookie: str | None = None
    ) -> SettingsFlow:
        """Start a change of settings in a browser; the answer's cookies have to reach it (`with_response`).

        Args:
            return_to: Where the browser goes afterwards; Kratos has to allow it.
            cookie: The browser's `Cookie` header with its session.

        Raises:
            FlowForbidden: The session lacks its second factor; `redirect_browser_to` leads there.
            KratosAPIError: 401 without a session, 400 for a `return_to` that is not allowed.
        """
        return await self._ask(
            "create_browser_settings_flow", as_model(SettingsFlow), return_to=return_to, cookie=cookie
        )

    @operation
    async def create_native_settings_flow(self, *, x_session_token: str | None = None) -> SettingsFlow:
        """Start a change of settings in a client that keeps a token; never for a browser.

        Args:
            x_session_token: The client's session token.

        Raises:
            FlowForbidden: The session lacks its second factor.
            KratosAPIError: 401 without a session.
        """
        return await self._ask(
            "create_native_settings_flow", as_model(SettingsFlow), x_session_token=x_session_token
        )

    @operation
    async def get_settings_flow(
        self, *, id: str, x_session_token: str | None = None, cookie: str | None = None
    ) -> SettingsFlow:
        """Read a change of settings, to render it.

        Args:
            id: The flow's id.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header with its session and CSRF cookie.

        Raises:
            FlowNotFound: There is no such flow.
            FlowExpired: It is too old.
            FlowForbidden: It is another identity's, or the session lacks its second factor.
            KratosAPIError: 401 without a session.
        """
        return await self._ask(
            "get_settings_flow", as_model(SettingsFlow), id=id, x_session_token=x_session_token, cookie=cookie
        )

    @operation
    async def update_settings_flow(
        self,
        *,
        flow: str,
        body: "UpdateSettingsFlowBody | Mapping[str, Any]",
        x_session_token: str | None = None,
        cookie: str | None = None,
    ) -> SettingsFlow:
        """Submit a change of settings; in a browser, the answer's cookies have to reach it (`with_response`).

        `state` is `success` when it is done; new backup codes come back with `show_form`, to be confirmed.

        Args:
            flow: The flow's id.
            body: What to submit; a mapping goes out as it is.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header with its session and CSRF cookie.

        Raises:
            FlowInvalid: Kratos does not accept it; the error's `flow` says why.
            FlowForbidden: The sign-in is too old for this change (`redirect_browser_to` leads to a new one, and
                the error's `set_cookies` have to reach the browser first), the CSRF value is wrong, the flow is
                another identity's, or the session lacks its second factor.
            BrowserLocationChangeRequired: Go to a provider.
            FlowExpired: The flow is too old; `use_flow_id` names its successor.
            FlowNotFound: There is no such flow.
            KratosAPIError: 401 without a session.
        """
        return await self._ask(
            "update_settings_flow",
            as_model(SettingsFlow),
            SettingsFlow,
            body=body,
            flow=flow,
            x_session_token=x_session_token,
            cookie=cookie,
        )
