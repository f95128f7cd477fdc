"""The five self-service flows, under Kratos' field names (OpenAPI v26.2.0)."""

from pydantic import Field

from ory_guard.client.models.continue_with import ContinueWith
from ory_guard.client.models.fields import FrontendModel, FrozenMapping, Listed
from ory_guard.client.models.oauth2 import OAuth2LoginRequest
from ory_guard.client.models.ui_nodes import UiContainer
from ory_guard.models import EnumText, Identity, Timestamp

__all__ = ["Flow", "LoginFlow", "RecoveryFlow", "RegistrationFlow", "SettingsFlow", "VerificationFlow"]


class Flow(FrontendModel):
    """What every flow has.

    Attributes:
        id: The flow's id: `flow=` of its update, `id=` to read it again.
        type: `browser`, or `api` for a native flow.
        state: `choose_method`, `sent_email`, `passed_challenge`, `show_form`, `success`, …
        ui: What to render, and where a form goes.
        active: The method under way.
        request_url: The address that started it.
        return_to: Where the browser goes when it is done.
        issued_at: When it began.
        expires_at: When it is over.
        transient_payload: What an update said besides, for Kratos' webhooks.
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


class _SigningIn(Flow):
    """What a login and a registration share.

    Attributes:
        organization_id: The organization it is for (Ory Network).
        identity_schema: The schema of the identity, where it was asked for.
        session_token_exchange_code: The `init_code` of `exchange_session_token`, where one was asked for.
        oauth2_login_challenge: The challenge of an OAuth2 login at Hydra.
        oauth2_login_request: What that OAuth2 client asks for.
    """

    organization_id: str | None = None
    identity_schema: str | None = None
    session_token_exchange_code: str | None = Field(default=None, repr=False)
    oauth2_login_challenge: str | None = Field(default=None, repr=False)
    oauth2_login_request: OAuth2LoginRequest | None = Field(default=None, repr=False)


class LoginFlow(_SigningIn):
    """A login.

    Attributes:
        refresh: Whether somebody who is signed in signs in anew.
        requested_aal: `aal1`, or `aal2` for the second factor.
    """

    refresh: bool | None = None
    requested_aal: EnumText = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class RegistrationFlow(_SigningIn):
    """A registration."""


class RecoveryFlow(Flow):
    """The recovery of an account.

    Attributes:
        continue_with: What to do next; empty until the code or link is accepted.
    """

    continue_with: Listed[ContinueWith] = ()


class VerificationFlow(Flow):
    """The verification of an address."""


class SettingsFlow(Flow):
    """A change of settings.

    Attributes:
        identity: Whose settings they are, as they are now.
        continue_with: What to do next, after a success.
    """

    identity: Identity
    continue_with: Listed[ContinueWith] = ()
    organization_id: str | None = None
