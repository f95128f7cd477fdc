"""The bodies of `perform_native_logout` and `update_fedcm_flow` (OpenAPI v26.2.0)."""

from ory_guard.client.updates.body import OptionalSecret, PayloadBody, Secret, SentBody

__all__ = ["PerformNativeLogoutBody", "UpdateFedcmFlowBody"]


class PerformNativeLogoutBody(SentBody):
    """Which session to end: the one of this token."""

    session_token: Secret


class UpdateFedcmFlowBody(PayloadBody):
    """The answer of the browser's credential manager.

    Attributes:
        token: The provider's token.
        nonce: The nonce in it.
    """

    token: Secret
    nonce: OptionalSecret = None
