"""Recovery and verification beyond what was recorded."""

import pytest
from visitor import HTML, Visitor, messages_in, names_in

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def ada(fake: FakeKratos) -> Identity:
    """Somebody with an address."""
    return fake.add_identity("ada@example.test")


@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_nothing_happens_without_a_method(fake: FakeKratos, name: str) -> None:
    """A form without method and fields comes back."""
    visitor = Visitor(fake)
    answer = await visitor.submit(await visitor.flow(name))

    expected = 4010005 if name == "recovery" else 4010006
    assert (answer.status_code, messages_in(answer.json())) == (400, [expected])


@pytest.mark.parametrize("email", [None, "", 5, ["ada@example.test"]], ids=repr)
async def test_an_address_is_needed(fake: FakeKratos, email: object) -> None:
    """The field says what is missing."""
    visitor = Visitor(fake)
    answer = await visitor.submit(await visitor.flow("recovery"), method="code", email=email)

    assert messages_in(answer.json()) == [4000002]


async def test_a_code_is_needed_once_one_was_sent(fake: FakeKratos, ada: Identity) -> None:
    """The second form asks for the code."""
    visitor = Visitor(fake)
    flow = await visitor.flow("recovery")
    await visitor.submit(flow, method="code", email="Ada@Example.test ")
    answer = await visitor.submit(flow, method="code")

    assert (answer.status_code, messages_in(answer.json())) == (400, [4000002])


async def test_an_unknown_address_looks_like_a_known_one(fake: FakeKratos, ada: Identity) -> None:
    """Nobody learns from the form whether an address belongs to an account."""
    forms = []
    for email in ("ada@example.test", "nobody@example.test"):
        visitor = Visitor(fake)
        answer = await visitor.submit(await visitor.flow("recovery"), method="code", email=email)
        forms.append((answer.status_code, names_in(answer.json()), messages_in(answer.json())))

    assert forms[0] == forms[1]
    assert [one.recipient for one in fake.messages] == ["ada@example.test"]


async def test_a_code_works_once_and_in_time(fake: FakeKratos, clock: ManualClock, ada: Identity) -> None:
    """A code that was used, or is too old, is a wrong one."""
    visitor = Visitor(fake)
    flow = await visitor.flow("verification")
    await visitor.submit(flow, method="code", email="ada@example.test")
    first = await visitor.submit(flow, method="code", code=fake.messages[0].code)
    await visitor.submit(flow, method="code", email="ada@example.test")
    clock.advance(3599)
    fake._server.store.flows[flow["id"]].internal["code_expires_at"] = 0
    late = await visitor.submit(flow, method="code", code=fake.messages[0].code)

    assert (first.json()["state"], late.json()["state"]) == ("passed_challenge", "sent_email")
    assert messages_in(late.json()) == [4070006]


async def test_a_recovery_verifies_the_address_that_got_the_code(fake: FakeKratos, ada: Identity) -> None:
    """Who read the e-mail owns the address; one that was verified before keeps its time."""
    visitor = Visitor(fake)
    times = []
    for _ in range(2):
        visitor.client.cookies.clear()
        flow = await visitor.flow("recovery")
        await visitor.submit(flow, method="code", email="ada@example.test")
        await visitor.submit(flow, method="code", code=fake.messages[0].code)
        fake.clock.advance(60)
        (address,) = (await visitor.whoami()).json()["identity"]["verifiable_addresses"]
        times.append((address["verified"], address["verified_at"]))

    assert times == [(True, times[0][1])] * 2


async def test_a_deleted_account_is_not_recovered(fake: FakeKratos, ada: Identity) -> None:
    """A code outlives nobody."""
    visitor = Visitor(fake)
    flow = await visitor.flow("recovery")
    await visitor.submit(flow, method="code", email="ada@example.test")
    fake.delete_identity(ada)
    answer = await visitor.submit(flow, method="code", code=fake.messages[0].code)

    assert messages_in(answer.json()) == [4060006]


async def test_a_recovered_account_gets_a_new_password(fake: FakeKratos, ada: Identity) -> None:
    """Recovery leads to settings that may be changed at once."""
    visitor = Visitor(fake)
    flow = await visitor.flow("recovery")
    await visitor.submit(flow, method="code", email="ada@example.test")
    done = await visitor.submit(flow, method="code", code=fake.messages[0].code)
    settings = await visitor.read(done.json()["continue_with"][0]["flow"], "settings")
    answer = await visitor.submit(settings.json(), method="password", password="a-new-password-1")

    assert messages_in(settings.json()) == [1060001]
    assert (answer.status_code, ada.credentials.password) == (200, "a-new-password-1")
    assert (await visitor.whoami()).json()["authentication_methods"][0]["method"] == "code_recovery"


async def test_somebody_signed_in_has_nothing_to_recover(fake: FakeKratos, ada: Identity) -> None:
    """The browser is sent on."""
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(ada).cookies)

    assert (await visitor.begin("recovery", HTML)).headers["location"] == "http://127.0.0.1:4455/welcome"


@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_an_expired_form_leads_to_a_new_one(fake: FakeKratos, clock: ManualClock, name: str) -> None:
    """A script gets the id of the flow that takes its place."""
    visitor = Visitor(fake)
    flow = await visitor.flow(name)
    clock.advance(3601)
    answer = await visitor.submit(flow, method="code", email="ada@example.test")

    assert (answer.status_code, "use_flow_id" in answer.json()) == (410, True)


async def test_a_verification_of_an_address_that_nobody_has_sends_nothing(fake: FakeKratos, ada: Identity) -> None:
    """Codes go to known addresses only."""
    app = Visitor(fake, app=True)
    flow = await app.flow("verification")
    answer = await app.submit(flow, method="code", email="nobody@example.test")
    guess = await app.submit(flow, method="code", code="123456")

    assert (answer.json()["state"], fake.messages) == ("sent_email", ())
    assert messages_in(guess.json()) == [4070006]


async def test_messages_are_handed_out_as_they_are_sent(clock: ManualClock) -> None:
    """A command that serves the fake prints the codes."""
    seen: list[str] = []
    fake = FakeKratos(clock=clock, on_message=lambda message: seen.append(message.code))
    fake.add_identity("ada@example.test")
    visitor = Visitor(fake)
    await visitor.submit(await visitor.flow("recovery"), method="code", email="ada@example.test")

    assert seen == [fake.messages[0].code]
    assert seen[0] in fake.messages[0].body
