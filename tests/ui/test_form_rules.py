"""Which buttons are in a form with which fields, and which button is the main one."""

from typing import Any, Final

import pytest

from .rendered_flows import an_input, flow_of, render_flow, rendered
from .test_forms import CSRF, HIDDEN_IDENTIFIER, IDENTIFIER, PASSWORD_METHOD, RESEND_CODE, SEND_CODE

GROUPS: Final = (
    *("default", "identifier_first", "password", "code", "link", "totp", "lookup_secret", "webauthn", "passkey"),
    *("oidc", "saml", "profile", "captcha", "unknown", "", None),
)
INPUTS: Final = (
    *("text", "password", "number", "email", "tel", "date", "datetime-local", "url", "checkbox", "unknown"),
    *("submit", "button"),
)
OTHER_NODES: Final[dict[str, dict[str, Any]]] = {
    "a": {"href": "https://id.example/on", "title": {"id": 1, "text": "On"}},
    "img": {"src": "data:image/png;base64,AA=="},
    "script": {"src": "https://id.example/webauthn.js"},
    "text": {"text": {"id": 1, "text": "words"}},
    "div": {"class": "captcha"},
}
SCRIPT = {
    "type": "script",
    "group": "webauthn",
    "attributes": {"node_type": "script", "id": "webauthn_script", "src": "https://id.example/webauthn.js"},
}
PROVIDER = an_input("provider", "submit", "oidc", value="Harbor")
TRAIT = an_input("traits.phone", required=True)


def test_scripts_do_not_add_a_separator() -> None:
    html = render_flow(flow_of(SCRIPT, CSRF, HIDDEN_IDENTIFIER, *PASSWORD_METHOD))

    assert 'class="or"' not in html
    assert html.index('name="password"') < html.index("webauthn.js")


def test_provider_that_lacks_a_trait_is_submitted_with_the_traits() -> None:
    """Kratos repeats the registration with the provider if a required trait is missing."""
    elements = rendered(CSRF, PROVIDER, TRAIT)
    (button,) = elements.of("button")

    assert len(elements.of("form")) == 1
    assert [field["name"] for field in elements.of("input")] == ["csrf_token", "traits.phone"]
    assert (button["class"], "formnovalidate" in button) == ("button primary", False)


def test_fresh_registration_has_providers_in_a_form_of_their_own() -> None:
    """A typed trait must not replace one of the provider."""
    elements = rendered(CSRF, PROVIDER, TRAIT, an_input("method", "submit", "profile", value="profile"))

    assert len(elements.of("form")) == 2
    assert [button["class"] for button in elements.of("button")] == ["button primary", "button plain"]


def test_removing_a_security_key_is_not_what_enter_does_in_the_name_of_a_new_one() -> None:
    nodes = (
        an_input("webauthn_register_displayname", group="webauthn"),
        an_input("webauthn_register", "hidden", "webauthn"),
        an_input("webauthn_register_trigger", "button", "webauthn", value="{}"),
        an_input("webauthn_remove", "submit", "webauthn", value="1"),
    )
    html = render_flow(flow_of(CSRF, *nodes), titles=True)
    first, second = html.split("</form>")[:2]

    assert "webauthn_register_displayname" in first
    assert "webauthn_remove" not in first
    assert 'class="button danger" name="webauthn_remove"' in second
    assert html.count("<section") == 1


@pytest.mark.parametrize(
    ("nodes", "classes"),
    [
        ((IDENTIFIER, SEND_CODE, an_input("passkey", "button", "passkey", value="{}")), ["primary", "plain"]),
        ((an_input("address", "submit", "code", value="a@x"), RESEND_CODE), ["primary", "plain"]),
        ((an_input("passkey", "button", "passkey", value="{}"), PROVIDER), ["primary", "plain"]),
        ((PROVIDER,), ["primary"]),
        ((PROVIDER, an_input("provider", "submit", "oidc", value="Quay")), ["plain", "plain"]),
    ],
)
def test_page_has_one_primary_button(nodes: tuple[dict[str, Any], ...], classes: list[str]) -> None:
    buttons = rendered(CSRF, *nodes).of("button")

    assert sorted(str(button["class"]).removeprefix("button ") for button in buttons) == sorted(classes)


@pytest.mark.parametrize("titles", [True, False], ids=["settings", "other flows"])
@pytest.mark.parametrize("group", GROUPS)
def test_every_node_is_rendered_in_every_group(group: str | None, titles: bool) -> None:
    for beside in ((CSRF,), (CSRF, IDENTIFIER, *PASSWORD_METHOD)):
        for kind in INPUTS:
            html = render_flow(flow_of(*beside, {**an_input("the-node", kind), "group": group}), titles=titles)
            assert 'name="the-node"' in html, kind
        for node_type, given in OTHER_NODES.items():
            attributes = {"node_type": node_type, "id": "the-node", **given}
            node = {"type": node_type, "group": group, "attributes": attributes}
            assert 'id="the-node"' in render_flow(flow_of(*beside, node), titles=titles), node_type
