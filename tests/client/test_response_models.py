"""Tests of `ory_guard.client.models`: unknown nodes, steps, values and keys, and nulls."""

import pytest
from pydantic import ValidationError
from recorded import recorded_body

from ory_guard.client import (
    ContinueWithRedirectBrowserTo,
    ContinueWithUnknown,
    CreateFedcmFlowResponse,
    LoginFlow,
    OAuth2LoginRequest,
    RecoveryFlow,
    SettingsFlow,
    UiNode,
    UiNodeDivisionAttributes,
    UiNodeInputAttributes,
    UiNodeScriptAttributes,
    UiNodeUnknownAttributes,
)


def test_unknown_node_type_is_kept() -> None:
    sent = {"type": "hologram", "group": "aura", "attributes": {"node_type": "hologram", "depth": 3}}

    node = UiNode.model_validate(sent)

    assert isinstance(node.attributes, UiNodeUnknownAttributes)
    assert (node.group, node.attributes.node_type) == ("aura", "hologram")
    assert node.model_dump(mode="json", exclude_unset=True) == sent


@pytest.mark.parametrize("attributes", [{}, {"node_type": 7}, {"node_type": None}], ids=["none", "number", "null"])
def test_node_without_a_type_is_unknown(attributes: dict[str, object]) -> None:
    node = UiNode.model_validate({"type": "x", "group": "y", "attributes": attributes})

    assert isinstance(node.attributes, UiNodeUnknownAttributes)


def test_attributes_must_be_an_object() -> None:
    with pytest.raises(ValidationError):
        UiNode.model_validate({"type": "input", "group": "default", "attributes": "none"})


def test_node_can_be_built_from_models() -> None:
    attributes = UiNodeInputAttributes(name="code", type="text", onclick_trigger="oryPasskeyLogin")

    node = UiNode(type="input", group="code", attributes=attributes)

    assert node.attributes is attributes
    assert node.model_dump()["attributes"]["onclickTrigger"] == "oryPasskeyLogin"


def test_python_keywords_have_an_underscore() -> None:
    script = UiNodeScriptAttributes.model_validate({"id": "s", "src": "/s.js", "async": True})
    captcha = UiNodeDivisionAttributes.model_validate({"id": "d", "class": "cf", "data": {"sitekey": "1"}})

    assert (script.async_, captcha.class_) == (True, "cf")
    assert script.model_dump(exclude_unset=True) == {"id": "s", "src": "/s.js", "async": True}
    assert captcha.model_dump(exclude_unset=True)["class"] == "cf"


def test_unknown_action_is_kept() -> None:
    body = recorded_body("recovery.browser.submit.code.ajax")
    body["continue_with"] = [
        {"action": "sing_a_song", "song": "la"},
        {"action": "redirect_browser_to", "redirect_browser_to": "https://app.example/"},
    ]

    flow = RecoveryFlow.model_validate(body)

    unknown, known = flow.continue_with
    assert isinstance(unknown, ContinueWithUnknown)
    assert unknown.model_dump() == {"action": "sing_a_song", "song": "la"}
    assert isinstance(known, ContinueWithRedirectBrowserTo)


def test_nulls_are_accepted() -> None:
    body = recorded_body("settings.native.create")
    body |= {"continue_with": None, "return_to": None, "state": None, "active": None, "transient_payload": None}
    body["ui"] |= {"messages": None}
    body["ui"]["nodes"][0] |= {"messages": None, "meta": None}

    flow = SettingsFlow.model_validate(body)

    assert (flow.continue_with, flow.ui.messages, flow.ui.nodes[0].messages) == ((), (), ())
    assert flow.ui.nodes[0].meta.label is None


def test_unknown_values_and_keys_are_kept() -> None:
    body = recorded_body("login.native.create") | {
        "state": "levitating",
        "active": "retina_scan",
        "mood": {"a": [1]},
    }

    flow = LoginFlow.model_validate(body)

    assert (flow.state, flow.active) == ("levitating", "retina_scan")
    assert flow.model_dump(mode="json")["mood"] == {"a": [1]}


def test_flow_is_deeply_frozen() -> None:
    flow = LoginFlow.model_validate(recorded_body("login.native.create") | {"transient_payload": {"a": {"b": 1}}})
    assert flow.transient_payload is not None

    with pytest.raises(TypeError, match="immutable"):
        flow.transient_payload["a"]["b"] = 2


def test_repr_hides_secrets() -> None:
    flow = SettingsFlow.model_validate(recorded_body("settings.browser.submit.lookup.reveal"))

    assert "vuueca8n" in flow.model_dump_json()
    assert "vuueca8n" not in repr(flow)
    assert "eve-1795300782@example.test" not in repr(flow)


def test_unrecorded_schemas_are_parsed() -> None:
    request = OAuth2LoginRequest.model_validate(
        {
            "challenge": "c",
            "client": {"client_id": "shop", "jwks_uri": "https://shop.example/jwks", "metadata": {"a": [1]}},
            "oidc_context": {"acr_values": None, "id_token_hint_claims": {"sub": "1"}},
            "requested_scope": ["openid"],
        }
    )
    fedcm = CreateFedcmFlowResponse.model_validate(
        {"csrf_token": "t", "providers": [{"client_id": "c", "fields": ["email"], "parameters": {"a": "b"}}]}
    )

    assert request.client is not None
    assert request.client.model_dump(exclude_unset=True)["jwks_uri"] == "https://shop.example/jwks"
    assert request.requested_scope == ("openid",)
    assert fedcm.providers[0].fields == ("email",)
