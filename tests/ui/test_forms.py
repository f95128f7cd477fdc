"""Tests of the forms of flows, on recorded flows and on nodes that Kratos can send."""

from typing import Any

import pytest
from support.recorded_kratos import recordings

from ory_guard.client.models.flows import Flow
from ory_guard.client.models.ui_nodes import UiText
from ory_guard.ui.forms import forms_of, offers_method

from .rendered_flows import Elements, an_input, flow_of, render_flow, render_messages, rendered

BODIES = {recorded.case: recorded.response["body"] for recorded in recordings()}
FLOWS = {case: body for case, body in BODIES.items() if isinstance(body, dict) and "ui" in body}


@pytest.mark.parametrize("case", FLOWS)
def test_recorded_flows_are_rendered_completely(case: str) -> None:
    """Every input is rendered, every visible field has a label, and ids are unique."""
    flow = Flow.model_validate(FLOWS[case])
    elements = Elements(render_flow(flow))
    names = {attributes.get("name") for tag in ("input", "button") for attributes in elements.of(tag)}
    ids = [attributes["id"] for _, attributes in elements.elements if "id" in attributes]
    labeled = {attributes.get("for") for attributes in elements.of("label")}
    fields = [field for field in elements.of("input") if field["type"] != "hidden"]
    expected = [node["attributes"] for node in FLOWS[case]["ui"]["nodes"] if offers_method(flow)]

    assert {attributes["name"] for attributes in expected if attributes["node_type"] == "input"} <= names
    assert len(ids) == len(set(ids))
    assert {field["id"] for field in fields} <= labeled
    assert "unknown" not in render_flow(flow)


@pytest.mark.parametrize("case", FLOWS)
def test_event_handlers_of_recorded_flows_are_not_rendered(case: str) -> None:
    attributes = {
        name for _, given in Elements(render_flow(Flow.model_validate(FLOWS[case]))).elements for name in given
    }

    assert not [name for name in attributes if name.startswith("on")]


def test_methods_with_a_shared_field_form_one_form_before_providers() -> None:
    flow = Flow.model_validate(FLOWS["oidc.login.native.create"])

    assert [form.group for form in forms_of(flow)] == ["password", "oidc"]


def test_settings_have_one_form_per_method_with_the_shared_hidden_fields() -> None:
    flow = Flow.model_validate(FLOWS["settings.browser.create.ajax"])
    forms = forms_of(flow)

    assert [form.group for form in forms] == ["profile", "password", "lookup_secret", "webauthn", "totp"]
    assert render_flow(flow).count('name="csrf_token"') == len(forms)


def test_offers_method_is_false_with_hidden_nodes_only() -> None:
    assert not offers_method(flow_of(an_input("csrf_token", "hidden", value="x")))
    assert offers_method(flow_of(an_input("totp_code", group="totp")))


def test_resend_button_skips_validation() -> None:
    elements = Elements(render_flow(Flow.model_validate(FLOWS["recovery.native.submit.email"])))
    resend = [button for button in elements.of("button") if button["name"] == "email"]
    submit = [button for button in elements.of("button") if button["name"] == "method"]

    assert "formnovalidate" in resend[0]
    assert "formnovalidate" not in submit[0]


CSRF = an_input("csrf_token", "hidden", value="x")
IDENTIFIER = an_input("identifier", value="")
HIDDEN_IDENTIFIER = an_input("identifier", "hidden", value="ada@example.test")
PASSWORD_METHOD = (
    an_input("password", "password", "password"),
    an_input("method", "submit", "password", value="password"),
)
SEND_CODE = an_input("method", "submit", "code", value="code")
RESEND_CODE = an_input("resend", "submit", "code", value="code")
CODE = an_input("code", group="code")


@pytest.mark.parametrize(
    ("nodes", "buttons"),
    [
        pytest.param(
            (CSRF, IDENTIFIER, SEND_CODE, *PASSWORD_METHOD),
            [["method=password", "method=code"]],
            id="code and password",
        ),
        pytest.param(
            (CSRF, HIDDEN_IDENTIFIER, CODE, RESEND_CODE, SEND_CODE),
            [["method=code", "resend=code"]],
            id="wrong code",
        ),
        pytest.param(
            (CSRF, an_input("traits.email"), SEND_CODE, RESEND_CODE),
            [["method=code", "resend=code"]],
            id="no method with a field",
        ),
        pytest.param(
            (CSRF, an_input("screen", "submit", value="previous"), IDENTIFIER, *PASSWORD_METHOD),
            [["method=password", "screen=previous"]],
            id="shared button",
        ),
        pytest.param(
            (an_input("totp_unlink", "submit", "totp", value="true"), an_input("x", "submit", "totp", value="1")),
            [["x=1", "totp_unlink=true"]],
            id="removing button",
        ),
        pytest.param(
            (CSRF, HIDDEN_IDENTIFIER, SEND_CODE, *PASSWORD_METHOD),
            [["method=password"], ["method=code"]],
            id="separate forms",
        ),
    ],
)
def test_first_button_of_a_form_submits_the_method_with_the_field(
    nodes: tuple[dict[str, Any], ...], buttons: list[list[str]]
) -> None:
    """Enter presses the first submit button of a form."""
    html = render_flow(flow_of(*nodes))
    forms = [
        [f"{button['name']}={button['value']}" for button in Elements(form).of("button")]
        for form in html.split("</form>")[:-1]
    ]

    assert forms == buttons


def test_second_step_of_an_identifier_first_login_submits_the_identifier() -> None:
    identifier = {**HIDDEN_IDENTIFIER, "group": "identifier_first"}
    elements = rendered(identifier, CSRF, *PASSWORD_METHOD)

    assert len(elements.of("form")) == 1
    assert [field["name"] for field in elements.of("input")] == ["identifier", "csrf_token", "password"]


def test_field_with_an_error_is_described_and_focused() -> None:
    message = {"id": 4000002, "text": "Please fill in <this>.", "type": "error"}
    html = render_flow(
        flow_of(
            an_input("traits.email", "email"),
            {**an_input("traits.name"), "messages": [message]},
            an_input("method", "submit", "profile", value="profile"),
        )
    )
    email, name = [field for field in Elements(html).of("input") if field["type"] != "hidden"]

    assert "autofocus" not in email
    assert "autofocus" in name
    assert name["aria-invalid"] == "true"
    assert f'id="{name["aria-describedby"]}" class="messages" role="alert"' in html
    assert "Please fill in &lt;this&gt;." in html


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", "a\"<'", {"type": "text", "value": "a\"<'"}),
        ("email", None, {"type": "email", "value": ""}),
        ("number", 3, {"type": "number", "value": "3", "step": "any"}),
        ("date", "2026-01-01", {"type": "date", "value": "2026-01-01"}),
        ("datetime-local", "", {"type": "datetime-local"}),
        ("tel", "+1", {"type": "tel"}),
        ("url", "https://x.example", {"type": "url"}),
        ("hologram", "x", {"type": "hologram", "value": "x"}),
    ],
)
def test_inputs_keep_their_type_and_value(kind: str, value: Any, expected: dict[str, str]) -> None:
    """Browsers treat an unknown type as text."""
    (field,) = rendered(an_input("traits.x", kind, value=value, maxlength=9, pattern="[a-z]+")).of("input")

    assert {name: field[name] for name in expected} == expected
    assert (field["maxlength"], field["pattern"], field["id"]) == ("9", "[a-z]+", "default-traits-x")


@pytest.mark.parametrize(("value", "ticked"), [(True, True), ("true", True), (False, False), (None, False)])
def test_unchecked_box_submits_false(value: Any, ticked: bool) -> None:
    hidden, box = rendered(an_input("traits.news", "checkbox", value=value)).of("input")

    assert (hidden["type"], hidden["name"], hidden["value"]) == ("hidden", "traits.news", "false")
    assert (box["type"], box["name"], box["value"]) == ("checkbox", "traits.news", "true")
    assert ("checked" in box) is ticked


def test_passwords_are_never_prefilled_or_visible() -> None:
    (field,) = rendered(an_input("password", "text", value="hunter2")).of("input")

    assert field["type"] == "password"
    assert "value" not in field


def test_triggers_are_data_attributes_and_scripts_have_the_nonce_of_the_page() -> None:
    button = an_input("add", "button", "webauthn", value="{}", onclick="evil()", onclickTrigger="oryWebAuthnLogin")
    script = {
        "type": "script",
        "group": "webauthn",
        "attributes": {
            "node_type": "script",
            "id": "webauthn_script",
            "src": "https://id.example/webauthn.js",
            "async": True,
            "integrity": "sha512-x",
            "crossorigin": "anonymous",
            "referrerpolicy": "no-referrer",
            "type": "text/javascript",
            "nonce": "kratos",
        },
    }
    elements = rendered(button, script, nonce="page")

    assert elements.of("button")[0]["data-trigger"] == "oryWebAuthnLogin"
    assert elements.of("script")[0]["nonce"] == "page"
    assert elements.of("script")[0]["integrity"] == "sha512-x"


@pytest.mark.parametrize(
    ("attributes", "tag"),
    [
        ({"node_type": "a", "id": "a", "href": "https://x.example/", "title": {"id": 1, "text": "On"}}, "a"),
        ({"node_type": "img", "id": "i", "src": "data:image/png;base64,AA==", "width": 1, "height": 2}, "img"),
        ({"node_type": "div", "id": "d", "class": "captcha", "data": {"sitekey": "k"}}, "div"),
        ({"node_type": "text", "id": "t", "text": {"id": 1, "text": "words"}}, "code"),
    ],
)
def test_other_nodes_are_rendered_as_their_element(attributes: dict[str, Any], tag: str) -> None:
    html = render_flow(flow_of({"type": attributes["node_type"], "group": "code", "attributes": attributes}))

    assert Elements(html).of(tag)
    assert "message error unknown" not in html


@pytest.mark.parametrize(
    "attributes",
    [
        *(
            {"node_type": "a", "id": "a", "href": url, "title": {"id": 1, "text": "On"}}
            for url in (
                *("javascript:alert(1)", "//evil.example", "/\\evil.example", "/\t/evil.example"),
                *("https://x\n", "ftp://x/"),
            )
        ),
        {"node_type": "img", "id": "i", "src": "javascript:alert(1)"},
        {"node_type": "img", "id": "i", "src": "data:text/html,x"},
        {"node_type": "marquee", "id": "m"},
    ],
)
def test_unknown_nodes_and_unsafe_urls_leave_a_message(attributes: dict[str, Any]) -> None:
    node = {"type": attributes["node_type"], "group": "x<group>", "attributes": attributes}
    html = render_flow(flow_of(node))

    assert "message error unknown" in html
    assert attributes["node_type"] in html
    assert "x&lt;group&gt;" in html
    assert not Elements(html).of("a")
    assert not Elements(html).of("img")


def test_backup_codes_are_a_list() -> None:
    flow = Flow.model_validate(FLOWS["settings.browser.submit.lookup.reveal"])

    assert len(Elements(render_flow(flow)).of("li")) == 12


def test_sections_have_titles_and_the_first_can_be_chosen() -> None:
    flow = Flow.model_validate(FLOWS["settings.browser.create.ajax"])
    sections = Elements(render_flow(flow, titles=True, first="totp")).of("section")

    assert [section["id"] for section in sections][:2] == ["totp", "profile"]
    assert "autofocus" not in render_flow(flow, titles=True)


def test_messages_have_a_role_by_their_type() -> None:
    error, info = UiText(id=4, text="No", type="error"), UiText(id=1, text="Yes", type="info")

    assert 'role="alert"' in render_messages([info, error])
    assert 'role="status"' in render_messages([info])
    assert render_messages([]) == ""
