"""The fake as an ASGI application, and what it serves besides flows and sessions."""

import json
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect
from visitor import HTML, Visitor

from ory_guard.testing import FakeKratos, ManualClock
from ory_guard.testing.server.response import ApiError

pytestmark = pytest.mark.anyio

SPEC = Path(__file__).parent.parent / "spec" / "openapi-frontend-v26.2.0.json"
JSON = {"accept": "application/json"}


def test_every_operation_of_the_document_is_there(fake: FakeKratos) -> None:
    """Each of the 32 operations of the pinned document has a route."""
    document = json.loads(SPEC.read_text())
    operations = [
        (method.upper(), path.replace("{id}", "some"), operation["operationId"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    missing = [name for method, path, name in operations if fake.app._find_route(method, path)[0] is None]

    assert (len(operations), missing) == (32, [])


async def test_it_can_be_mounted(clock: ManualClock) -> None:
    """Below a prefix, paths are found and addresses have the prefix of the public URL."""
    fake = FakeKratos(clock=clock, public_url="http://127.0.0.1:4455/.ory/")
    app = Starlette(routes=[Mount("/.ory", fake.app)])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:4455") as client:
        answer = await client.get("/.ory/self-service/login/browser", headers=JSON)

    flow = answer.json()
    assert flow["ui"]["action"] == f"http://127.0.0.1:4455/.ory/self-service/login?flow={flow['id']}"
    assert flow["request_url"] == "http://127.0.0.1:4455/.ory/self-service/login/browser"
    assert "Path=/;" in answer.headers["set-cookie"]


def test_it_starts_and_stops_with_a_server(fake: FakeKratos) -> None:
    """The lifespan protocol is answered."""
    with TestClient(fake.app) as client:
        assert client.get("/health/ready").json() == {"status": "ok"}


def test_it_has_no_websockets(fake: FakeKratos) -> None:
    """A websocket is closed at once."""
    with pytest.raises(WebSocketDisconnect), TestClient(fake.app).websocket_connect("/ws"):
        pytest.fail("it was accepted")


async def test_a_body_may_come_in_pieces(fake: FakeKratos) -> None:
    """The whole body is read before the operation begins."""
    flow = await Visitor(fake, app=True).flow("login")
    pieces: list[Message] = [
        {"type": "http.request", "body": b'{"method"', "more_body": True},
        {"type": "http.request", "body": b': "password"}'},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/self-service/login",
        "query_string": f"flow={flow['id']}".encode(),
        "headers": [(b"content-type", b"application/json")],
        "client": None,
    }
    await fake.app(scope, receive, send)

    assert sent[0]["status"] == 400
    assert b"4000002" in sent[1]["body"]


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("application/json", True),
        ("application/*", True),
        ("application/json, text/plain, */*", True),
        ("text/html, application/json;q=0.9", False),
        ("text/html;q=0.5, application/json", True),
        ("text/html;level=1;q=nonsense, application/json;q=0.1", True),
        ("application/json, text/html", False),
    ],
)
async def test_what_the_caller_accepts_decides_between_json_and_redirect(
    fake: FakeKratos, accept: str, is_json: bool
) -> None:
    """HTML wins a tie, and is what a caller gets that doesn't say."""
    answer = await Visitor(fake).begin("login", accept)

    assert answer.status_code == (200 if is_json else 303)


async def test_an_error_is_kept_for_its_page(fake: FakeKratos) -> None:
    """The error page finds by its id what went wrong."""
    visitor = Visitor(fake)
    away = await visitor.begin("login", HTML, return_to="https://evil.example/")
    shown = await visitor.get("/self-service/errors", id=away.headers["location"].partition("=")[2])

    assert shown.json()["error"]["id"] == "self_service_flow_return_to_forbidden"


@pytest.mark.parametrize(
    ("return_to", "allowed"),
    [
        ("http://127.0.0.1:4455/a", True),
        ("http://127.0.0.1:4455.evil.example/a", False),
        ("http://127.0.0.1:4455@evil.example/", False),
        ("//evil.example/a", False),
        ("/a", True),
        ("javascript:alert(1)", False),
        ("http://127.0.0.1:4455/\r\nx: y", False),
        ("http://[", False),
        ("http://sub.app.test/deep/er", True),
        ("http://sub.app.test/", False),
        ("http://127.0.0.1:4433/self-service/settings?flow=x", True),
    ],
)
async def test_only_allowed_addresses_are_returned_to(clock: ManualClock, return_to: str, allowed: bool) -> None:
    """Scheme and host are equal, and the path is at or below the allowed one."""
    urls = ("http://127.0.0.1:4455", "http://*.app.test/deep")
    fake = FakeKratos(clock=clock, allowed_return_urls=urls)
    answer = await Visitor(fake).begin("login", return_to=return_to)

    assert answer.status_code == (200 if allowed else 400)


async def test_errors_and_flows_are_not_kept_for_ever(fake: FakeKratos, clock: ManualClock) -> None:
    """A thousand errors stay, and flows go a day after they expired."""
    for _ in range(1_001):
        fake._server.error_page_url(ApiError(400))
    visitor = Visitor(fake)
    await visitor.flow("login")
    clock.advance(86_400 + 601)
    await visitor.flow("login")

    assert (len(fake._server.store.errors), len(fake._server.store.flows)) == (1_000, 1)


@pytest.mark.parametrize("number", ["ZGVmYXVsdA", "default"])
async def test_the_schema_of_an_identity_is_served(fake: FakeKratos, number: str) -> None:
    """`schema_url` leads to the schema."""
    answer = await Visitor(fake).get(f"/schemas/{number}")

    assert answer.json()["properties"]["traits"]["required"] == ["email"]


@pytest.mark.parametrize("number", ["none", "YWJj", "!"])
async def test_an_unknown_schema_is_not_found(fake: FakeKratos, number: str) -> None:
    """Whatever is no id of a schema is a 404."""
    assert (await Visitor(fake).get(f"/schemas/{number}")).status_code == 404


@pytest.mark.parametrize("body", [b"{", b'{"csrf_token": "x"}'])
async def test_fedcm_is_refused_without_a_token(fake: FakeKratos, body: bytes) -> None:
    """The anti-CSRF check comes first."""
    kind = {"content-type": "application/json"}
    answer = await Visitor(fake).client.post("/self-service/fed-cm/token", content=body, headers=kind)

    assert answer.status_code == 403


async def test_fedcm_is_not_there_outside_ory_network(fake: FakeKratos) -> None:
    """With a right token nothing is there either."""
    visitor = Visitor(fake)
    flow = await visitor.flow("login")
    token = flow["ui"]["nodes"][0]["attributes"]["value"]
    answer = await visitor.client.post("/self-service/fed-cm/token", json={"csrf_token": token})

    assert answer.status_code == 404


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = [
    "method",
    "traits",
    "email",
    "code",
    "password",
    "identifier",
    "totp_code",
    "lookup_secret",
    "provider",
    "link",
    "unlink",
    "screen",
    "totp_unlink",
    "lookup_secret_regenerate",
    "lookup_secret_confirm",
    "lookup_secret_disable",
    "lookup_secret_reveal",
    "webauthn_register",
    "transient_payload",
]
_METHODS = st.sampled_from(["password", "profile", "totp", "lookup_secret", "code", "oidc", "webauthn"])


@pytest.mark.parametrize("name", ["login", "registration", "settings", "recovery", "verification"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(fields=st.dictionaries(st.sampled_from(_FIELDS), _JSON), method=_METHODS)
async def test_no_form_breaks_the_fake(fake: FakeKratos, name: str, fields: dict[str, object], method: str) -> None:
    """Whatever a form holds, the answer is one that Kratos could give."""
    identity = fake.add_identity(totp=True)
    app = Visitor(fake, app=True)
    if name == "settings":
        app.client.headers.update(fake.sign_in(identity, aal="aal2").headers)
    flow = await app.flow(name)
    body = json.dumps({"method": method, **fields})
    answer = await app.client.post(flow["ui"]["action"], content=body, headers={"content-type": "application/json"})

    assert answer.status_code in {200, 400, 404, 422}
