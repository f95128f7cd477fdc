"""The bodies of `update_recovery_flow` (OpenAPI v26.2.0)."""

from typing import Annotated, Literal

from pydantic import Field

from ory_guard.client.updates.body import OptionalSecret, PayloadBody

__all__ = ["UpdateRecoveryFlowBody", "UpdateRecoveryFlowWithCodeMethod", "UpdateRecoveryFlowWithLinkMethod"]


class UpdateRecoveryFlowWithLinkMethod(PayloadBody):
    """Request a link to `email`."""

    method: Literal["link"] = "link"
    email: str


class UpdateRecoveryFlowWithCodeMethod(PayloadBody):
    """Request a code, or submit the received code.

    Attributes:
        email: The address that receives the code, also for a repeated request.
        code: The received code.
        recovery_address: The address that receives the code, selected from several.
        recovery_select_address: The selected address, masked as in the flow.
        recovery_confirm_address: The selected address, in full.
        screen: The next screen: the value of the flow's button.
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
"""Any body of `update_recovery_flow`, discriminated by `method`."""
