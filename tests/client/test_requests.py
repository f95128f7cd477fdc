"""Tests of `ory_guard.client.request_builder`: what leaves, and what must not."""

import json
import traceback
from typing import Any
from uuid import UUID

import pytest
from recorded import Script, response

from ory_guard.client import FrontendClient
from ory_guard.client.operations.table import OPERATIONS
from ory_guard.client.request_builder import build_request
from ory_guard.client.updates import UpdateLoginFlowWithTotpMethod

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "value",
    ["a=b\r\nX-Session-Token: c", "a=b\x00", "a=ÿ", "a=b\x7f", " a=b", "a=b "],
    ids=["line", "nul", "latin", "delete", "leading", "trailing"],
)
@pytest.mark.parametrize("name", ["cookie", "x_session_token", "authorization"])
async def test_values_that_no_header_can_hold_never_leave(name: str, value: str) -> None:
    """A credential with a line break or any other forbidden character is refused before the call."""
    script = Script()

    with pytest.raises(ValueError, match=rf"^{name} holds a character") as caught:
        await FrontendClient("https://id.example", transport=script).to_session(**{name: value})

    assert script.requests == []
    assert value not in "".join(traceback.format_exception_only(caught.value))


async def test_a_token_has_no_spaces() -> None:
    """A session token is one word, while a cookie header has spaces between its pairs."""
    client = FrontendClient("https://id.example", transport=Script(response(401), response(401)))

    with pytest.raises(ValueError, match=r"visible ASCII is allowed$"):
        await client.to_session(x_session_token="a b")


@pytest.mark.parametrize("session_id", ["", ".", "..", " ", "a b", "a\n", "\udc80", b"x", 5, None])
async def test_an_id_that_names_no_session_is_refused(session_id: Any) -> None:
    """It would address `DELETE /sessions`, or Kratos would answer 204 and revoke nothing."""
    script = Script()

    with pytest.raises(ValueError, match=r"^id must be"):
        await FrontendClient("https://id.example", transport=script).disable_my_session(id=session_id)

    assert script.requests == []


def wire(name: str, body: Any = None, **arguments: Any) -> bytes:
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
def test_path_values_stay_one_segment(session_id: Any, segment: bytes) -> None:
    """Whatever an id holds, it is quoted into one segment below the prefix of the base URL."""
    assert wire("disable_my_session", id=session_id) == b"/.ory/sessions/" + segment


def test_query_values() -> None:
    """Booleans are written as Kratos reads them, None is left out, and text is quoted."""
    target = wire("create_browser_login_flow", refresh=True, aal=None, return_to="https://app.example/?a=1&b=ü +")

    assert target == (
        b"/.ory/self-service/login/browser?refresh=true"
        b"&return_to=https%3A%2F%2Fapp.example%2F%3Fa%3D1%26b%3D%C3%BC%20%2B"
    )
    assert wire("create_browser_login_flow", refresh=False).endswith(b"?refresh=false")
    assert wire("list_my_sessions", page_size=10).endswith(b"?page_size=10")


def test_too_long_for_a_url() -> None:
    """A parameter longer than any URL is a wrong value and no failure of Kratos'."""
    with pytest.raises(ValueError, match="longer than a URL may be") as caught:
        wire("get_login_flow", id="x" * 100_000)

    assert "xxx" not in str(caught.value)


def test_model_bodies_leave_none_out_and_keep_nulls_inside() -> None:
    """What was not given is not sent, while a null within a payload is."""
    body = UpdateLoginFlowWithTotpMethod(totp_code="123456", transient_payload={"device": None})

    request = build_request("https://id.example", OPERATIONS["update_login_flow"], {"flow": "f1"}, body)

    assert json.loads(request.content) == {
        "method": "totp",
        "totp_code": "123456",
        "transient_payload": {"device": None},
    }


def test_mappings_go_out_as_they_are() -> None:
    """A mapping may hold what no model knows."""
    body = {"method": "retina_scan", "eye": "left"}

    request = build_request("https://id.example", OPERATIONS["update_login_flow"], {"flow": "f1"}, body)

    assert json.loads(request.content) == body
    assert request.headers["content-type"] == "application/json"


def test_bodies_that_are_no_json() -> None:
    """What JSON has no form for is refused here, and not by Kratos."""
    with pytest.raises(ValueError, match="JSON compliant"):
        wire("update_login_flow", {"method": float("nan")}, flow="f1")
    with pytest.raises(TypeError, match="not JSON serializable"):
        wire("update_login_flow", {"method": object()}, flow="f1")


@pytest.mark.parametrize("body", ['{"method": "code"}', 5, [("method", "code")]], ids=repr)
def test_a_body_is_a_model_or_a_mapping(body: Any) -> None:
    """Ready-made JSON is neither, and the error says what is expected."""
    with pytest.raises(TypeError, match=r"body must be the update's model or a mapping, not (str|int|list)"):
        build_request("https://id.example", OPERATIONS["update_login_flow"], {"flow": "f1"}, body)


def test_nothing_else_is_sent() -> None:
    """No cookie of the process, no credential of another call: seven headers at most."""
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
