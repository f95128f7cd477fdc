"""What takes time, or a provider: walked with the embedded Kratos alone."""

import pytest

from ory_guard.testing import Fault

from .deployment import PASSWORD, Deployment
from .visitor import Visitor

pytestmark = pytest.mark.anyio

EMAIL = "ada@example.test"


async def test_money_moves_only_soon_after_signing_in(visitor: Visitor, deployment: Deployment) -> None:
    """A minute later the form asks for the password first, and so does sending it; then it is sent."""
    await visitor.register(EMAIL)
    deployment.wait(61)
    await visitor.open("/transfer")
    assert visitor.page.title == "Confirm that it is you · Postern"
    await visitor.press("method=password", password=PASSWORD)
    assert visitor.path == "/transfer"
    deployment.wait(61)
    await visitor.press("Send", recipient="Grace", amount="12.50")
    assert visitor.page.title == "Confirm that it is you · Postern"
    await visitor.press("method=password", password=PASSWORD)
    assert visitor.path == "/transfer"

    await visitor.press("Send", recipient="Grace", amount="12.50", note="for the <lantern>")

    assert "The money is on its way." in visitor.page.text
    assert "Grace for the <lantern> 12.50" in visitor.page.text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"recipient": " ", "amount": "1"}, "Say who gets the money."),
        ({"recipient": "x" * 81, "amount": "1"}, "at most 80 characters"),
        ({"recipient": "Grace", "amount": "NaN"}, "Give an amount in euros"),
        ({"recipient": "Grace", "amount": "-1"}, "Give an amount in euros"),
        ({"recipient": "Grace", "amount": "٣"}, "Give an amount in euros"),
        ({"recipient": "Grace", "amount": "0"}, "has to be above 0"),
        ({"recipient": "Grace", "amount": "10000,01"}, "at most 10000"),
        ({"recipient": "Grace", "amount": "1", "note": "x" * 141}, "at most 140 characters"),
    ],
)
async def test_mistakes_in_a_transfer_are_said_and_nothing_is_sent(
    visitor: Visitor, typed: dict[str, str], message: str
) -> None:
    """A form with a mistake comes back with what was typed and a sentence on what to do."""
    await visitor.register(EMAIL)
    await visitor.open("/transfer")

    await visitor.press("Send", **typed)

    assert visitor.status == 422
    assert message in visitor.page.text
    assert ("recipient", typed["recipient"]) in visitor.page.form_with("Send")[0].fields
    assert "Sent lately" not in visitor.page.text


async def test_an_expired_page_starts_anew_with_a_message_and_the_same_way_on(
    visitor: Visitor, deployment: Deployment
) -> None:
    """Reading an old flow gives a new one, says so once, and still leads to the page that was asked for."""
    await visitor.register(EMAIL)
    await visitor.press("Sign out")
    await visitor.open("/me")
    deployment.wait(601)

    await visitor.open(visitor.url)
    assert "The form had expired" in visitor.page.text
    await visitor.open(visitor.url)
    assert "The form had expired" not in visitor.page.text
    await visitor.sign_in(EMAIL)

    assert visitor.path == "/me"


async def test_an_expired_form_that_is_sent_starts_anew_with_kratos_message(
    visitor: Visitor, deployment: Deployment
) -> None:
    """Kratos answers an old form with a new flow; it, too, leads to the page that was asked for."""
    await visitor.register(EMAIL)
    await visitor.press("Sign out")
    await visitor.open("/me")
    deployment.wait(601)
    await visitor.sign_in(EMAIL)
    assert visitor.page.messages == [4010001]

    await visitor.sign_in(EMAIL)

    assert visitor.path == "/me"


async def test_a_change_of_what_matters_asks_for_the_password_again(
    visitor: Visitor, deployment: Deployment
) -> None:
    """A new password a quarter of an hour after signing in takes the old one first, and then is saved."""
    await visitor.register(EMAIL)
    deployment.wait(901)
    await visitor.open("/settings")
    await visitor.press("method=password", password="another-lantern-in-fog-8")
    assert visitor.page.title == "Confirm that it is you · Postern"

    await visitor.press("method=password", password=PASSWORD)

    assert visitor.path == "/settings"
    assert visitor.page.messages == [1050001]


async def test_a_provider_signs_up_and_in_and_is_linked(visitor: Visitor) -> None:
    """Somebody comes back from the provider signed in; an account with a password can link it, too."""
    await visitor.open("/registration")
    await visitor.press("provider=Harbour")
    await visitor.press("Allow", email="grace@example.test")
    await visitor.open("/me")
    assert "grace@example.test" in visitor.page.text
    await visitor.press("Sign out")
    await visitor.open("/vault")
    await visitor.press("provider=Harbour")
    await visitor.press("Allow", email="grace@example.test")
    assert visitor.path == "/settings"
    await visitor.press("Sign out")
    await visitor.register(EMAIL)
    await visitor.open("/settings")

    await visitor.press("link=Harbour")
    await visitor.press("Allow", email="ada@harbour.test")

    assert visitor.path == "/settings"
    assert visitor.page.form_with("unlink=Harbour")


async def test_a_refused_consent_leads_back_to_the_form(visitor: Visitor) -> None:
    """Who says no at the provider is back on the page with the reason."""
    await visitor.open("/login")
    await visitor.press("provider=Harbour")

    await visitor.press("Deny")

    assert visitor.path == "/login"
    assert visitor.page.title.startswith("Error: ")


async def test_a_failed_logout_does_not_say_that_it_succeeded(visitor: Visitor, deployment: Deployment) -> None:
    """The response is an error page without a cookie, and the session is alive; a second try ends it."""
    await visitor.register(EMAIL)
    deployment.fake.fail(Fault.server_error(), times=100)

    failed = await visitor.client.post(deployment.app_url + "/logout")

    assert (failed.status_code, "set-cookie" in failed.headers) == (503, False)
    deployment.fake.faults.clear()
    deployment.wait(31)
    assert (await visitor.client.get(deployment.app_url + "/me")).status_code == 200

    done = await visitor.client.post(deployment.app_url + "/logout", follow_redirects=False)
    assert (done.status_code, "signed_out" in str(done.headers.get_list("set-cookie"))) == (303, True)
    assert (await visitor.client.get(deployment.app_url + "/me", follow_redirects=False)).status_code != 200


async def test_kratos_out_of_reach_reads_as_neither_signed_out_nor_broken(
    visitor: Visitor, deployment: Deployment
) -> None:
    """Public pages stay, guarded ones and forms ask to try again, and the session is there afterwards."""
    await visitor.register(EMAIL)
    await visitor.open("/login?flow=x")
    deployment.fake.fail(Fault.server_error(), times=100)
    deployment.wait(31)
    answers = {path: await visitor.client.get(deployment.app_url + path) for path in ("/", "/me", "/login?flow=x")}
    assert {path: answer.status_code for path, answer in answers.items()} == {
        "/": 200,
        "/me": 503,
        "/login?flow=x": 503,
    }
    assert "Signing in can't be reached right now" in answers["/"].text
    deployment.fake.faults.clear()

    await visitor.open("/me")

    assert visitor.status == 200
