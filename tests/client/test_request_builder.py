"""Tests of `ory_guard.client.request_builder`."""

import json
import traceback
from typing import Any
from uuid import UUID

import pytest
from recorded import ScriptedTransport, response

from ory_guard.client import FrontendClient
from ory_guard.client.operations.all_operations import OPERATIONS
from ory_guard.client.request_builder import build_request
from ory_guard.client.updates import UpdateLoginFlowWithTotpMethod

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "value",
    ["a=b\r\nX-Session-Token: c", "a=b\x00", "a=b\x7f", " a=b", "a=b "],
    ids=["line", "nul", "delete", "leading", "trailing"],
)
@pytest.mark.parametrize("name", ["cookie", "x_session_token", "authorization"])
async def test_credential_with_forbidden_characters_is_not_sent(name: str, value: str) -> None:
    script = ScriptedTransport()

    with pytest.raises(ValueError, match=rf"^{name} contains a character") as caught:
        await FrontendClient("https://id.example", transport=script).to_session(**{name: value})

    assert script.requests == []
    assert value not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize("name", ["x_session_token", "authorization"])
def test_token_is_ascii(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} contains a character"):
        build_request("https://id.example", OPERATIONS["to_session"], {name: "ÿ"}, None)


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("ory=x; campaign=M\u00fcnchen", "ory=x"),
        ("campaign=M\xc3\xbcnchen; ory=x;a=b", "ory=x; a=b"),
        ("\u00fc=1; ory=x; tab=a\tb; z=\u4e2d; s=\udc80", "ory=x"),
        ("campaign=\u00fc", None),
        ("ory=x;a=b", "ory=x;a=b"),
    ],
    ids=ascii,
)
def test_cookies_beyond_ascii_are_left_out(header: str, sent: str | None) -> None:
    """Kratos ignores these cookies, which any application of the domain can set."""
    request = build_request("https://id.example", OPERATIONS["to_session"], {"cookie": header}, None)

    assert request.headers.get("cookie") == sent


async def test_session_token_has_no_spaces() -> None:
    client = FrontendClient("https://id.example", transport=ScriptedTransport(response(401), response(401)))

    with pytest.raises(ValueError, match=r"use visible ASCII characters$"):
        await client.to_session(x_session_token="a b")


@pytest.mark.parametrize("session_id", ["", ".", "..", " ", "a b", "a\n", "\udc80", b"x", 5, None])
async def test_disable_my_session_rejects_invalid_ids(session_id: Any) -> None:
    """An ID that would turn the path into `DELETE /sessions` or match nothing is rejected before the call."""
    script = ScriptedTransport()

    with pytest.raises(ValueError, match=r"^id must be"):
        await FrontendClient("https://id.example", transport=script).disable_my_session(id=session_id)

    assert script.requests == []


def target_of(name: str, body: Any = None, **arguments: Any) -> bytes:
    """Return the request target of an operation."""
    return build_request("https://id.example/.ory", OPERATIONS[name], arguments, body).url.raw_path


@pytest.mark.parametrize(
    ("session_id", "segment"),
    [
        ("a/../b", b"a%2F..%2Fb"),
        ("a?b#c", b"a%3Fb%23c"),
        ("ü", b"%C3%BC"),
        (UUID(int=10), b"00000000-0000-0000-0000-00000000000a"),
    ],
    ids=["slashes", "query", "letters", "UUID"],
)
def test_path_parameter_is_one_segment(session_id: Any, segment: bytes) -> None:
    assert target_of("disable_my_session", id=session_id) == b"/.ory/sessions/" + segment


def test_query_values_are_formatted_for_kratos() -> None:
    target = target_of(
        "create_browser_login_flow", refresh=True, aal=None, return_to="https://app.example/?a=1&b=ü +"
    )

    assert target == (
        b"/.ory/self-service/login/browser?refresh=true"
        b"&return_to=https%3A%2F%2Fapp.example%2F%3Fa%3D1%26b%3D%C3%BC%20%2B"
    )
    assert target_of("create_browser_login_flow", refresh=False).endswith(b"?refresh=false")
    assert target_of("list_my_sessions", page_size=10).endswith(b"?page_size=10")


def test_url_that_is_too_long_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="make the URL too long") as caught:
        target_of("get_login_flow", id="x" * 100_000)

    assert "xxx" not in str(caught.value)


def test_model_body_omits_unset_fields() -> None:
    """A field without a value is not sent; a null inside a payload is."""
    body = UpdateLoginFlowWithTotpMethod(totp_code="123456", transient_payload={"device": None})

    request = build_request("https://id.example", OPERATIONS["update_login_flow"], {"flow": "f1"}, body)

    assert json.loads(request.content) == {
        "method": "totp",
        "totp_code": "123456",
        "transient_payload": {"device": None},
    }


def test_mapping_body_is_sent_unchanged() -> None:
    body = {"method": "retina_scan", "eye": "left"}

    request = build_request("https://id.example", OPERATIONS["update_login_flow"], {"flow": "f1"}, body)

    assert json.loads(request.content) == body
    assert request.headers["content-type"] == "application/json"


def test_body_must_be_serializable() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        target_of("update_login_flow", {"method": float("nan")}, flow="f1")
    with pytest.raises(TypeError, match="not JSON serializable"):
        target_of("update_login_flow", {"method": object()}, flow="f1")


@pytest.mark.parametrize("body", ['{"method": "code"}', 5, [("method", "code")]], ids=repr)
def test_body_must_be_a_model_or_a_mapping(body: Any) -> None:
    with pytest.raises(TypeError, match=r"body must be the update's model or a mapping, not (str|int|list)"):
        build_request("https://id.example", OPERATIONS["update_login_flow"], {"flow": "f1"}, body)


def test_request_has_no_other_headers() -> None:
    arguments = {"flow": "f1", "cookie": "a=b"}

    request = build_request("https://id.example", OPERATIONS["update_login_flow"], arguments, {})

    assert dict(request.headers) == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-length": "2",
        "content-type": "application/json",
        "cookie": "a=b",
        "host": "id.example",
        "user-agent": "ory-guard",
    }
