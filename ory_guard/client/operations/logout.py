"""Logout."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.decoding import as_model, as_nothing
from ory_guard.client.models.results import LogoutFlow
from ory_guard.client.operations.descriptor import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.others import PerformNativeLogoutBody

__all__ = ["LogoutOperations"]


class LogoutOperations(Operations):
    """Signing out."""

    @operation
    async def create_browser_logout_flow(
        self, *, cookie: str | None = None, return_to: str | None = None
    ) -> LogoutFlow:
        """Get the address that signs a browser out.

        Args:
            cookie: The browser's `Cookie` header with its session.
            return_to: Where the browser goes afterwards; Kratos has to allow it.

        Raises:
            KratosAPIError: 401 without a session, 400 for a `return_to` that is not allowed.
        """
        return await self._ask(
            "create_browser_logout_flow", as_model(LogoutFlow), cookie=cookie, return_to=return_to
        )

    @operation
    async def update_logout_flow(
        self, *, token: str | None = None, return_to: str | None = None, cookie: str | None = None
    ) -> None:
        """Sign a browser out; the answer's cookies have to reach it (`with_response`).

        Args:
            token: The `logout_token`.
            return_to: Where the browser goes afterwards; of no use here, since JSON is asked for.
            cookie: The browser's `Cookie` header with its session.

        Raises:
            KratosAPIError: The token is not this session's, or there is no session.
        """
        await self._ask("update_logout_flow", as_nothing, token=token, return_to=return_to, cookie=cookie)

    @operation
    async def perform_native_logout(self, *, body: "PerformNativeLogoutBody | Mapping[str, Any]") -> None:
        """Revoke the session of a token; one that is dead already is no error.

        Args:
            body: The token; a mapping goes out as it is.

        Raises:
            KratosAPIError: 403 where there is no token, 400 where it is malformed.
        """
        await self._ask("perform_native_logout", as_nothing, body=body)
