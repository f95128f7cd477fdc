"""The pages of flows: errors of Kratos, titles, times, verification without a session, and sections of settings."""

import json
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from example.html_page import Page, parse

from ory_guard.testing import Fault, OidcProvider
from ory_guard.ui.template_environment import time_text

from .mounted_pages import APP_URL, KRATOS_URL, Mounted
from .rendered_flows import Elements

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


SETTINGS = f"{KRATOS_URL}/self-service/settings/browser"


def sections(html: str) -> list[str | None]:
    """Return the ids of the sections, without that of links."""
    return [section["id"] for section in Elements(html).of("section") if "id" in section]


@pytest.mark.parametrize(("path", "name"), [("/vault", "/vault"), ("/", "127.0.0.1:8000"), ("", "127.0.0.1:8000")])
async def test_settings_of_a_required_second_factor_show_nothing_else(path: str, name: str) -> None:
    mounted = Mounted()
    mounted.sign_in()
    url = f"{APP_URL}/vault" if path == "/vault" else f"{SETTINGS}?return_to={APP_URL}{path}"

    required = await mounted.client.get(url)

    assert sections(required.text)[0] == "totp"
    assert not {"profile", "password"} & {*sections(required.text)}
    assert f"{name} requires a second factor, and your account does not have one." in parse(required.text).text
    assert parse(required.text).links["All settings"] == SETTINGS


@pytest.mark.parametrize("query", ["", f"?return_to={quote(f'{APP_URL}/me')}"])
async def test_settings_of_a_visitor_show_all_sections(query: str) -> None:
    """A link to the settings can return to a page that requires no second factor."""
    mounted = Mounted()
    mounted.sign_in()

    settings = await mounted.get(f"/settings{query}")

    assert {"profile", "password", "totp"} <= {*sections(settings.text)}
    assert sections(settings.text)[0] == "profile"
    assert "requires a second factor" not in settings.text


async def test_settings_after_a_recovery_show_the_password_first() -> None:
    """The login, whose link started the recovery, was for a page; the password comes before its requirement."""
    mounted = Mounted()
    mounted.fake.add_identity(EMAIL)
    login = parse((await mounted.get(f"/login?return_to={quote(f'{APP_URL}/vault')}")).text)
    page = parse((await mounted.client.get(login.links["Forgot your password?"])).text)
    page = await press(mounted, page, "method=code", email=EMAIL)
    form, pressed = page.form_with("method=code")
    data = {**dict(form.fields), "code": mounted.fake.messages[0].code, pressed.name: pressed.value}

    settings = await mounted.client.post(form.action, data=data)

    assert sections(settings.text)[0] == "password"
    assert {"profile", "totp"} <= {*sections(settings.text)}
    assert "requires a second factor" not in settings.text
    saved = await press(mounted, parse(settings.text), "method=password", password="another-lantern-in-fog-8")
    assert "/vault requires a second factor, and your account does not have one." in saved.text
