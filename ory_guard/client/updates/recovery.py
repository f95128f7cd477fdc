"""The bodies of `update_recovery_flow` (OpenAPI v26.2.0)."""

from typing import Annotated, Literal

from pydantic import Field

from ory_guard.client.updates.body import OptionalSecret, PayloadBody

__all__ = ["UpdateRecoveryFlowBody", "UpdateRecoveryFlowWithCodeMethod", "UpdateRecoveryFlowWithLinkMethod"]


class UpdateRecoveryFlowWithLinkMethod(PayloadBody):
    """Have a link sent to `email`."""

    method: Literal["link"] = "link"
    email: str


class UpdateRecoveryFlowWithCodeMethod(PayloadBody):
    """Have a code sent to an address, or give the code that came.

    Attributes:
        email: Where to send the code, also to send it again.
        code: The code that came.
        recovery_address: Where to send the code, where an address is chosen from several.
        recovery_select_address: The address chosen, masked as the flow showed it.
        recovery_confirm_address: The address chosen, in full.
        screen: The screen to go to, as the flow's button has it.
    """

    method: Literal["code"] = "code"
    email: str | None = None
    code: OptionalSecret = None
    recovery_address: str | None = None
    recovery_select_address: str | None = None
    recovery_confirm_address: str | None = None
    screen: str | None = None


UpdateRecoveryFlowBody = Annotated[
    UpdateRecoveryFlowWithLinkMethod | UpdateRecoveryFlowWithCodeMethod, Field(discriminator="method")
]
"""Any body of `update_recovery_flow`, told apart by `method`."""
