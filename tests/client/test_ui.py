"""Tests of `ory_guard.client.ui`, on flows that Kratos answered and on inputs it could answer."""

from io import BytesIO
from typing import Any

import pytest
from recorded import answer_of
from starlette.datastructures import FormData, UploadFile

from ory_guard.client.models.flows import Flow, LoginFlow, RecoveryFlow, RegistrationFlow, SettingsFlow
from ory_guard.client.ui import csrf_token, find_nodes, messages_of, submit_body


def flow_with(*inputs: dict[str, Any]) -> Flow:
    """Return a flow of inputs, each given as its group and attributes in one dict."""
    nodes = [
        {"type": "input", "group": attributes.pop("group", "profile"), "attributes": attributes}
        for attributes in ({"node_type": "input", "type": "text", **given} for given in inputs)
    ]
    ui = {"action": "https://id.example/", "method": "POST", "nodes": nodes}
    return Flow.model_validate({"id": "7d1f", "ui": ui})


def test_nodes_are_found_by_group() -> None:
    """A group's nodes come in Kratos' order, and no other group's."""
    flow = LoginFlow.model_validate(answer_of("login.native.create"))

    found = find_nodes(flow, group="password")

    assert [node.model_dump()["attributes"]["name"] for node in found] == ["password", "method"]


def test_nodes_are_found_by_name_or_id() -> None:
    """An input goes by its name, and any other node by its id."""
    flow = SettingsFlow.model_validate(answer_of("settings.native.create"))

    assert [node.group for node in find_nodes(flow, name="method", group="totp")] == ["totp"]
    assert [node.type for node in find_nodes(flow, name="totp_qr")] == ["img"]
    assert find_nodes(flow, name="no_such_node") == ()


def test_csrf_token_of_a_browser_flow() -> None:
    """The value is the one that the hidden node holds."""
    body = answer_of("login.browser.create.ajax")
    expected = next(
        node["attributes"]["value"] for node in body["ui"]["nodes"] if node["attributes"]["name"] == "csrf_token"
    )

    assert csrf_token(LoginFlow.model_validate(body)) == expected


def test_native_flow_has_no_csrf_token() -> None:
    """The empty value of a native flow is no value."""
    assert csrf_token(LoginFlow.model_validate(answer_of("login.native.create"))) is None


def test_messages_of_a_node() -> None:
    """A message is found by the name of the input that it stands beside."""
    flow = RegistrationFlow.model_validate(answer_of("registration.native.submit.missing_trait"))

    assert [message.id for message in messages_of(flow, "traits.email")] == [4000002]
    assert messages_of(flow, "password") == ()


def test_submit_body_equals_what_kratos_was_sent() -> None:
    """The first step of a registration, posted as a form, becomes the JSON that Kratos takes."""
    flow = RegistrationFlow.model_validate(answer_of("registration.two_step.ajax.create"))
    form = {
        "csrf_token": "from-the-page",
        "traits.email": "ada@example.test",
        "traits.name.first": "",
        "traits.name.last": "Lovelace",
        "method": "profile",
    }

    assert submit_body(form, flow) == {
        "csrf_token": "from-the-page",
        "traits": {"email": "ada@example.test", "name": {"last": "Lovelace"}},
        "method": "profile",
    }


@pytest.mark.parametrize(
    ("case", "pressed", "expected"),
    [
        ("settings.native.submit.totp", {"totp_unlink": "true"}, {"totp_unlink": True, "method": "totp"}),
        (
            "settings.native.submit.totp",
            {"lookup_secret_regenerate": "true"},
            {"lookup_secret_regenerate": True, "method": "lookup_secret"},
        ),
        ("settings.native.create", {"method": "profile"}, {"method": "profile"}),
        ("oidc.login.native.create", {"provider": "mini"}, {"provider": "mini", "method": "oidc"}),
        (
            "registration.two_step.ajax.profile",
            {"screen": "previous"},
            {"screen": "previous", "method": "profile"},
        ),
    ],
    ids=["totp_unlink", "lookup_secret_regenerate", "method", "provider", "screen"],
)
def test_pressed_button_names_the_method(case: str, pressed: dict[str, str], expected: dict[str, object]) -> None:
    """A button that is not named `method` stands for its group, and `"true"` on it is a boolean."""
    flow = Flow.model_validate(answer_of(case))

    assert submit_body(pressed, flow) == expected


def test_resend_button_shares_its_name_with_an_input() -> None:
    """The button that sends a code again is told from its value, and the hidden `method` is kept."""
    flow = RecoveryFlow.model_validate(answer_of("recovery.browser.submit.email.ajax"))
    button = find_nodes(flow, name="email")[-1].model_dump()
    address = button["attributes"]["value"]

    body = submit_body([("method", "code"), ("code", ""), ("email", address)], flow)

    assert body == {"method": "code", "code": "", "email": address}


def test_last_of_several_fields_counts() -> None:
    """A hidden `method` before the pressed button does not win over it."""
    flow = flow_with(
        {"name": "method", "type": "submit", "value": "password", "group": "password"},
        {"name": "method", "type": "submit", "value": "code", "group": "code"},
    )

    assert submit_body(FormData([("method", "password"), ("method", "code")]), flow) == {"method": "code"}


def test_foreign_fields_and_files_are_left_out() -> None:
    """What the flow does not ask for is not passed on to Kratos."""
    flow = flow_with({"name": "traits.email"}, {"name": "traits.photo"})
    form = FormData(
        [("traits.email", "a@b.test"), ("traits.admin", "true"), ("traits.photo", UploadFile(BytesIO()))]
    )

    assert submit_body(form, flow) == {"traits": {"email": "a@b.test"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("nan", "nan"),
        ("٤٢", "٤٢"),
        ("many", "many"),
    ],
    ids=["integer", "negative", "decimal", "exponent", "infinite", "huge", "nan", "arabic", "word"],
)
def test_numbers(text: str, value: object) -> None:
    """A number input gives a number; what is no JSON number stays text for Kratos to refuse."""
    flow = flow_with({"name": "traits.age", "type": "number"})

    assert submit_body({"traits.age": text}, flow) == {"traits": {"age": value}}


def test_hidden_inputs_keep_the_type_of_their_value() -> None:
    """Between the steps of a registration the traits are hidden, and their values say what they are."""
    flow = flow_with(
        {"name": "traits.age", "type": "hidden", "value": 36},
        {"name": "traits.news", "type": "hidden", "value": True},
        {"name": "traits.note", "type": "hidden", "value": "true"},
    )
    form = {"traits.age": "36", "traits.news": "True", "traits.note": "true"}

    assert submit_body(form, flow) == {"traits": {"age": 36, "news": True, "note": "true"}}


@pytest.mark.parametrize(
    ("form", "news"),
    [
        ({"traits.email": "a@b.test", "traits.news": "true"}, True),
        ({"traits.email": "a@b.test", "traits.news": "on"}, True),
        ({"traits.email": "a@b.test", "traits.news": "false"}, False),
        ({"traits.email": "a@b.test"}, False),
    ],
    ids=["true", "on", "false", "missing"],
)
def test_checkboxes(form: dict[str, str], news: bool) -> None:
    """A checkbox is a boolean, also when it is missing because it is not ticked."""
    flow = flow_with({"name": "traits.email"}, {"name": "traits.news", "type": "checkbox"})

    assert submit_body(form, flow) == {"traits": {"email": "a@b.test", "news": news}}


def test_checkbox_of_another_form_stays_away() -> None:
    """A page of several forms posts one of them: a checkbox of the others is not unticked."""
    flow = flow_with(
        {"name": "traits.news", "type": "checkbox"},
        {"name": "traits.gone", "type": "checkbox", "disabled": True, "group": "password"},
        {"name": "password", "type": "password", "group": "password", "required": True},
        {"name": "csrf_token", "type": "hidden", "value": "t", "group": "profile"},
        {"name": "go", "type": "submit", "value": "on", "group": "default"},
    )

    form = {"password": "s3cret-9", "csrf_token": "t", "go": "on"}

    assert submit_body(form, flow) == form


def test_empty_texts() -> None:
    """An empty text goes out only where a person has to fill it in."""
    flow = flow_with(
        {"name": "password", "type": "password", "required": True},
        {"name": "csrf_token", "type": "hidden", "required": True, "value": ""},
        {"name": "traits.nick"},
    )

    assert submit_body({"password": "", "csrf_token": "", "traits.nick": ""}, flow) == {"password": ""}
