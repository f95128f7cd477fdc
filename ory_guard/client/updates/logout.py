"""The body of `perform_native_logout` (OpenAPI v26.2.0)."""

from ory_guard.client.updates.body import Secret, SentBody

__all__ = ["PerformNativeLogoutBody"]


class PerformNativeLogoutBody(SentBody):
    """The session token whose session is revoked."""

    session_token: Secret
