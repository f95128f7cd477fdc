"""The bodies of `update_login_flow` (OpenAPI v26.2.0)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ory_guard.client.updates.body import OptionalSecret, PayloadBody, Secret, UpdateBody

__all__ = [
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
    """Sign in with a password.

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
    """Sign in with an OpenID Connect or OAuth2 provider.

    Attributes:
        provider: The provider's id in Kratos' configuration.
        id_token: A token that a native application got from the provider itself.
        id_token_nonce: The nonce in that token.
        traits: Traits for an identity that is made on this occasion.
        upstream_parameters: Parameters for the provider, such as `login_hint`.
    """

    method: Literal["oidc"] = "oidc"
    provider: str
    id_token: OptionalSecret = None
    id_token_nonce: OptionalSecret = None
    traits: Annotated[Mapping[str, Any] | None, Field(repr=False)] = None
    upstream_parameters: Mapping[str, Any] | None = None


class UpdateLoginFlowWithSamlMethod(PayloadBody):
    """Sign in with a SAML provider; `provider` is its id in Kratos' configuration."""

    method: Literal["saml"] = "saml"
    provider: str


class UpdateLoginFlowWithTotpMethod(PayloadBody):
    """Complete the second factor with the code of an authenticator app."""

    method: Literal["totp"] = "totp"
    totp_code: Secret


class UpdateLoginFlowWithWebAuthnMethod(PayloadBody):
    """Sign in, or complete the second factor, with a security key.

    Attributes:
        identifier: Who it is.
        webauthn_login: What the browser's authenticator answered, as JSON text.
    """

    method: Literal["webauthn"] = "webauthn"
    identifier: str
    webauthn_login: OptionalSecret = None


class UpdateLoginFlowWithLookupSecretMethod(UpdateBody):
    """Complete the second factor with one of the backup codes."""

    method: Literal["lookup_secret"] = "lookup_secret"
    lookup_secret: Secret


class UpdateLoginFlowWithCodeMethod(PayloadBody):
    """Sign in with a code that Kratos sends: first without `code`, then with it.

    Attributes:
        identifier: Who it is.
        address: Where to send the code of a second factor.
        code: The code that came.
        resend: `code` to have it sent again.
    """

    method: Literal["code"] = "code"
    identifier: str | None = None
    address: str | None = None
    code: OptionalSecret = None
    resend: str | None = None


class UpdateLoginFlowWithPasskeyMethod(UpdateBody):
    """Sign in with a passkey; `passkey_login` is what the authenticator answered, as JSON text."""

    method: Literal["passkey"] = "passkey"
    passkey_login: OptionalSecret = None


class UpdateLoginFlowWithIdentifierFirstMethod(PayloadBody):
    """Say who it is, to be asked for a matching credential next."""

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
"""Any body of `update_login_flow`, told apart by `method`."""
