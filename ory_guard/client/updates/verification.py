"""The bodies of `update_verification_flow` (OpenAPI v26.2.0)."""

from typing import Annotated, Literal

from pydantic import Field

from ory_guard.client.updates.body import OptionalSecret, PayloadBody

__all__ = [
    "UpdateVerificationFlowBody",
    "UpdateVerificationFlowWithCodeMethod",
    "UpdateVerificationFlowWithLinkMethod",
]


class UpdateVerificationFlowWithLinkMethod(PayloadBody):
    """Request a link to `email`."""

    method: Literal["link"] = "link"
    email: str


class UpdateVerificationFlowWithCodeMethod(PayloadBody):
    """Request a code to `email`, or submit the received `code`."""

    method: Literal["code"] = "code"
    email: str | None = None
    code: OptionalSecret = None


UpdateVerificationFlowBody = Annotated[
    UpdateVerificationFlowWithLinkMethod | UpdateVerificationFlowWithCodeMethod, Field(discriminator="method")
]
"""Any body of `update_verification_flow`, discriminated by `method`."""
