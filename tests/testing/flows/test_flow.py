"""Behavior that all flows share: lookup, malformed bodies, expiry, and forms with arbitrary content."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.flow_client import FlowClient, client_for, message_ids

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

JSON_BODY = {"content-type": "application/json"}


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
