"""Logout."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.models.results import LogoutFlow
from ory_guard.client.operations.operation_decorator import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.logout import PerformNativeLogoutBody

__all__ = ["LogoutOperations"]


class LogoutOperations(Operations):
    """Log out browsers and native clients."""

    @operation("GET", "/self-service/logout/browser")
    async def create_browser_logout_flow(
        self, *, cookie: str | None = None, return_to: str | None = None
    ) -> LogoutFlow:
        """Return the URL that logs out a browser.

        Args:
            cookie: The browser's `Cookie` header with its session.
            return_to: The URL to redirect the browser to after the logout; Kratos has to allow it (Kratos v1.0 or
                later).

        Raises:
            KratosAPIError: If the session is missing (401), or if Kratos does not allow `return_to` (400).
        """

    @operation("GET", "/self-service/logout")
    async def update_logout_flow(
        self, *, token: str | None = None, return_to: str | None = None, cookie: str | None = None
    ) -> None:
        """Log out a browser; forward the response's cookies to it (`with_response`).

        Args:
            token: The `logout_token` of the logout flow.
            return_to: The URL to redirect the browser to; without effect here, because this client requests JSON.
            cookie: The browser's `Cookie` header with its session.

        Raises:
            KratosAPIError: If the token belongs to another session, or if the session is missing.
        """

    @operation("DELETE", "/self-service/logout/api")
    async def perform_native_logout(self, *, body: "PerformNativeLogoutBody | Mapping[str, Any]") -> None:
        """Revoke the session of a session token. A token whose session has ended is not an error.

        Args:
            body: The session token; a mapping is sent unchanged.

        Raises:
            KratosAPIError: If the token is missing or unknown (403), or if the body is malformed (400).
        """
