"""The texts of nodes and messages in two languages, and the values in them."""

import re
from typing import Any

import pytest

from ory_guard.client.models.ui_nodes import UiText
from ory_guard.testing.flows.ui_messages import _TEXTS
from ory_guard.ui.translations import Catalogs

from .rendered_flows import flow_of, render_flow, render_messages


def test_messages_are_translated_by_id_with_their_values() -> None:
    messages = [
        UiText(id=4000032, text="short", type="error", context={"min_length": 8, "actual_length": 3}),
        UiText(id=1010023, text="Send code to a@x", type="info", context={"address": ["a@x"]}),
        UiText(id=9999999, text="New in Kratos", type="info"),
    ]

    html = render_messages(messages, "de")

    assert "Das Passwort muss mindestens 8 Zeichen haben, es hat 3." in html
    assert "Send code to a@x" in html
    assert "New in Kratos" in html


def test_catalogs_have_the_same_texts() -> None:
    english, german = (
        {name for name in Catalogs().for_header(language).texts if not name.isdigit()} for language in ("en", "de")
    )

    assert english == german


def test_messages_of_kratos_have_german_texts() -> None:
    """Except those that consist of a value, such as the name of a trait."""
    needed = {str(message_id) for message_id, text in _TEXTS.items() if not re.fullmatch(r"\{\w+\}", text)}

    assert needed - Catalogs().for_header("de").texts.keys() == set()


def test_backup_codes_and_their_use_are_listed() -> None:
    secrets = [
        {"id": 1050009, "text": "ab12cd34", "type": "info", "context": {"secret": "ab12cd34"}},
        {"id": 1050014, "text": "Secret was used at noon", "type": "info", "context": {"used_at": "12:00"}},
    ]
    text = {"id": 1050015, "text": "ab12cd34, …", "type": "info", "context": {"secrets": secrets}}
    node = {"type": "text", "group": "lookup_secret", "attributes": {"node_type": "text", "id": "l", "text": text}}

    html = render_flow(flow_of(node), language="de")

    assert "<code>ab12cd34</code>" in html
    assert "<code>Verwendet am 12:00</code>" in html


@pytest.mark.parametrize("secrets", [None, 5, "ab12", [5, {"id": 1}], [{"id": "x", "text": "ab12", "context": []}]])
def test_backup_codes_of_an_unknown_form_are_shown(secrets: Any) -> None:
    text = {"id": 1, "text": "ab12", "context": {"secrets": secrets}}
    node = {"type": "text", "group": "lookup_secret", "attributes": {"node_type": "text", "id": "l", "text": text}}

    assert ">ab12</code>" in render_flow(flow_of(node))


def test_data_attributes_with_invalid_names_are_omitted() -> None:
    attributes = {"node_type": "div", "id": "d", "data": {"sitekey": "k", 'x" onclick="': "1"}}

    html = render_flow(flow_of({"type": "div", "group": "captcha", "attributes": attributes}))

    assert 'data-sitekey="k"' in html
    assert "onclick" not in html
