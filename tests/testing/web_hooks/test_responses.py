"""Failed web hooks, and the responses of the fake, compared with Kratos v26.2.0."""

from typing import Any

import pytest
from support.flow_client import HTML, JSON, client_for, message_ids

from ory_guard.testing import FakeKratos

from .scenario import CLIENT_ERROR, FLOWS, REJECTED, SERVER_ERROR, Receiver, path_of, rejection, run

pytestmark = pytest.mark.anyio


# The kind of client, the flow, the hook with its response, and the response of Kratos: its status, and that in its
# body, or the page that browsers are redirected to. None stands for a form with the message.
FAILURES = [
    *(("app", flow, "after", CLIENT_ERROR, 502, 502) for flow in FLOWS),
    *(("script", flow, "after", CLIENT_ERROR, 502, 502) for flow in FLOWS),
    *(("browser", flow, "after", CLIENT_ERROR, 303, "/error") for flow in FLOWS),
    *(("app", flow, "after", SERVER_ERROR, 400, 500) for flow in FLOWS),
    *(("script", flow, "after", SERVER_ERROR, 500, 500) for flow in ("login", "registration")),
    *(("script", flow, "after", SERVER_ERROR, 400, 500) for flow in ("settings", "recovery", "verification")),
    *(("browser", flow, "after", SERVER_ERROR, 303, "/error") for flow in FLOWS),
    *(("app", flow, "parsed", (400, {}), 400, 500) for flow in FLOWS),
    *(("app", flow, "parsed", REJECTED, 400, None) for flow in ("login", "registration", "settings")),
    *(("script", flow, "parsed", REJECTED, 400, None) for flow in ("login", "registration", "settings")),
    ("browser", "login", "parsed", REJECTED, 303, "/login"),
    ("browser", "registration", "parsed", REJECTED, 302, "/registration"),
    ("browser", "settings", "parsed", REJECTED, 303, "/settings"),
    ("app", "recovery", "parsed", REJECTED, 500, 500),
    ("script", "recovery", "parsed", REJECTED, 500, 500),
    ("browser", "recovery", "parsed", REJECTED, 303, "/recovery"),
    ("app", "verification", "parsed", REJECTED, 410, 410),
    ("script", "verification", "parsed", REJECTED, 410, 410),
    ("browser", "verification", "parsed", REJECTED, 303, "/verification"),
]


@pytest.mark.parametrize("case", FAILURES, ids=str)
async def test_failed_hook_has_the_response_of_kratos(fake: FakeKratos, receiver: Receiver, case: Any) -> None:
    kind, flow, path, planned, status, expected = case
    receiver.responses[path] = planned
    client = client_for(fake, native=kind == "app")
    response = await run(fake, flow, client, form=kind == "browser")

    assert response.status_code == status
    if isinstance(expected, str):
        assert path_of(response) == expected
    elif expected is None:
        assert message_ids(response.json()) == [7]
    else:
        assert response.json()["error"]["code"] == expected
    if flow in {"login", "recovery"}:
        assert "ory_kratos_session" not in response.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    ("kind", "flow", "planned", "status"),
    [
        *(("script", flow, CLIENT_ERROR, 502) for flow in ("login", "registration", "verification")),
        *(("script", flow, SERVER_ERROR, 500) for flow in ("registration", "recovery", "verification")),
        ("browser", "login", CLIENT_ERROR, 303),
        ("browser", "registration", SERVER_ERROR, 303),
        ("browser", "recovery", CLIENT_ERROR, 502),
        ("browser", "verification", SERVER_ERROR, 500),
        # The code in the body is 500.
        ("app", "login", SERVER_ERROR, 400),
    ],
)
async def test_failed_hook_before_a_flow_prevents_the_flow(
    fake: FakeKratos, receiver: Receiver, *, kind: str, flow: str, planned: Any, status: int
) -> None:
    receiver.responses["before"] = planned
    response = await client_for(fake, native=kind == "app").start(flow, HTML if kind == "browser" else JSON)

    assert response.status_code == status
    assert kind != "app" or response.json()["error"]["code"] == 500


@pytest.mark.parametrize(
    ("pointer", "message", "field"),
    [
        ("#/traits/email", {}, "traits.email"),
        ("#/password", {"type": "info"}, "password"),
        ("#/traits/a~1b", {"context": {"limit": 3}}, "traits.a/b"),
        ("#/", {}, ""),
        ("", {"type": "other"}, ""),
    ],
)
async def test_messages_are_shown_at_their_fields(
    fake: FakeKratos, receiver: Receiver, pointer: str, message: dict[str, Any], field: str
) -> None:
    receiver.responses["parsed"] = (422, rejection(pointer, **message))
    ui = (await run(fake, "registration", client_for(fake, native=True))).json()["ui"]

    expected = {"id": 7, "text": "No.", "type": "info" if message.get("type") else "error"}
    expected |= {"context": message["context"]} if "context" in message else {}
    nodes = [node for node in ui["nodes"] if node["attributes"]["name"] == field]
    assert (nodes[0]["messages"] if nodes else ui["messages"]) == [expected]
    assert fake.identities == ()
