"""Which web hooks a flow sends, in which order, and with which data, compared with Kratos v26.2.0."""

from typing import Any

import pytest
from support.flow_client import PASSWORD, client_for

from ory_guard.testing import FakeKratos, Identity

from .scenario import EMAIL, FLOWS, PARSE, Receiver, fake_with, run, web_hook

pytestmark = pytest.mark.anyio

TRAITS = {"email": EMAIL}
NO_ID = "00000000-0000-0000-0000-000000000000"

HOOKS: dict[str, Any] = {
    **{f"{flow}.before": (web_hook(f"before-{flow}"),) for flow in FLOWS},
    "login.after": (web_hook("login-all"),),
    "login.after.password": (web_hook("login"), web_hook("login-parsed", **PARSE)),
    "registration.after": (web_hook("registration-all"),),
    "registration.after.password": (
        {"hook": "session"},
        web_hook("registration"),
        web_hook("registration-parsed", **PARSE),
        web_hook("registration-interrupting", can_interrupt=True),
        web_hook("registration-canceled", "function(ctx) error 'cancel'"),
    ),
    "settings.after": (web_hook("settings-all"), web_hook("settings-all-parsed", **PARSE)),
    "settings.after.profile": (web_hook("profile"), web_hook("profile-parsed", **PARSE)),
    "recovery.after": (web_hook("recovery"), web_hook("recovery-parsed", **PARSE)),
    "verification.after": (web_hook("verification"), web_hook("verification-parsed", **PARSE)),
}


@pytest.fixture
def fake(receiver: Receiver) -> FakeKratos:
    """A fake with all kinds of hooks."""
    return fake_with(receiver, HOOKS)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (
            "registration",
            ["before-registration", "registration-parsed", "registration-interrupting", "registration"],
        ),
        ("login", ["before-login", "login", "login-parsed"]),
        # A saved change starts the form again. Hooks of the whole flow cannot change an identity.
        ("settings", ["before-settings", "profile-parsed", "before-settings", "profile"]),
        ("recovery", ["before-recovery", "recovery", "recovery-parsed", "before-settings"]),
        ("verification", ["before-verification", "verification", "verification-parsed"]),
    ],
)
async def test_hooks_are_sent_in_the_order_of_kratos(
    fake: FakeKratos, receiver: Receiver, flow: str, expected: list[str]
) -> None:
    response = await run(fake, flow, client_for(fake, native=True), name={"first": "Ada"})

    assert (response.status_code, receiver.paths) == (200, expected)


async def change_password(fake: FakeKratos, identity: Identity) -> None:
    """Change the password of an identity in the settings."""
    app = client_for(fake, native=True)
    app.use(fake.sign_in(identity))
    fields = {"method": "password", "password": "battery-staple-correct-7"}
    assert (await app.submit(await app.create_flow("settings"), **fields)).status_code == 200


async def test_hooks_of_registration_and_login_get_no_id_before_the_record_is_saved(
    fake: FakeKratos, receiver: Receiver
) -> None:
    app = client_for(fake, native=True)
    flow = await app.create_flow("registration")
    fields = {"method": "password", "password": PASSWORD, "transient_payload": {"plan": "free"}}
    await app.submit(flow, traits=TRAITS, **fields)
    (identity,) = fake.identities
    await app.log_in(EMAIL)

    early, late = (receiver.find(path).json for path in ("registration-parsed", "registration"))
    assert (early["identity"]["id"], early["identity"]["schema_url"]) == (NO_ID, "")
    assert late["identity"]["id"] == identity.id
    assert "session" not in late
    assert late["flow"]["transient_payload"] == {"plan": "free"}
    login = receiver.find("login").json
    assert (login["session"]["id"], login["identity"]["id"]) == (NO_ID, identity.id)
    assert login["flow"]["active"] == "password"


async def test_context_has_allowed_headers_and_all_cookies(receiver: Receiver) -> None:
    hooks = {"login.before": (web_hook("login"),)}
    fake = fake_with(receiver, hooks, web_hook_header_allowlist=("User-Agent", "X-Custom"))
    app = client_for(fake, native=True)
    headers = {"user-agent": "test", "authorization": "Bearer x", "x-custom": "1", "cookie": "a=b; c=d"}
    await app.client.get("/self-service/login/api?refresh=true", headers=headers)

    context = receiver.find("login").json
    assert context["request_headers"] == {"User-Agent": ["test"], "X-Custom": ["1"]}
    assert context["request_cookies"] == {"a": "b", "c": "d"}
    assert (context["request_method"], context["request_url"]) == (
        "GET",
        "http://127.0.0.1:4433/self-service/login/api?refresh=true",
    )
    assert "identity" not in context


async def test_settings_hooks_get_session_and_identity(fake: FakeKratos, receiver: Receiver) -> None:
    await run(fake, "settings", client_for(fake, native=True), name={"first": "Ada"})
    (identity,) = fake.identities

    before, parsed, after = (receiver.find(path).json for path in ("before-settings", "profile-parsed", "profile"))
    assert before["flow"]["ui"]["nodes"] is None
    assert before["session"]["identity"]["id"] == identity.id
    assert parsed["identity"]["traits"]["name"] == {"first": "Ada"}
    assert parsed["flow"]["identity"]["traits"] == TRAITS | {"name": {}}
    assert (parsed["flow"]["state"], after["flow"]["state"]) == ("show_form", "success")
    assert "transient_payload" not in after["flow"]


async def test_revocation_happens_in_the_order_of_the_hooks(receiver: Receiver) -> None:
    """A receiver that asks Kratos finds the other sessions active before the revocation, and revoked after it."""
    active: list[bool] = []
    hooks = (web_hook("first"), {"hook": "revoke_active_sessions"}, web_hook("second"))

    async def ask_kratos(scope: Any, receive: Any, send: Any) -> None:
        active.append((await other.whoami()).status_code == 200)
        await receiver(scope, receive, send)

    fake = FakeKratos(hooks={"settings.after.password": hooks})
    fake.web_hook_app = ask_kratos
    identity = fake.add_identity(EMAIL)
    other = client_for(fake, native=True)
    other.use(fake.sign_in(identity))
    await change_password(fake, identity)

    assert active == [True, False]
