"""The bodies of `update_login_flow` and `update_fedcm_flow` (OpenAPI v26.2.0)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ory_guard.client.updates.body import OptionalSecret, PayloadBody, Secret, UpdateBody

__all__ = [
    "UpdateFedcmFlowBody",
    "UpdateLoginFlowBody",
    "UpdateLoginFlowWithCodeMethod",
    "UpdateLoginFlowWithIdentifierFirstMethod",
    "UpdateLoginFlowWithLookupSecretMethod",
    "UpdateLoginFlowWithOidcMethod",
    "UpdateLoginFlowWithPasskeyMethod",
    "UpdateLoginFlowWithPasswordMethod",
    "UpdateLoginFlowWithSamlMethod",
    "UpdateLoginFlowWithTotpMethod",
    "UpdateLoginFlowWithWebAuthnMethod",
]


class UpdateLoginFlowWithPasswordMethod(PayloadBody):
    """Log in with a password.

    Attributes:
        identifier: The email address, user name or phone number.
        password: The password.
        password_identifier: Deprecated by Kratos; use `identifier`.
    """

    method: Literal["password"] = "password"
    identifier: str
    password: Secret
    password_identifier: str | None = None


class UpdateLoginFlowWithOidcMethod(PayloadBody):
    """Log in with an OpenID Connect or OAuth2 provider.

    Attributes:
        provider: The provider's ID in Kratos' configuration.
        id_token: An ID token that a native application received from the provider.
        id_token_nonce: The nonce in that token.
        traits: Traits of an identity that this login creates.
        upstream_parameters: Parameters for the provider, such as `login_hint`.
    """

    method: Literal["oidc"] = "oidc"
    provider: str
    id_token: OptionalSecret = None
    id_token_nonce: OptionalSecret = None
    traits: Annotated[Mapping[str, Any] | None, Field(repr=False)] = None
    upstream_parameters: Mapping[str, Any] | None = None


class UpdateLoginFlowWithSamlMethod(PayloadBody):
    """Log in with a SAML provider; `provider` is its ID in Kratos' configuration."""

    method: Literal["saml"] = "saml"
    provider: str


class UpdateLoginFlowWithTotpMethod(PayloadBody):
    """Complete the second factor with the code of an authenticator app."""

    method: Literal["totp"] = "totp"
    totp_code: Secret


class UpdateLoginFlowWithWebAuthnMethod(PayloadBody):
    """Log in, or complete the second factor, with a security key.

    Attributes:
        identifier: The email address, user name or phone number.
        webauthn_login: The response of the browser's authenticator, as JSON text.
    """

    method: Literal["webauthn"] = "webauthn"
    identifier: str
    webauthn_login: OptionalSecret = None


class UpdateLoginFlowWithLookupSecretMethod(UpdateBody):
    """Complete the second factor with one of the backup codes."""

    method: Literal["lookup_secret"] = "lookup_secret"
    lookup_secret: Secret


class UpdateLoginFlowWithCodeMethod(PayloadBody):
    """Log in with a code that Kratos sends: first without `code`, then with it.

    Attributes:
        identifier: The email address, user name or phone number.
        address: The address that receives the code of a second factor.
        code: The received code.
        resend: `code` to request the code again.
    """

    method: Literal["code"] = "code"
    identifier: str | None = None
    address: str | None = None
    code: OptionalSecret = None
    resend: str | None = None


class UpdateLoginFlowWithPasskeyMethod(UpdateBody):
    """Log in with a passkey; `passkey_login` is the response of the authenticator, as JSON text."""

    method: Literal["passkey"] = "passkey"
    passkey_login: OptionalSecret = None


class UpdateLoginFlowWithIdentifierFirstMethod(PayloadBody):
    """Submit the identifier; the next step requests a matching credential."""

    method: Literal["identifier_first"] = "identifier_first"
    identifier: str


UpdateLoginFlowBody = Annotated[
    UpdateLoginFlowWithPasswordMethod
    | UpdateLoginFlowWithOidcMethod
    | UpdateLoginFlowWithSamlMethod
    | UpdateLoginFlowWithTotpMethod
    | UpdateLoginFlowWithWebAuthnMethod
    | UpdateLoginFlowWithLookupSecretMethod
    | UpdateLoginFlowWithCodeMethod
    | UpdateLoginFlowWithPasskeyMethod
    | UpdateLoginFlowWithIdentifierFirstMethod,
    Field(discriminator="method"),
]
"""Any body of `update_login_flow`, discriminated by `method`."""


class UpdateFedcmFlowBody(PayloadBody):
    """The result of the browser's credential manager.

    Attributes:
        token: The provider's token.
        nonce: The nonce in the token.
    """

    token: Secret
    nonce: OptionalSecret = None
