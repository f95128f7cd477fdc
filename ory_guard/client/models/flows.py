"""The five self-service flows, under Kratos' field names (OpenAPI v26.2.0)."""

from pydantic import Field

from ory_guard.client.models.continue_with import ContinueWith
from ory_guard.client.models.fields import FrontendModel, FrozenMapping, ListOrNull
from ory_guard.client.models.oauth2 import OAuth2LoginRequest
from ory_guard.client.models.ui_nodes import UiContainer
from ory_guard.models.session import EnumText, Identity, Timestamp

__all__ = ["Flow", "LoginFlow", "RecoveryFlow", "RegistrationFlow", "SettingsFlow", "VerificationFlow"]


class Flow(FrontendModel):
    """The fields that all flows share.

    Attributes:
        id: The flow's ID: the argument `flow` of its update, and `id` of its `get_…_flow`.
        type: `browser`, or `api` for a native flow.
        state: `choose_method`, `sent_email`, `passed_challenge`, `show_form`, `success`, …
        ui: The form: nodes, messages and the URL to submit to.
        active: The method in use.
        request_url: The URL that created the flow.
        return_to: The URL to redirect the browser to after the flow.
        issued_at: The time of creation.
        expires_at: The time of expiration.
        transient_payload: The payload of the last update, for Kratos' webhooks.
    """

    id: str
    type: EnumText = None
    state: EnumText = None
    ui: UiContainer
    active: EnumText = None
    request_url: str | None = Field(default=None, repr=False)
    return_to: str | None = Field(default=None, repr=False)
    issued_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    transient_payload: FrozenMapping | None = Field(default=None, repr=False)


class _SessionCreatingFlow(Flow):
    """The fields that login and registration flows share.

    Attributes:
        organization_id: The ID of the organization (Ory Network).
        identity_schema: The schema of the identity, if one was requested.
        session_token_exchange_code: The `init_code` for `exchange_session_token`, if one was requested.
        oauth2_login_challenge: The challenge of an OAuth2 login request from Ory Hydra.
        oauth2_login_request: That login request.
    """

    organization_id: str | None = None
    identity_schema: str | None = None
    session_token_exchange_code: str | None = Field(default=None, repr=False)
    oauth2_login_challenge: str | None = Field(default=None, repr=False)
    oauth2_login_request: OAuth2LoginRequest | None = Field(default=None, repr=False)


class LoginFlow(_SessionCreatingFlow):
    """A login flow.

    Attributes:
        refresh: Whether the flow refreshes an existing session.
        requested_aal: `aal1`, or `aal2` for the second factor.
    """

    refresh: bool | None = None
    requested_aal: EnumText = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class RegistrationFlow(_SessionCreatingFlow):
    """A registration flow."""


class RecoveryFlow(Flow):
    """A recovery flow.

    Attributes:
        continue_with: The next steps; empty until the code or link is accepted.
    """

    continue_with: ListOrNull[ContinueWith] = ()


class VerificationFlow(Flow):
    """A verification flow."""


class SettingsFlow(Flow):
    """A settings flow.

    Attributes:
        identity: The identity with its current settings.
        continue_with: The next steps after a success.
    """

    identity: Identity
    continue_with: ListOrNull[ContinueWith] = ()
    organization_id: str | None = None
