"""Registration beyond what was recorded."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from visitor import Visitor, messages_in, names_in, value_of

from ory_guard.testing import FakeKratos, ManualClock, OidcProvider

pytestmark = pytest.mark.anyio

PASSWORD = "a-long-enough-one"
SCHEMA = {
    "properties": {
        "traits": {
            "type": "object",
            "properties": {
                "user": {"type": "string", "ory.sh/kratos": {"credentials": {"password": {"identifier": True}}}},
                "age": {"type": "integer", "title": "Age"},
                "height": {"type": "number"},
                "terms": {"type": "boolean"},
                "site": {"type": "string", "format": "uri"},
            },
            "required": ["user", "age"],
        }
    }
}


async def test_a_weak_password_is_said_at_the_field_of_the_second_step(fake: FakeKratos) -> None:
    """The second step's own password field has the message."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    traits = {"email": "ada@example.test"}
    second = (await visitor.submit(flow, method="profile", traits=traits)).json()
    answer = await visitor.submit(second, method="password", password="short", traits=traits)

    assert (answer.status_code, messages_in(answer.json())) == (400, [4000032])
    assert names_in(answer.json()) == names_in(second)


@pytest.mark.parametrize(
    ("password", "message"),
    [("", 4000002), ("ada@example.test", 4000031), ("xx-ada@example.test", 4000031)],
    ids=["empty", "the identifier", "holds the identifier"],
)
async def test_a_password_that_is_no_good_says_why(fake: FakeKratos, password: str, message: int) -> None:
    """Each rule of the password policy has its message."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    traits = {"email": "ada@example.test"}
    answer = await visitor.submit(flow, method="password", password=password, traits=traits)

    assert messages_in(answer.json()) == [message]


async def test_a_missing_trait_is_said_in_the_first_step(fake: FakeKratos) -> None:
    """The traits have to be right before a credential is asked for."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    answer = await visitor.submit(flow, method="profile", traits={"name": {"first": "Ada"}})

    assert messages_in(answer.json()) == [4000002]
    assert value_of(answer.json(), "traits.name.first") == "Ada"


@pytest.mark.parametrize("traits", [{"email": 5}, {"email": "no address"}, {"name": "Ada", "email": "a@b.test"}, 7])
async def test_traits_that_do_not_fit_the_schema_say_so(fake: FakeKratos, traits: Any) -> None:
    """Whatever is sent as traits is checked, never trusted."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    answer = await visitor.submit(flow, method="password", password=PASSWORD, traits=traits)

    assert answer.status_code == 400
    assert messages_in(answer.json())


async def test_nothing_happens_without_a_method(fake: FakeKratos) -> None:
    """A form without a method comes back."""
    visitor = Visitor(fake)
    answer = await visitor.submit(await visitor.flow("registration"), traits={})

    assert (answer.status_code, messages_in(answer.json())) == (400, [4010003])


async def test_an_expired_form_leads_to_a_new_one(fake: FakeKratos, clock: ManualClock) -> None:
    """A script gets the id of the flow that takes its place."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    clock.advance(601)
    answer = await visitor.submit(flow, method="profile", traits={})
    new = (await visitor.read({"id": answer.json()["use_flow_id"]}, "registration")).json()

    assert (answer.status_code, messages_in(new)) == (410, [4040001])


async def test_somebody_signed_in_is_sent_on(fake: FakeKratos) -> None:
    """A signed-in user has nothing to register."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    fake.add_identity("ada@example.test")
    await visitor.sign_in("ada@example.test")
    back = "http://127.0.0.1:4455/after"

    assert (await visitor.begin("registration", "text/html", return_to=back)).headers["location"] == back
    assert (await visitor.send_form(flow, method="profile")).headers["location"].endswith("/welcome")


async def test_one_step_is_enough_where_it_is_configured(clock: ManualClock) -> None:
    """Without the two steps, traits and password are on one form."""
    fake = FakeKratos(clock=clock, two_steps_registration=False)
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    traits = {"email": "ada@example.test"}
    answer = await visitor.submit(flow, method="password", password=PASSWORD, traits=traits)

    assert names_in(flow)[1:3] == ["traits.email", "password"]
    assert answer.status_code == 200


async def test_without_passwords_there_is_no_password_field(clock: ManualClock) -> None:
    """A form shows what is enabled."""
    fake = FakeKratos(clock=clock, two_steps_registration=False, methods=frozenset({"oidc"}))
    assert "password" not in names_in(await Visitor(fake).flow("registration"))


async def test_without_hooks_there_is_no_session_and_no_verification(clock: ManualClock) -> None:
    """What happens after registration is configured."""
    fake = FakeKratos(clock=clock, session_after_registration=False, verification_after_registration=False)
    traits = {"email": "ada@example.test"}
    app = Visitor(fake, app=True)
    flow = await app.flow("registration")
    native = await app.submit(flow, method="password", password=PASSWORD, traits=traits)
    visitor = Visitor(fake)
    flow = await visitor.flow("registration", return_to="http://127.0.0.1:4455/after")
    form = {"method": "password", "password": PASSWORD, "traits__email": "bob@example.test"}
    answer = await visitor.send_form(flow, **form)

    assert native.json().keys() == {"identity", "continue_with"}
    assert native.json()["continue_with"] == []
    assert answer.headers["location"] == "http://127.0.0.1:4455/after"
    assert (await visitor.whoami()).status_code == 401


async def test_the_verification_page_can_read_its_flow(fake: FakeKratos) -> None:
    """Registration renews the anti-CSRF cookie, and the verification flow goes with the new one."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    form = {"method": "password", "password": PASSWORD, "traits__email": "ada@example.test"}
    page = (await visitor.send_form(flow, **form)).headers["location"]
    number = parse_qs(urlsplit(page).query)["flow"][0]
    verification = (await visitor.read({"id": number}, "verification")).json()
    answer = await visitor.submit(verification, method="code", code=fake.messages[0].code)

    assert answer.json()["state"] == "passed_challenge"
    assert (await visitor.whoami()).json()["identity"]["verifiable_addresses"][0]["verified"] is True


async def test_forms_send_text_and_the_schema_makes_numbers_of_it(clock: ManualClock) -> None:
    """Traits get the types that their schema asks for."""
    fake = FakeKratos(clock=clock, identity_schemas={"default": SCHEMA}, two_steps_registration=False)
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    form = {"method": "password", "password": PASSWORD, "traits__user": "ada", "traits__age": "36"}
    await visitor.send_form(flow, **form, traits__terms="on", traits__height="1.7")

    assert fake.identities[0].traits == {"user": "ada", "age": 36, "terms": True, "height": 1.7}
    assert [one["attributes"]["type"] for one in flow["ui"]["nodes"]] == [
        "hidden",
        "text",
        "password",
        "number",
        "number",
        "checkbox",
        "url",
        "submit",
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"traits__age": "old"}, {"traits__height": "tall"}, {"traits__terms": "maybe"}],
    ids=str,
)
async def test_text_that_is_no_number_is_refused(clock: ManualClock, wrong: dict[str, str]) -> None:
    """What can't become the schema's type stays what it is, and does not fit."""
    fake = FakeKratos(clock=clock, identity_schemas={"default": SCHEMA}, two_steps_registration=False)
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    form = {"method": "password", "password": PASSWORD, "traits__user": "ada", "traits__age": "36"} | wrong
    answer = await visitor.send_form(flow, **form)

    assert (answer.status_code, len(fake.identities)) == (302, 0)


async def test_a_name_below_a_text_is_ignored(clock: ManualClock) -> None:
    """A form can't make a group of what is a text already."""
    fake = FakeKratos(clock=clock, identity_schemas={"default": SCHEMA}, two_steps_registration=False)
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    form = {"method": "password", "password": PASSWORD, "traits__user": "ada", "traits__age": "36"}
    await visitor.send_form(flow, **form, traits__user__first="Ada")

    assert fake.identities[0].traits["user"] == "ada"


async def test_providers_are_offered_first(clock: ManualClock) -> None:
    """Buttons of providers stand above the form."""
    fake = FakeKratos(clock=clock, oidc_providers=(OidcProvider("mini"),))
    assert names_in(await Visitor(fake).flow("registration"))[0] == "provider"
