"""What pages need besides flows: errors, WebAuthn's script, and the browser's credential manager."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.decoding import as_model, as_text
from ory_guard.client.models.flows import LoginFlow
from ory_guard.client.models.results import CreateFedcmFlowResponse, FlowErrorReport, SuccessfulNativeLogin
from ory_guard.client.operations.descriptor import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.others import UpdateFedcmFlowBody

__all__ = ["PageOperations"]


class PageOperations(Operations):
    """The error page, the script of security keys, and sign-ins through FedCM."""

    @operation
    async def get_flow_error(self, *, id: str) -> FlowErrorReport:
        """Read what Kratos' error page is about.

        Args:
            id: The `id` in the error page's address.

        Raises:
            KratosAPIError: 404 for an unknown id.
        """
        return await self._ask("get_flow_error", as_model(FlowErrorReport), id=id)

    @operation
    async def get_web_authn_java_script(self) -> str:
        """Get the script that pages with security keys or passkeys need.

        Raises:
            KratosAPIError: This Kratos has no such script.
        """
        return await self._ask("get_web_authn_java_script", as_text)

    @operation
    async def create_fedcm_flow(self, *, cookie: str | None = None) -> CreateFedcmFlowResponse:
        """Start a sign-in through the browser's credential manager (Ory Network).

        Args:
            cookie: The browser's `Cookie` header with its CSRF cookie.

        Raises:
            FlowForbidden: This browser may not start it.
            KratosAPIError: 404 where Kratos does not have it.
        """
        return await self._ask("create_fedcm_flow", as_model(CreateFedcmFlowResponse), cookie=cookie)

    @operation
    async def update_fedcm_flow(
        self, *, body: "UpdateFedcmFlowBody | Mapping[str, Any]", cookie: str | None = None
    ) -> SuccessfulNativeLogin:
        """Submit what the browser's credential manager answered (Ory Network).

        Args:
            body: The provider's token; a mapping goes out as it is.
            cookie: The browser's `Cookie` header with its CSRF cookie.

        Raises:
            FlowInvalid: Kratos does not accept it; the error's `flow` says why.
            FlowForbidden: The CSRF value is wrong.
            BrowserLocationChangeRequired: The browser goes on elsewhere.
            FlowExpired: It took too long.
            FlowNotFound: Kratos does not have it.
        """
        return await self._ask(
            "update_fedcm_flow", as_model(SuccessfulNativeLogin), LoginFlow, body=body, cookie=cookie
        )
