"""Resources that self-service pages need besides flows: error reports and the WebAuthn script."""

from ory_guard.client.models.results import FlowErrorReport
from ory_guard.client.operations.operation_decorator import Operations, operation

__all__ = ["PageResourceOperations"]


class PageResourceOperations(Operations):
    """Get the report for the error page, and the script for security keys and passkeys."""

    @operation("GET", "/self-service/errors")
    async def get_flow_error(self, *, id: str) -> FlowErrorReport:
        """Return the error report that the error page shows.

        Args:
            id: The `id` parameter of the error page's URL.

        Raises:
            KratosAPIError: If the report does not exist (404).
        """

    @operation("GET", "/.well-known/ory/webauthn.js")
    async def get_web_authn_java_script(self) -> str:
        """Return the script that pages with security keys or passkeys load.

        Raises:
            KratosAPIError: If this Kratos does not have the script.
        """
