"""Recovery."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.decoding import as_model
from ory_guard.client.models.flows import RecoveryFlow
from ory_guard.client.operations.descriptor import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.recovery import UpdateRecoveryFlowBody

__all__ = ["RecoveryOperations"]


class RecoveryOperations(Operations):
    """Starting, reading and submitting recoveries."""

    @operation
    async def create_browser_recovery_flow(
        self, *, return_to: str | None = None, cookie: str | None = None
    ) -> RecoveryFlow:
        """Start the recovery of an account in a browser; the answer's cookies have to reach it.

        Args:
            return_to: Where the browser goes afterwards; Kratos has to allow it.
            cookie: The browser's `Cookie` header, in which Kratos looks for a session.

        Raises:
            SessionAlreadyAvailable: Somebody is signed in.
            FlowForbidden: This browser or session may not start it.
            KratosAPIError: 400 for a `return_to` that is not allowed, or where recovery is off.
        """
        return await self._ask(
            "create_browser_recovery_flow", as_model(RecoveryFlow), return_to=return_to, cookie=cookie
        )

    @operation
    async def create_native_recovery_flow(self) -> RecoveryFlow:
        """Start the recovery of an account in a client that keeps a token; never for a browser.

        Raises:
            FlowForbidden: This client may not start it.
            KratosAPIError: 400 where recovery is off.
        """
        return await self._ask("create_native_recovery_flow", as_model(RecoveryFlow))

    @operation
    async def get_recovery_flow(self, *, id: str, cookie: str | None = None) -> RecoveryFlow:
        """Read a recovery, to render it.

        Args:
            id: The flow's id.
            cookie: The browser's `Cookie` header; a browser flow needs its CSRF cookie.

        Raises:
            FlowNotFound: There is no such flow.
            FlowExpired: It is too old.
            FlowForbidden: It is another browser's.
        """
        return await self._ask("get_recovery_flow", as_model(RecoveryFlow), id=id, cookie=cookie)

    @operation
    async def update_recovery_flow(
        self,
        *,
        flow: str,
        body: "UpdateRecoveryFlowBody | Mapping[str, Any]",
        token: str | None = None,
        cookie: str | None = None,
    ) -> RecoveryFlow:
        """Submit a recovery: the address first, then the code that came.

        A wrong code is no error to Kratos: the flow comes back with a message and `state` `sent_email`. After
        the right one `state` is `passed_challenge`, `continue_with` leads to the settings, and a browser gets its
        session cookie (`with_response`). An unknown address looks like a known one.

        Args:
            flow: The flow's id.
            body: What to submit; a mapping goes out as it is.
            token: The token of a link that was sent.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: Kratos does not accept it; the error's `flow` says why.
            BrowserLocationChangeRequired: The browser goes on elsewhere.
            FlowExpired: The flow is too old; `use_flow_id` names its successor.
            FlowForbidden: The CSRF value is wrong.
            FlowNotFound: There is no such flow.
        """
        return await self._ask(
            "update_recovery_flow",
            as_model(RecoveryFlow),
            RecoveryFlow,
            body=body,
            flow=flow,
            token=token,
            cookie=cookie,
        )
