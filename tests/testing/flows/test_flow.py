"""Behavior that all flows share: lookup, malformed bodies, expiry, and forms with arbitrary content."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.flow_client import FlowClient, client_for, message_ids

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

JSON_BODY = {"content-type": "application/json"}


async def test_flow_is_not_found_under_another_name(browser: FlowClient) -> None:
    flow = await browser.create_flow("login")
    flow["ui"]["action"] = flow["ui"]["action"].replace("login", "registration")
    submitted = await browser.submit(flow, method="password")
    without_id = await browser.client.post("/self-service/login", headers={"accept": "application/json"})

    assert (await browser.get_flow("registration", flow["id"])).status_code == 404
    assert (submitted.status_code, without_id.status_code) == (404, 400)


@pytest.mark.parametrize(("name", "has_reason"), [("login", False), ("recovery", True), ("verification", True)])
async def test_submission_to_an_unknown_flow_is_not_found(app: FlowClient, name: str, has_reason: bool) -> None:
    response = await app.client.post(f"/self-service/{name}?flow=11111111-1111-4111-8111-111111111111", json={})

    assert (response.status_code, "reason" in response.json()["error"]) == (404, has_reason)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        *(
            ("application/json", body)
            for body in (b"{not json", b"[]", b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b"[" * 9_000)
        ),
        ("application/json", '{"method": "password"}'.encode("utf-16")),
        ("application/json", b'{"a": ' + b"9" * 5_000 + b"}"),
        *(("application/x-www-form-urlencoded", body) for body in (b"", b"method=%zz", b"method=a;b=c")),
    ],
)
async def test_malformed_body_shows_the_form_again(app: FlowClient, content_type: str, body: bytes) -> None:
    flow = await app.create_flow("login")
    headers = {"content-type": content_type}
    response = await app.client.post(flow["ui"]["action"], content=body, headers=headers)

    assert (response.status_code, message_ids(response.json())) == (400, [4000001])


@pytest.mark.parametrize(
    ("name", "message_id"),
    [("login", 4010002), ("registration", 4010003), ("recovery", 4010005), ("verification", 4010006)],
)
async def test_form_without_a_method_shows_an_error(browser: FlowClient, name: str, message_id: int) -> None:
    traits = {"traits": {"email": "ada@example.test"}} if name == "registration" else {}
    response = await browser.submit(await browser.create_flow(name), **traits)

    assert (response.status_code, message_ids(response.json())) == (400, [message_id])


@pytest.mark.parametrize(
    ("name", "lifespan", "messages"),
    [
        ("login", 600, [4010001]),
        ("registration", 600, [4040001]),
        ("settings", 3600, [4050001]),
    ],
)
async def test_expired_flow_is_replaced(
    fake: FakeKratos, browser: FlowClient, name: str, lifespan: int, messages: list[int]
) -> None:
    """The response to a script contains the id of the new flow."""
    owner = fake.add_identity("ada@example.test")
    if name == "settings":
        browser.use(fake.sign_in(owner))
    flow = await browser.create_flow(name)
    fake.clock.advance(lifespan)
    if name == "settings":
        browser.use(fake.sign_in(owner))
    response = await browser.submit(flow, method="code", email="ada@example.test")
    replacement = (await browser.get_flow(name, response.json()["use_flow_id"])).json()

    assert response.status_code == 410
    assert (message_ids(replacement), replacement["request_url"]) == (messages, flow["request_url"])


@pytest.mark.parametrize(
    ("name", "native", "status", "message_id"),
    [
        ("recovery", True, 410, 4060005),
        ("recovery", False, 303, 4060005),
        ("verification", True, 303, 4070005),
        ("verification", False, 303, 4070005),
    ],
)
async def test_expired_code_flow_is_replaced(
    fake: FakeKratos, name: str, native: bool, status: int, message_id: int
) -> None:
    """Scripts are redirected to the new flow, and so are apps in verification flows."""
    client = client_for(fake, native=native)
    flow = await client.create_flow(name)
    fake.clock.advance(3600)
    response = await client.submit(flow, method="code", email="ada@example.test")
    location = response.headers.get("location", "")
    if status == 410:
        error = response.json()["error"]
        new_id = error["details"]["continue_with"][0]["flow"]["id"]
    else:
        assert location.startswith(f"{fake.settings.public_url}/self-service/{name}/flows?id=")
        new_id = location.partition("=")[2]
    replacement = (await client.get_flow(name, new_id)).json()

    assert (response.status_code, message_ids(replacement)) == (status, [message_id])
    assert replacement["ui"]["messages"][0]["context"]["expired_at"] == flow["expires_at"]


@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_expired_form_is_redirected_to_the_page(fake: FakeKratos, browser: FlowClient, name: str) -> None:
    flow = await browser.create_flow(name)
    fake.clock.advance(3600)
    response = await browser.submit_form(flow, method="code", email="ada@example.test")

    assert response.headers["location"].startswith(f"http://127.0.0.1:4455/{name}?flow=")


@pytest.mark.parametrize(
    ("name", "native", "error_id"),
    [
        ("login", False, "self_service_flow_expired"),
        ("recovery", True, "self_service_flow_expired"),
        ("recovery", False, None),
        ("verification", True, None),
        ("settings", True, None),
    ],
)
async def test_error_for_reading_an_expired_flow(
    fake: FakeKratos, name: str, native: bool, error_id: str | None
) -> None:
    client = client_for(fake, native=native)
    owner = fake.add_identity("ada@example.test")
    if name == "settings":
        client.use(fake.sign_in(owner))
    flow = await client.create_flow(name)
    fake.clock.advance(3600)
    if name == "settings":
        client.use(fake.sign_in(owner))
    response = await client.get_flow(name, flow["id"])

    assert (response.status_code, response.json()["error"].get("id")) == (410, error_id)


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
async def test_arbitrary_fields_never_cause_an_exception(
    fake: FakeKratos, name: str, fields: dict[str, object], method: str
) -> None:
    identity = fake.add_identity(totp=True)
    app = client_for(fake, native=True)
    if name == "settings":
        app.use(fake.sign_in(identity, aal="aal2"))
    flow = await app.create_flow(name)
    body = json.dumps({"method": method, **fields})
    response = await app.client.post(flow["ui"]["action"], content=body, headers=JSON_BODY)

    assert response.status_code in {200, 303, 400, 404, 422}
