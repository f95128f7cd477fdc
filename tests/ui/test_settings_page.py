"""Which sections the settings page shows: all, or what was required; and which is the first."""

from urllib.parse import quote

import pytest
from example.html_page import parse

from .mounted_pages import APP_URL, KRATOS_URL, Mounted
from .rendered_flows import Elements
from .test_flow_pages import press

pytestmark = pytest.mark.anyio

EMAIL = "ada@example.test"
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
