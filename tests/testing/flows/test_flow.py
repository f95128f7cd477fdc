"""Behavior that all flows share: expiry, and forms with arbitrary content."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.flow_client import FlowClient, client_for, message_ids

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

AFTER = "http://127.0.0.1:4455/after"
JSON_BODY = {"content-type": "application/json"}


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


@pytest.mark.parametrize(
    ("query", "messages"), [({"return_to": AFTER}, [4010001]), ({"refresh": "true"}, [1010003, 4010001])], ids=str
)
async def test_replacement_of_an_expired_flow_has_its_parameters(
    fake: FakeKratos, browser: FlowClient, query: dict[str, str], messages: list[int]
) -> None:
    if "refresh" in query:
        browser.use(fake.sign_in(fake.add_identity()))
    flow = await browser.create_flow("login", **query)
    fake.clock.advance(600)
    read = await browser.get_flow("login", flow["id"])
    submitted = await browser.submit(flow, method="password")
    replacement = (await browser.get_flow("login", submitted.json()["use_flow_id"])).json()

    assert (read.status_code, submitted.status_code) == (410, 410)
    assert message_ids(replacement) == messages
    assert replacement["ui"]["messages"][-1]["context"]["expired_at"] == flow["expires_at"]
    for name in ("refresh", "return_to", "request_url"):
        assert replacement.get(name) == flow.get(name)
