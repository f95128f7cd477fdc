"""The pages of flows: errors of Kratos, titles, times, and a verification without a session."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from example.html_page import Page, parse

from ory_guard.testing import Fault, OidcProvider
from ory_guard.ui.rendering import time_text

from .mounted_pages import KRATOS_URL, Mounted

pytestmark = pytest.mark.anyio

EMAIL = "ada@example.test"


async def press(mounted: Mounted, page: Page, button: str, **values: str) -> Page:
    """Fill in fields of a page, press a button, and return the next page."""
    form, pressed = page.form_with(button)
    assert values.keys() <= dict(form.fields).keys()
    data = {**dict(form.fields), **values, pressed.name: pressed.value}
    return parse((await mounted.client.post(form.action, data=data)).text)


@pytest.mark.parametrize("status", [400, 422])
async def test_error_of_kratos_is_a_page_and_no_new_flow(status: int) -> None:
    """A new flow would have the same error, so that the browser would be redirected forever."""
    mounted = Mounted()
    mounted.fake.fail(Fault(status=status), times=10)

    response = await mounted.get("/login?flow=1")

    assert response.status_code == status
    assert "The request is invalid." in response.text


async def test_form_with_an_unknown_address_is_explained_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    mounted = Mounted(settings={"kratos_browser_url": "http://localhost:4433"})
    await mounted.client.get(f"{KRATOS_URL}/self-service/login/browser")

    response = await mounted.client.get(f"{KRATOS_URL}/self-service/login/browser")

    (record,) = [record for record in caplog.records if record.msg.startswith("ui.unknown_action")]
    assert "submitted to an unknown address" in response.text
    assert f"action='{KRATOS_URL}/self-service/login' kratos=http://localhost:4433:" in record.getMessage()


async def test_address_can_be_verified_in_another_browser() -> None:
    mounted = Mounted()
    mounted.fake.add_identity(EMAIL)
    page = parse((await mounted.get("/verification")).text)
    page = await press(mounted, page, "method=code", email=EMAIL)

    page = await press(mounted, page, "method=code", code=mounted.fake.messages[0].code)

    assert page.messages == [1080002]


@pytest.mark.parametrize("version", ["v1.3.1", "v25.4.0", "v26.2.0"])
async def test_registration_with_a_provider_that_lacks_a_trait_ends(version: str) -> None:
    """The traits are in the group of the provider before v25.4.0, then in the default group."""
    traits = {
        "email": {"type": "string", "ory.sh/kratos": {"credentials": {"password": {"identifier": True}}}},
        "city": {"type": "string", "minLength": 2},
    }
    schema = {"type": "object", "properties": traits, "required": ["email", "city"]}
    fake = {
        "version": version,
        "identity_schemas": {"default": {"type": "object", "properties": {"traits": schema}}},
        "oidc_providers": (OidcProvider("Harbor", client_id="x"),),
    }
    mounted = Mounted(fake=fake)
    page = parse((await mounted.get("/registration")).text)

    for typed in ({}, {"traits.city": "x"}, {"traits.city": "Bremen"}):
        page = await press(mounted, page, "provider=Harbor", **typed)
        page = await press(mounted, page, "Allow", email=EMAIL)

    (identity,) = mounted.fake.identities
    assert identity.traits == {"email": EMAIL, "city": "Bremen"}


async def test_provider_with_the_address_of_another_account_leads_to_linking() -> None:
    mounted = Mounted()
    flow = (await mounted.get("/login")).url.params["flow"]
    read = await mounted.client.get(f"{KRATOS_URL}/self-service/login/flows", params={"id": flow})
    body = read.json()
    body["ui"]["messages"] = [{"id": 1010016, "text": "Link it", "type": "info", "context": {}}]
    mounted.fake.fail(Fault(body=json.dumps(body).encode()))

    response = await mounted.get(f"/login?flow={flow}")

    assert parse(response.text).title == "Link your account · 127.0.0.1"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC), "2026-07-01 12:00:05 UTC"),
        (datetime(2026, 7, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2026-06-30 23:00:00 UTC"),
    ],
)
def test_times_are_utc(moment: datetime | None, text: str | None) -> None:
    shown = time_text(moment)

    assert (shown and shown.striptags()) == text
    assert text is None or str(text).replace(" UTC", "Z").replace(" ", "T") in str(shown)
