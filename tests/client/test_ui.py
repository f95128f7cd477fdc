"""Tests of `ory_guard.client.ui`, with recorded flows and made-up inputs."""

from io import BytesIO
from typing import Any

import pytest
from recorded import recorded_body
from starlette.datastructures import FormData, UploadFile

from ory_guard.client.models.flows import Flow, LoginFlow, RecoveryFlow, RegistrationFlow, SettingsFlow
from ory_guard.client.ui import csrf_token, find_nodes, messages_of, submit_body


def flow_with(*inputs: dict[str, Any]) -> Flow:
    """Return a flow with these inputs; each dict has the group and the attributes of one."""
    nodes = [
        {"type": "input", "group": attributes.pop("group", "profile"), "attributes": attributes}
        for attributes in ({"node_type": "input", "type": "text", **options} for options in inputs)
    ]
    ui = {"action": "https://id.example/", "method": "POST", "nodes": nodes}
    return Flow.model_validate({"id": "7d1f", "ui": ui})


def test_find_nodes_filters_by_group() -> None:
    flow = LoginFlow.model_validate(recorded_body("login.native.create"))

    nodes = find_nodes(flow, group="password")

    assert [node.model_dump()["attributes"]["name"] for node in nodes] == ["password", "method"]


def test_find_nodes_filters_by_name_or_id() -> None:
    flow = SettingsFlow.model_validate(recorded_body("settings.native.create"))

    assert [node.group for node in find_nodes(flow, name="method", group="totp")] == ["totp"]
    assert [node.type for node in find_nodes(flow, name="totp_qr")] == ["img"]
    assert find_nodes(flow, name="no_such_node") == ()


def test_csrf_token_returns_the_value_of_a_browser_flow() -> None:
    body = recorded_body("login.browser.create.ajax")
    expected = next(
        node["attributes"]["value"] for node in body["ui"]["nodes"] if node["attributes"]["name"] == "csrf_token"
    )

    assert csrf_token(LoginFlow.model_validate(body)) == expected


def test_csrf_token_is_none_for_a_native_flow() -> None:
    assert csrf_token(LoginFlow.model_validate(recorded_body("login.native.create"))) is None


def test_messages_of_returns_the_messages_of_a_node() -> None:
    flow = RegistrationFlow.model_validate(recorded_body("registration.native.submit.missing_trait"))

    assert [message.id for message in messages_of(flow, "traits.email")] == [4000002]
    assert messages_of(flow, "password") == ()


def test_submit_body_equals_the_recorded_body() -> None:
    flow = RegistrationFlow.model_validate(recorded_body("registration.two_step.ajax.create"))
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
def test_submit_body_takes_the_method_from_the_button(
    case: str, pressed: dict[str, str], expected: dict[str, object]
) -> None:
    """For a button with another name than `method`, the method is its group; its value `"true"` is a boolean."""
    flow = Flow.model_validate(recorded_body(case))

    assert submit_body(pressed, flow) == expected


def test_submit_body_supports_the_resend_button() -> None:
    """The button shares its name with an input and is recognized by its value; the hidden `method` is kept."""
    flow = RecoveryFlow.model_validate(recorded_body("recovery.browser.submit.email.ajax"))
    button = find_nodes(flow, name="email")[-1].model_dump()
    address = button["attributes"]["value"]

    body = submit_body([("method", "code"), ("code", ""), ("email", address)], flow)

    assert body == {"method": "code", "code": "", "email": address}


def test_submit_body_uses_the_last_of_several_fields() -> None:
    """The pressed button overrides a hidden field before it."""
    flow = flow_with(
        {"name": "method", "type": "submit", "value": "password", "group": "password"},
        {"name": "method", "type": "submit", "value": "code", "group": "code"},
    )

    assert submit_body(FormData([("method", "password"), ("method", "code")]), flow) == {"method": "code"}


def test_submit_body_drops_other_fields_and_files() -> None:
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
def test_submit_body_converts_numbers(text: str, value: object) -> None:
    flow = flow_with({"name": "traits.age", "type": "number"})

    assert submit_body({"traits.age": text}, flow) == {"traits": {"age": value}}


def test_submit_body_keeps_the_type_of_hidden_values() -> None:
    """The traits in the second step of a registration keep the types of their values."""
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
def test_submit_body_converts_checkboxes(form: dict[str, str], news: bool) -> None:
    flow = flow_with({"name": "traits.email"}, {"name": "traits.news", "type": "checkbox"})

    assert submit_body(form, flow) == {"traits": {"email": "a@b.test", "news": news}}


def test_submit_body_ignores_checkboxes_of_other_groups() -> None:
    flow = flow_with(
        {"name": "traits.news", "type": "checkbox"},
        {"name": "traits.gone", "type": "checkbox", "disabled": True, "group": "password"},
        {"name": "password", "type": "password", "group": "password", "required": True},
        {"name": "csrf_token", "type": "hidden", "value": "t", "group": "profile"},
        {"name": "go", "type": "submit", "value": "on", "group": "default"},
    )

    form = {"password": "s3cret-9", "csrf_token": "t", "go": "on"}

    assert submit_body(form, flow) == form


def test_submit_body_omits_empty_text() -> None:
    """Empty text is only sent for visible, required inputs."""
    flow = flow_with(
        {"name": "password", "type": "password", "required": True},
        {"name": "csrf_token", "type": "hidden", "required": True, "value": ""},
        {"name": "traits.nick"},
    )

    assert submit_body({"password": "", "csrf_token": "", "traits.nick": ""}, flow) == {"password": ""}
