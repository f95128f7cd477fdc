"""The bodies of updates: one model per method, and one union per flow, discriminated by `method`."""

from ory_guard.client.updates.login import (
    UpdateFedcmFlowBody,
    UpdateLoginFlowBody,
    UpdateLoginFlowWithCodeMethod,
    UpdateLoginFlowWithIdentifierFirstMethod,
    UpdateLoginFlowWithLookupSecretMethod,
    UpdateLoginFlowWithOidcMethod,
    UpdateLoginFlowWithPasskeyMethod,
    UpdateLoginFlowWithPasswordMethod,
    UpdateLoginFlowWithSamlMethod,
    UpdateLoginFlowWithTotpMethod,
    UpdateLoginFlowWithWebAuthnMethod,
)
from ory_guard.client.updates.logout import (
    PerformNativeLogoutBody,
)
from ory_guard.client.updates.recovery import (
    UpdateRecoveryFlowBody,
    UpdateRecoveryFlowWithCodeMethod,
    UpdateRecoveryFlowWithLinkMethod,
)
from ory_guard.client.updates.registration import (
    UpdateRegistrationFlowBody,
    UpdateRegistrationFlowWithCodeMethod,
    UpdateRegistrationFlowWithOidcMethod,
    UpdateRegistrationFlowWithPasskeyMethod,
    UpdateRegistrationFlowWithPasswordMethod,
    UpdateRegistrationFlowWithProfileMethod,
    UpdateRegistrationFlowWithSamlMethod,
    UpdateRegistrationFlowWithWebAuthnMethod,
)
from ory_guard.client.updates.settings import (
    UpdateSettingsFlowBody,
    UpdateSettingsFlowWithLookupMethod,
    UpdateSettingsFlowWithOidcMethod,
    UpdateSettingsFlowWithPasskeyMethod,
    UpdateSettingsFlowWithPasswordMethod,
    UpdateSettingsFlowWithProfileMethod,
    UpdateSettingsFlowWithSamlMethod,
    UpdateSettingsFlowWithTotpMethod,
    UpdateSettingsFlowWithWebAuthnMethod,
)
from ory_guard.client.updates.verification import (
    UpdateVerificationFlowBody,
    UpdateVerificationFlowWithCodeMethod,
    UpdateVerificationFlowWithLinkMethod,
)

__all__ = [
    "PerformNativeLogoutBody",
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
    "UpdateRecoveryFlowBody",
    "UpdateRecoveryFlowWithCodeMethod",
    "UpdateRecoveryFlowWithLinkMethod",
    "UpdateRegistrationFlowBody",
    "UpdateRegistrationFlowWithCodeMethod",
    "UpdateRegistrationFlowWithOidcMethod",
    "UpdateRegistrationFlowWithPasskeyMethod",
    "UpdateRegistrationFlowWithPasswordMethod",
    "UpdateRegistrationFlowWithProfileMethod",
    "UpdateRegistrationFlowWithSamlMethod",
    "UpdateRegistrationFlowWithWebAuthnMethod",
    "UpdateSettingsFlowBody",
    "UpdateSettingsFlowWithLookupMethod",
    "UpdateSettingsFlowWithOidcMethod",
    "UpdateSettingsFlowWithPasskeyMethod",
    "UpdateSettingsFlowWithPasswordMethod",
    "UpdateSettingsFlowWithProfileMethod",
    "UpdateSettingsFlowWithSamlMethod",
    "UpdateSettingsFlowWithTotpMethod",
    "UpdateSettingsFlowWithWebAuthnMethod",
    "UpdateVerificationFlowBody",
    "UpdateVerificationFlowWithCodeMethod",
    "UpdateVerificationFlowWithLinkMethod",
]
