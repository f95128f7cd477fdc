"""Settings beyond what was recorded."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from visitor import HTML, Visitor, messages_in, names_in, totp_secret, value_of

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def ada(fake: FakeKratos) -> Identity:
    """Somebody with a password."""
    return fake.add_identity("ada@example.test", traits={"name": {"first": "Ada"}})


@pytest.fixture
def visitor(fake: FakeKratos, ada: Identity) -> Visitor:
    """Ada at her browser."""
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(ada).cookies)
    return visitor


async def test_a_changed_name_is_kept(visitor: Visitor, ada: Identity) -> None:
    """Traits that are nobody's identifier change at once."""
    flow = await visitor.flow("settings")
    traits = {"email": "ada@example.test", "name": {"first": "Ada", "last": "Lovelace"}}
    answer = await visitor.submit(flow, method="profile", traits=traits)

    assert (answer.json()["state"], messages_in(answer.json())) == ("success", [1050001])
    assert ada.traits == traits


async def test_a_new_address_is_not_verified(visitor: Visitor, ada: Identity) -> None:
    """What was known about an address goes with the address."""
    ada.verifiable_addresses[0].verified = True
    flow = await visitor.flow("settings")
    await visitor.submit(flow, method="profile", traits={"email": "new@example.test"})

    assert [(one.value, one.verified) for one in ada.verifiable_addresses] == [("new@example.test", False)]


@pytest.mark.parametrize(
    ("traits", "message"),
    [({"email": "no address"}, 4000001), ({"email": "bob@example.test"}, 4000007), (None, 4000002)],
    ids=["wrong", "taken", "missing"],
)
async def test_a_profile_that_is_no_good_says_why(
    fake: FakeKratos, visitor: Visitor, traits: Any, message: int
) -> None:
    """Each kind of failure has its message."""
    fake.add_identity("bob@example.test")
    answer = await visitor.submit(await visitor.flow("settings"), method="profile", traits=traits)

    assert (answer.status_code, messages_in(answer.json())) == (400, [message])


async def test_an_old_sign_in_may_change_the_name_but_not_the_identifier(
    visitor: Visitor, clock: ManualClock
) -> None:
    """What one signs in with takes a young sign-in."""
    flow = await visitor.flow("settings")
    clock.advance(901)
    named = {"email": "ada@example.test", "name": {"first": "A."}}

    assert (await visitor.submit(flow, method="profile", traits=named)).status_code == 200
    moved = await visitor.submit(flow, method="profile", traits={"email": "new@example.test"})
    assert moved.json()["error"]["id"] == "session_refresh_required"


async def test_a_change_goes_on_after_the_re_authentication(
    visitor: Visitor, clock: ManualClock, ada: Identity
) -> None:
    """The browser comes back from the login with the change that it left behind."""
    flow = await visitor.flow("settings", return_to="http://127.0.0.1:4455/after")
    clock.advance(901)
    away = await visitor.send_form(flow, method="password", password="a-new-password-1")
    login = (await visitor.get(away.headers["location"])).json()
    form = {"identifier": "ada@example.test", "password": "correct-horse-battery-9"}
    back = await visitor.send_form(login, method="password", **form)
    done = await visitor.get(back.headers["location"], HTML)
    again = await visitor.get(back.headers["location"], HTML)

    assert done.headers["location"] == "http://127.0.0.1:4455/after"
    assert ada.credentials.password == "a-new-password-1"
    assert again.headers["location"].startswith("http://127.0.0.1:4455/settings?flow=")


async def test_a_continuity_cookie_of_nobody_continues_nothing(visitor: Visitor) -> None:
    """A made-up cookie is no change that waits."""
    flow = await visitor.flow("settings")
    visitor.client.cookies.set("ory_kratos_continuity", "bm90IHNlYWxlZA==")
    answer = await visitor.get(flow["ui"]["action"])

    assert (answer.status_code, messages_in(answer.json())) == (400, [4010004])


@pytest.mark.parametrize(
    ("password", "message"),
    [("", 4000002), ("1234567", 4000032), ("correct-horse-battery-9", 4000039)],
    ids=["empty", "short", "the old one"],
)
async def test_a_new_password_has_to_be_good_and_new(visitor: Visitor, password: str, message: int) -> None:
    """Each rule has its message."""
    answer = await visitor.submit(await visitor.flow("settings"), method="password", password=password)

    assert messages_in(answer.json()) == [message]


async def test_an_app_is_enrolled_with_its_code(visitor: Visitor, clock: ManualClock, ada: Identity) -> None:
    """A code is needed, has to be right, and there is one app at a time."""
    flow = await visitor.flow("settings")
    secret = totp_secret(flow)
    code = pyotp.TOTP(secret).at(int(clock.time()))

    missing = await visitor.submit(flow, method="totp")
    right = await visitor.submit(flow, method="totp", totp_code=code)
    second = await visitor.submit(flow, method="totp", totp_code=code)
    assert messages_in(missing.json()) == [4000002]
    assert (right.status_code, ada.credentials.totp_secret) == (200, secret)
    assert second.status_code == 400


async def test_backup_codes_are_shown_used_up_and_removed(
    fake: FakeKratos, visitor: Visitor, ada: Identity
) -> None:
    """Codes are made, confirmed, shown with those that were used, and removed."""
    flow = await visitor.flow("settings")
    made = (await visitor.submit(flow, lookup_secret_regenerate="true")).json()
    early = await visitor.submit(flow, lookup_secret_reveal="true")
    await visitor.submit(flow, lookup_secret_confirm="true")
    twice = await visitor.submit(flow, lookup_secret_confirm="true")
    codes = list(ada.credentials.lookup_codes)
    ada.credentials.lookup_codes[codes[0]] = True
    shown = (await visitor.submit(flow, lookup_secret_reveal="true")).json()
    gone = await visitor.submit(flow, lookup_secret_disable="true")

    assert (early.status_code, twice.status_code, gone.status_code) == (400, 400, 200)
    assert names_in(made)[-2:] == ["lookup_secret_codes", "lookup_secret_confirm"]
    assert names_in(shown)[-3:] == ["lookup_secret_codes", "lookup_secret_disable", "lookup_secret_regenerate"]
    text = next(n for n in shown["ui"]["nodes"] if n["attributes"].get("id") == "lookup_secret_codes")
    assert text["attributes"]["text"]["text"] == ", ".join(["used", *codes[1:]])
    assert ada.credentials.lookup_codes == {}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"method": "lookup_secret"}, 4010004),
        ({"method": "nonsense"}, 4010004),
        ({"method": ["profile"]}, 4010004),
        ({"webauthn_register": "{}"}, 4000001),
        ({"unlink": "mini"}, None),
    ],
    ids=str,
)
async def test_what_cannot_be_changed_leads_back_to_the_form(
    visitor: Visitor, fields: dict[str, Any], message: int | None
) -> None:
    """Nothing is saved, and the form says so."""
    answer = await visitor.submit(await visitor.flow("settings"), **fields)

    assert messages_in(answer.json()) == [message or 4010004]


async def test_another_identity_cannot_use_the_flow(fake: FakeKratos, visitor: Visitor) -> None:
    """A flow changes the identity that began it."""
    flow = await visitor.flow("settings")
    visitor.client.cookies.update(fake.sign_in(fake.add_identity("bob@example.test")).cookies)
    answer = await visitor.submit(flow, method="password", password="a-new-password-1")

    assert answer.json()["error"]["id"] == "security_identity_mismatch"


async def test_nobody_is_sent_to_the_login(fake: FakeKratos, visitor: Visitor) -> None:
    """Without a session the browser signs in first, and comes back to where it wanted to go."""
    flow = await visitor.flow("settings")
    nobody = Visitor(fake)
    begun = await nobody.begin("settings", HTML, return_to="http://127.0.0.1:4455/vault")
    sent = await nobody.send_form(flow, method="profile")
    read = await nobody.read(flow, "settings")

    assert begun.headers["location"] == (
        "http://127.0.0.1:4433/self-service/login/browser?return_to=http%3A%2F%2F127.0.0.1%3A4455%2Fvault"
    )
    assert sent.headers["location"] == "http://127.0.0.1:4455/login"
    assert (read.status_code, "id" in read.json()["error"]) == (401, False)


async def test_a_weak_session_is_sent_to_the_second_factor_and_back(fake: FakeKratos, visitor: Visitor) -> None:
    """The step-up leads back to the settings where the caller asked to be led somewhere."""
    fake.identities[0].credentials.totp_secret = pyotp.random_base32()
    asked = await visitor.begin("settings", HTML, return_to="http://127.0.0.1:4455/vault")
    query = parse_qs(urlsplit(asked.headers["location"]).query)

    assert query["aal"] == ["aal2"]
    assert query["return_to"] == [
        "http://127.0.0.1:4433/self-service/settings/browser?return_to=http%3A%2F%2F127.0.0.1%3A4455%2Fvault"
    ]


async def test_an_expired_form_leads_to_a_new_one(visitor: Visitor, clock: ManualClock, fake: FakeKratos) -> None:
    """A script gets the id of the flow that takes its place."""
    flow = await visitor.flow("settings")
    clock.advance(3601)
    visitor.client.cookies.update(fake.sign_in(fake.identities[0]).cookies)
    answer = await visitor.submit(flow, method="profile")

    assert (answer.status_code, "use_flow_id" in answer.json()) == (410, True)


async def test_a_form_shows_only_what_is_enabled(clock: ManualClock) -> None:
    """Methods that are off have no nodes."""
    fake = FakeKratos(clock=clock, methods=frozenset({"code"}))
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(fake.add_identity()).cookies)

    assert names_in(await visitor.flow("settings")) == ["csrf_token"]


async def test_an_address_without_an_account_name_still_gets_a_qr_code(clock: ManualClock) -> None:
    """A schema need not say what an authenticator app shows."""
    schema = {"properties": {"traits": {"type": "object", "properties": {"email": {"type": "string"}}}}}
    fake = FakeKratos(clock=clock, identity_schemas={"default": schema})
    app = Visitor(fake, app=True)
    app.client.headers.update(fake.sign_in(fake.add_identity()).headers)
    flow = await app.flow("settings")
    image = next(n for n in flow["ui"]["nodes"] if n["attributes"].get("id") == "totp_qr")

    assert image["attributes"]["src"].startswith("data:image/png;base64,")
    assert value_of(flow, "csrf_token") == ""
