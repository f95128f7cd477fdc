"""The OAuth2 login that a flow serves, where Kratos is the login provider of Ory Hydra."""

from pydantic import Field

from ory_guard.client.models.fields import FrontendModel, FrozenValue, Listed
from ory_guard.models import EnumText, Timestamp

__all__ = ["OAuth2Client", "OAuth2LoginRequest", "OAuth2OpenIdConnectContext"]


class OAuth2Client(FrontendModel):
    """The OAuth2 client that wants the login, as Hydra describes it.

    What a login page may show is typed; Hydra's other settings (lifespans, keys, logout addresses,
    …) are kept under their names like every key that is not named here.
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
    audience: Listed[str] = ()
    contacts: Listed[str] = ()
    grant_types: Listed[str] = ()
    redirect_uris: Listed[str] = Field(default=(), repr=False)
    response_types: Listed[str] = ()
    subject_type: EnumText = None
    skip_consent: bool | None = None
    skip_logout_consent: bool | None = None
    metadata: FrozenValue = Field(default=None, repr=False)
    registration_access_token: str | None = Field(default=None, repr=False)
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class OAuth2OpenIdConnectContext(FrontendModel):
    """What the OpenID Connect request says about the login that it wants."""

    acr_values: Listed[str] = ()
    display: str | None = None
    id_token_hint_claims: FrozenValue = Field(default=None, repr=False)
    login_hint: str | None = Field(default=None, repr=False)
    ui_locales: Listed[str] = ()


class OAuth2LoginRequest(FrontendModel):
    """The login that Hydra asked for.

    Attributes:
        challenge: The challenge it goes by.
        client: Who asks.
        requested_scope: The scopes that the client wants.
        skip: Whether Hydra knows the subject already.
        subject: Who it is, where Hydra knows.
    """

    challenge: str | None = Field(default=None, repr=False)
    client: OAuth2Client | None = None
    oidc_context: OAuth2OpenIdConnectContext | None = None
    request_url: str | None = Field(default=None, repr=False)
    requested_access_token_audience: Listed[str] = ()
    requested_scope: Listed[str] = ()
    session_id: str | None = None
    skip: bool | None = None
    subject: str | None = None
