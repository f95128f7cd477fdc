"""The operations compared with the pinned OpenAPI document, and the script that compares documents."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import drift
import pytest

from ory_guard.client.operations.all_operations import OPERATIONS

DOCUMENT: dict[str, Any] = json.loads(drift.PINNED.read_text())


def snake_case(operation_id: str) -> str:
    """Return the method name for an operationId."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation_id).lower()


def python_name(parameter: str) -> str:
    """Return the argument name for a parameter."""
    return parameter.lower().replace("-", "_")


DOCUMENTED = {
    snake_case(operation["operationId"]): (method, path, operation)
    for method, path, operation in drift.operations(DOCUMENT)
}


def test_client_has_every_documented_operation() -> None:
    assert len(OPERATIONS) == 32
    assert set(OPERATIONS) == set(DOCUMENTED)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_matches_the_document(name: str) -> None:
    method, path, documented = DOCUMENTED[name]
    parameters = documented.get("parameters", [])
    deprecated = {python_name(item["name"]) for item in parameters if "DEPRECATED" in item.get("description", "")}

    operation = OPERATIONS[name]

    assert (operation.method, operation.path) == (method, path)
    assert operation.documented_parameters == {(item["in"], python_name(item["name"])) for item in parameters}
    assert operation.sends_body == ("requestBody" in documented)
    assert set(operation.deprecated) == deprecated


def test_drift_prints_nothing_for_the_pinned_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.main(drift.PINNED) == 0
    assert capsys.readouterr().out == ""


def test_drift_prints_the_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Added and removed facts are printed, except those of the admin API."""
    newer = json.loads(drift.PINNED.read_text())
    newer["paths"]["/admin/identities"] = {"get": {"tags": ["identity"], "operationId": "listIdentities"}}
    newer["paths"]["/self-service/dance"] = {
        "post": {"tags": ["frontend"], "operationId": "dance", "parameters": [{"in": "query", "name": "tempo"}]}
    }
    del newer["paths"]["/self-service/errors"]
    schemas = newer["components"]["schemas"]
    schemas["uiNode"]["properties"]["group"]["enum"].append("retina_scan")
    schemas["updateLoginFlowBody"]["discriminator"]["mapping"]["retina_scan"] = "#/components/schemas/retina"
    schemas["session"]["required"].append("active")
    path = tmp_path / "api.json"
    path.write_text(json.dumps(newer))

    status = drift.main(path)

    assert status == 1
    assert capsys.readouterr().out.splitlines() == [
        "- field flowError.created_at",
        "- field flowError.error",
        "- field flowError.id (required)",
        "- field flowError.updated_at",
        "- field session.active",
        "+ field session.active (required)",
        "+ member updateLoginFlowBody: retina_scan is retina",
        "+ operation dance: POST /self-service/dance",
        "- operation getFlowError: GET /self-service/errors",
        "+ parameter dance: query tempo",
        "- parameter getFlowError: query id (required)",
        "- schema flowError",
        "+ value uiNode.group: retina_scan",
    ]


def test_drift_requires_one_path() -> None:
    script = [sys.executable, drift.__file__]

    good = subprocess.run([*script, str(drift.PINNED)], capture_output=True, text=True, check=False)
    bad = subprocess.run(script, capture_output=True, text=True, check=False)

    assert (good.returncode, good.stdout) == (0, "")
    assert bad.returncode == 1
    assert "python scripts/drift.py path/to/api.json" in bad.stderr


@pytest.mark.parametrize(
    "text", [None, "# Kratos", "{}", "[]", '{"paths": []}', '{"paths": {"/": {"parameters": []}}}']
)
def test_drift_rejects_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None) -> None:
    path = tmp_path / "api.json"
    if text is not None:
        path.write_text(text)

    status = drift.main(path)

    assert status == 2
    assert capsys.readouterr().err.startswith(f"{path} is not readable: ")
