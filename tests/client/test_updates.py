"""Tests of `ory_guard.client.updates`: strict in what is sent, and equal to Kratos' document."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ory_guard.client import updates
from ory_guard.client.updates.body import SentBody

_PINNED = Path(__file__).parent.parent / "spec" / "openapi-frontend-v26.2.0.json"
_SCHEMAS: dict[str, Any] = json.loads(_PINNED.read_text())["components"]["schemas"]
_BEYOND = {("UpdateSettingsFlowWithOidcMethod", "csrf_token")}
"""What browsers have to send although the document does not say so."""


def capitalised(name: str) -> str:
    """Return a schema's name as a class has it."""
    return name[0].upper() + name[1:]


BODIES = {
    capitalised(name): schema
    for name, schema in _SCHEMAS.items()
    if capitalised(name).startswith(("Update", "PerformNativeLogout")) and "properties" in schema
}


@pytest.mark.parametrize("name", BODIES)
def test_fields_are_the_documents(name: str) -> None:
    """Every body has the document's fields and no others."""
    model: type[SentBody] = getattr(updates, name)
    beyond = {field for model_name, field in _BEYOND if model_name == name}

    assert set(model.model_fields) == set(BODIES[name]["properties"]) | beyond


@pytest.mark.parametrize("name", BODIES)
def test_required_fields_are_the_documents(name: str) -> None:
    """What the document requires has to be given, but `method`, which is known, and `csrf_token`, which depends."""
    model: type[SentBody] = getattr(updates, name)
    required = {field for field, info in model.model_fields.items() if info.is_required()}

    assert required == set(BODIES[name].get("required", [])) - {"method", "csrf_token"}


@pytest.mark.parametrize("flow", ["Login", "Registration", "Recovery", "Verification", "Settings"])
def test_methods_are_the_documents(flow: str) -> None:
    """The union of a flow has a member for each method of the document."""
    mapping = _SCHEMAS[f"update{flow}FlowBody"]["discriminator"]["mapping"]
    for method, reference in mapping.items():
        model: type[SentBody] = getattr(updates, capitalised(reference.rpartition("/")[2]))

        assert model.model_fields["method"].default == method


def test_unknown_fields_and_wrong_types_are_refused() -> None:
    """A typing error is told before Kratos ignores it, and without the value."""
    with pytest.raises(ValidationError) as caught:
        updates.UpdateLoginFlowWithPasswordMethod.model_validate(
            {"identifier": "ada", "password": 1234567, "pasword": "s3cret-9"}
        )

    assert {error["loc"] for error in caught.value.errors()} == {("password",), ("pasword",)}
    assert "1234567" not in str(caught.value)
    assert "s3cret-9" not in str(caught.value)


def test_repr_shows_no_secret() -> None:
    """Passwords, codes and tokens stay out of logs."""
    body = updates.UpdateLoginFlowWithPasswordMethod(identifier="ada", password="s3cret-9", csrf_token="t0ken")
    logout = updates.PerformNativeLogoutBody(session_token="ory_st_1")

    assert repr(body) == (
        "UpdateLoginFlowWithPasswordMethod(method='password', identifier='ada', password_identifier=None)"
    )
    assert repr(logout) == "PerformNativeLogoutBody()"
