"""Verification."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.decoding import as_model
from ory_guard.client.models.flows import VerificationFlow
from ory_guard.client.operations.descriptor import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.verification import UpdateVerificationFlowBody

__all__ = ["VerificationOperations"]


class VerificationOperations(Operations):
    """Starting, reading and submitting verifications."""

    @operation
    async def create_browser_verification_flow(
        self, *, return_to: str | None = None, cookie: str | None = None
    ) -> VerificationFlow:
        """Start the verification of an address in a browser; the answer's cookies have to reach it.

        Args:
            return_to: Where the browser goes afterwards; Kratos has to allow it.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowForbidden: This browser or session may not start it.
            KratosAPIError: 400 for a `return_to` that is not allowed, or where verification is off.
        """
        return await self._ask(
            "create_browser_verification_flow", as_model(VerificationFlow), return_to=return_to, cookie=cookie
        )

    @operation
    async def create_native_verification_flow(self, *, return_to: str | None = None) -> VerificationFlow:
        """Start the verification of an address in a client that keeps a token; never for a browser.

        Args:
            return_to: Where a link that is sent leads afterwards; Kratos has to allow it.

        Raises:
            FlowForbidden: This client may not start it.
            KratosAPIError: 400 for a `return_to` that is not allowed, or where verification is off.
        """
        return await self._ask("create_native_verification_flow", as_model(VerificationFlow), return_to=return_to)

    @operation
    async def get_verification_flow(self, *, id: str, cookie: str | None = None) -> VerificationFlow:
        """Read a verification, to render it.

        Args:
            id: The flow's id.
            cookie: The browser's `Cookie` header; a browser flow needs its CSRF cookie.

        Raises:
            FlowNotFound: There is no such flow.
            FlowExpired: It is too old.
            FlowForbidden: It is another browser's.
        """
        return await self._ask("get_verification_flow", as_model(VerificationFlow), id=id, cookie=cookie)

    @operation
    async def update_verification_flow(
        self,
        *,
        flow: str,
        body: "UpdateVerificationFlowBody | Mapping[str, Any]",
        token: str | None = None,
        cookie: str | None = None,
    ) -> VerificationFlow:
        """Submit a verification: the address first, then the code that came.

        A wrong code is no error to Kratos: the flow comes back with a message and `state` `sent_email`. After
        the right one `state` is `passed_challenge`.

        Args:
            flow: The flow's id.
            body: What to submit; a mapping goes out as it is.
            token: The token of a link that was sent.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: Kratos does not accept it; the error's `flow` says why.
            FlowExpired: The flow is too old; `use_flow_id` names its successor.
            FlowForbidden: The CSRF value is wrong.
            FlowNotFound: There is no such flow.
        """
        return await self._ask(
            "update_verification_flow",
            as_model(VerificationFlow),
            VerificationFlow,
            body=body,
            flow=flow,
            token=token,
            cookie=cookie,
        )
