"""Flows that need the clock, the faults or the provider of the embedded Kratos."""

import pytest

from ory_guard.testing import Fault

from .deployment import PASSWORD, Deployment
from .visitor import Visitor

pytestmark = pytest.mark.anyio

EMAIL = "ada@example.test"


async def test_transfer_requires_a_recent_sign_in(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register(EMAIL)
    deployment.wait(61)
    await visitor.open("/transfer")
    assert visitor.page.title == "Sign-in confirmation · Postern"
    await visitor.press("method=password", password=PASSWORD)
    assert visitor.path == "/transfer"
    deployment.wait(61)
    await visitor.press("Send", recipient="Grace", amount="12.50")
    assert visitor.page.title == "Sign-in confirmation · Postern"
    await visitor.press("method=password", password=PASSWORD)
    assert visitor.path == "/transfer"

    await visitor.press("Send", recipient="Grace", amount="12.50", note="for the <lantern>")

    assert "The transfer was sent." in visitor.page.text
    assert "Grace for the <lantern> 12.50" in visitor.page.text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"recipient": " ", "amount": "1"}, "Enter a recipient."),
        ({"recipient": "x" * 81, "amount": "1"}, "at most 80 characters"),
        ({"recipient": "Grace", "amount": "NaN"}, "Enter an amount in euros"),
        ({"recipient": "Grace", "amount": "-1"}, "Enter an amount in euros"),
        ({"recipient": "Grace", "amount": "٣"}, "Enter an amount in euros"),
        ({"recipient": "Grace", "amount": "0"}, "must be greater than 0"),
        ({"recipient": "Grace", "amount": "10000,01"}, "at most 10000"),
        ({"recipient": "Grace", "amount": "1", "note": "x" * 141}, "at most 140 characters"),
    ],
)
async def test_invalid_transfer_is_shown_again_with_an_error(
    visitor: Visitor, typed: dict[str, str], message: str
) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/transfer")

    await visitor.press("Send", **typed)

    assert visitor.status == 422
    assert message in visitor.page.text
    assert ("recipient", typed["recipient"]) in visitor.page.form_with("Send")[0].fields
    assert "Recent transfers" not in visitor.page.text


async def test_expired_flow_is_replaced_with_a_notice_and_keeps_return_to(
    visitor: Visitor, deployment: Deployment
) -> None:
    await visitor.register(EMAIL)
    await visitor.press("Sign out")
    await visitor.open("/me")
    deployment.wait(601)

    await visitor.open(visitor.url)
    assert "The form expired" in visitor.page.text
    await visitor.open(visitor.url)
    assert "The form expired" not in visitor.page.text
    await visitor.sign_in(EMAIL)

    assert visitor.path == "/me"


async def test_provider_signs_up_signs_in_and_is_linked(visitor: Visitor) -> None:
    await visitor.open("/registration")
    await visitor.press("provider=Harbor")
    await visitor.press("Allow", email="grace@example.test")
    await visitor.open("/me")
    assert "grace@example.test" in visitor.page.text
    await visitor.press("Sign out")
    await visitor.open("/vault")
    await visitor.press("provider=Harbor")
    await visitor.press("Allow", email="grace@example.test")
    assert visitor.path == "/settings"
    await visitor.press("Sign out")
    await visitor.register(EMAIL)
    await visitor.open("/settings")

    await visitor.press("link=Harbor")
    await visitor.press("Allow", email="ada@harbor.test")

    assert visitor.path == "/settings"
    assert visitor.page.form_with("unlink=Harbor")


async def test_failed_logout_is_an_error_and_keeps_the_session(visitor: Visitor, deployment: Deployment) -> None:
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


async def test_unavailable_kratos_neither_signs_out_nor_blocks_public_pages(
    visitor: Visitor, deployment: Deployment
) -> None:
    await visitor.register(EMAIL)
    await visitor.open("/login?flow=x")
    deployment.fake.fail(Fault.server_error(), times=100)
    deployment.wait(31)
    responses = {
        path: await visitor.client.get(deployment.app_url + path) for path in ("/", "/me", "/login?flow=x")
    }
    assert {path: response.status_code for path, response in responses.items()} == {
        "/": 200,
        "/me": 503,
        "/login?flow=x": 503,
    }
    assert "Sign-in is temporarily unavailable" in responses["/"].text
    deployment.fake.faults.clear()

    await visitor.open("/me")

    assert visitor.status == 200
