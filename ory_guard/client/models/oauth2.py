"""The OAuth2 login request of a flow, if Kratos is the login provider of Ory Hydra."""

from pydantic import Field

from ory_guard.client.models.fields import FrontendModel, FrozenValue, ListOrNull
from ory_guard.models.session import EnumText, Timestamp

__all__ = ["OAuth2Client", "OAuth2LoginRequest", "OAuth2OpenIdConnectContext"]


class OAuth2Client(FrontendModel):
    """The OAuth2 client of a login request.

    Fields that a login page may show are typed. Hydra's other settings (lifespans, keys, logout URLs, …) are kept
    as unknown keys.
    """

    client_id: str | None = None
    client_name: str | None = None
    client_uri: str | None = None
    client_secret: str | None = Field(default=None, repr=False)
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    owner: str | None = None
    scope: str | None = None
    audience: ListOrNull[str] = ()
    contacts: ListOrNull[str] = ()
    grant_types: ListOrNull[str] = ()
    redirect_uris: ListOrNull[str] = Field(default=(), repr=False)
    response_types: ListOrNull[str] = ()
    subject_type: EnumText = None
    skip_consent: bool | None = None
    skip_logout_consent: bool | None = None
    metadata: FrozenValue = Field(default=None, repr=False)
    registration_access_token: str | None = Field(default=None, repr=False)
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class OAuth2OpenIdConnectContext(FrontendModel):
    """The OpenID Connect parameters of a login request."""

    acr_values: ListOrNull[str] = ()
    display: str | None = None
    id_token_hint_claims: FrozenValue = Field(default=None, repr=False)
    login_hint: str | None = Field(default=None, repr=False)
    ui_locales: ListOrNull[str] = ()


class OAuth2LoginRequest(FrontendModel):
    """A login request from Hydra.

    Attributes:
        challenge: The challenge that identifies the request.
        client: The OAuth2 client.
        requested_scope: The scopes that the client requests.
        skip: Whether Hydra already knows the subject.
        subject: The subject, if Hydra knows it.
    """

    challenge: str | None = Field(default=None, repr=False)
    client: OAuth2Client | None = None
    oidc_context: OAuth2OpenIdConnectContext | None = None
    request_url: str | None = Field(default=None, repr=False)
    requested_access_token_audience: ListOrNull[str] = ()
    requested_scope: ListOrNull[str] = ()
    session_id: str | None = None
    skip: bool | None = None
    subject: str | None = None
