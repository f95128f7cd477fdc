"""Tests of `ory_guard.client.updates`: the fields of the OpenAPI document, strictly validated."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ory_guard.client import updates
from ory_guard.client.updates.body import SentBody

_PINNED = Path(__file__).parent.parent / "spec" / "openapi-frontend-v26.2.0.json"
_SCHEMAS: dict[str, Any] = json.loads(_PINNED.read_text())["components"]["schemas"]
_UNDOCUMENTED = {("UpdateSettingsFlowWithOidcMethod", "csrf_token")}
"""Fields that browsers have to send although the document does not list them."""


def capitalized(name: str) -> str:
    """Return the class name for a schema."""
    return name[0].upper() + name[1:]


BODIES = {
    capitalized(name): schema
    for name, schema in _SCHEMAS.items()
    if capitalized(name).startswith(("Update", "PerformNativeLogout")) and "properties" in schema
}


@pytest.mark.parametrize("name", BODIES)
def test_body_has_the_documented_fields(name: str) -> None:
    model: type[SentBody] = getattr(updates, name)
    undocumented = {field for model_name, field in _UNDOCUMENTED if model_name == name}

    assert set(model.model_fields) == set(BODIES[name]["properties"]) | undocumented


@pytest.mark.parametrize("name", BODIES)
def test_body_requires_the_documented_fields(name: str) -> None:
    """Required fields are those of the schema, except `method`, which is constant, and `csrf_token`."""
    model: type[SentBody] = getattr(updates, name)
    required = {field for field, info in model.model_fields.items() if info.is_required()}

    assert required == set(BODIES[name].get("required", [])) - {"method", "csrf_token"}


@pytest.mark.parametrize("flow", ["Login", "Registration", "Recovery", "Verification", "Settings"])
def test_body_exists_for_every_method(flow: str) -> None:
    mapping = _SCHEMAS[f"update{flow}FlowBody"]["discriminator"]["mapping"]
    for method, reference in mapping.items():
        model: type[SentBody] = getattr(updates, capitalized(reference.rpartition("/")[2]))

        assert model.model_fields["method"].default == method


def test_body_rejects_unknown_fields_and_wrong_types() -> None:
    with pytest.raises(ValidationError) as caught:
        updates.UpdateLoginFlowWithPasswordMethod.model_validate(
            {"identifier": "ada", "password": 1234567, "pasword": "s3cret-9"}
        )

    assert {error["loc"] for error in caught.value.errors()} == {("password",), ("pasword",)}
    assert "1234567" not in str(caught.value)
    assert "s3cret-9" not in str(caught.value)


def test_repr_hides_secrets() -> None:
    body = updates.UpdateLoginFlowWithPasswordMethod(identifier="ada", password="s3cret-9", csrf_token="t0ken")
    logout = updates.PerformNativeLogoutBody(session_token="ory_st_1")

    assert repr(body) == (
        "UpdateLoginFlowWithPasswordMethod(method='password', identifier='ada', password_identifier=None)"
    )
    assert repr(logout) == "PerformNativeLogoutBody()"
