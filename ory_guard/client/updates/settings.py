"""The bodies of `update_settings_flow` (OpenAPI v26.2.0)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ory_guard.client.updates.body import OptionalSecret, PayloadBody, Secret, UpdateBody

__all__ = [
    "UpdateSettingsFlowBody",
    "UpdateSettingsFlowWithLookupMethod",
    "UpdateSettingsFlowWithOidcMethod",
    "UpdateSettingsFlowWithPasskeyMethod",
    "UpdateSettingsFlowWithPasswordMethod",
    "UpdateSettingsFlowWithProfileMethod",
    "UpdateSettingsFlowWithSamlMethod",
    "UpdateSettingsFlowWithTotpMethod",
    "UpdateSettingsFlowWithWebAuthnMethod",
]

_OptionalTraits = Annotated[Mapping[str, Any] | None, Field(repr=False)]


class UpdateSettingsFlowWithPasswordMethod(PayloadBody):
    """Set a new password."""

    method: Literal["password"] = "password"
    password: Secret


class UpdateSettingsFlowWithProfileMethod(PayloadBody):
    """Replace all traits."""

    method: Literal["profile"] = "profile"
    traits: Annotated[Mapping[str, Any], Field(repr=False)]


class UpdateSettingsFlowWithOidcMethod(PayloadBody):
    """Link or unlink an OpenID Connect or OAuth2 provider.

    Attributes:
        link: The ID of the provider to link.
        unlink: The ID of the provider to unlink.
        flow: The flow's ID, if it is not in the URL.
        traits: The identity's traits.
        upstream_parameters: Parameters for the provider, such as `login_hint`.
    """

    method: Literal["oidc"] = "oidc"
    link: str | None = None
    unlink: str | None = None
    flow: str | None = None
    traits: _OptionalTraits = None
    upstream_parameters: Mapping[str, Any] | None = None


class UpdateSettingsFlowWithSamlMethod(PayloadBody):
    """Link or unlink a SAML provider.

    Attributes:
        link: The ID of the provider to link.
        unlink: The ID of the provider to unlink.
        flow: The flow's ID, if it is not in the URL.
        traits: The identity's traits.
    """

    method: Literal["saml"] = "saml"
    link: str | None = None
    unlink: str | None = None
    flow: str | None = None
    traits: _OptionalTraits = None


class UpdateSettingsFlowWithTotpMethod(PayloadBody):
    """Enroll an authenticator app with one of its codes, or unlink it."""

    method: Literal["totp"] = "totp"
    totp_code: OptionalSecret = None
    totp_unlink: bool | None = None


class UpdateSettingsFlowWithWebAuthnMethod(PayloadBody):
    """Add or remove a security key.

    Attributes:
        webauthn_register: The response of the browser's authenticator, as JSON text.
        webauthn_register_displayname: A name for the key.
        webauthn_remove: The ID of the key to remove.
    """

    method: Literal["webauthn"] = "webauthn"
    webauthn_register: OptionalSecret = None
    webauthn_register_displayname: str | None = None
    webauthn_remove: str | None = None


class UpdateSettingsFlowWithLookupMethod(PayloadBody):
    """Create, confirm, show or disable backup codes: set one of the four fields to True."""

    method: Literal["lookup_secret"] = "lookup_secret"
    lookup_secret_regenerate: bool | None = None
    lookup_secret_confirm: bool | None = None
    lookup_secret_reveal: bool | None = None
    lookup_secret_disable: bool | None = None


class UpdateSettingsFlowWithPasskeyMethod(UpdateBody):
    """Add a passkey with the response of the authenticator (JSON text), or remove one by its ID."""

    method: Literal["passkey"] = "passkey"
    passkey_settings_register: OptionalSecret = None
    passkey_remove: str | None = None


UpdateSettingsFlowBody = Annotated[
    UpdateSettingsFlowWithPasswordMethod
    | UpdateSettingsFlowWithProfileMethod
    | UpdateSettingsFlowWithOidcMethod
    | UpdateSettingsFlowWithSamlMethod
    | UpdateSettingsFlowWithTotpMethod
    | UpdateSettingsFlowWithWebAuthnMethod
    | UpdateSettingsFlowWithLookupMethod
    | UpdateSettingsFlowWithPasskeyMethod,
    Field(discriminator="method"),
]
"""Any body of `update_settings_flow`, discriminated by `method`."""
