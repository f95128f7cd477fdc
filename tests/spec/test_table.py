"""The operation table against the pinned document, and the script that compares documents."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import drift
import pytest

from ory_guard.client.operations.table import OPERATIONS

DOCUMENT: dict[str, Any] = json.loads(drift.PINNED.read_text())


def snake_case(operation_id: str) -> str:
    """Return an operationId as the client's method has it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation_id).lower()


def python_name(parameter: str) -> str:
    """Return a parameter's name as the client's argument has it."""
    return parameter.lower().replace("-", "_")


DOCUMENTED = {
    snake_case(operation["operationId"]): (method, path, operation)
    for method, path, operation in drift.operations(DOCUMENT)
}


def test_the_table_has_the_pinned_operations() -> None:
    """The table has the 32 operations of v26.2.0, and no others."""
    assert len(OPERATIONS) == 32
    assert set(OPERATIONS) == set(DOCUMENTED)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_the_documents(name: str) -> None:
    """Method, path, parameters with their places, body, and deprecations are the document's."""
    method, path, operation = DOCUMENTED[name]
    parameters = operation.get("parameters", [])
    deprecated = [found for found in parameters if "DEPRECATED" in found.get("description", "")]

    row = OPERATIONS[name]

    assert (row.method, row.path) == (method, path)
    assert row.documented_parameters == {(found["in"], python_name(found["name"])) for found in parameters}
    assert row.sends_body == ("requestBody" in operation)
    assert set(row.deprecated) == {python_name(found["name"]) for found in deprecated}


def test_a_document_does_not_drift_from_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed where nothing has changed."""
    assert drift.main(drift.PINNED) == 0
    assert capsys.readouterr().out == ""


def test_drift_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is new, gone or changed is named; the admin API does not count."""
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


def test_the_script_runs() -> None:
    """From the command line it takes one path, and says so otherwise."""
    script = [sys.executable, drift.__file__]

    good = subprocess.run([*script, str(drift.PINNED)], capture_output=True, text=True, check=False)
    bad = subprocess.run(script, capture_output=True, text=True, check=False)

    assert (good.returncode, good.stdout) == (0, "")
    assert bad.returncode == 1
    assert "python tests/spec/drift.py path/to/api.json" in bad.stderr


@pytest.mark.parametrize(
    "text", [None, "# Kratos", "{}", "[]", '{"paths": []}', '{"paths": {"/": {"parameters": []}}}']
)
def test_what_is_no_document_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None) -> None:
    """A missing file, or something else than an OpenAPI document, ends with a sentence and status 2."""
    path = tmp_path / "api.json"
    if text is not None:
        path.write_text(text)

    status = drift.main(path)

    assert status == 2
    assert capsys.readouterr().err.startswith(f"{path} can't be read: ")
