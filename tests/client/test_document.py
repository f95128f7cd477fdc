"""The models of responses have every field of the pinned OpenAPI document."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ory_guard import client
from ory_guard.models import session as models

_PINNED = Path(__file__).parent.parent / "spec" / "openapi-frontend-v26.2.0.json"
_SCHEMAS: dict[str, Any] = json.loads(_PINNED.read_text())["components"]["schemas"]

MODELS: dict[str, type[BaseModel]] = {
    "continueWithRecoveryUi": client.ContinueWithRecoveryUi,
    "continueWithRecoveryUiFlow": client.ContinueWithFlow,
    "continueWithRedirectBrowserTo": client.ContinueWithRedirectBrowserTo,
    "continueWithSetOrySessionToken": client.ContinueWithSetOrySessionToken,
    "continueWithSettingsUi": client.ContinueWithSettingsUi,
    "continueWithSettingsUiFlow": client.ContinueWithFlow,
    "continueWithVerificationUi": client.ContinueWithVerificationUi,
    "continueWithVerificationUiFlow": client.ContinueWithFlow,
    "createFedcmFlowResponse": client.CreateFedcmFlowResponse,
    "deleteMySessionsCount": client.DeleteMySessionsCount,
    "flowError": client.FlowErrorReport,
    "identity": models.Identity,
    "loginFlow": client.LoginFlow,
    "logoutFlow": client.LogoutFlow,
    "OAuth2ConsentRequestOpenIDConnectContext": client.OAuth2OpenIdConnectContext,
    "OAuth2LoginRequest": client.OAuth2LoginRequest,
    "Provider": client.FedcmProvider,
    "recoveryFlow": client.RecoveryFlow,
    "recoveryIdentityAddress": models.RecoveryAddress,
    "registrationFlow": client.RegistrationFlow,
    "session": models.Session,
    "sessionAuthenticationMethod": models.AuthenticationMethod,
    "sessionDevice": models.Device,
    "settingsFlow": client.SettingsFlow,
    "successfulNativeLogin": client.SuccessfulNativeLogin,
    "successfulNativeRegistration": client.SuccessfulNativeRegistration,
    "uiContainer": client.UiContainer,
    "uiNode": client.UiNode,
    "uiNodeAnchorAttributes": client.UiNodeAnchorAttributes,
    "uiNodeDivisionAttributes": client.UiNodeDivisionAttributes,
    "uiNodeImageAttributes": client.UiNodeImageAttributes,
    "uiNodeInputAttributes": client.UiNodeInputAttributes,
    "uiNodeMeta": client.UiNodeMeta,
    "uiNodeScriptAttributes": client.UiNodeScriptAttributes,
    "uiNodeTextAttributes": client.UiNodeTextAttributes,
    "uiText": client.UiText,
    "verifiableIdentityAddress": models.VerifiableAddress,
    "verificationFlow": client.VerificationFlow,
}

WITHOUT_MODEL = {
    "OAuth2Client": "a schema of Hydra; the fields that a login page shows are typed",
    "errorBrowserLocationChangeRequired": "an error",
    "errorGeneric": "an error",
    "genericError": "an error",
    "identityCredentials": "admin API only",
}
"""Schemas without a complete model, and the reason."""


@pytest.mark.parametrize("schema", MODELS)
def test_model_has_every_documented_field(schema: str) -> None:
    model = MODELS[schema]
    typed = {field.alias or name for name, field in model.model_fields.items()}

    missing = set(_SCHEMAS[schema]["properties"]) - typed

    # Credentials and admin metadata only occur in the admin API; they are kept as unknown keys.
    assert missing - {"credentials", "external_id", "metadata_admin", "organization", "provider"} == set()


def test_every_response_schema_has_a_model() -> None:
    objects = {
        name
        for name, schema in _SCHEMAS.items()
        if "properties" in schema and not name.lower().startswith(("update", "performnativelogout"))
    }

    assert objects == MODELS.keys() | WITHOUT_MODEL.keys()
