"""The bodies of `update_registration_flow` (OpenAPI v26.2.0)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ory_guard.client.updates.body import OptionalSecret, PayloadBody, Secret

__all__ = [
    "UpdateRegistrationFlowBody",
    "UpdateRegistrationFlowWithCodeMethod",
    "UpdateRegistrationFlowWithOidcMethod",
    "UpdateRegistrationFlowWithPasskeyMethod",
    "UpdateRegistrationFlowWithPasswordMethod",
    "UpdateRegistrationFlowWithProfileMethod",
    "UpdateRegistrationFlowWithSamlMethod",
    "UpdateRegistrationFlowWithWebAuthnMethod",
]

_Traits = Annotated[Mapping[str, Any], Field(repr=False)]
_OptionalTraits = Annotated[Mapping[str, Any] | None, Field(repr=False)]


class UpdateRegistrationFlowWithPasswordMethod(PayloadBody):
    """Register with a password."""

    method: Literal["password"] = "password"
    password: Secret
    traits: _Traits


class UpdateRegistrationFlowWithOidcMethod(PayloadBody):
    """Register with an OpenID Connect or OAuth2 provider.

    Attributes:
        provider: The provider's ID in Kratos' configuration.
        id_token: An ID token that a native application received from the provider.
        id_token_nonce: The nonce in that token.
        traits: Traits that the provider does not supply.
        upstream_parameters: Parameters for the provider, such as `login_hint`.
    """

    method: Literal["oidc"] = "oidc"
    provider: str
    id_token: OptionalSecret = None
    id_token_nonce: OptionalSecret = None
    traits: _OptionalTraits = None
    upstream_parameters: Mapping[str, Any] | None = None


class UpdateRegistrationFlowWithSamlMethod(PayloadBody):
    """Register with a SAML provider; `provider` is its ID in Kratos' configuration."""

    method: Literal["saml"] = "saml"
    provider: str
    traits: _OptionalTraits = None


class UpdateRegistrationFlowWithWebAuthnMethod(PayloadBody):
    """Register with a security key.

    Attributes:
        traits: The identity's traits.
        webauthn_register: The response of the browser's authenticator, as JSON text.
        webauthn_register_displayname: A name for the key.
    """

    method: Literal["webauthn"] = "webauthn"
    traits: _Traits
    webauthn_register: OptionalSecret = None
    webauthn_register_displayname: str | None = None


class UpdateRegistrationFlowWithCodeMethod(PayloadBody):
    """Register with a code that Kratos sends: first without `code`, then with it.

    Attributes:
        traits: The identity's traits.
        code: The received code.
        resend: `code` to request the code again.
    """

    method: Literal["code"] = "code"
    traits: _Traits
    code: OptionalSecret = None
    resend: str | None = None


class UpdateRegistrationFlowWithPasskeyMethod(PayloadBody):
    """Register with a passkey; `passkey_register` is the response of the authenticator, as JSON text."""

    method: Literal["passkey"] = "passkey"
    traits: _Traits
    passkey_register: OptionalSecret = None


class UpdateRegistrationFlowWithProfileMethod(PayloadBody):
    """Submit the traits; the next step requests a credential.

    Attributes:
        traits: The identity's traits.
        screen: `previous` to return from the credentials to the traits.
    """

    method: Literal["profile"] = "profile"
    traits: _Traits
    screen: Literal["credential-selection", "previous"] | None = None


UpdateRegistrationFlowBody = Annotated[
    UpdateRegistrationFlowWithPasswordMethod
    | UpdateRegistrationFlowWithOidcMethod
    | UpdateRegistrationFlowWithSamlMethod
    | UpdateRegistrationFlowWithWebAuthnMethod
    | UpdateRegistrationFlowWithCodeMethod
    | UpdateRegistrationFlowWithPasskeyMethod
    | UpdateRegistrationFlowWithProfileMethod,
    Field(discriminator="method"),
]
"""Any body of `update_registration_flow`, discriminated by `method`."""
