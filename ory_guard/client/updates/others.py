"""The bodies of `perform_native_logout` and `update_fedcm_flow` (OpenAPI v26.2.0)."""

from ory_guard.client.updates.body import OptionalSecret, PayloadBody, Secret, SentBody

__all__ = ["PerformNativeLogoutBody", "UpdateFedcmFlowBody"]


class PerformNativeLogoutBody(SentBody):
    """The session token whose session is revoked."""

    session_token: Secret


class UpdateFedcmFlowBody(PayloadBody):
    """The result of the browser's credential manager.

    Attributes:
        token: The provider's token.
        nonce: The nonce in the token.
    """

    token: Secret
    nonce: OptionalSecret = None
