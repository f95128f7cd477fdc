"""Login beyond what was recorded."""

from urllib.parse import parse_qs, urlsplit

import pytest
from visitor import Visitor, messages_in, names_in

from ory_guard.testing import FakeKratos, FakeKratosSettings, ManualClock, OidcProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def ada(fake: FakeKratos) -> str:
    """Somebody with a password."""
    fake.add_identity("ada@example.test")
    return "ada@example.test"


async def test_an_identifier_is_found_however_its_letters_are_cased(fake: FakeKratos, ada: str) -> None:
    """Capitals don't matter in what one signs in with."""
    assert (await Visitor(fake).sign_in(" Ada@Example.TEST ")).status_code == 200


async def test_missing_fields_are_named_at_their_nodes(fake: FakeKratos) -> None:
    """An empty form comes back with a message at each field."""
    visitor = Visitor(fake)
    answer = await visitor.submit(await visitor.flow("login"), method="password", password="")

    assert answer.status_code == 400
    assert messages_in(answer.json()) == [4000002, 4000002]


@pytest.mark.parametrize("method", ["link_recovery", "totp", "profile", 7, None], ids=str)
async def test_a_method_that_is_none_here_leads_back_to_the_form(fake: FakeKratos, method: object) -> None:
    """Only first factors sign in where there is no session."""
    visitor = Visitor(fake)
    answer = await visitor.submit(await visitor.flow("login"), method=method)

    assert (answer.status_code, messages_in(answer.json())) == (400, [4010002])


async def test_a_second_factor_flow_takes_no_password(fake: FakeKratos) -> None:
    """A step-up can't be passed with what is known already."""
    identity = fake.add_identity("ada@example.test", totp=True)
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(identity).cookies)
    flow = await visitor.flow("login", aal="aal2")
    answer = await visitor.submit(
        flow, method="password", identifier="ada@example.test", password="correct-horse-battery-9"
    )

    assert messages_in(answer.json()) == [4010002]


async def test_an_unknown_assurance_level_is_refused(fake: FakeKratos) -> None:
    """There are aal1 and aal2."""
    assert (await Visitor(fake).begin("login", aal="aal3")).status_code == 400


async def test_a_page_that_submits_after_signing_in_elsewhere_is_sent_on(fake: FakeKratos, ada: str) -> None:
    """A second tab's login form leads to the default page; its script is told that there is a session."""
    visitor = Visitor(fake)
    flow = await visitor.flow("login")
    await visitor.sign_in(ada)

    assert (await visitor.send_form(flow, method="password")).headers["location"].endswith("/welcome")
    assert (await visitor.submit(flow, method="password")).json()["error"]["id"] == "session_already_available"


async def test_a_step_up_whose_session_ended_meanwhile_is_refused(fake: FakeKratos) -> None:
    """The second factor needs the session that it strengthens."""
    identity = fake.add_identity("ada@example.test", totp=True)
    signed_in = fake.sign_in(identity)
    visitor = Visitor(fake)
    visitor.client.cookies.update(signed_in.cookies)
    flow = await visitor.flow("login", aal="aal2")
    fake.revoke(signed_in.session)
    answer = await visitor.submit(flow, method="totp", totp_code=fake.totp_code(identity))

    assert (answer.status_code, answer.json()["error"]["id"]) == (401, "session_aal1_required")


async def test_an_expired_form_leads_to_a_new_one(fake: FakeKratos, clock: ManualClock, ada: str) -> None:
    """A browser is sent to a flow that asks for the same and says what happened."""
    visitor = Visitor(fake)
    await visitor.sign_in(ada)
    flow = await visitor.flow("login", refresh="true")
    clock.advance(601)
    answer = await visitor.send_form(flow, method="password")
    number = parse_qs(urlsplit(answer.headers["location"]).query)["flow"][0]
    new = (await visitor.get("/self-service/login/flows", id=number)).json()

    assert answer.status_code == 303
    assert (new["refresh"], messages_in(new)) == (True, [1010003, 4010001])


async def test_a_new_flow_leads_where_the_expired_one_would_have(
    fake: FakeKratos, clock: ManualClock, ada: str
) -> None:
    """`return_to` stays: the person ends on the page that they asked for."""
    visitor = Visitor(fake)
    old = await visitor.flow("login", return_to="http://127.0.0.1:4455/after")
    clock.advance(600)
    answer = await visitor.submit(old, method="password", identifier=ada, password="correct-horse-battery-9")
    new = (await visitor.read({"id": answer.json()["use_flow_id"]}, "login")).json()

    assert new["return_to"] == "http://127.0.0.1:4455/after"
    assert new["request_url"] == old["request_url"]


async def test_reading_an_expired_browser_flow_says_where_to_begin_anew(
    fake: FakeKratos, clock: ManualClock
) -> None:
    """The page that shows the form gets an address to send the browser to."""
    visitor = Visitor(fake)
    flow = await visitor.flow("login", return_to="http://127.0.0.1:4455/after")
    clock.advance(601)
    answer = await visitor.read(flow, "login")

    assert answer.status_code == 410
    assert answer.json()["error"]["details"] == {
        "redirect_to": "http://127.0.0.1:4433/self-service/login/browser"
        "?return_to=http%3A%2F%2F127.0.0.1%3A4455%2Fafter",
        "return_to": "http://127.0.0.1:4455/after",
    }


async def test_a_schema_without_identifiers_signs_nobody_in(clock: ManualClock) -> None:
    """There is nothing to sign in with, and no field for it."""
    fake = FakeKratos(clock=clock, identity_schemas={"default": {}})
    fake.add_identity("ada@example.test", traits={"name": "Ada"})
    visitor = Visitor(fake)
    flow = await visitor.flow("login")
    answer = await visitor.submit(flow, method="password", identifier="ada@example.test", password="x")

    assert (names_in(flow), messages_in(answer.json())) == (["csrf_token"], [4000006])


async def test_a_backup_code_steps_up_once(fake: FakeKratos) -> None:
    """A backup code works once, and says so the second time."""
    identity = fake.add_identity("ada@example.test")
    identity.credentials.lookup_codes = {"abcd1234": False}
    statuses = []
    for _ in range(2):
        visitor = Visitor(fake)
        visitor.client.cookies.update(fake.sign_in(identity).cookies)
        flow = await visitor.flow("login", aal="aal2")
        assert names_in(flow) == ["csrf_token", "lookup_secret", "method"]
        answer = await visitor.submit(flow, method="lookup_secret", lookup_secret="abcd1234")
        statuses.append((answer.status_code, messages_in(answer.json()) if "ui" in answer.json() else []))

    assert statuses == [(200, []), (400, [4000012])]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"method": "lookup_secret", "lookup_secret": "abcd1234"}, 4000014),
        ({"method": "totp", "totp_code": "not a code"}, 4000008),
        ({"method": "totp", "totp_code": "\uff11\uff12\uff13\uff14\uff15\uff16"}, 4000008),
        ({"method": "totp"}, 4000008),
    ],
    ids=str,
)
async def test_a_wrong_second_factor_says_what_is_wrong(
    fake: FakeKratos, fields: dict[str, str], message: int
) -> None:
    """Each kind of failure has its message."""
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(fake.add_identity("ada@example.test", totp=True)).cookies)
    answer = await visitor.submit(await visitor.flow("login", aal="aal2"), **fields)

    assert (answer.status_code, messages_in(answer.json())) == (400, [message])


async def test_an_unknown_backup_code_is_refused(fake: FakeKratos) -> None:
    """Only the codes that were given out count, and an app is asked for only where there is one."""
    identity = fake.add_identity("ada@example.test")
    identity.credentials.lookup_codes = {"abcd1234": False}
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(identity).cookies)
    flow = await visitor.flow("login", aal="aal2")

    wrong = await visitor.submit(flow, method="lookup_secret", lookup_secret="zzzz")
    no_app = await visitor.submit(flow, method="totp", totp_code="123456")
    assert (messages_in(wrong.json()), messages_in(no_app.json())) == ([4000016], [4000011])


async def test_signing_in_as_somebody_else_begins_another_session(fake: FakeKratos, ada: str) -> None:
    """A re-authentication as another person doesn't take the session over."""
    fake.add_identity("bob@example.test")
    visitor = Visitor(fake)
    first = (await visitor.sign_in(ada)).json()["session"]["id"]
    flow = await visitor.flow("login", refresh="true")
    answer = await visitor.submit(
        flow, method="password", identifier="bob@example.test", password="correct-horse-battery-9"
    )

    assert answer.json()["session"]["id"] != first
    assert (await visitor.whoami()).json()["identity"]["traits"]["email"] == "bob@example.test"


async def test_methods_that_are_off_are_not_offered(clock: ManualClock) -> None:
    """A form shows what is enabled."""
    settings = FakeKratosSettings(methods=frozenset({"totp"}), oidc_providers=(OidcProvider("mini"),))
    fake = FakeKratos(settings, clock=clock)
    identity = fake.add_identity("ada@example.test", totp=True)
    identity.credentials.lookup_codes = {"x": False}
    visitor = Visitor(fake)
    first = await visitor.flow("login")
    visitor.client.cookies.update(fake.sign_in(identity).cookies)
    second = await visitor.flow("login", aal="aal2")
    refresh = await visitor.flow("login", refresh="true")

    assert (names_in(first), names_in(refresh)) == (["csrf_token"], ["csrf_token"])
    assert names_in(second) == ["csrf_token", "totp_code", "method"]


async def test_a_refresh_offers_what_the_person_has(clock: ManualClock) -> None:
    """Somebody without a password is not asked for one."""
    fake = FakeKratos(clock=clock, oidc_providers=(OidcProvider("mini"), OidcProvider("other")))
    identity = fake.add_identity("ada@example.test", password=None)
    identity.credentials.oidc_subjects["mini"] = "ada"
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(identity).cookies)
    flow = await visitor.flow("login", refresh="true")

    assert names_in(flow) == ["provider", "csrf_token"]


async def test_a_form_leads_back_to_where_the_visitor_came_from(fake: FakeKratos, ada: str) -> None:
    """`return_to` is kept from the first page to the last redirect, even without scheme and host."""
    visitor = Visitor(fake)
    flow = await visitor.flow("login", return_to="/vault?a=ü b")
    form = {"method": "password", "identifier": ada, "password": "correct-horse-battery-9"}
    answer = await visitor.send_form(flow, **form)

    assert answer.headers["location"] == "http://127.0.0.1:4455/vault?a=%C3%BC%20b"
