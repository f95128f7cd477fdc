"""The script for browsers."""

import base64
import hashlib

import pytest
from support.flow_client import FlowClient, node_by_id

pytestmark = pytest.mark.anyio

# The functions that the nodes of Kratos call; those with underscores are the names of earlier releases.
FUNCTIONS = [
    "oryWebAuthnRegistration",
    "oryWebAuthnLogin",
    "oryPasskeyLogin",
    "oryPasskeyRegistration",
    "oryPasskeySettingsRegistration",
    "oryPasskeyLoginAutocompleteInit",
]


async def test_script_has_the_functions_of_the_nodes_and_the_integrity_of_its_node(browser: FlowClient) -> None:
    node = node_by_id(await browser.create_flow("login"), "webauthn_script")
    response = await browser.get(node["src"], "*/*")
    digest = base64.b64encode(hashlib.sha512(response.content).digest()).decode()

    assert response.headers["content-type"] == "text/javascript; charset=UTF-8"
    assert node["integrity"] == f"sha512-{digest}"
    for name in FUNCTIONS:
        assert f"function {name}(" in response.text
    assert "window[`__${name}`]" in response.text
