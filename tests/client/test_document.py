"""The models of responses have every field of the pinned OpenAPI document."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ory_guard import client
from ory_guard.models import session

_PINNED = Path(__file__).parent.parent / "spec" / "openapi-frontend-v26.2.0.json"
_SCHEMAS: dict[str, Any] = json.loads(_PINNED.read_text())["components"]["schemas"]

RENAMED: dict[str, type[BaseModel]] = {
    "continueWithRecoveryUiFlow": client.ContinueWithFlow,
    "continueWithSettingsUiFlow": client.ContinueWithFlow,
    "continueWithVerificationUiFlow": client.ContinueWithFlow,
    "flowError": client.FlowErrorReport,
    "OAuth2ConsentRequestOpenIDConnectContext": client.OAuth2OpenIdConnectContext,
    "Provider": client.FedcmProvider,
    "recoveryIdentityAddress": session.RecoveryAddress,
    "sessionAuthenticationMethod": session.AuthenticationMethod,
    "sessionDevice": session.Device,
    "verifiableIdentityAddress": session.VerifiableAddress,
}
"""Models with another name than their schema."""

WITHOUT_MODEL = {
    "OAuth2Client": "a schema of Hydra; the fields that a login page shows are typed",
    "errorBrowserLocationChangeRequired": "an error",
    "errorGeneric": "an error",
    "genericError": "an error",
    "identityCredentials": "admin API only",
}
"""Schemas without a complete model, and the reason."""


RESPONSES = [
    name
    for name, schema in _SCHEMAS.items()
    if "properties" in schema
    and name not in WITHOUT_MODEL
    and not name.lower().startswith(("update", "performnativelogout"))
]


@pytest.mark.parametrize("schema", RESPONSES)
def test_model_has_every_documented_field(schema: str) -> None:
    name = schema[0].upper() + schema[1:]
    model: type[BaseModel] = RENAMED.get(schema) or getattr(client, name, None) or getattr(session, name)
    typed = {field.alias or name for name, field in model.model_fields.items()}

    missing = set(_SCHEMAS[schema]["properties"]) - typed

    # Credentials and admin metadata only occur in the admin API; they are kept as unknown keys.
    assert missing - {"credentials", "external_id", "metadata_admin", "organization", "provider"} == set()
