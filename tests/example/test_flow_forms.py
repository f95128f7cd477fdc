"""Tests of the renderer of flow nodes, on recorded flows and on nodes that Kratos could send."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from example_app.flow_forms import forms_of, offers_method, render_flow, render_messages
from ory_guard.client.models.flows import Flow
from ory_guard.client.models.ui_nodes import UiText

RECORDINGS = Path(__file__).parents[1] / "recordings"


def recorded_flows() -> list[tuple[str, dict[str, Any]]]:
    """Return every flow that Kratos answered in the recordings, under its case's name."""
    lines = [line for file in sorted(RECORDINGS.glob("*.jsonl")) for line in file.read_text().splitlines()]
    bodies = [(case["case"], case["response"]["body"]) for case in map(json.loads, lines)]
    return [(name, body) for name, body in bodies if isinstance(body, dict) and "ui" in body]


FLOWS = dict(recorded_flows())


def flow_of(*nodes: dict[str, Any], messages: list[dict[str, Any]] | None = None) -> Flow:
    """Return a flow of nodes; what a node needs besides is filled in."""
    shown = [{"messages": [], "meta": {}, "group": "default", "type": "input", **node} for node in nodes]
    ui = {"action": "https://id.example/submit?flow=1&x=<>", "method": "POST", "nodes": shown}
    return Flow.model_validate({"id": "1", "ui": {**ui, "messages": messages or []}})


def an_input(name: str, kind: str = "text", group: str = "default", **more: Any) -> dict[str, Any]:
    """Return an input node."""
    attributes = {"node_type": "input", "name": name, "type": kind, "disabled": False, **more}
    return {"type": "input", "group": group, "attributes": attributes}


class Elements(HTMLParser):
    """Every element of some HTML as a tag and its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a tag."""
        return [attributes for found, attributes in self.found if found == tag]


def rendered(*nodes: dict[str, Any], **options: Any) -> Elements:
    """Return the elements of a rendered flow."""
    return Elements(render_flow(flow_of(*nodes), **options))


@pytest.mark.parametrize("case", FLOWS)
def test_every_recorded_flow_is_rendered_whole(case: str) -> None:
    """Each input of a recorded flow is there, each visible field has a label, and no id stands twice."""
    flow = Flow.model_validate(FLOWS[case])
    elements = Elements(render_flow(flow))
    names = {attributes.get("name") for tag in ("input", "button") for attributes in elements.of(tag)}
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    labelled = {attributes.get("for") for attributes in elements.of("label")}
    fields = [one for one in elements.of("input") if one["type"] != "hidden"]
    wanted = [node["attributes"] for node in FLOWS[case]["ui"]["nodes"] if offers_method(flow)]

    assert {attributes["name"] for attributes in wanted if attributes["node_type"] == "input"} <= names
    assert len(ids) == len(set(ids))
    assert {field["id"] for field in fields} <= labelled
    assert "unknown" not in render_flow(flow)


@pytest.mark.parametrize("case", FLOWS)
def test_no_recorded_script_becomes_part_of_a_page(case: str) -> None:
    """Kratos' `onclick` stays out; only the name of its function goes along."""
    attributes = {
        name for _, given in Elements(render_flow(Flow.model_validate(FLOWS[case]))).found for name in given
    }

    assert not [name for name in attributes if name.startswith("on")]


def test_methods_that_share_a_field_share_a_form_and_providers_come_after() -> None:
    """A login is one form for the identifier and its methods, and one for providers."""
    flow = Flow.model_validate(FLOWS["oidc.login.native.create"])

    assert [form.group for form in forms_of(flow)] == ["password", "oidc"]


def test_settings_have_a_form_for_each_method_with_the_hidden_fields_of_all() -> None:
    """Each form carries the anti-CSRF token, so that one method is saved without the others."""
    flow = Flow.model_validate(FLOWS["settings.browser.create.ajax"])
    forms = forms_of(flow)

    assert [form.group for form in forms] == ["profile", "password", "lookup_secret", "webauthn", "totp"]
    assert render_flow(flow).count('name="csrf_token"') == len(forms)


def test_a_flow_without_a_method_is_recognised() -> None:
    """Kratos' aal2 login of somebody without a second factor has an anti-CSRF token and nothing else."""
    assert not offers_method(flow_of(an_input("csrf_token", "hidden", value="x")))
    assert offers_method(flow_of(an_input("totp_code", group="totp")))


def test_a_button_beside_the_method_does_not_wait_for_its_fields() -> None:
    """`Send the code again` can be pressed while the code is empty."""
    elements = Elements(render_flow(Flow.model_validate(FLOWS["recovery.native.submit.email"])))
    again = [button for button in elements.of("button") if button["name"] == "email"]
    onward = [button for button in elements.of("button") if button["name"] == "method"]

    assert "formnovalidate" in again[0]
    assert "formnovalidate" not in onward[0]


def test_a_field_with_an_error_is_described_by_it_and_focused() -> None:
    """The message stands beside the field, is tied to it, and typing starts there."""
    message = {"id": 4000002, "text": "Please fill in <this>.", "type": "error"}
    html = render_flow(
        flow_of(
            an_input("traits.email", "email"),
            {**an_input("traits.name"), "messages": [message]},
            an_input("method", "submit", "profile", value="profile"),
        )
    )
    email, name = [one for one in Elements(html).of("input") if one["type"] != "hidden"]

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
def test_inputs_of_every_kind_keep_their_type_and_value(kind: str, value: Any, expected: dict[str, str]) -> None:
    """A kind that browsers don't know is a text field to them."""
    (field,) = rendered(an_input("traits.x", kind, value=value, maxlength=9, pattern="[a-z]+")).of("input")

    assert {name: field[name] for name in expected} == expected
    assert (field["maxlength"], field["pattern"], field["id"]) == ("9", "[a-z]+", "default-traits-x")


@pytest.mark.parametrize(("value", "ticked"), [(True, True), ("true", True), (False, False), (None, False)])
def test_a_box_that_is_not_ticked_is_sent_as_false(value: Any, ticked: bool) -> None:
    """A hidden field before the box says false, since browsers leave an unticked box out."""
    hidden, box = rendered(an_input("traits.news", "checkbox", value=value)).of("input")

    assert (hidden["type"], hidden["name"], hidden["value"]) == ("hidden", "traits.news", "false")
    assert (box["type"], box["name"], box["value"]) == ("checkbox", "traits.news", "true")
    assert ("checked" in box) is ticked


def test_passwords_are_never_filled_in_or_shown() -> None:
    """Also where Kratos names a password that it complains about as a field of text."""
    (field,) = rendered(an_input("password", "text", value="hunter2")).of("input")

    assert field["type"] == "password"
    assert "value" not in field


def test_triggers_go_out_as_names_and_scripts_with_the_pages_nonce() -> None:
    """The page's own script calls what Kratos' script defines; its nonce is the page's, not Kratos'."""
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
    elements = rendered(button, script, nonce="ours")

    assert elements.of("button")[0]["data-trigger"] == "oryWebAuthnLogin"
    assert elements.of("script")[0]["nonce"] == "ours"
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
def test_nodes_that_are_no_inputs_are_shown(attributes: dict[str, Any], tag: str) -> None:
    """Links, images, divisions and texts become what they are in HTML."""
    html = render_flow(flow_of({"type": attributes["node_type"], "group": "code", "attributes": attributes}))

    assert Elements(html).of(tag)
    assert "can't show" not in html


@pytest.mark.parametrize(
    "attributes",
    [
        {"node_type": "a", "id": "a", "href": "javascript:alert(1)", "title": {"id": 1, "text": "On"}},
        {"node_type": "a", "id": "a", "href": "//evil.example", "title": {"id": 1, "text": "On"}},
        {"node_type": "a", "id": "a", "href": "/\\evil.example", "title": {"id": 1, "text": "On"}},
        {"node_type": "img", "id": "i", "src": "javascript:alert(1)"},
        {"node_type": "img", "id": "i", "src": "data:text/html,x"},
        {"node_type": "marquee", "id": "m"},
    ],
)
def test_what_cannot_be_shown_says_so(attributes: dict[str, Any]) -> None:
    """Unknown kinds, and addresses that lead to scripts, leave a visible sentence in their place."""
    node = {"type": attributes["node_type"], "group": "odd<group>", "attributes": attributes}
    html = render_flow(flow_of(node))

    assert "can't show" in html
    assert attributes["node_type"] in html
    assert "odd&lt;group&gt;" in html
    assert not Elements(html).of("a")
    assert not Elements(html).of("img")


def test_backup_codes_are_a_list() -> None:
    """Each code stands for itself, so that it can be read and copied."""
    flow = Flow.model_validate(FLOWS["settings.browser.submit.lookup.reveal"])

    assert len(Elements(render_flow(flow)).of("li")) == 12


def test_sections_have_titles_and_begin_with_the_one_that_matters() -> None:
    """On a settings page each form is a section with a heading; one can be put first."""
    flow = Flow.model_validate(FLOWS["settings.browser.create.ajax"])
    sections = Elements(render_flow(flow, titles=True, first="totp")).of("section")

    assert [section["id"] for section in sections][:2] == ["totp", "profile"]
    assert "autofocus" not in render_flow(flow, titles=True)


def test_messages_are_announced_by_their_weight() -> None:
    """Errors interrupt a screen reader, other messages wait; no message leaves nothing behind."""
    error, info = UiText(id=4, text="No", type="error"), UiText(id=1, text="Yes", type="info")

    assert 'role="alert"' in render_messages([info, error])
    assert 'role="status"' in render_messages([info])
    assert render_messages([]) == ""
